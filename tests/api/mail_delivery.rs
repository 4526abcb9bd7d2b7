//! In which order mails leave: nobody who waits stands behind bulk, tenants take turns, and what is told of one booking
//! is told in order.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, Shop, Visitor, until};
use crate::smtp::MailServer;

/// A server that is slow, but not unusually so.
const SLOW: Duration = Duration::from_millis(300);

/// Mails that one process delivers at the same time.
const AT_ONCE: usize = 8;

async fn shop_with(server: &MailServer, instances: usize) -> Shop {
    let url = format!("smtp://{}", server.address);
    Shop::open_as(instances, &[("SMTP_URL", url.as_str())]).await
}

async fn book(shop: &Shop, instance: usize, host: &str, email: &str) -> String {
    let body = json!({"serviceSku": "call", "name": "Jane", "email": email});
    let made = shop.post(instance, host, "/api/bookings", &body).await.expect(201).json();
    made["booking"]["bkgRef"].as_str().unwrap().to_owned()
}

async fn book_many(shop: &Shop, host: &str, bookings: usize) {
    let emails: Vec<String> = (0..bookings).map(|number| format!("guest-{number}@example.com")).collect();
    futures_util::future::join_all(emails.iter().map(|email| book(shop, 0, host, email))).await;
}

async fn set_status(shop: &Shop, instance: usize, admin: &Visitor, reference: &str, status: &str) {
    let headers = [("content-type", "application/json"), ("cookie", admin.cookie.as_str())];
    let path = format!("/api/admin/bookings/{reference}");
    let body: Value = json!({ "status": status });
    shop.send(instance, Method::PATCH, admin.host, &path, &headers, Some(body.to_string())).await.expect(200);
}

/// The place of the first mail with all of these texts among those that the server took.
fn place(server: &MailServer, texts: &[&str]) -> Option<usize> {
    let mails = server.mails();
    mails.iter().position(|mail| texts.iter().all(|text| mail.contains(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_does_not_stand_behind_a_hundred_bookings() {
    let server = MailServer::start().await;
    let shop = shop_with(&server, 1).await;
    let user = shop.register(DEMO).await;
    until("the first mail is there", async || server.mails().len() == 1).await;
    server.takes(SLOW);
    book_many(&shop, DEMO, 100).await;
    until("the bookings are being told of", async || server.mails().len() > 1).await;
    let before = server.mails().len();
    shop.post(0, DEMO, "/api/auth/request-password-reset", &json!({"email": user.email})).await.expect(202);
    until("the reset is there", async || place(&server, &["Subject: Demo: a new password"]).is_some()).await;
    let between = place(&server, &["Subject: Demo: a new password"]).unwrap() - before;
    // While it was being sent, each of the other deliveries came to its end twice at most.
    assert!(between <= 2 * AT_ONCE, "{between} mails came between");
    assert!(shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'").await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_mail_does_not_stand_behind_another_tenant_s_hundred() {
    let server = MailServer::start().await;
    let shop = shop_with(&server, 1).await;
    server.takes(SLOW);
    book_many(&shop, DEMO, 100).await;
    until("the bookings are being told of", async || !server.mails().is_empty()).await;
    let before = server.mails().len();
    book(&shop, 0, ACME, "lonely@example.com").await;
    until("the other tenant's is there", async || place(&server, &["lonely@example.com"]).is_some()).await;
    let between = place(&server, &["lonely@example.com"]).unwrap() - before;
    assert!(between <= 3 * AT_ONCE, "{between} mails came between");
    assert!(shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'").await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_mail_of_a_booking_waits_for_the_earlier_one_that_was_put_off() {
    let server = MailServer::start().await;
    let shop = shop_with(&server, 2).await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let reference = book(&shop, 0, DEMO, "jane@example.com").await;
    let (confirmed, cancelled) =
        (format!("booking {reference} confirmed"), format!("booking {reference} cancelled"));
    until("the first mail is there", async || place(&server, &[&reference]).is_some()).await;
    server.put_off(&confirmed);
    set_status(&shop, 0, &admin, &reference, "CONFIRMED").await;
    set_status(&shop, 1, &admin, &reference, "CANCELLED").await;
    until("it is put off", async || server.has_put_off()).await;
    assert_eq!(place(&server, &[&cancelled]), None);
    until("both are there", async || place(&server, &[&cancelled]).is_some()).await;
    assert!(place(&server, &[&confirmed]).unwrap() < place(&server, &[&cancelled]).unwrap());
    let tried = "SELECT count(*) FROM outbox_messages WHERE sort = 'booking-changed' AND attempts = 2";
    assert_eq!(shop.count(tried).await, 1, "the one that waited was not tried before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_mail_of_a_booking_leaves_when_the_earlier_one_is_given_up() {
    let server = MailServer::start().await;
    let shop = shop_with(&server, 1).await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let reference = book(&shop, 0, DEMO, "jane@example.com").await;
    until("the first mail is there", async || place(&server, &[&reference]).is_some()).await;
    server.put_off(&format!("booking {reference} confirmed"));
    set_status(&shop, 0, &admin, &reference, "CONFIRMED").await;
    set_status(&shop, 0, &admin, &reference, "CANCELLED").await;
    until("it is put off", async || server.has_put_off()).await;
    // No further try can help: what it tells of is gone.
    shop.execute(
        "UPDATE outbox_messages SET payload = jsonb_build_object('eventId', gen_random_uuid())
         WHERE payload->>'eventId' = (SELECT id::text FROM booking_events WHERE to_status = 'CONFIRMED')",
    )
    .await;
    let cancelled = format!("booking {reference} cancelled");
    until("the later one is there", async || place(&server, &[&cancelled]).is_some()).await;
    assert_eq!(shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'DEAD'").await, 1);
}

/// Moves are asked of either process, and either delivers; the server keeps some mails longer than others.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_one_booking_is_told_in_order_by_several_processes() {
    let server = MailServer::start().await;
    let shop = shop_with(&server, 2).await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    server.takes(Duration::from_millis(15));
    let emails: Vec<String> = (0..12).map(|number| format!("guest-{number}@example.com")).collect();
    let walk = async |number: usize| {
        let reference = book(&shop, number, DEMO, &emails[number]).await;
        for (step, status) in ["CONFIRMED", "IN_PROGRESS", "COMPLETED"].into_iter().enumerate() {
            set_status(&shop, number + step, &admin, &reference, status).await;
        }
        reference
    };
    let references = futures_util::future::join_all((0..12).map(walk)).await;
    let all = "SELECT count(*) FROM outbox_messages WHERE status <> 'SENT'";
    until("all are sent", async || shop.count(all).await == 0).await;
    for reference in &references {
        let places: Vec<Option<usize>> = ["received", "confirmed", "in progress", "completed"]
            .iter()
            .map(|words| place(&server, &[&format!("booking {reference} {words}")]))
            .collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{reference}: {places:?}");
    }
    assert_eq!(server.mails().len(), 1 + 12 * 4, "each once");
    assert_eq!(shop.count("SELECT count(*) FROM outbox_messages WHERE attempts <> 1").await, 0);
}
