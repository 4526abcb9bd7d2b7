//! One request of many cannot be done. It alone fails, clearly; and once it can be done, it is.

use futures_util::future::join_all;
use serde_json::json;

use crate::visitor::{Answer, Visitor, licence, paid_event};
use crate::world::World;

const NEIGHBOURS: usize = 24;
/// Which of them is the poisoned one.
const POISONED: usize = 11;

fn only_the_poisoned_failed(what: &str, answers: &[Answer], done: u16, code: &str) {
    for (number, answer) in answers.iter().enumerate() {
        if number == POISONED {
            answer.refused(500, code);
            assert!(!answer.text.contains("poison"), "{what}: internals are not told: {}", answer.text);
        } else {
            assert_eq!(answer.status, done, "{what} {number}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_fails_alone() {
    let world = World::open().await;
    let (buyer, poisoned) = (Visitor::register(&world).await, Visitor::register(&world).await);
    let who = |number| if number == POISONED { &poisoned } else { &buyer };
    let keys: Vec<String> = (0..NEIGHBOURS).map(|number| format!("key-{number}")).collect();
    let licences: Vec<String> = (0..NEIGHBOURS).map(licence).collect();
    let poisoned_email = poisoned.email.as_str();
    let addresses: Vec<String> =
        (0..NEIGHBOURS).map(|number| format!("neighbour-{number}@example.com")).collect();
    world
        .execute(&format!(
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '23514'; END $$;
             CREATE TRIGGER poison BEFORE INSERT ON invoices FOR EACH ROW
                 WHEN (NEW.bill_to_email = '{poisoned_email}') EXECUTE FUNCTION poison();
             CREATE TRIGGER poison BEFORE INSERT ON activations FOR EACH ROW
                 WHEN (NEW.fingerprint = 'device-{POISONED}') EXECUTE FUNCTION poison();
             CREATE TRIGGER poison BEFORE INSERT ON bookings FOR EACH ROW
                 WHEN (NEW.email = '{}') EXECUTE FUNCTION poison();",
            addresses[POISONED]
        ))
        .await;

    let check_out = async || {
        join_all((0..NEIGHBOURS).map(async |number| who(number).check_out(&keys[number]).await.unwrap()))
            .await
    };
    let activate = async || {
        let one = async |number: usize| {
            buyer.activate(&licences[number], &format!("device-{number}")).await.unwrap()
        };
        join_all((0..NEIGHBOURS).map(one)).await
    };
    let book = async || {
        let one = async |number: usize| {
            let body = json!({"serviceSku": "call", "name": "Jane", "email": addresses[number]});
            buyer.post_once("/api/bookings", &format!("booking-{number}"), &body).await.unwrap()
        };
        join_all((0..NEIGHBOURS).map(one)).await
    };
    only_the_poisoned_failed("checkout", &check_out().await, 201, "INTERNAL_ERROR");
    only_the_poisoned_failed("activation", &activate().await, 201, "INTERNAL_ERROR");
    only_the_poisoned_failed("booking", &book().await, 201, "INTERNAL_ERROR");

    world.execute("DROP FUNCTION poison() CASCADE").await;
    let started = check_out().await;
    assert!(started.iter().all(|answer| answer.status == 201));
    assert!(activate().await.iter().all(|answer| matches!(answer.status, 200 | 201)));
    assert!(book().await.iter().all(|answer| answer.status == 201));

    let order = started[POISONED].body["order"]["id"].as_str().unwrap();
    world.execute(&format!("ALTER TABLE receipts ADD CONSTRAINT poison CHECK (order_id <> '{order}')")).await;
    let pay = async || {
        join_all(started.iter().map(async |started| buyer.deliver(&paid_event(&started.body)).await.unwrap()))
            .await
    };
    only_the_poisoned_failed("payment", &pay().await, 200, "WEBHOOK_PROCESSING_FAILED");
    world.execute("ALTER TABLE receipts DROP CONSTRAINT poison").await;
    assert!(pay().await.iter().all(|answer| answer.status == 200));

    let mut connection = world.pool.acquire().await.unwrap();
    for promise in loadtests::invariants::books(&mut connection).await.unwrap() {
        assert!(promise.holds, "{promise:?}");
    }
    for table in ["orders", "receipts", "activations", "bookings"] {
        let rows = world.count(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows, i64::try_from(NEIGHBOURS).unwrap(), "{table}");
    }
}
