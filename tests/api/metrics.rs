//! What an operator's Prometheus reads.

use reqwest::Method;
use serde_json::json;

use crate::harness::{DEMO, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_batches_are_counted_and_nothing_private_is_shown() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let body = json!({"licKey": key, "fingerprint": "metrics-device"});
    shop.post(0, DEMO, "/api/licences/activate", &body).await.expect(201);
    let second = json!({"licKey": key, "fingerprint": "another-device"});
    shop.post(0, DEMO, "/api/licences/activate", &second).await.expect(409);
    shop.send(0, Method::from_bytes(b"INVENTED").unwrap(), DEMO, "/api/x/y", &[], None).await.expect(404);
    let answer = shop.send(0, Method::GET, "any.host", "/metrics", &[], None).await.expect(200);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let lines: Vec<&str> = answer.text.lines().collect();
    let with = |parts: &[&str]| {
        lines.iter().find(|line| parts.iter().all(|part| line.contains(part))).copied().unwrap_or_default()
    };
    let activated =
        ["http_requests_total", "method=\"POST\"", "route=\"/api/licences/activate\"", "status=\"201\""];
    assert!(with(&activated).ends_with(" 1"), "{}", answer.text);
    assert!(
        with(&["http_requests_total", "method=\"other\"", "status=\"404\""]).ends_with(" 1"),
        "{}",
        answer.text
    );
    assert!(
        with(&["http_request_duration_seconds_bucket", "/api/licences/activate", "+Inf"]).ends_with(" 2")
    );
    assert!(with(&["activation_refusals_total", "max_activations"]).ends_with(" 1"));
    for name in [
        "batch_size_bucket",
        "batch_commit_seconds_count",
        "database_connections_open",
        "http_requests_in_flight 1",
    ] {
        assert!(!with(&[name]).is_empty(), "{name}: {}", answer.text);
    }
    for private in [key.as_str(), buyer.email.as_str(), "metrics-device", "demo"] {
        assert!(!answer.text.contains(private), "{private}");
    }
}
