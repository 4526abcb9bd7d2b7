//! `loyalty show`: what a customer has.

use std::fmt::Write as _;

use clap::{Arg, ArgMatches};
use primetech_http::input::rules;
use primetech_kernel::fault::Fault;
use primetech_kernel::tenancy::registry;
use primetech_module::{Command, CommandContext, CommandError, CommandReply};

use crate::messages::PointsView;
use crate::store;

pub(crate) fn loyalty() -> Command {
    let show = clap::Command::new("show")
        .about("Show a customer's points and the newest entries")
        .after_help("Example:\n  primetech-with-loyalty loyalty show --tenant acme --email jane@example.com")
        .arg(option("tenant", "SLUG", "The tenant's short name"))
        .arg(option("email", "ADDRESS", "The customer's address"));
    let arguments = clap::Command::new("loyalty")
        .about("Points of customers")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(show);
    Command::new(arguments, |context| Box::pin(show_points(context)))
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).required(true).help(help)
}

async fn show_points(context: CommandContext) -> Result<CommandReply, CommandError> {
    let CommandContext { database, clock, arguments } = context;
    let refused = |reason: String| CommandError::Refused(reason);
    let (slug, email) = wanted(&arguments).ok_or_else(|| refused("there is no such command".to_owned()))?;
    let email = rules::email(email).map_err(|flaw| refused(format!("--email {flaw}")))?;
    let tenant = registry::find(&database, slug).await?;
    let tenant = tenant.ok_or_else(|| refused(format!("there is no tenant {slug:?}")))?;
    let mut tx = database.tenant_tx(&tenant.scope()).await.map_err(Fault::from)?;
    let user_id = store::find_user(&mut tx, &email).await.map_err(Fault::from)?;
    let user_id =
        user_id.ok_or_else(|| refused(format!("the tenant {slug} has no user with this address")))?;
    let view = store::points(&mut tx, user_id, clock.now()).await.map_err(Fault::from)?;
    tx.end_read().await.map_err(Fault::from)?;
    let json = serde_json::to_value(&view).map_err(|error| Fault::internal(error.to_string()))?;
    Ok(CommandReply { text: text(&view), json })
}

fn wanted(arguments: &ArgMatches) -> Option<(&String, &String)> {
    let (_, show) = arguments.subcommand()?;
    show.get_one("tenant").zip(show.get_one("email"))
}

fn text(view: &PointsView) -> String {
    let mut text = format!("points  {}\n", view.points);
    for entry in &view.entries {
        let time = entry.created_at.format("%Y-%m-%dT%H:%M:%SZ");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{time}  {:8}  {:+}  left {}", entry.kind, entry.points, entry.remaining);
    }
    text
}
