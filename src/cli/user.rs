//! `primetech user`: manages accounts. A password is never an argument, because other users can read a process's
//! arguments and shells record them.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use primetech_accounts::operator::{self, AccountError, NewAccount};
use primetech_accounts::{Role, User, password};
use primetech_actors::random;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::failure::{Checks, Failure};
use super::output::{Record, Reply, time, yes_or_no};
use super::workplace::{Workplace, execute};
use crate::input::rules;

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create an account. Without --password-stdin a password is generated and shown once
    #[command(
        after_help = "Examples:\n  primetech user create --tenant acme --email jane@acme.com --role ADMIN\n  \
                            pass show acme/jane | primetech user create --tenant acme --email jane@acme.com --password-stdin"
    )]
    Create(NewUserArguments),
    /// Set a user's role. Live sessions get it within a second
    #[command(after_help = "Example:\n  primetech user set-role --tenant acme --email jane@acme.com ADMIN")]
    SetRole(RoleArguments),
}

#[derive(Args)]
struct NewUserArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The address to sign in with
    #[arg(long)]
    email: String,
    /// The person's name
    #[arg(long)]
    name: Option<String>,
    /// The user's role
    #[arg(long, value_enum, ignore_case = true, default_value = "CUSTOMER")]
    role: RoleArgument,
    /// Read the password from the first line of standard input, or ask for it on a terminal
    #[arg(long)]
    password_stdin: bool,
    /// Mark the address as verified. No mail is sent in either case
    #[arg(long)]
    email_verified: bool,
}

#[derive(Args)]
struct RoleArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The user's address
    #[arg(long)]
    email: String,
    /// The new role
    #[arg(value_enum, ignore_case = true)]
    role: RoleArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArgument {
    #[value(name = "CUSTOMER")]
    Customer,
    #[value(name = "ADMIN")]
    Admin,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Customer => Self::Customer,
            RoleArgument::Admin => Self::Admin,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    #[serde(flatten)]
    user: &'a User,
    tenant: &'a str,
    /// Only where it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleChange<'a> {
    #[serde(flatten)]
    user: &'a User,
    tenant: &'a str,
    changed: bool,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    execute(arguments.json, async {
        match arguments.command {
            UserCommand::Create(new) => create(&new).await,
            UserCommand::SetRole(wish) => set_role(&wish).await,
        }
    })
}

async fn create(arguments: &NewUserArguments) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let email = checks.value("--email", &arguments.email, rules::email);
    let name = checks.optional("--name", arguments.name.as_deref(), rules::text(1..=200));
    let password = if arguments.password_stdin {
        let typed = read_password()?;
        checks.value("--password-stdin", typed.expose_secret(), |text| acceptable(text, email.as_deref()))
    } else {
        Some(made_password())
    };
    let values = email.zip(name).zip(password);
    let ((email, name), password) = checks.finish(values)?;

    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let made = (!arguments.password_stdin).then(|| password.clone());
    let (role, email_verified) = (arguments.role.into(), arguments.email_verified);
    let new = NewAccount { email, name, role, password, email_verified };
    let user = operator::create(&workplace.database, workplace.now(), &tenant.scope(), new).await?;

    let password = made.as_ref().map(|made| made.expose_secret());
    let record = of_user(&user, &tenant.slug);
    let record = if let Some(password) = password { record.with("password", password) } else { record };
    let reply = Reply::new(&Created { user: &user, tenant: &tenant.slug, password }, record.text())?;
    Ok(if made.is_some() {
        reply.note("only the password's hash is stored: this is the one time that it is shown")
    } else {
        reply
    })
}

async fn set_role(arguments: &RoleArguments) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let email = checks.value("--email", &arguments.email, rules::email);
    let email = checks.finish(email)?;
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let role = arguments.role.into();
    let set = operator::set_role(&workplace.database, workplace.now(), &tenant.scope(), &email, role).await?;
    let change = RoleChange { user: &set.user, tenant: &tenant.slug, changed: set.changed };
    let mut reply = Reply::new(&change, of_user(&set.user, &tenant.slug).text())?;
    if !set.changed {
        reply = reply.note(format!("{email} is already {}", role.as_str()));
    }
    if set.admins == 0 {
        reply = reply.note(format!("{} now has no ADMIN", tenant.slug));
    }
    Ok(reply)
}

fn of_user(user: &User, tenant: &str) -> Record {
    Record::new()
        .with("tenant", tenant)
        .with("email", &user.email)
        .with("name", user.name.clone().unwrap_or_default())
        .with("role", user.role.as_str())
        .with("verified", yes_or_no(user.email_verified))
        .with("id", user.id.to_string())
        .with("created", time(user.created_at))
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Fault(fault) => fault.into(),
            refusal => Self::refused(refusal),
        }
    }
}

/// What a person at a terminal types twice, unseen; else the first line.
fn read_password() -> Result<SecretString, Failure> {
    if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map(SecretString::from);
        let (once, again) = (ask("Password: ")?, ask("Repeat the password: ")?);
        if once.expose_secret() != again.expose_secret() {
            return Err(Failure::refused("the two passwords differ; nothing was changed"));
        }
        return Ok(once);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| {
        Failure::argument("--password-stdin", format!("could not be read from standard input: {error}"))
    })?;
    let password =
        line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(SecretString::from(password))
}

/// The rules of registration hold for the operator too.
fn acceptable(text: &str, email: Option<&str>) -> Result<SecretString, String> {
    let password = rules::new_password(text).map_err(|flaw| flaw.to_string())?;
    match email.and_then(|email| password::weakness(text, email)) {
        Some(weakness) => Err(weakness.to_owned()),
        None => Ok(password),
    }
}

/// Twenty characters in groups, as people can type them: 103 bits.
fn made_password() -> SecretString {
    let characters = random::base36::<20>();
    let groups: Vec<String> =
        characters.chunks(5).map(|group| String::from_utf8_lossy(group).to_ascii_lowercase()).collect();
    SecretString::from(groups.join("-"))
}
