//! A webhook endpoint for tests: keeps what comes, and answers as it is told.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use primetech_stripe::signature;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::watch;

use crate::world::WEBHOOK_SECRET;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn id(&self) -> String {
        self.event()["id"].as_str().unwrap().to_owned()
    }

    pub fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    pub fn signature(&self) -> &str {
        self.headers["stripe-signature"].to_str().unwrap()
    }

    /// When it was signed, by the header's word.
    pub fn signed_at(&self) -> DateTime<Utc> {
        let seconds = self.signature().strip_prefix("t=").unwrap().split_once(',').unwrap().0;
        DateTime::from_timestamp(seconds.parse().unwrap(), 0).unwrap()
    }

    pub fn verify(&self) {
        let secrets = [SecretString::from(WEBHOOK_SECRET)];
        signature::verify(self.signature(), &self.body, &secrets, self.signed_at()).unwrap();
    }
}

type Answers = Arc<Mutex<Box<dyn FnMut(&Received) -> u16 + Send>>>;

pub struct Receiver {
    pub url: String,
    received: watch::Receiver<Vec<Received>>,
    answers: Answers,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/webhooks/stripe", listener.local_addr().unwrap());
        let (sender, received) = watch::channel(Vec::new());
        let sender = Arc::new(sender);
        let answers: Answers = Arc::new(Mutex::new(Box::new(|_| 200)));
        let shared_answers = Arc::clone(&answers);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sender = Arc::clone(&sender);
                let answers = Arc::clone(&shared_answers);
                let service =
                    service_fn(move |request| receive(request, Arc::clone(&sender), Arc::clone(&answers)));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, received, answers }
    }

    /// The status for each delivery from now on.
    pub fn answer_with(&self, answer: impl FnMut(&Received) -> u16 + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answer);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.borrow().clone()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.received().iter().map(Received::kind).collect()
    }

    pub async fn wait_until(&self, what: &str, condition: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut received = self.received.clone();
        let waited = tokio::time::timeout(PATIENCE, received.wait_for(|all| condition(all))).await;
        match waited {
            Ok(all) => all.unwrap().clone(),
            Err(_) => panic!("{what} did not come; received: {:?}", self.kinds()),
        }
    }

    pub async fn wait_for_kind(&self, kind: &str) -> Received {
        let all = self.wait_until(kind, |all| all.iter().any(|one| one.kind() == kind)).await;
        all.into_iter().find(|one| one.kind() == kind).unwrap()
    }
}

async fn receive(
    request: Request<Incoming>,
    sender: Arc<watch::Sender<Vec<Received>>>,
    answers: Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let received = Received { headers: head.headers, body };
    let status = answers.lock().unwrap()(&received);
    sender.send_modify(|all| all.push(received));
    Ok(Response::builder().status(status).body(Full::new(Bytes::from("{\"received\": true}"))).unwrap())
}
