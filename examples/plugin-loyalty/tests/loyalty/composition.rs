//! How the plug-in joins the program.

use std::process::Output;
use std::sync::Arc;

use plugin_loyalty::{Loyalty, LoyaltySettings};
use primetech::compose::Adapters;
use primetech_actors::webhook::OrderPaid;
use primetech_kernel::batch::BatchLimits;
use primetech_kernel::clock::SystemClock;
use primetech_kernel::database::Database;
use primetech_kernel::runtime::Runtime;
use primetech_module::{Module, Modules, Surface};
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::harness::{program, run};

/// The domain of a process on a database, for work on it.
fn with_loyalty<T: Send + 'static>(
    database_url: &str,
    work: impl AsyncFnOnce(Arc<Loyalty>) -> T + Send + 'static,
) -> T {
    let url = database_url.into();
    let worked = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let database = Database::connect_lazy(&url, 2).unwrap();
            let runtime = Runtime::start(database.clone(), Arc::new(SystemClock), 1, BatchLimits::default());
            let settings = LoyaltySettings::default();
            let done = work(Loyalty::new(&runtime, Adapters::absent().user_mail, settings)).await;
            database.close().await;
            done
        })
    });
    worked.join().unwrap()
}

/// Two turns of the worker at the same time.
pub fn expire(database_url: &str) -> [u64; 2] {
    with_loyalty(database_url, async |loyalty| {
        let (one, other) = tokio::join!(loyalty.expire(), loyalty.expire());
        [one.unwrap().0, other.unwrap().0]
    })
}

struct Teller;

impl Module for Teller {
    const NAME: &'static str = "sales";

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        on.tells::<OrderPaid>();
    }
}

#[test]
fn the_module_is_listed_after_the_one_that_tells_of_payments() {
    let conflicts = with_loyalty("postgres://unserved.invalid/unserved", async |loyalty| {
        let conflicts = |modules: Modules| -> Vec<String> {
            modules.compose().err().unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        let teller = Arc::new(Teller);
        let before = conflicts(Modules::default().with(&loyalty).with(&teller));
        let after = conflicts(Modules::default().with(&teller).with(&loyalty));
        let twice = conflicts(Modules::default().with(&teller).with(&loyalty).with(&loyalty));
        (before, after, twice)
    });
    let (before, after, twice) = conflicts;
    assert_eq!(
        before,
        ["loyalty hears sales.order-paid of sales, and is listed before it: list sales first"]
    );
    assert_eq!(after, [""; 0]);
    assert!(
        twice.contains(&"the table loyalty_points is declared twice: by loyalty and by loyalty".to_owned())
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_fault_of_the_environment_is_named_together_with_the_products() {
    let variables = [("PORT", "x"), ("LOYALTY_POINTS_PER_UNIT", "0"), ("LOYALTY_EXPIRE_DAYS", "soon")];
    for command in ["serve", "doctor"] {
        let ran = run(&[command], variables.into_iter());
        assert_eq!(ran.status.code(), Some(1));
        let told = stderr(&ran) + &String::from_utf8_lossy(&ran.stdout);
        for fault in [
            "PORT must be a port number",
            "DATABASE_URL is missing",
            "LOYALTY_POINTS_PER_UNIT must be a whole number from 1 to 1000",
            "LOYALTY_EXPIRE_DAYS must be a whole number from 1 to 3650",
        ] {
            assert!(told.contains(fault), "{command} does not name {fault:?}: {told}");
        }
    }
}

#[test]
fn the_composition_and_the_help_name_what_the_plugin_brings() {
    let ran = run(&["modules", "--json"], std::iter::empty());
    let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let modules = document["modules"].as_array().unwrap();
    assert_eq!(modules.first().unwrap()["name"], "accounts");
    let loyalty = modules.last().unwrap();
    assert_eq!(loyalty["name"], "loyalty");
    assert_eq!(
        loyalty["endpoints"],
        serde_json::json!(["GET /api/loyalty/points", "POST /api/loyalty/redeem"])
    );
    assert_eq!(loyalty["hearsWithin"], serde_json::json!(["sales.order-paid"]));
    assert_eq!(loyalty["workers"], serde_json::json!(["loyalty-expiry"]));
    assert_eq!(loyalty["commands"], serde_json::json!(["loyalty"]));
    assert_eq!(loyalty["migrations"], "_migrations_loyalty");
    let table = run(&["modules"], std::iter::empty());
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.lines().any(|line| line.starts_with("loyalty ") && line.contains("loyalty_points")),
        "{table}"
    );
    let help = String::from_utf8(run(&["--help"], std::iter::empty()).stdout).unwrap();
    assert!(help.contains("\n  loyalty ") && help.contains("\n  tenant "), "{help}");
    let help = String::from_utf8(run(&["loyalty", "show", "--help"], std::iter::empty()).stdout).unwrap();
    assert!(help.contains("--tenant <SLUG>") && help.contains("--json"), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_migrations_have_a_history_of_their_own() {
    // Of the product alone.
    let url = primetech_testkit::database::new("").await;
    let run = |arguments: &[&str]| run(arguments, [("DATABASE_URL", url.as_str())].into_iter());
    let early = run(&["loyalty", "show", "--tenant", "demo", "--email", "jane@example.com"]);
    assert!(stderr(&early).contains("the schema of the module loyalty is at version 0"), "{early:?}");
    assert!(String::from_utf8_lossy(&run(&["doctor"]).stdout).contains("loyalty migration 1 is missing"));
    let migrated = run(&["migrate"]);
    assert!(
        stderr(&migrated).contains("applied 1 migrations") && stderr(&migrated).contains("loyalty at 1"),
        "{migrated:?}"
    );
    assert!(stderr(&run(&["migrate"])).contains("applied 0 migrations"));
    let late = run(&["loyalty", "show", "--tenant", "demo", "--email", "jane@example.com"]);
    assert!(stderr(&late).contains("there is no tenant"), "{late:?}");
    assert!(String::from_utf8_lossy(&run(&["doctor"]).stdout).contains("loyalty at version 1"));
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM _migrations_loyalty")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(versions, [1]);
    let newer = "INSERT INTO _migrations_loyalty (version, description, success, checksum, execution_time)
                 VALUES (2, 'contract from 2 newer', true, '', 0)";
    sqlx::raw_sql(newer).execute(&mut connection).await.unwrap();
    let outgrown = run(&["loyalty", "show", "--tenant", "demo", "--email", "jane@example.com"]);
    assert!(
        stderr(&outgrown).contains("module loyalty is at version 2: what this program (at 1)"),
        "{outgrown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_installation_welcomes_each_customer_once() {
    let shop = crate::harness::Shop::open().await;
    let jane = shop.register(crate::harness::DEMO).await;
    let seeds = program().describe().unwrap().seeds;
    // The product's modules seed what is theirs before.
    let seed = seeds.last().unwrap();
    let mut connection = PgConnection::connect(&shop.database_url).await.unwrap();
    for _ in 0..2 {
        use primetech_kernel::clock::Clock;
        seed(&mut connection, SystemClock.now()).await.unwrap();
    }
    assert_eq!(shop.points(&jane).await["points"], 100);
}
