//! Traces arrive at a collector as what really happened, hold nothing private, and never cost a request anything.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Held;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{DEMO, PASSWORD, Shop, event, until};
use crate::serving::Process;

const CLIENT: i32 = 3;
const SERVER: i32 = 2;

/// A collector: takes OTLP as protobuf over HTTP.
struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let service = service_fn(move |request| take(request, Arc::clone(&kept)));
                    let server = hyper::server::conn::http1::Builder::new();
                    // The process may go away in between.
                    let _ended = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { endpoint, spans }
    }
}

async fn take(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Span>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in sent.resource_spans {
        let service = attributes(&resource.resource.unwrap().attributes)["service.name"].clone();
        assert_eq!(service, "primetech");
        kept.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    Ok(Response::new(Full::new(answer.into())))
}

fn attributes(given: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> HashMap<String, String> {
    let text = |held: &Held| match held {
        Held::StringValue(text) => text.clone(),
        Held::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |given: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        given.value.as_ref().and_then(|value| value.value.as_ref()).map(text).unwrap_or_default()
    };
    given.iter().map(|given| (given.key.clone(), value(given))).collect()
}

/// The spans that arrived, to be walked through.
struct Tree(Vec<Span>);

impl Tree {
    fn of_request(&self, id: &str) -> &Span {
        let is_it = |span: &&Span| {
            span.kind == SERVER && attributes(&span.attributes).get("request_id").is_some_and(|it| it == id)
        };
        self.0.iter().find(is_it).unwrap_or_else(|| panic!("no span of {id}: {}", self.names()))
    }

    fn children(&self, parent: &Span) -> Vec<&Span> {
        let is_child =
            |span: &&Span| span.parent_span_id == parent.span_id && span.trace_id == parent.trace_id;
        self.0.iter().filter(is_child).collect()
    }

    fn child(&self, parent: &Span, name: &str) -> &Span {
        let found = self.children(parent).into_iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("{} has no {name}: {}", parent.name, self.names()))
    }

    fn names(&self) -> String {
        self.0.iter().map(|span| span.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_from_http_through_actor_and_batch_to_sql() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let collector = Collector::start().await;
    let changes = [
        ("NODE_ENV", "production"),
        ("STRIPE_API_BASE", ""),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
    ];
    let process = Process::start(&shop, &changes).await;

    let activation = json!({"licKey": key, "fingerprint": "fingerprint-of-a-device"}).to_string();
    let headers = [
        ("x-request-id", "traced-activation"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("cookie", buyer.cookie.as_str()),
    ];
    let path = "/api/licences/activate";
    process.send(Method::POST, DEMO, path, &headers, Some(activation.clone())).await.expect(201);
    let login = json!({"email": buyer.email, "password": PASSWORD}).to_string();
    process.send(Method::POST, DEMO, "/api/auth/login", &[], Some(login)).await.expect(200);
    process
        .send(Method::GET, DEMO, "/api/licences", &[("cookie", buyer.cookie.as_str())], None)
        .await
        .expect(200);

    // Validations that wait together become one batch: nothing of the licence can be read meanwhile.
    let mut transaction = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE licences IN ACCESS EXCLUSIVE MODE").execute(&mut *transaction).await.unwrap();
    let validate = async |number: usize| {
        let id = format!("validation-{number}");
        let headers = [("x-request-id", id.as_str())];
        process
            .send(Method::POST, DEMO, "/api/licences/validate", &headers, Some(activation.clone()))
            .await
            .expect(200);
    };
    let oldest = "batch_queue_oldest_seconds{actor=\"licence.validations\"}";
    let is_under_way = async || process.figure(oldest).await.unwrap_or_default() > 0.0;
    let others = async {
        until("the first is under way", is_under_way).await;
        join_all((1..20).map(validate)).await;
    };
    let release = async {
        let waiting = "batch_queue_depth{actor=\"licence.validations\"}";
        until("the others wait", async || process.figure(waiting).await == Some(19.0)).await;
        assert!(is_under_way().await);
        transaction.commit().await.unwrap();
    };
    tokio::join!(validate(0), others, release);
    until("all are answered", async || process.figure(oldest).await == Some(0.0)).await;

    let hopeless = event("checkout.session.completed", json!({"payment_status": "unpaid"}));
    shop.deliver_to(&process, &hopeless).await.expect(200);

    let (status, log) = process.terminate(Duration::from_secs(30)).await;
    assert!(status.success(), "{status}: {}", log.join("\n"));
    let tree = Tree(collector.spans.lock().unwrap().clone());

    let http = tree.of_request("traced-activation");
    assert_eq!(hex(&http.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736", "part of the caller's trace");
    assert_eq!(hex(&http.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(http.name, "POST /api/licences/activate");
    let told = attributes(&http.attributes);
    assert_eq!((told["tenant"].as_str(), told["http.route"].as_str()), ("demo", path));
    assert_eq!(told["http.response.status_code"], "201");
    let actor = tree.child(http, "LicenceActor Activate");
    let batch = tree.child(actor, "licence.commands");
    let (of_actor, of_batch) = (attributes(&actor.attributes), attributes(&batch.attributes));
    assert_eq!((of_batch["size"].as_str(), of_batch["actor"].as_str()), ("1", "licence.commands"));
    assert_eq!(of_actor["batch"], of_batch["batch"]);
    tree.child(batch, "begin");
    tree.child(batch, "commit");
    let statement = tree.child(batch, "INSERT activations");
    assert_eq!(statement.kind, CLIENT);
    let text = attributes(&statement.attributes)["db.query.text"].clone();
    assert!(text.contains("INSERT INTO activations") && text.contains("$1"), "{text}");
    assert!(batch.start_time_unix_nano <= statement.start_time_unix_nano);
    assert!(statement.end_time_unix_nano <= batch.end_time_unix_nano);

    let shared: Vec<&Span> =
        tree.0.iter().filter(|span| span.name == "licence.validations" && !span.links.is_empty()).collect();
    assert!(!shared.is_empty(), "a batch of several");
    let mut followed = 0;
    for batch in shared {
        let told = attributes(&batch.attributes);
        assert_eq!(told["size"], (batch.links.len() + 1).to_string());
        for link in &batch.links {
            let actor = tree.0.iter().find(|span| span.span_id == link.span_id).unwrap();
            let http = tree.0.iter().find(|span| span.span_id == actor.parent_span_id).unwrap();
            assert_eq!(attributes(&actor.attributes)["batch"], told["batch"]);
            assert!(attributes(&http.attributes)["request_id"].starts_with("validation-"));
            followed += 1;
        }
    }
    assert_eq!(followed, 18, "one made the first batch, one the second's span");

    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let span_of = |line: &Value, name: &str| {
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        spans.into_iter().find(|span| span["name"] == name).unwrap_or(Value::Null)
    };
    let answered = lines.iter().find(|line| span_of(line, "request")["id"] == "traced-activation");
    let answered = answered.unwrap_or_else(|| panic!("{}", log.join("\n")));
    let request = span_of(answered, "request");
    assert_eq!((&request["tenant"], &request["route"]), (&json!("demo"), &json!(path)), "{answered}");
    let failed = lines.iter().find(|line| line["message"] == "a provider event can never succeed");
    let failed = failed.unwrap_or_else(|| panic!("{}", log.join("\n")));
    let batch = span_of(failed, "batch");
    assert_eq!((&batch["actor"], &batch["size"]), (&json!("webhook.events"), &json!(1)), "{failed}");
    assert!(span_of(failed, "request")["id"].is_string(), "{failed}");

    let everything = format!("{:?}\n{}", tree.0, log.join("\n"));
    let cookie = buyer.cookie.split_once('=').unwrap().1;
    for private in [
        key.as_str(),
        buyer.email.as_str(),
        cookie,
        PASSWORD,
        "fingerprint-of-a-device",
        "whsec_",
        "sk_test",
        "a secret for tests",
    ] {
        assert!(!everything.contains(private), "{private}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks for something that makes spans, a number of times, and tells how long the slowest took.
async fn slowest_of(process: &Process, times: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let begun = Instant::now();
        process.send(Method::GET, DEMO, "/api/auth/me", &[], None).await.expect(401);
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_or_is_away_costs_no_request_anything() {
    let shop = Shop::open().await;
    // Takes connections and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let away = "http://127.0.0.1:1";
    for endpoint in [endpoint.as_str(), away] {
        let process = Process::start(&shop, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).await;
        let lost = async || process.figure("trace_exports_total{outcome=\"lost\"}").await.unwrap_or_default();
        // The first batch is given up after three seconds; whoever waited for that would take as long.
        until("spans are given up", async || {
            assert!(slowest_of(&process, 20).await < Duration::from_secs(2));
            lost().await > 0.0
        })
        .await;
        let (status, log) = process.terminate(Duration::from_secs(20)).await;
        assert!(status.success(), "{status}: {}", log.join("\n"));
        let complaints = log.iter().filter(|line| line.contains("the collector takes no traces")).count();
        assert_eq!(complaints, 1, "one line an outage: {}", log.join("\n"));
    }
}
