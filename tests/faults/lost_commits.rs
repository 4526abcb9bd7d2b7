//! The connection ends between a COMMIT and its answer. What became of it is found out, or said to be unknown; and
//! whoever asks again under the same key has it done once.

use serde_json::{Value, json};

use crate::load::Load;
use crate::proxy::{Loss, Mode};
use crate::visitor::{Answer, Visitor, licence, paid_event};
use crate::world::{LIMIT, Wishes, World, seed, size, until};

/// What is asked for, and the statement that its transaction is known by.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Order,
    Checkout,
    Payment,
    Activation,
    Booking,
}

const ALL: [Ask; 5] = [Ask::Order, Ask::Checkout, Ask::Payment, Ask::Activation, Ask::Booking];

impl Ask {
    fn statement(self) -> &'static str {
        match self {
            Self::Order => "INSERT INTO orders",
            Self::Checkout => "INSERT INTO payment_refs",
            Self::Payment => "INSERT INTO receipts",
            Self::Activation => "INSERT INTO activations",
            Self::Booking => "INSERT INTO bookings",
        }
    }

    /// Rows that this makes, in all.
    fn rows(self) -> &'static str {
        match self {
            Self::Order | Self::Checkout => "SELECT count(*) FROM orders",
            Self::Payment => "SELECT count(*) FROM receipts",
            Self::Activation => "SELECT count(*) FROM activations",
            Self::Booking => "SELECT count(*) FROM bookings",
        }
    }
}

struct Asker {
    ask: Ask,
    visitor: Visitor,
    /// The checkout that is paid.
    started: Value,
    key: String,
}

impl Asker {
    async fn new(world: &World, ask: Ask) -> Self {
        let visitor = Visitor::register(world).await;
        let started = match ask {
            Ask::Payment => visitor.check_out("to-be-paid").await.unwrap().expect(201).body,
            _ => Value::Null,
        };
        Self { ask, visitor, started, key: "once".to_owned() }
    }

    async fn ask(&self) -> Answer {
        match self.ask {
            Ask::Order | Ask::Checkout => self.visitor.check_out(&self.key).await,
            Ask::Payment => self.visitor.deliver(&paid_event(&self.started)).await,
            Ask::Activation => self.visitor.activate(&licence(50), "device-of-lost-commits").await,
            Ask::Booking => {
                let body = json!({"serviceSku": "call", "name": "Jane", "email": self.visitor.email});
                self.visitor.post_once("/api/bookings", "lost-booking", &body).await
            }
        }
        .unwrap()
    }

    fn is_done(&self, answer: &Answer) -> bool {
        match self.ask {
            Ask::Payment => answer.status == 200,
            Ask::Activation => matches!(answer.status, 200 | 201),
            _ => answer.status == 201,
        }
    }
}

/// Someone asks for one thing while the COMMIT of it is lost; gives how many rows there were, and the answer.
async fn ask_and_lose(world: &World, ask: Ask, loss: Loss) -> (Asker, i64, Answer) {
    let asker = Asker::new(world, ask).await;
    let before = world.count(ask.rows()).await;
    world.proxy.lose_commit_of(ask.statement(), loss);
    let lose = async {
        world.proxy.has_lost().await;
        if loss == Loss::Request {
            world.proxy.cut();
        }
    };
    let (answer, ()) = tokio::join!(asker.ask(), lose);
    (asker, before, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_commit_is_found_out() {
    let world = World::open().await;
    for ask in ALL {
        let (asker, before, answer) = ask_and_lose(&world, ask, Loss::Answer).await;
        assert!(asker.is_done(&answer), "{ask:?}: {}", answer.text);
        let again = asker.ask().await;
        assert!(asker.is_done(&again), "{ask:?}: {}", again.text);
        if !matches!(ask, Ask::Activation) {
            assert_eq!(again.text, answer.text, "{ask:?}: the same answer again");
        }
        assert_eq!(world.count(ask.rows()).await, before + 1, "{ask:?}: once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_arrived_is_found_out_and_done_again() {
    let world = World::open().await;
    for ask in ALL {
        let (asker, before, answer) = ask_and_lose(&world, ask, Loss::Request).await;
        assert!(asker.is_done(&answer), "{ask:?}: {}", answer.text);
        assert_eq!(world.count(ask.rows()).await, before + 1, "{ask:?}: once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_found_out_is_said_to_be_unknown_and_the_key_tells() {
    let world = World::open().await;
    for ask in ALL {
        let (asker, before, answer) = ask_and_lose(&world, ask, Loss::AnswerAndServer).await;
        match ask {
            Ask::Payment => answer.refused(500, "WEBHOOK_PROCESSING_FAILED"),
            _ => answer.refused(504, "OUTCOME_UNKNOWN"),
        }
        world.proxy.set(Mode::Pass);
        let done = async || asker.is_done(&asker.ask().await);
        until("asking again has it done", LIMIT, done).await;
        assert_eq!(world.count(ask.rows()).await, before + 1, "{ask:?}: once");
    }
}

/// After a crash PostgreSQL gives away again the numbers of transactions that left no trace on the disk. That the
/// number is committed then says nothing of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_under_a_lost_transaction_s_number_is_not_taken_for_it() {
    // Nothing but a commit writes the log to the disk, or notes which numbers were given away.
    let settings = vec![("wal_writer_delay", "10s"), ("wal_level", "minimal"), ("max_wal_senders", "0")];
    let mut world = World::open_with(Wishes { settings, ..Wishes::default() }).await;
    let asker = Asker::new(&world, Ask::Order).await;
    let mut given_again = 0;
    for round in 0..10 {
        let nothing_waits = async || {
            world.count("SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'").await == 0
                && world.count("SELECT count(*) FROM audit_unsealed").await == 0
        };
        until("nothing else is written", LIMIT, nothing_waits).await;
        world.proxy.lose_commit_of(Ask::Order.statement(), Loss::Request);
        let asker = Asker {
            key: format!("round-{round}"),
            visitor: asker.visitor.clone(),
            started: Value::Null,
            ..asker
        };
        let asking = tokio::spawn(async move { (asker.ask().await, asker) });
        world.proxy.has_lost().await;
        // Another's transaction that is open for a moment has a number of its own.
        let the_only_number = "SELECT CASE WHEN count(*) = 1 THEN max(backend_xid::text::bigint) ELSE 0 END
             FROM pg_stat_activity WHERE application_name = 'primetech' AND backend_xid IS NOT NULL";
        let mut ours = 0;
        until("the lost transaction is the only open one", LIMIT, async || {
            ours = world.count(the_only_number).await;
            ours > 0
        })
        .await;
        world.kill_database().await;
        world.start_database().await;
        let first = world.count("SELECT pg_current_xact_id()::text::bigint").await;
        while world.count("SELECT pg_current_xact_id()::text::bigint").await < ours {}
        world.proxy.cut();
        let (answer, asker) = asking.await.unwrap();
        if first <= ours {
            given_again += 1;
            answer.refused(504, "OUTCOME_UNKNOWN");
        }
        let done = async || asker.is_done(&asker.ask().await);
        until("asking again has it done", LIMIT, done).await;
        assert_eq!(world.count("SELECT count(*) FROM orders").await, round + 1, "once");
        if given_again == 2 {
            return;
        }
    }
    panic!("in ten crashes PostgreSQL gave a number away twice {given_again} times: nothing was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_commits_under_load_are_each_done_once() {
    let world = World::open().await;
    let load = Load::start(&world, 6, seed()).await;
    for round in 0..size("FAULTS_LOST_COMMITS", 10) {
        let ask = ALL[usize::try_from(round).unwrap() % ALL.len()];
        let loss = if round % 3 == 2 { Loss::Request } else { Loss::Answer };
        world.proxy.lose_commit_of(ask.statement(), loss);
        world.proxy.has_lost().await;
        if loss == Loss::Request {
            world.proxy.cut();
        }
    }
    load.finish_and_verify(&world).await;
}
