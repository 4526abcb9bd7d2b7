//! Code panics: in a handler, in a batch, in an actor's answer. The product has no code that does, so the test brings
//! some and has the product run it: an endpoint, an actor and a batch beside the product's own, in its application.

use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
use actix_web::{HttpResponse, web};
use futures_util::future::join_all;
use primetech::app::{Application, Options};
use primetech::config::{Config, Variables};
use primetech::error::ApiError;
use primetech::routes::Endpoint;
use primetech_actors::ask::ask;
use primetech_actors::batch::{Batch, BatchLimits, BatchQueue, Reply};
use primetech_actors::database::BatchTx;
use primetech_actors::database::Database;
use primetech_actors::fault::Fault;
use tokio::sync::oneshot;

use crate::visitor::Visitor;
use crate::world::{LIMIT, Wishes, World, until};

const UNLUCKY: i32 = 13;

struct Writes;

impl Batch for Writes {
    type Item = i32;
    type Done = ();
    type Error = Fault;
    const NAME: &'static str = "test.writes";

    async fn run(&self, tx: &mut BatchTx, items: &[i32]) -> sqlx::Result<Vec<Reply<Self>>> {
        tx.open_tenants_to_write(std::iter::empty()).await?;
        for item in items {
            sqlx::query("INSERT INTO written (item) VALUES ($1)").bind(item).execute(tx.connection()).await?;
            assert_ne!(*item, UNLUCKY, "the unlucky one, after it has written");
        }
        Ok(items.iter().map(|_| Ok(())).collect())
    }
}

struct Writer(BatchQueue<Writes>);

impl Actor for Writer {
    type Context = Context<Self>;
}
primetech_actors::ask::carry_spans!(Writer);

#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
struct Write(i32);

impl Handler<Write> for Writer {
    type Result = ResponseFuture<Result<(), Fault>>;

    fn handle(&mut self, Write(item): Write, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.0.submit(item))
    }
}

/// Answers with its number, alone.
#[derive(Message)]
#[rtype(result = "Result<i32, Fault>")]
struct Tell(i32);

impl Handler<Tell> for Writer {
    type Result = ResponseFuture<Result<i32, Fault>>;

    fn handle(&mut self, Tell(item): Tell, _: &mut Self::Context) -> Self::Result {
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert_ne!(item, UNLUCKY, "the unlucky one");
            Ok(item)
        })
    }
}

/// Handlers hold nothing but what they are called with.
static WRITER: OnceLock<Addr<Writer>> = OnceLock::new();

async fn write(item: web::Path<i32>) -> Result<HttpResponse, ApiError> {
    ask(WRITER.get().ok_or_else(|| Fault::internal("no actor"))?, Write(*item)).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn tell(item: web::Path<i32>) -> Result<HttpResponse, ApiError> {
    ask(WRITER.get().ok_or_else(|| Fault::internal("no actor"))?, Tell(*item)).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn handle(item: web::Path<i32>) -> HttpResponse {
    assert_ne!(*item, UNLUCKY, "the unlucky one");
    HttpResponse::Ok().finish()
}

/// The application, with endpoints beside its own. It ends with the sender that is dropped.
fn start(world: &World) -> (u16, oneshot::Sender<()>, JoinHandle<()>) {
    let variables: Variables =
        world.variables.iter().map(|(name, value)| (*name, value.as_str())).chain([("PORT", "0")]).collect();
    let url = world.variables["DATABASE_URL"].as_str().into();
    let config = Config::parse(variables).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell_port, port) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let database = Database::connect_lazy(&url, 2).unwrap();
            let writer = Writer(BatchQueue::new(Writes, &database, BatchLimits::default())).start();
            assert!(WRITER.set(writer).is_ok());
            let mut options = Options { threads: Some(2), ..Options::default() };
            options.limits.shutdown_notice = Duration::ZERO;
            options.adjust_endpoints = |endpoints| {
                let own = [
                    Endpoint::get("/test/write/{item}", write),
                    Endpoint::get("/test/tell/{item}", tell),
                    Endpoint::get("/test/handle/{item}", handle),
                ];
                endpoints.into_iter().chain(own).collect()
            };
            let application = Application::build(config, options).unwrap();
            tell_port.send(application.port()).unwrap();
            let until = async move {
                let _dropped = stopped.await;
            };
            application.run_until(until).await.unwrap();
        });
    });
    (port.recv().unwrap(), stop, thread)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_answered_alone_and_everything_else_goes_on() {
    let world = World::prepare(Wishes::default()).await;
    world
        .execute("CREATE TABLE written (item integer NOT NULL); GRANT INSERT ON written TO primetech_app")
        .await;
    let (port, stop, thread) = start(&world);
    let visitor = Visitor { base: format!("http://127.0.0.1:{port}"), ..Visitor::unknown(&world) };
    for way in ["write", "tell", "handle"] {
        // Twice: what panicked the first time is there the second time.
        for _ in 0..2 {
            let asked = (0..40).map(async |item| {
                let answer = visitor.get(&format!("/test/{way}/{item}")).await.unwrap();
                if item == UNLUCKY {
                    answer.refused(500, "INTERNAL_ERROR");
                    assert!(!answer.text.contains("unlucky"), "internals are not told: {}", answer.text);
                } else {
                    assert_eq!(answer.status, 200, "{way} {item}: {}", answer.text);
                }
            });
            join_all(asked).await;
        }
    }
    let written: Vec<(i32, i64)> =
        sqlx::query_as("SELECT item, count(*) FROM written GROUP BY item ORDER BY item")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let expected: Vec<(i32, i64)> = (0..40).filter(|item| *item != UNLUCKY).map(|item| (item, 2)).collect();
    assert_eq!(
        written, expected,
        "each neighbour is written once each time, and nothing of the unlucky one is left"
    );
    until("it is ready", LIMIT, async || visitor.get("/ready").await.unwrap().status == 200).await;
    drop(stop);
    tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
}
