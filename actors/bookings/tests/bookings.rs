//! Bookings of services, over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use primetech_bookings::{BookingNotice, Bookings, CustomerMail};
use primetech_kernel::outbox::{Delivery, DeliveryError, MailAllowances};
use primetech_kernel::runtime::Runtime;
use primetech_module::Modules;
use primetech_testkit::{ACME, Answer, DEMO, Site, Visitor};
use reqwest::Method;
use serde_json::{Value, json};

/// The mails go nowhere: what they say is the program's matter.
struct NoMail;

impl CustomerMail for NoMail {
    fn booking_changed(
        &self,
        _: Delivery,
        _: BookingNotice,
    ) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async { Ok(()) })
    }
}

fn bookings(runtime: &Runtime, modules: Modules) -> Modules {
    modules.with(&Bookings::new(runtime, Arc::new(NoMail), MailAllowances::unlimited()))
}

fn wanted() -> Value {
    json!({
        "serviceSku": "call",
        "name": "Jane Doe",
        "email": "Jane@Example.com",
        "phone": "+44 20 7946 0000",
        "scheduledFor": "2027-01-31T14:00:00+02:00",
        "notes": "By video,\nplease."
    })
}

async fn book(shop: &Site, host: &str) -> Value {
    shop.post(0, host, "/api/bookings", &wanted()).await.expect(201).json()["booking"].clone()
}

async fn admin(shop: &Site, host: &'static str) -> Visitor {
    let admin = shop.register(host).await;
    shop.make_admin(&admin).await;
    admin
}

async fn move_on(shop: &Site, instance: usize, admin: &Visitor, reference: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("cookie", admin.cookie.as_str())];
    let path = format!("/api/admin/bookings/{reference}");
    shop.send(instance, Method::PATCH, admin.host, &path, &headers, Some(body.to_string())).await
}

fn reference(booking: &Value) -> &str {
    booking["bkgRef"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_made_tracked_and_moved_to_its_end() {
    let shop = Site::open(bookings).await;
    let booking = book(&shop, DEMO).await;
    assert_eq!(booking["status"], "NEW");
    assert_eq!(booking["email"], "jane@example.com");
    assert_eq!(booking["scheduledFor"], "2027-01-31T12:00:00Z");
    let track = format!("/api/bookings/track?bkgRef={}&email=JANE@example.com", reference(&booking));
    let tracked = shop.send(0, Method::GET, DEMO, &track, &[], None).await.expect(200).json();
    assert_eq!(tracked["booking"], booking);

    let admin = admin(&shop, DEMO).await;
    let steps =
        [("CONFIRMED", json!("See you then.")), ("IN_PROGRESS", Value::Null), ("COMPLETED", Value::Null)];
    for (status, note) in &steps {
        let body = json!({"status": status, "note": note});
        let moved = move_on(&shop, 0, &admin, reference(&booking), &body).await.expect(200).json();
        assert_eq!(moved["booking"]["status"], *status);
    }
    let list = shop.get_as(&admin, "/api/admin/bookings").await.expect(200).json();
    let history = list["items"][0]["history"].as_array().unwrap().clone();
    let shown: Vec<_> =
        history.iter().map(|change| (&change["from"], &change["to"], &change["note"])).collect();
    assert_eq!(
        json!(shown),
        json!([
            ["NEW", "CONFIRMED", "See you then."],
            ["CONFIRMED", "IN_PROGRESS", null],
            ["IN_PROGRESS", "COMPLETED", null]
        ])
    );
    assert!(history.iter().all(|change| change["by"] == admin.email));
    let updated = list["items"][0]["updatedAt"].as_str().unwrap();
    assert!(updated > booking["createdAt"].as_str().unwrap() && updated == history[2]["at"]);
    let late =
        move_on(&shop, 0, &admin, reference(&booking), &json!({"status": "CANCELLED"})).await.expect(409);
    assert_eq!(late.code(), "BOOKING_INVALID_TRANSITION");
    let meta = &late.json()["error"]["details"]["meta"];
    assert_eq!(
        (&meta["from"], &meta["to"], &meta["allowed"]),
        (&json!("COMPLETED"), &json!("CANCELLED"), &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transition_is_allowed_or_refused_as_the_contract_says() {
    let shop = Site::open(bookings).await;
    let admin = admin(&shop, DEMO).await;
    let ways: [(&str, &[&str], &[&str]); 5] = [
        ("NEW", &[], &["CONFIRMED", "CANCELLED"]),
        ("CONFIRMED", &["CONFIRMED"], &["IN_PROGRESS", "CANCELLED"]),
        ("IN_PROGRESS", &["CONFIRMED", "IN_PROGRESS"], &["COMPLETED"]),
        ("COMPLETED", &["CONFIRMED", "IN_PROGRESS", "COMPLETED"], &[]),
        ("CANCELLED", &["CANCELLED"], &[]),
    ];
    for (from, way, allowed) in ways {
        for to in ["NEW", "CONFIRMED", "IN_PROGRESS", "COMPLETED", "CANCELLED"] {
            let booking = book(&shop, DEMO).await;
            for step in way {
                move_on(&shop, 0, &admin, reference(&booking), &json!({"status": step})).await.expect(200);
            }
            let answer = move_on(&shop, 0, &admin, reference(&booking), &json!({"status": to})).await;
            if allowed.contains(&to) {
                answer.expect(200);
            } else {
                let meta = answer.clone().expect(409).json()["error"]["details"]["meta"].clone();
                assert_eq!(
                    (&meta["from"], &meta["to"], &meta["allowed"]),
                    (&json!(from), &json!(to), &json!(allowed))
                );
                assert_eq!(answer.code(), "BOOKING_INVALID_TRANSITION");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_on_two_instances_one_wins() {
    let shop = Site::open_with(2, bookings).await;
    let (one, other) = (admin(&shop, DEMO).await, admin(&shop, DEMO).await);
    for round in 0..20 {
        let booking = book(&shop, DEMO).await;
        let to = if round % 2 == 0 { "CONFIRMED" } else { "CANCELLED" };
        let (confirm, other_move) = (json!({"status": "CONFIRMED"}), json!({"status": to}));
        let (first, second) = tokio::join!(
            move_on(&shop, 0, &one, reference(&booking), &confirm),
            move_on(&shop, 1, &other, reference(&booking), &other_move)
        );
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        // A confirmed booking may still be cancelled: then both were right, one after the other.
        let both = to == "CANCELLED" && statuses == [200, 200];
        assert!(statuses == [200, 409] || both, "{statuses:?}");
        if both {
            assert_eq!(first.json()["booking"]["history"].as_array().unwrap().len(), 1);
            assert_eq!(second.json()["booking"]["history"].as_array().unwrap().len(), 2);
        }
    }
    let gaps = "SELECT count(*) FROM (SELECT max(position) AS last, count(*) AS n FROM booking_events GROUP BY booking_id) e
                WHERE last <> n";
    assert_eq!(shop.count(gaps).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_booking_is_named() {
    let shop = Site::open(bookings).await;
    let body = json!({
        "serviceSku": "-", "name": " ", "email": "jane", "phone": "phone", "scheduledFor": "tomorrow",
        "notes": "a\u{0}b"
    });
    let headers = [("content-type", "application/json"), ("idempotency-key", "a b")];
    let answer =
        shop.send(0, Method::POST, DEMO, "/api/bookings", &headers, Some(body.to_string())).await.expect(400);
    assert_eq!(
        answer.faulty_fields(),
        ["email", "idempotency-key", "name", "notes", "phone", "scheduledFor", "serviceSku"]
    );
    let empty = shop.post(0, DEMO, "/api/bookings", &json!({})).await.expect(400);
    assert_eq!(empty.faulty_fields(), ["email", "name", "serviceSku"]);
    let track =
        shop.send(0, Method::GET, DEMO, "/api/bookings/track?bkgRef=bkg-1", &[], None).await.expect(400);
    assert_eq!(track.faulty_fields(), ["bkgRef", "email"]);
    let admin = admin(&shop, DEMO).await;
    let list = "/api/admin/bookings?status=new&from=today&to=2026-13-01T00:00:00Z&q=&limit=0&cursor=x";
    let list = shop.get_as(&admin, list).await.expect(400);
    assert_eq!(list.faulty_fields(), ["cursor", "from", "limit", "q", "status", "to"]);
    let moved = move_on(&shop, 0, &admin, "BKG-1", &json!({"status": "DONE", "note": 7})).await.expect(400);
    assert_eq!(moved.faulty_fields(), ["bkgRef", "note", "status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_services_on_sale_can_be_booked() {
    let shop = Site::open(bookings).await;
    shop.execute("UPDATE products SET active = false WHERE sku = 'call' AND tenant_id IN (SELECT id FROM tenants WHERE slug = 'acme')").await;
    for (host, sku) in [(DEMO, "editor"), (DEMO, "nothing"), (ACME, "call")] {
        let mut body = wanted();
        body["serviceSku"] = json!(sku);
        let refused = shop.post(0, host, "/api/bookings", &body).await.expect(404);
        assert_eq!(refused.code(), "PRODUCT_NOT_FOUND");
        assert_eq!(refused.json()["error"]["details"]["meta"]["sku"], sku);
    }
    assert_eq!(shop.count("SELECT count(*) FROM bookings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_books_once_on_two_instances() {
    let shop = Site::open_with(2, bookings).await;
    let path = "/api/bookings";
    let headers = [("content-type", "application/json"), ("idempotency-key", "visit-1")];
    let sent = |instance| shop.send(instance, Method::POST, DEMO, path, &headers, Some(wanted().to_string()));
    let answers = futures_util::future::join_all((0..40).map(sent)).await;
    let bodies: BTreeSet<&str> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.text.as_str()).collect();
    assert_eq!(bodies.len(), 1);
    let firsts = answers
        .iter()
        .filter(|answer| answer.status == 201 && !answer.headers.contains_key("idempotency-replayed"));
    assert_eq!(firsts.count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "IDEMPOTENCY_IN_PROGRESS"));
    }
    let again = sent(1).await.expect(201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(bodies.first(), Some(&again.text.as_str()));
    assert_eq!(shop.count("SELECT count(*) FROM bookings").await, 1);
    let mut other = wanted();
    other["name"] = json!("John Doe");
    let reused = shop.send(0, Method::POST, DEMO, path, &headers, Some(other.to_string())).await.expect(422);
    assert_eq!(reused.code(), "IDEMPOTENCY_KEY_REUSED");
    // Another shop's, and a signed-in user's, are other keys.
    shop.send(0, Method::POST, ACME, path, &headers, Some(other.to_string())).await.expect(201);
    let user = shop.register(DEMO).await;
    let mut signed_in = headers.to_vec();
    signed_in.push(("cookie", user.cookie.as_str()));
    shop.send(0, Method::POST, DEMO, path, &signed_in, Some(other.to_string())).await.expect(201);
    // A refusal is kept as well.
    other["serviceSku"] = json!("editor");
    let headers = [("content-type", "application/json"), ("idempotency-key", "visit-2")];
    let send = || shop.send(1, Method::POST, DEMO, path, &headers, Some(other.to_string()));
    let (first, second) = (send().await.expect(404), send().await.expect(404));
    assert_eq!(first.text, second.text);
    assert_eq!(second.headers["idempotency-replayed"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_bookings_at_once_each_have_a_reference_and_a_mail() {
    let shop = Site::open(bookings).await;
    let body = wanted();
    let posted = (0..60).map(|_| shop.post(0, DEMO, "/api/bookings", &body));
    let references: BTreeSet<String> = futures_util::future::join_all(
        posted.map(|posted| async { reference(&posted.await.expect(201).json()["booking"]).to_owned() }),
    )
    .await
    .into_iter()
    .collect();
    assert_eq!(references.len(), 60);
    assert_eq!(shop.count("SELECT count(*) FROM bookings").await, 60);
    assert_eq!(
        shop.count("SELECT count(*) FROM booking_events WHERE from_status IS NULL AND position = 1").await,
        60
    );
    assert_eq!(shop.count("SELECT count(*) FROM outbox_messages WHERE topic = 'mail.booking'").await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed_by_all_its_filters() {
    let shop = Site::open(bookings).await;
    let admin = admin(&shop, DEMO).await;
    let mut made = Vec::new();
    for (name, email) in
        [("100% Jane", "jane@example.com"), ("John_Doe", "john@example.com"), ("Ünal", "u@example.com")]
    {
        let mut body = wanted();
        (body["name"], body["email"]) = (json!(name), json!(email));
        made.push(shop.post(0, DEMO, "/api/bookings", &body).await.expect(201).json()["booking"].clone());
    }
    move_on(&shop, 0, &admin, reference(&made[1]), &json!({"status": "CONFIRMED"})).await.expect(200);
    let found = async |query: String| -> Vec<String> {
        let list = shop.get_as(&admin, &format!("/api/admin/bookings?{query}")).await.expect(200).json();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(String::new()).await, ["Ünal", "John_Doe", "100% Jane"]);
    assert_eq!(found("status=CONFIRMED".to_owned()).await, ["John_Doe"]);
    assert_eq!(found("q=100%25".to_owned()).await, ["100% Jane"]);
    assert_eq!(found("q=n_d".to_owned()).await, ["John_Doe"]);
    assert_eq!(found("q=%C3%BCNAL".to_owned()).await, ["Ünal"]);
    assert_eq!(found("q=JOHN@EX".to_owned()).await, ["John_Doe"]);
    assert_eq!(found(format!("q={}", reference(&made[0]).to_lowercase())).await, ["100% Jane"]);
    let at = made[1]["createdAt"].as_str().unwrap();
    assert_eq!(found(format!("from={at}")).await, ["Ünal", "John_Doe"]);
    assert_eq!(found(format!("to={at}")).await, ["John_Doe", "100% Jane"]);
    assert_eq!(found(format!("from={at}&to={at}&status=NEW")).await, Vec::<String>::new());
    let page = shop.get_as(&admin, "/api/admin/bookings?limit=2").await.expect(200).json();
    let cursor = page["nextCursor"].as_str().unwrap();
    assert_eq!(found(format!("limit=2&cursor={cursor}")).await, ["100% Jane"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_of_another_shop_looks_absent() {
    let shop = Site::open(bookings).await;
    let booking = book(&shop, DEMO).await;
    let get = async |host: &str, reference: &str, email: &str| {
        let path = format!("/api/bookings/track?bkgRef={reference}&email={email}");
        shop.send(0, Method::GET, host, &path, &[], None).await.expect(404).without_request_id()
    };
    let nobodys = get(DEMO, "BKG-00000000", "jane@example.com").await;
    assert_eq!(get(ACME, reference(&booking), "jane@example.com").await, nobodys);
    assert_eq!(get(DEMO, reference(&booking), "john@example.com").await, nobodys);
    let foreign = admin(&shop, ACME).await;
    let body = json!({"status": "CONFIRMED"});
    let theirs = move_on(&shop, 0, &foreign, reference(&booking), &body).await.expect(404);
    let absent = move_on(&shop, 0, &foreign, "BKG-00000000", &body).await.expect(404);
    assert_eq!(theirs.without_request_id(), absent.without_request_id());
    let list = shop.get_as(&foreign, "/api/admin/bookings").await.expect(200).json();
    assert_eq!(list, json!({"items": [], "nextCursor": null}));
    let customer = shop.register(DEMO).await;
    assert_eq!(shop.get_as(&customer, "/api/admin/bookings").await.expect(403).code(), "FORBIDDEN");
}
