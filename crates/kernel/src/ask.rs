//! Sends a message to an actor and awaits the answer. A lost answer means an unknown outcome.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::fault::Fault;
use crate::trace;

/// The handling of a message within its sender's span. Each actor says with [`carry_spans`] that it takes such.
pub struct Carried<A: Actor>(Handling<A>);

type Handling<A> = Box<dyn FnOnce(&mut A, &mut <A as Actor>::Context) -> ResponseFuture<()> + Send>;

impl<A: Actor> Carried<A> {
    pub fn handle(self, actor: &mut A, context: &mut A::Context) -> ResponseFuture<()> {
        (self.0)(actor, context)
    }
}

impl<A: Actor> Message for Carried<A> {
    type Result = ();
}

/// Lets an actor handle its messages within their senders' spans: what it does then shows in their traces, and what it
/// logs bears their ids.
#[macro_export]
macro_rules! carry_spans {
    ($actor:ty) => {
        impl ::actix::Handler<$crate::ask::Carried<Self>> for $actor {
            type Result = ::actix::ResponseFuture<()>;

            fn handle(
                &mut self,
                carried: $crate::ask::Carried<Self>,
                context: &mut Self::Context,
            ) -> Self::Result {
                carried.handle(self, context)
            }
        }
    };
}
pub use carry_spans;

/// Sends `message` and awaits the answer.
///
/// A closed mailbox is [`Fault::OutcomeUnknown`]: the actor may have done the work before it went. An actor that goes on
/// and does not answer has panicked over this message alone.
pub async fn ask<A, M, T, E>(actor: &Addr<A>, message: M) -> Result<T, E>
where
    A: Actor + Handler<M, Result = ResponseFuture<Result<T, E>>> + Handler<Carried<A>>,
    A::Context: ToEnvelope<A, Carried<A>>,
    M: Message<Result = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<Fault> + Send + 'static,
{
    let span = trace::of_message::<A, M>();
    let (answer, answered) = oneshot::channel();
    let within = span.clone();
    let carried = Carried(Box::new(move |actor: &mut A, context: &mut A::Context| {
        let handled = within.in_scope(|| Handler::<M>::handle(actor, message, context));
        let answered = async move {
            // The caller may have gone; the work is done all the same.
            let _gone = answer.send(handled.await);
        };
        Box::pin(answered.instrument(within)) as ResponseFuture<()>
    }));
    match actor.send(carried).instrument(span).await {
        Ok(()) => answered.await.unwrap_or_else(|_| Err(Fault::OutcomeUnknown.into())),
        Err(_) if actor.connected() => Err(Fault::internal("a panic while working on a message").into()),
        Err(_) => Err(Fault::OutcomeUnknown.into()),
    }
}
