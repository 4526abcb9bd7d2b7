//! The spans of a trace: HTTP, actor, batch, SQL. If traces are not exported, their level is off and no span is made.
//!
//! Their fields are ids, names and sizes, never an address, a key, a token or another secret.

use tracing::Span;

/// The target of every span that belongs to a trace. The batch's is of level INFO, and so shows in logs too; so does the
/// actor's, where it is made. The others are of level DEBUG.
pub const TARGET: &str = "primetech::trace";

/// The last part of a type's name, to name actors and messages by.
pub fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// Of asking an actor: from the message's sending to its answer. Where there are no traces, the span that the caller is
/// in, so that what the actor logs bears the request's id.
pub fn of_message<A, M>() -> Span {
    if !tracing::span_enabled!(target: TARGET, tracing::Level::DEBUG) {
        return Span::current();
    }
    // Of level INFO all the same: a log line finds the request's span through it.
    tracing::info_span!(
        target: TARGET,
        "actor",
        otel.name = format!("{} {}", short_name::<A>(), short_name::<M>()),
        actor = short_name::<A>(),
        message = short_name::<M>(),
        batch = tracing::field::Empty,
    )
}
