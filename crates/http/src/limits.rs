//! The limits of every request, each with its reason. Tests build an application with smaller ones.

use std::time::Duration;

/// Limits of the HTTP edge.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A JSON body. The largest that a call needs is some 10 KiB (a checkout of 50 items).
    pub json_body: usize,
    /// A webhook's body, which is signed and so taken as it is. Stripe's events are far smaller.
    pub raw_body: usize,
    /// How long a body may take to arrive.
    pub body_arrival: Duration,
    /// The whole request, from its head to the head of its answer.
    pub request: Duration,
    /// The head of a request, from its connection's first byte.
    pub request_head: Duration,
    /// An idle connection.
    pub keep_alive: Duration,
    /// A client that takes nothing of its answer.
    pub answer_taken: Duration,
    /// A client that does not take the end of its connection, or still sends what was refused.
    pub disconnect: Duration,
    /// How long `/ready` says no before connections are refused, so that a load balancer can turn away first.
    pub shutdown_notice: Duration,
    /// How long requests may go on after that.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_body: 64 * 1024,
            raw_body: 1024 * 1024,
            body_arrival: Duration::from_secs(10),
            request: Duration::from_secs(30),
            request_head: Duration::from_secs(5),
            // Longer than the 60 s after which common proxies drop their side: they must not reuse a closing one.
            keep_alive: Duration::from_secs(75),
            // A phone in a tunnel comes back within that.
            answer_taken: Duration::from_secs(30),
            disconnect: Duration::from_secs(2),
            shutdown_notice: Duration::from_millis(500),
            // With the notice before and the outbox after it, all is over within ten seconds.
            shutdown: Duration::from_secs(7),
        }
    }
}
