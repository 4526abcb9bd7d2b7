//! The process is told to end in a storm of requests. It says that it is ending, answers what it was asked, gives back
//! what it had taken, and is gone in time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use primetech_actors::random;
use serde_json::json;
use tokio::net::TcpListener;

use crate::load::Load;
use crate::memory::verify;
use crate::visitor::Visitor;
use crate::world::{LIMIT, Wishes, World, seed, size, until};

const WITHIN: Duration = Duration::from_secs(10);

/// Whoever asks before this time after the signal is answered: connections are still taken then.
const STILL_TAKEN: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_answered_to_its_end() {
    let mut world = World::open().await;
    // So that many are under way at any moment, and some wait for someone else.
    world.stand_in("mode", &json!({"latencyMs": 150})).await;
    for _ in 0..size("FAULTS_ENDINGS", 1) {
        let load = Load::start(&world, 4, seed()).await;
        let visitor = Visitor::register(&world).await;
        let ending_since: Arc<Mutex<Option<Instant>>> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let storm: Vec<_> = (0..24)
            .map(|_| {
                let (visitor, ending_since) = (visitor.clone(), Arc::clone(&ending_since));
                let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        let asked = Instant::now();
                        match visitor.check_out(&random::opaque_id().to_string()).await {
                            Ok(answer) => {
                                assert_eq!(answer.status, 201, "{}", answer.text);
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                let since = *ending_since.lock().unwrap();
                                let may = since.is_some_and(|since| asked > since + STILL_TAKEN);
                                assert!(may, "asked {asked:?}, ending since {since:?}: {error:?}");
                                return;
                            }
                        }
                    }
                })
            })
            .collect();
        load.until_more(2).await;
        until("the storm is on", LIMIT, async || answered.load(Ordering::Relaxed) >= 24).await;
        *ending_since.lock().unwrap() = Some(Instant::now());
        let not_ready = async {
            let mut seen = false;
            while let Ok(answer) = visitor.get("/ready").await {
                if answer.status == 503 {
                    answer.refused(503, "OVERLOADED");
                    seen = true;
                }
            }
            seen
        };
        let ((status, took), not_ready) = tokio::join!(world.service().terminate(), not_ready);
        over.store(true, Ordering::Relaxed);
        for asking in storm {
            asking.await.unwrap();
        }
        assert!(status.success(), "{status}");
        assert!(took < WITHIN, "it took {took:?}");
        assert!(not_ready, "it did not say that it is ending");
        eprintln!("ended after {took:?}; {} of the storm were answered", answered.load(Ordering::Relaxed));
        verify(&world, &load.memory.told()).await;
        nothing_is_held(&world).await;
        let in_progress =
            "SELECT count(*) FROM idempotency_keys WHERE response_status IS NULL AND locked_until > now()";
        assert_eq!(world.count(in_progress).await, 0, "no key is held");
        world.start().await;
        load.until_more(2).await;
        let told = load.finish().await;
        verify(&world, &told).await;
    }
}

/// Whatever the ended process had taken, another may take now.
async fn nothing_is_held(world: &World) {
    let leased = "SELECT count(*) FROM payments WHERE reconcile_leased_until > now()";
    assert_eq!(world.count(leased).await, 0, "no payment is held");
    // One that failed waits for its next try, a few seconds; one that is held, for minutes.
    let held = "SELECT count(*) FROM outbox_messages
                WHERE status = 'PENDING' AND next_attempt_at > now() + interval '30 s'";
    assert_eq!(world.count(held).await, 0, "no message is held");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_given_back_though_nobody_answers() {
    let variables = vec![("RECONCILE_EVERY_SECONDS", "1"), ("RECONCILE_AFTER_MINUTES", "1")];
    let mut world = World::prepare(Wishes { variables, ..Wishes::default() }).await;
    // A mail server that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mail =
        world.variables.insert("SMTP_URL", format!("smtp://{}", silent.local_addr().unwrap())).unwrap();
    world.start().await;
    let visitor = Visitor::register(&world).await;
    for number in 0..5 {
        visitor.check_out(&format!("order-{number}")).await.unwrap().expect(201);
        let body = json!({"serviceSku": "call", "name": "Jane", "email": "jane@example.com"});
        visitor.post_once("/api/bookings", &format!("booking-{number}"), &body).await.unwrap().expect(201);
    }
    world.provider_is("hang").await;
    world.execute("UPDATE payments SET created_at = created_at - interval '1 hour'").await;
    let taken = async || {
        world.count("SELECT count(*) FROM payments WHERE reconcile_leased_until > now()").await > 0
            && world.count("SELECT count(*) FROM outbox_messages WHERE attempts > 0").await > 0
    };
    until("payments and messages are taken", LIMIT, taken).await;
    let (status, took) = world.service().terminate().await;
    assert!(status.success(), "{status}");
    assert!(took < WITHIN, "it took {took:?}");
    eprintln!("ended after {took:?}");
    nothing_is_held(&world).await;

    // The next process takes it all at once.
    world.provider_is("ok").await;
    world.variables.insert("SMTP_URL", mail);
    world.start().await;
    let asked = async || {
        world.count("SELECT count(*) FROM payments WHERE next_reconcile_at > now() + interval '10 s'").await
            == 5
    };
    until("the payments are asked about", LIMIT, asked).await;
    until("the mails are delivered", LIMIT, async || world.mail.mails().len() == 6).await;
}
