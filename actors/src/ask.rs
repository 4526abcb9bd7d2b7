//! Sending a message to an actor and awaiting its answer, with the truth about what a lost answer means.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

use crate::fault::Fault;

/// Sends `message` and awaits the answer.
///
/// A closed mailbox is [`Fault::OutcomeUnknown`]: the actor may have done the work before it went. An actor that goes on
/// and does not answer has panicked over this message alone.
pub async fn ask<A, M, T, E>(actor: &Addr<A>, message: M) -> Result<T, E>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<Fault> + Send + 'static,
{
    match actor.send(message).await {
        Ok(answer) => answer,
        Err(_) if actor.connected() => Err(Fault::internal("a panic while working on a message").into()),
        Err(_) => Err(Fault::OutcomeUnknown.into()),
    }
}
