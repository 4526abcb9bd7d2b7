//! The database of `DATABASE_URL`, at this program's schema, for the operator's commands.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use primetech_actors::audit_log::Actor;
use primetech_actors::clock::{SharedClock, SystemClock};
use primetech_actors::database::Database;
use primetech_actors::database::owner::OwnerConnection;
use primetech_actors::tenancy::registry::{self, TenantRecord};
use primetech_kernel::batch::BatchLimits;
use primetech_kernel::runtime::Runtime;
use secrecy::SecretString;

use super::failure::Failure;
use super::output::{self, Reply};
use crate::compose::{self, Adapters};
use crate::config::{Reader, Variables, database_url, read_database_url};
use crate::program::Program;
use crate::schema::{self, check_version};

/// A command does one thing after the other; the second is for what it has a domain actor do.
const CONNECTIONS: u32 = 2;

pub(super) struct Workplace {
    /// Works under the application's role, as the server does.
    pub database: Database,
    /// Works under the role of the URL, for what the application may only read.
    pub owner: OwnerConnection,
    pub clock: SharedClock,
    /// The threads of modules' actors, which end with it.
    _runtime: Option<Runtime>,
}

impl Workplace {
    /// Connects, within a few seconds or not at all. Needs no variable but `DATABASE_URL`.
    pub async fn open() -> Result<Self, Failure> {
        Self::open_at(&database_url()?).await
    }

    async fn open_at(url: &SecretString) -> Result<Self, Failure> {
        let operator = Actor::Operator(operator_name().into());
        let mut owner = OwnerConnection::connect(url).await?.acting_for(operator.clone());
        check_version(owner.schema_version(&schema::MIGRATIONS.table_name).await?)?;
        let database =
            Database::connect_lazy(url, CONNECTIONS).map_err(Failure::refused)?.acting_for(operator);
        Ok(Self { database, owner, clock: Arc::new(SystemClock), _runtime: None })
    }

    /// The same, for a command whose transactions tell what modules hear. Needs the modules' variables as well.
    pub async fn open_with_modules(program: &Program) -> Result<Self, Failure> {
        let mut read = Reader::new(Variables::load()?);
        let url = read_database_url(&mut read);
        let extend = program.read(&mut read);
        let (url, extend) = read.finish(url.zip(extend))?;
        let mut workplace = Self::open_at(&url).await?;
        let (database, clock) = (workplace.database.clone(), Arc::clone(&workplace.clock));
        let runtime = Runtime::start(database, clock, 1, BatchLimits::default());
        let composed = compose::compose(&runtime, &Adapters::absent(), &extend).map_err(Failure::refused)?;
        let composition = composed.composition;
        for migrations in composition.shared().migrations() {
            schema::check_module(migrations, workplace.owner.schema_version(migrations.history()).await?)?;
        }
        if workplace.database.heard_by(composition.reactions).is_err() {
            return Err(Failure::refused("the database has listeners already"));
        }
        workplace._runtime = Some(runtime);
        Ok(workplace)
    }

    /// The same, for a command that writes tenants.
    pub async fn open_to_write_tenants() -> Result<Self, Failure> {
        let mut workplace = Self::open().await?;
        if workplace.owner.owns_tenants().await? {
            Ok(workplace)
        } else {
            Err(Failure::refused(
                "the role of DATABASE_URL may not write tenants: use the role that ran the migrations",
            ))
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The tenant that `--tenant` names.
    pub async fn tenant(&self, slug: &str) -> Result<TenantRecord, Failure> {
        registry::find(&self.database, slug).await?.ok_or_else(|| no_tenant(slug))
    }
}

/// The user that this process runs as, by the operating system's own word: a variable could say anything.
#[cfg(unix)]
fn operator_name() -> String {
    use std::os::unix::fs::MetadataExt;
    // The process's own folder belongs to the user it runs as.
    let Ok(owner) = std::fs::metadata("/proc/self").map(|folder| folder.uid()) else {
        return std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_it = |line: &&str| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(owner);
    let name = users.lines().find(is_it).and_then(|line| line.split(':').next());
    name.map_or_else(|| format!("uid-{owner}"), str::to_owned)
}

#[cfg(not(unix))]
fn operator_name() -> String {
    std::env::var("USERNAME").unwrap_or_else(|_| "unknown".to_owned())
}

pub(super) fn no_tenant(slug: &str) -> Failure {
    Failure::Refused(format!("there is no tenant {}: see `primetech tenant list`", output::plain(slug)))
}

/// Runs a command to its end, writes its reply, and gives its exit code.
pub(super) fn execute(as_json: bool, work: impl Future<Output = Result<Reply, Failure>>) -> ExitCode {
    let replied = actix_web::rt::System::new().block_on(work).and_then(|reply| {
        reply.print(as_json)?;
        Ok(reply.is_success())
    });
    match replied {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            output::say(&failure.to_string());
            failure.exit_code()
        }
    }
}
