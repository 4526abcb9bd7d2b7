//! Checks the database: the server, its schema, and the isolation of tenants.

use chrono::TimeDelta;
use primetech_actors::clock::SharedClock;
use primetech_actors::database::Database;
use primetech_actors::database::inspection::{Isolation, Server};
use primetech_actors::database::owner::OwnerConnection;
use primetech_actors::fault::Fault;
use primetech_actors::outbox::overview as outbox;
use primetech_actors::webhook::overview as webhook;
use primetech_module::Migrations;
use secrecy::SecretString;

use super::check::{Check, Status, compare_clocks};
use crate::config::Environment;
use crate::schema::{self, Differences, SchemaMismatch};

pub(super) const DATABASE: &str = "database";
const SCHEMA: &str = "schema";
const ISOLATION: &str = "row-level security";
const BACKLOG: &str = "backlog";

/// PostgreSQL 14: what the statements need.
const OLDEST_VERSION: i32 = 140_000;

/// A message that is due is delivered within seconds by a process that serves.
const LONG_DUE: TimeDelta = TimeDelta::minutes(5);

pub(super) async fn check(
    url: SecretString,
    environment: Environment,
    modules: Vec<Migrations>,
    clock: SharedClock,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(fault) = gather(&mut checks, &url, environment, &modules, &clock).await {
        checks.push(unreachable(&fault));
    }
    checks
}

fn unreachable(fault: &Fault) -> Check {
    Check::fault(
        DATABASE,
        fault.to_string(),
        "check that PostgreSQL runs, that this machine may connect to it, and that DATABASE_URL has the correct host, \
         database, user and password",
    )
}

async fn gather(
    checks: &mut Vec<Check>,
    url: &SecretString,
    environment: Environment,
    modules: &[Migrations],
    clock: &SharedClock,
) -> Result<(), Fault> {
    let mut owner = OwnerConnection::connect(url).await?;
    let found = owner.server(clock).await?;
    checks.extend(server(&found, environment));
    let (theirs, ours) = found.times;
    checks.push(compare_clocks("database clock", theirs, ours, TimeDelta::zero()));
    let history = &schema::MIGRATIONS.table_name;
    let applied = owner.applied_migrations(history).await?;
    if applied.is_empty() {
        checks.push(Check::fault(SCHEMA, "there is no schema yet", "run `primetech migrate`"));
        checks.push(Check::skipped(ISOLATION, "there is no schema"));
        return Ok(());
    }
    let differences = schema::differences(&schema::MIGRATIONS, &applied);
    let outgrown = schema::check_version(owner.schema_version(history).await?).err();
    let outgrown = outgrown.filter(|mismatch| matches!(mismatch, SchemaMismatch::Outgrown { .. }));
    let mut schemas = vec![migrations(None, schema::latest_version(), &differences, outgrown)];
    for module in modules {
        let applied = owner.applied_migrations(module.history()).await?;
        let differences = schema::differences(module.migrator(), &applied);
        let outgrown = schema::check_module(module, owner.schema_version(module.history()).await?).err();
        let outgrown = outgrown.filter(|mismatch| matches!(mismatch, SchemaMismatch::ModuleOutgrown { .. }));
        schemas.push(migrations(Some(module), module.latest_version(), &differences, outgrown));
    }
    let is_worked_on = schemas.iter().all(|schema| schema.status != Status::Fault);
    checks.extend(schemas);
    let isolated = isolation(&owner.isolation().await?);
    let is_usable = isolated.is_empty() && is_worked_on;
    if isolated.is_empty() {
        checks.push(Check::ok(
            ISOLATION,
            "forced on every tenant's table; the application's role owns nothing and cannot bypass it",
        ));
    }
    checks.extend(isolated);
    if is_usable {
        checks.extend(backlog(url, clock).await?);
    } else {
        checks.push(Check::skipped(BACKLOG, "the database cannot be used"));
    }
    Ok(())
}

fn server(server: &Server, environment: Environment) -> Vec<Check> {
    let mut checks = Vec::new();
    if server.version_number < OLDEST_VERSION {
        let message = format!("PostgreSQL {} is too old", server.version);
        checks.push(Check::fault(DATABASE, message, "use PostgreSQL 14 or newer"));
    }
    if server.is_standby {
        checks.push(Check::fault(
            DATABASE,
            "this server is a standby and accepts no writes",
            "set DATABASE_URL to the primary",
        ));
    }
    if server.encoding != "UTF8" {
        let message = format!("its encoding is {}", server.encoding);
        checks.push(Check::fault(DATABASE, message, "create the database again WITH ENCODING 'UTF8'"));
    }
    if server.login_is_superuser && environment == Environment::Production {
        checks.push(Check::warning(
            DATABASE,
            format!("{} is a superuser", server.login_role),
            "log in as a role that only owns the schema; a superuser controls the whole server",
        ));
    }
    if checks.is_empty() {
        let Server { version, database, login_role, .. } = server;
        checks
            .push(Check::ok(DATABASE, format!("PostgreSQL {version}, database {database}, as {login_role}")));
    }
    checks
}

/// A schema that is ahead is told and not refused: that is how a deploy goes, and what a roll-back leaves, until a
/// migration takes away what this program uses.
fn migrations(
    module: Option<&Migrations>,
    latest: i64,
    differences: &Differences,
    outgrown: Option<SchemaMismatch>,
) -> Check {
    // Of the product, if no module is named.
    let of = module.map_or_else(String::new, |migrations| format!("{} ", migrations.module));
    let history = module.map_or(&*schema::MIGRATIONS.table_name, Migrations::history);
    let listed = |versions: &[i64]| versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let Differences { missing, unknown, changed, broken } = differences;
    if !broken.is_empty() {
        let message = format!("{of}migration {} was started and not finished", listed(broken));
        Check::fault(
            SCHEMA,
            message,
            format!("undo its changes, delete its row in {history}, run `primetech migrate`"),
        )
    } else if !changed.is_empty() {
        let message = format!("{of}migration {} differs from this program's", listed(changed));
        Check::fault(SCHEMA, message, "install the released program: its migrations never change")
    } else if let Some(outgrown) = outgrown {
        Check::fault(SCHEMA, outgrown.to_string(), "install the program that applied it, or a newer one")
    } else if !missing.is_empty() {
        let message = format!("{of}migration {} is missing", listed(missing));
        Check::fault(SCHEMA, message, "run `primetech migrate`")
    } else if !unknown.is_empty() {
        let message = format!(
            "{of}migration {} is newer than this program, which is compatible with it",
            listed(unknown)
        );
        Check::warning(
            SCHEMA,
            message,
            "expected during a deploy and after a roll-back; otherwise install the program that applied it",
        )
    } else {
        Check::ok(SCHEMA, format!("{of}at version {latest}, the same as this program's"))
    }
}

/// What is wrong; nothing where nothing is.
fn isolation(isolation: &Isolation) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut fault = |message: String, advice: &str| checks.push(Check::fault(ISOLATION, message, advice));
    if !isolation.role_exists {
        fault(
            "there is no role primetech_app on this server".to_owned(),
            "a dump does not carry roles: CREATE ROLE primetech_app NOLOGIN; GRANT it to the login role; then restore \
             the dump's grants",
        );
    }
    if let Some(reason) = &isolation.cannot_be_set {
        fault(
            format!("the login role cannot work as primetech_app: {reason}"),
            "GRANT primetech_app TO the login role, and see that primetech_app has its grants",
        );
    }
    if !isolation.bypassing.is_empty() {
        fault(
            format!("primetech_app can bypass it, as {}", isolation.bypassing.join(", ")),
            "ALTER ROLE primetech_app NOSUPERUSER NOBYPASSRLS, and REVOKE its membership in other roles",
        );
    }
    if !isolation.owned.is_empty() {
        fault(
            format!("primetech_app owns {}, or can become their owner", isolation.owned.join(", ")),
            "make the role that runs the migrations the owner, and revoke its membership from primetech_app",
        );
    }
    if !isolation.unprotected.is_empty() {
        fault(
            format!("it is not forced on {}", isolation.unprotected.join(", ")),
            "ALTER TABLE … ENABLE ROW LEVEL SECURITY, and FORCE ROW LEVEL SECURITY",
        );
    }
    if isolation.sees_without_tenant {
        fault(
            "primetech_app sees users while no tenant is set".to_owned(),
            "compare the policies of users with those of the migrations",
        );
    }
    checks
}

/// What waits for someone.
async fn backlog(url: &SecretString, clock: &SharedClock) -> Result<Vec<Check>, Fault> {
    let database = Database::connect_lazy(url, 1).map_err(|error| Fault::internal(error.to_string()))?;
    let failed = webhook::count_failed(&database).await?;
    let now = clock.now();
    let messages = outbox::backlog(&database, now).await?;
    database.close().await;
    let mut checks = Vec::new();
    if failed > 0 {
        checks.push(Check::warning(
            BACKLOG,
            format!("{failed} provider events failed"),
            "list them with `primetech webhook list --status FAILED`, run them again with `primetech webhook retry`",
        ));
    }
    if messages.dead > 0 {
        checks.push(Check::warning(
            BACKLOG,
            format!("{} messages could not be delivered", messages.dead),
            "see outbox_messages.last_error for the reason, usually a refusal by the mail server",
        ));
    }
    if messages.due_since.is_some_and(|since| now - since > LONG_DUE) {
        checks.push(Check::warning(
            BACKLOG,
            format!("{} messages have been due for more than five minutes", messages.due),
            "check that a process serves: it delivers them",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok(BACKLOG, "no event failed, and no message waits"));
    }
    Ok(checks)
}
