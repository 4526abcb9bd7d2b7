//! The services that the process depends on refuse, hang, fail, answer twice, go away and come back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::load::Load;
use crate::visitor::{Visitor, licence, paid_event};
use crate::world::{LIMIT, World, seed, size, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_or_fails_leaves_an_order_that_the_same_key_goes_on_with() {
    let world = World::open().await;
    let visitor = Visitor::register(&world).await;
    let mut orders = 0;
    for mode in ["refuse", "unavailable"] {
        world.provider_is(mode).await;
        let refused = visitor.check_out(mode).await.unwrap();
        refused.refused(502, "PAYMENT_PROVIDER_ERROR");
        let number = &refused.body["error"]["details"]["meta"]["orderNumber"];
        let order =
            visitor.get(&format!("/api/orders/{}", number.as_str().unwrap())).await.unwrap().expect(200);
        assert_eq!(order.body["order"]["status"], "PENDING");
        world.provider_is("ok").await;
        let started = visitor.check_out(mode).await.unwrap().expect(201);
        assert_eq!(&started.body["order"]["number"], number, "the same order");
        orders += 1;
        assert_eq!(world.count("SELECT count(*) FROM orders").await, orders);
    }
    // Its answer is lost, it is asked again, and answers a second time.
    world.provider_is("answer_twice").await;
    let started = visitor.check_out("answer_twice").await.unwrap().expect(201);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, orders + 1);
    let sessions = "SELECT count(DISTINCT provider_session_id) FROM payments";
    assert_eq!(world.count(sessions).await, orders + 1);
    world.provider_is("ok").await;
    visitor.deliver(&paid_event(&started.body)).await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_is_given_up_and_holds_up_nobody_else() {
    let world = World::open().await;
    let visitor = Visitor::register(&world).await;
    world.provider_is("hang").await;
    let begun = Instant::now();
    let checkout = async { (visitor.check_out("hang").await.unwrap(), begun.elapsed()) };
    let others = async {
        let mut slowest = Duration::ZERO;
        for number in 0..20 {
            let begun = Instant::now();
            visitor.activate(&licence(number), "device-of-a-neighbour").await.unwrap().expect(201);
            visitor.get("/api/orders").await.unwrap().expect(200);
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let ((refused, took), slowest) = tokio::join!(checkout, others);
    refused.refused(502, "PAYMENT_PROVIDER_ERROR");
    assert!(took < Duration::from_secs(17), "given up after {took:?}");
    assert!(slowest < Duration::from_secs(2), "a neighbour took {slowest:?}");
    eprintln!("given up after {took:?}; the slowest neighbour took {slowest:?}");
    world.provider_is("ok").await;
    visitor.check_out("hang").await.unwrap().expect(201);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_said_to_be_and_used_again_when_it_is_back() {
    let mut world = World::open().await;
    let visitor = Visitor::register(&world).await;
    let started = visitor.check_out("paid").await.unwrap().expect(201);
    visitor.deliver(&paid_event(&started.body)).await.unwrap().expect(200);
    let invoice = started.body["invoice"]["number"].as_str().unwrap();
    let pdf = format!("/api/invoices/{invoice}/pdf");
    world.close_store().await;
    let begun = Instant::now();
    visitor.call(reqwest::Method::POST, &pdf, &[], None).await.unwrap().refused(503, "STORAGE_UNAVAILABLE");
    eprintln!("refused after {:?}", begun.elapsed());
    visitor.get("/ready").await.unwrap().expect(200);
    visitor.get(&format!("/api/invoices/{invoice}")).await.unwrap().expect(200);
    world.open_store().await;
    // A store that was not reached is left alone for a second.
    let begun = Instant::now();
    let print = async || visitor.call(reqwest::Method::POST, &pdf, &[], None).await.unwrap();
    until("it is used again", LIMIT, async || print().await.status == 200).await;
    eprintln!("used again within {:?}", begun.elapsed());
    let made = print().await.expect(200);
    let file = reqwest::get(made.body["url"].as_str().unwrap()).await.unwrap();
    assert!(file.bytes().await.unwrap().starts_with(b"%PDF-"));
    assert_eq!(world.count("SELECT count(*) FROM documents").await, 1);
}

/// The id that a mail bears at each of its deliveries.
fn id_of(mail: &str) -> String {
    let line = mail.lines().find_map(|line| line.strip_prefix("Message-ID: "));
    line.unwrap_or_else(|| panic!("a mail without an id: {mail}")).to_owned()
}

fn deliveries(world: &World) -> BTreeMap<String, usize> {
    let mut deliveries = BTreeMap::new();
    for mail in world.mail.mails() {
        *deliveries.entry(id_of(&mail)).or_default() += 1;
    }
    deliveries
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_wait_for_their_server_and_arrive_once_or_are_known_by_their_id() {
    let mut world = World::open().await;
    world.mail.close().await;
    let visitor = Visitor::register(&world).await;
    let book = async |number: usize| {
        let body = json!({"serviceSku": "call", "name": "Jane", "email": visitor.email});
        visitor.post_once("/api/bookings", &format!("key-{number}"), &body).await.unwrap().expect(201);
    };
    for number in 0..4 {
        book(number).await;
    }
    let tried = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING' AND last_error IS NOT NULL";
    until("delivery was tried", LIMIT, async || world.count(tried).await == 5).await;
    assert!(world.mail.mails().is_empty());
    world.mail.open().await;
    let sent = "SELECT count(*) FROM outbox_messages WHERE status = 'SENT'";
    until("all is delivered", LIMIT, async || world.count(sent).await == 5).await;
    assert!(deliveries(&world).len() == 5 && deliveries(&world).values().all(|times| *times == 1));

    // Taken and not confirmed: that it was taken cannot be known, so it comes again, under the same id.
    world.mail.leave_unconfirmed(1);
    book(4).await;
    until("it is delivered again", LIMIT, async || world.count(sent).await == 6).await;
    let deliveries = deliveries(&world);
    assert_eq!(deliveries.len(), 6);
    assert_eq!(deliveries.values().copied().max(), Some(2));
    assert_eq!(deliveries.values().sum::<usize>(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_sending_cannot_be_noted_is_not_sent_again() {
    let mut world = World::open().await;
    let visitor = Visitor::register(&world).await;
    until("the welcome is out", LIMIT, async || world.mail.mails().len() == 1).await;
    // The server takes the mail, and PostgreSQL is gone when that is to be written down.
    world
        .execute(
            "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '57P01'; END $$;
             CREATE TRIGGER away BEFORE UPDATE ON outbox_messages FOR EACH ROW
                 WHEN (NEW.status = 'SENT') EXECUTE FUNCTION away();",
        )
        .await;
    let body = json!({"serviceSku": "call", "name": "Jane", "email": visitor.email});
    visitor.post_once("/api/bookings", "key", &body).await.unwrap().expect(201);
    until("it is sent", LIMIT, async || world.mail.mails().len() == 2).await;
    world.kill_database().await;
    world.start_database().await;
    world.execute("DROP FUNCTION away() CASCADE").await;
    let sent = "SELECT count(*) FROM outbox_messages WHERE status = 'SENT'";
    until("that is noted", LIMIT, async || world.count(sent).await == 2).await;
    assert_eq!(world.mail.mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_outlives_the_moods_of_its_neighbours() {
    let (seed, moods) = (seed(), size("FAULTS_MOODS", 12));
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::open().await;
    let load = Load::start(&world, 6, seed).await;
    for _ in 0..moods {
        let mode = ["refuse", "unavailable", "rate_limited", "answer_twice"][random.random_range(0..4)];
        let requests: u32 = random.random_range(1..8);
        world.stand_in("mode", &json!({"api": mode, "count": requests})).await;
        if random.random_bool(0.5) {
            world.mail.close().await;
        }
        load.until_more(2).await;
        world.mail.close().await;
        world.mail.open().await;
    }
    world.provider_is("ok").await;
    let told = load.finish_and_verify(&world).await;
    // Time passes until each message's next try.
    let mails = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING' AND topic LIKE 'mail.%'";
    let delivered = async || {
        world
            .execute(
                "UPDATE outbox_messages SET next_attempt_at = now()
                 WHERE status = 'PENDING' AND last_error IS NOT NULL AND next_attempt_at < now() + interval '60 s'",
            )
            .await;
        world.count(mails).await == 0
    };
    until("all mails are delivered", LIMIT * 2, delivered).await;
    let sent: Vec<Value> = sqlx::query_scalar(
        "SELECT to_jsonb(replace(id::text, '-', '')) FROM outbox_messages WHERE topic LIKE 'mail.%'",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let deliveries = deliveries(&world);
    for id in &sent {
        let id = format!("<{}@example.com>", id.as_str().unwrap());
        assert!(deliveries.contains_key(&id), "{id} was not delivered");
    }
    assert_eq!(deliveries.len(), sent.len(), "nothing but what was written is delivered");
    let twice = deliveries.values().filter(|times| **times > 1).count();
    eprintln!("{} mails for {} orders, {twice} of them more than once", sent.len(), told.orders.len());
}
