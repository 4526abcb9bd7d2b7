//! Handles the rest of a body when the answer is ready before the body was read.
//!
//! The HTTP library decides what to do with it when the answer leaves. It reads a body of declared length for a while
//! and closes. It reads a chunked body to its end, to use the connection again, for as long as the client makes that
//! last; but only if the body's reader was dropped. So this layer holds the reader until the answer is sent; then
//! both kinds are read for a while and closed.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::{Request, Response};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// A request's body, shared by who reads it and who holds it.
#[derive(Clone)]
pub(super) struct Held(Rc<RefCell<Payload>>);

impl Held {
    /// Goes with the answer, and is let go of when all of that has been handed over.
    pub fn until_sent(self, answer: Response<BoxBody>) -> Response<BoxBody> {
        answer.map_body(|_, body| BoxBody::new(Holding { body, _request: self }))
    }
}

struct Holding {
    body: BoxBody,
    _request: Held,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// Takes hold of the body, which is read from the request as before. None where there is none.
pub(super) fn hold(request: &mut Request) -> Option<Held> {
    match request.take_payload() {
        Payload::None => None,
        payload => {
            let held = Held(Rc::new(RefCell::new(payload)));
            *request.payload() = Payload::Stream { payload: Box::pin(held.clone()) };
            Some(held)
        }
    }
}
