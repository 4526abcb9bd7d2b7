//! An instance of the application without its listener: requests are handed to the service that a connection would
//! hand them to, on a thread with an actix system and actors of its own, as a process has them.

use std::net::SocketAddr;

use actix_http::body::to_bytes;
use actix_service::{Service, ServiceFactory};
use actix_web::dev::AppConfig;
use actix_web::rt::{System, spawn};
use actix_web::test::TestRequest;
use primetech::app::{self, Application, Options};
use primetech::config::Config;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// A request, as much of one as is needed here.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    pub host: String,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub cookie: Option<String>,
    pub is_replayed: bool,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> String {
        let code = &self.json()["error"]["code"];
        format!("{} {}", self.status, code.as_str().unwrap_or("without a code"))
    }
}

type Call = (Request, oneshot::Sender<Answer>);

pub struct Instance {
    calls: Option<mpsc::UnboundedSender<Call>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Instance {
    pub fn start(config: Config) -> Self {
        let (calls, mut called) = mpsc::unbounded_channel::<Call>();
        let thread = std::thread::spawn(move || {
            System::new().block_on(async move {
                // It binds a port, and is never run: neither is the courier, so that what is to be sent can be counted.
                let options = Options { threads: Some(1), ..Options::default() };
                let application = Application::build(config, options).unwrap();
                let factory = app::service(application.state());
                let service = std::rc::Rc::new(factory.new_service(AppConfig::default()).await.unwrap());
                while let Some((request, answered)) = called.recv().await {
                    let service = std::rc::Rc::clone(&service);
                    spawn(async move {
                        let response = service.call(to_http(&request)).await.unwrap();
                        let header = |name: &str| {
                            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
                        };
                        let cookie = header("set-cookie").map(|it| it.split(';').next().unwrap().to_owned());
                        let is_replayed = header("idempotency-replayed").is_some();
                        let status = response.status().as_u16();
                        let bytes = to_bytes(response.into_body()).await.unwrap();
                        let text = String::from_utf8(bytes.to_vec()).unwrap();
                        // Nobody waits any more where another history of the test failed.
                        let _gone = answered.send(Answer { status, cookie, is_replayed, text });
                    });
                }
            });
        });
        Self { calls: Some(calls), thread: Some(thread) }
    }

    pub async fn call(&self, request: Request) -> Result<Answer, String> {
        let (answered, answer) = oneshot::channel();
        let what = format!("{} {}", request.method, request.path);
        let sent = self.calls.as_ref().is_some_and(|calls| calls.send((request, answered)).is_ok());
        if !sent {
            return Err(format!("{what}: the instance has ended"));
        }
        answer.await.map_err(|_| format!("{what}: no answer"))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("an instance did not end well");
        }
    }
}

fn to_http(request: &Request) -> actix_http::Request {
    let mut test = TestRequest::with_uri(&request.path)
        .method(request.method.as_str().parse().unwrap())
        .peer_addr(SocketAddr::from(([127, 0, 0, 1], 40_000)))
        .insert_header(("host", request.host.as_str()));
    for (name, value) in &request.headers {
        test = test.insert_header((*name, value.as_str()));
    }
    if request.method != Method::GET {
        test = test.insert_header(("content-type", "application/json")).set_payload(request.body.clone());
    }
    test.to_request()
}
