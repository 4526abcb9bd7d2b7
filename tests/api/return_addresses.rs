//! Where a customer may be sent after a checkout, and what becomes of addresses that clients send.

use std::io::ErrorKind;
use std::net::TcpListener;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, Shop, Visitor, until};

async fn start(
    shop: &Shop,
    visitor: &Visitor,
    success: &str,
    cancel: Option<&str>,
) -> crate::harness::Answer {
    let mut body = json!({"items": [{"sku": "editor", "quantity": 1}], "successUrl": success});
    body["cancelUrl"] = cancel.map_or(Value::Null, Value::from);
    shop.post_as(0, visitor, "/api/checkout/start", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_leads_back_to_the_shop_its_front_end_or_an_allowed_site_only() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for own in [
        "https://demo.test/thanks",
        "http://demo.test:3000/thanks?order=1#top",
        "HTTPS://DEMO.TEST./",
        "https://front.example/thanks",
    ] {
        start(&shop, &buyer, own, Some(own)).await.expect(201);
    }
    let foreign = [
        "https://evil.example/",
        "https://acme.test/",
        "https://demo.test.evil.example/",
        "https://evildemo.test/",
        "https://demo.test@evil.example/",
        "https://demo.test:80@evil.example/",
        "https://evil.example\\@demo.test/",
        "https://evil.example/https://demo.test/",
        "https://evil.example?demo.test",
        "https://evil.example#@demo.test",
        "https:evil.example",
        "//evil.example/",
        "/\\evil.example",
        "https:///evil.example/demo.test",
        "https://evil.example%2f.demo.test/",
        "https://evil.example。demo.test.evil.example/",
        "https://dem\u{43e}.test/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "javascript:alert(document.domain)",
        "JaVaScRiPt://demo.test/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "ftp://demo.test/",
        "https://demo.test\r\nlocation: https://evil.example/",
        "https://demo.test\t.evil.example/",
        "https://demo.test\u{0}.evil.example/",
        "",
    ];
    for foreign in foreign {
        let answer = start(&shop, &buyer, foreign, None).await.expect(400);
        assert_eq!(
            (answer.code().as_str(), answer.faulty_fields()),
            ("VALIDATION_ERROR", vec!["successUrl".to_owned()]),
            "{foreign:?}"
        );
        let both = start(&shop, &buyer, foreign, Some(foreign)).await.expect(400);
        assert_eq!(both.faulty_fields(), ["cancelUrl", "successUrl"], "{foreign:?}");
    }
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 4, "what was refused has left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn return_addresses_reach_the_provider_as_the_client_wrote_them() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for written in [
        "https://demo.test/{CHECKOUT_SESSION_ID}/thanks",
        "https://demo.test/thanks?session={CHECKOUT_SESSION_ID}&next=%2Fcart%20x",
        "https://demo.test/#/thanks/{CHECKOUT_SESSION_ID}",
        "HTTPS://Demo.Test:443/a/../b/./{CHECKOUT_SESSION_ID}?q=\"<'>\"|#é",
        "https://front.example",
    ] {
        let cancel = format!("{written}?cancelled");
        let started = start(&shop, &buyer, written, Some(&cancel)).await.expect(201).json();
        let session = shop.provider_session(&started).await;
        assert_eq!((&session["success_url"], &session["cancel_url"]), (&json!(written), &json!(cancel)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_site_is_one_tenants_and_exactly_that_site() {
    let shop = Shop::open_with(2).await;
    let (buyer, neighbour) = (shop.register(ACME).await, shop.register(DEMO).await);
    shop.allow_origins("acme", &["https://www.example.org", "http://localhost:5173"]).await;
    for allowed in
        ["https://www.example.org/thanks", "https://www.example.org:443/", "http://localhost:5173/x"]
    {
        start(&shop, &buyer, allowed, None).await.expect(201);
        assert_eq!(start(&shop, &neighbour, allowed, None).await.expect(400).faulty_fields(), ["successUrl"]);
    }
    for other in [
        "http://www.example.org/",
        "https://www.example.org:8443/",
        "https://example.org/",
        "http://localhost/",
    ] {
        assert_eq!(
            start(&shop, &buyer, other, None).await.expect(400).faulty_fields(),
            ["successUrl"],
            "{other}"
        );
    }
    shop.execute("UPDATE tenants SET return_origins = '{}'").await;
    let forgotten = async || start(&shop, &buyer, "https://www.example.org/", None).await.status == 400;
    until("what is taken back is taken back", forgotten).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_that_a_client_sends_is_ever_asked() {
    let shop = Shop::open().await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let host = trap.local_addr().unwrap().to_string();
    let url = format!("http://{host}/trap");
    shop.allow_origins("demo", &[&format!("http://{host}")]).await;
    let body = json!({"email": "ssrf@example.com", "password": crate::harness::PASSWORD, "name": url});
    let registered = shop.post(0, DEMO, "/api/auth/register", &body).await.expect(201);
    let buyer = Visitor {
        host: DEMO,
        cookie: crate::harness::cookie_of(&registered),
        email: "ssrf@example.com".to_owned(),
    };
    let headers = [
        ("content-type", "application/json"),
        ("cookie", buyer.cookie.as_str()),
        ("referer", url.as_str()),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", &format!("host={host};for={host}")),
        ("x-forwarded-proto", "http"),
        ("x-original-url", url.as_str()),
    ];
    let cart = json!({"items": [{"sku": "editor", "quantity": 1}], "successUrl": url, "cancelUrl": url, "callbackUrl": url});
    let started =
        shop.send(0, Method::POST, DEMO, "/api/checkout/start", &headers, Some(cart.to_string())).await;
    let started = started.expect(201).json();
    let mut event = shop.paid_event(&started, "pi");
    for field in ["url", "success_url", "receipt_url"] {
        event["data"]["object"][field] = json!(url);
    }
    shop.deliver(0, &event).await.expect(200);
    let licence = shop.get_as(&buyer, "/api/licences").await.expect(200).json();
    let device =
        json!({"licKey": licence["items"][0]["key"], "fingerprint": "device-one", "deviceName": url});
    shop.post(0, DEMO, "/api/licences/activate", &device).await.expect(201);
    let booking = json!({"serviceSku": "call", "name": url, "email": "ssrf@example.com", "notes": url});
    shop.post(0, DEMO, "/api/bookings", &booking).await.expect(201);
    let invoice = started["invoice"]["number"].as_str().unwrap();
    shop.post_as(0, &buyer, &format!("/api/invoices/{invoice}/pdf"), &json!({"url": url})).await.expect(200);
    for host in [host.as_str(), "169.254.169.254"] {
        shop.send(0, Method::GET, host, "/api/auth/me", &[], None).await.expect(404);
    }
    let settled = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'";
    until("all mails are sent", async || shop.count(settled).await == 0).await;
    assert_eq!(trap.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
}
