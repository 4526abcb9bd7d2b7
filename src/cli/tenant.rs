//! `primetech tenant`: manages the tenants of this installation and their hosts.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use primetech_kernel::tenancy::registry::{self, NewTenant, RegistryError, TenantChanges, TenantRecord};
use primetech_module::Description;
use serde::Serialize;

use super::failure::{Checks, Failure};
use super::output::{Record, Reply, Table, time, yes_or_no};
use super::workplace::{Workplace, execute, no_tenant};
use crate::input::rules::{self, Flaw};
use crate::layers::host;

/// What fits at the head of a document.
const MOST_ADDRESS_LINES: usize = 8;
const LONGEST_ADDRESS_LINE: usize = 100;

const LONGEST_TAX_ID: usize = 64;

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Subcommand)]
enum TenantCommand {
    /// Create a tenant. It is active at once
    #[command(
        after_help = "Example:\n  primetech tenant create acme --name 'Acme Ltd' --domain shop.acme.com \\\n      \
                            --address '1 Main Street' --address 'Springfield'"
    )]
    Create(NewTenantArguments),
    /// List all tenants
    #[command(after_help = "Example:\n  primetech tenant list --json | jq -r '.[].slug'")]
    List,
    /// Activate a tenant
    #[command(after_help = "Example:\n  primetech tenant activate acme")]
    Activate(SlugArgument),
    /// Deactivate a tenant: its hosts answer 403 TENANT_INACTIVE, its data stays
    #[command(
        after_help = "Example:\n  primetech tenant deactivate acme\n\nEvery serving process applies this within a second."
    )]
    Deactivate(SlugArgument),
    /// Set what a tenant's documents and mails say of it, from now on
    #[command(
        after_help = "Examples:\n  primetech tenant set acme --name 'Acme GmbH' --tax-id 'DE 123456789'\n  \
                      primetech tenant set acme --site-url https://shop.acme.com --reply-to help@acme.com\n  \
                      primetech tenant set acme --address 'Hauptstr. 1' --address '10115 Berlin'\n\n\
                      What is not named stays as it is; an empty value ('') takes away what there is."
    )]
    Set(SetArguments),
    /// Give a tenant one more host
    #[command(after_help = "Example:\n  primetech tenant add-domain acme www.acme.com")]
    AddDomain(DomainArguments),
    /// Allow a return site for checkouts, in addition to the tenant's hosts and the front end
    #[command(after_help = "Example:\n  primetech tenant allow-origin acme https://www.acme.com\n\n\
                      A checkout with a successUrl or cancelUrl on another site is refused.")]
    AllowOrigin(OriginArguments),
    /// Switch a module off for a tenant: its endpoints answer 404, its data stays
    #[command(
        after_help = "Example:\n  primetech tenant switch-off acme bookings\n\n`primetech modules` lists the modules. Every \
                      serving process applies this within a second."
    )]
    SwitchOff(ModuleArguments),
    /// Switch a module on again
    #[command(after_help = "Example:\n  primetech tenant switch-on acme bookings")]
    SwitchOn(ModuleArguments),
    /// Remove an allowed return site
    #[command(after_help = "Example:\n  primetech tenant disallow-origin acme https://www.acme.com")]
    DisallowOrigin(OriginArguments),
}

#[derive(Args)]
struct OriginArguments {
    /// The tenant's short name
    slug: String,
    /// The site: scheme, host, and the port unless it is the default
    origin: String,
}

#[derive(Args)]
struct ModuleArguments {
    /// The tenant's short name
    slug: String,
    /// The module's name
    module: String,
}

#[derive(Args)]
struct SlugArgument {
    /// The tenant's short name
    slug: String,
}

#[derive(Args)]
struct NewTenantArguments {
    /// A short name: 1 to 63 of a-z 0-9 and -. It cannot be changed later
    slug: String,
    /// The name on documents and mails
    #[arg(long)]
    name: String,
    /// A host of the tenant; may be repeated
    #[arg(long = "domain", value_name = "HOST")]
    domains: Vec<String>,
    /// A line of the postal address on documents; may be repeated
    #[arg(long = "address", value_name = "LINE")]
    address: Vec<String>,
}

#[derive(Args)]
struct SetArguments {
    /// The tenant's short name
    slug: String,
    /// The name on documents and mails
    #[arg(long)]
    name: Option<String>,
    /// A line of the postal address on documents; may be repeated, and replaces all lines
    #[arg(long = "address", value_name = "LINE")]
    address: Vec<String>,
    /// The tax number on documents
    #[arg(long, value_name = "NUMBER")]
    tax_id: Option<String>,
    /// Where links in mails lead to, in place of APP_BASE_URL; checkouts may lead back to it as well
    #[arg(long, value_name = "URL")]
    site_url: Option<String>,
    /// The address that answers to mails go to, in place of MAIL_FROM's
    #[arg(long, value_name = "ADDRESS")]
    reply_to: Option<String>,
}

#[derive(Args)]
struct DomainArguments {
    /// The tenant's short name
    slug: String,
    /// The host, without a scheme and path
    host: String,
}

/// A tenant, and whether the command changed it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    #[serde(flatten)]
    tenant: &'a TenantRecord,
    changed: bool,
}

pub(super) fn run(arguments: Arguments, description: &Description) -> ExitCode {
    execute(arguments.json, async {
        match arguments.command {
            TenantCommand::Create(new) => create(&new).await,
            TenantCommand::List => list().await,
            TenantCommand::Activate(SlugArgument { slug }) => set_active(&slug, true).await,
            TenantCommand::Deactivate(SlugArgument { slug }) => set_active(&slug, false).await,
            TenantCommand::Set(arguments) => set(&arguments).await,
            TenantCommand::AddDomain(DomainArguments { slug, host }) => add_domain(&slug, &host).await,
            TenantCommand::AllowOrigin(arguments) => set_origin(&arguments, true).await,
            TenantCommand::DisallowOrigin(arguments) => set_origin(&arguments, false).await,
            TenantCommand::SwitchOff(arguments) => switch_module(&arguments, description, false).await,
            TenantCommand::SwitchOn(arguments) => switch_module(&arguments, description, true).await,
        }
    })
}

async fn create(arguments: &NewTenantArguments) -> Result<Reply, Failure> {
    let new = checked(arguments)?;
    let mut workplace = Workplace::open_to_write_tenants().await?;
    let now = workplace.now();
    let tenant = registry::create(&mut workplace.owner, now, &new).await?;
    let reply = Reply::new(&tenant, text(&tenant))?;
    Ok(if tenant.domains.is_empty() {
        reply.note("the tenant has no host yet: see `primetech tenant add-domain --help`")
    } else {
        reply
    })
}

fn checked(arguments: &NewTenantArguments) -> Result<NewTenant, Failure> {
    let mut checks = Checks::new();
    let slug = checks.value("<SLUG>", &arguments.slug, slug);
    let name = checks.value("--name", &arguments.name, rules::text(1..=200));
    let domains = checks.each("--domain", &arguments.domains, host);
    let address = address(&mut checks, &arguments.address);
    let new = || {
        let mut domains = domains?;
        domains.sort();
        domains.dedup();
        Some(NewTenant { slug: slug?, name: name?, domains, address: address? })
    };
    let new = new();
    checks.finish(new)
}

fn address(checks: &mut Checks, lines: &[String]) -> Option<Vec<String>> {
    let address = checks.each("--address", lines, rules::text(1..=LONGEST_ADDRESS_LINE));
    if lines.len() > MOST_ADDRESS_LINES {
        checks.fault("--address", format!("must be given at most {MOST_ADDRESS_LINES} times"));
    }
    address
}

async fn set(arguments: &SetArguments) -> Result<Reply, Failure> {
    let (slug, changes) = (&arguments.slug, changes(arguments)?);
    let mut workplace = Workplace::open_to_write_tenants().await?;
    let now = workplace.now();
    let (tenant, changed) = registry::set(&mut workplace.owner, now, slug, &changes).await?;
    let note = if changed { format!("{slug} is changed") } else { format!("{slug} was so already") };
    Ok(Reply::new(&Changed { tenant: &tenant, changed }, text(&tenant))?.note(note))
}

fn changes(arguments: &SetArguments) -> Result<TenantChanges, Failure> {
    let SetArguments { slug: _, name, address: lines, tax_id, site_url, reply_to } = arguments;
    let mut checks = Checks::new();
    let is_given =
        name.is_some() || !lines.is_empty() || tax_id.is_some() || site_url.is_some() || reply_to.is_some();
    if !is_given {
        checks.fault("<SLUG>", "must be followed by what is to be set: see --help");
    }
    let name = checks.optional("--name", name.as_deref(), rules::text(1..=200));
    let address = match lines.as_slice() {
        [] => Some(None),
        [line] if line.is_empty() => Some(Some(Vec::new())),
        lines => address(&mut checks, lines).map(Some),
    };
    let tax_id = checks.optional("--tax-id", tax_id.as_deref(), or_none(rules::text(1..=LONGEST_TAX_ID)));
    let site_url = checks.optional("--site-url", site_url.as_deref(), or_none(rules::site_url));
    let reply_to = checks.optional("--reply-to", reply_to.as_deref(), or_none(rules::email));
    let changes = || {
        Some(TenantChanges {
            name: name?,
            address: address?,
            tax_id: tax_id?,
            site_url: site_url?,
            reply_to: reply_to?,
        })
    };
    let changes = changes();
    checks.finish(changes)
}

/// An empty text takes away what there is.
fn or_none<T>(rule: impl Fn(&str) -> Result<T, Flaw>) -> impl Fn(&str) -> Result<Option<T>, Flaw> {
    move |text| if text.is_empty() { Ok(None) } else { rule(text).map(Some) }
}

async fn list() -> Result<Reply, Failure> {
    let workplace = Workplace::open().await?;
    let tenants = registry::list(&workplace.database).await?;
    let mut table = Table::new(&["SLUG", "NAME", "ACTIVE", "HOSTS", "CREATED"]);
    for tenant in &tenants {
        table.row([
            tenant.slug.clone(),
            tenant.name.clone(),
            yes_or_no(tenant.active),
            tenant.domains.join(", "),
            time(tenant.created_at),
        ]);
    }
    Ok(Reply::new(&tenants, table.text("no tenants"))?)
}

async fn set_active(slug: &str, active: bool) -> Result<Reply, Failure> {
    let mut workplace = Workplace::open_to_write_tenants().await?;
    let (tenant, changed) =
        registry::set_active(&mut workplace.owner, workplace.clock.now(), slug, active).await?;
    let state = if active { "active" } else { "inactive" };
    let when = if changed { "now" } else { "already" };
    let note = format!("{} is {when} {state}", tenant.slug);
    Ok(Reply::new(&Changed { tenant: &tenant, changed }, text(&tenant))?.note(note))
}

async fn add_domain(slug: &str, named: &str) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let host = checks.value("<HOST>", named, host);
    let host = checks.finish(host)?;
    let mut workplace = Workplace::open_to_write_tenants().await?;
    let now = workplace.now();
    let (tenant, changed) = registry::add_domain(&mut workplace.owner, now, slug, &host).await?;
    let has = if changed { "now has" } else { "already has" };
    let note = format!("{} {has} the host {host}", tenant.slug);
    Ok(Reply::new(&Changed { tenant: &tenant, changed }, text(&tenant))?.note(note))
}

async fn set_origin(arguments: &OriginArguments, allowed: bool) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let origin = checks.value("<ORIGIN>", &arguments.origin, rules::web_origin);
    let origin = checks.finish(origin)?;
    let mut workplace = Workplace::open_to_write_tenants().await?;
    let now = workplace.now();
    let slug = &arguments.slug;
    let (tenant, changed) =
        registry::set_return_origin(&mut workplace.owner, now, slug, &origin, allowed).await?;
    let note = match (allowed, changed) {
        (true, true) => format!("checkouts of {slug} may now return to {origin}"),
        (true, false) => format!("checkouts of {slug} may already return to {origin}"),
        (false, true) => format!("checkouts of {slug} may no longer return to {origin}"),
        (false, false) => format!("{origin} is not a return site of {slug}; nothing changed"),
    };
    Ok(Reply::new(&Changed { tenant: &tenant, changed }, text(&tenant))?.note(note))
}

async fn switch_module(
    arguments: &ModuleArguments,
    description: &Description,
    on: bool,
) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let switchable =
        || description.modules.iter().filter(|module| module.switchable).map(|module| module.name);
    let module = checks.value("<MODULE>", &arguments.module, |text| {
        switchable()
            .find(|name| *name == text)
            .ok_or_else(|| format!("must be one of {}", switchable().collect::<Vec<_>>().join(", ")))
    });
    let module = checks.finish(module)?;
    let mut workplace = Workplace::open_to_write_tenants().await?;
    let now = workplace.now();
    let slug = &arguments.slug;
    let (tenant, changed) = registry::switch_module(&mut workplace.owner, now, slug, module, on).await?;
    let (state, when) = (if on { "on" } else { "off" }, if changed { "now" } else { "already" });
    let note = format!("{module} is {when} switched {state} for {slug}");
    Ok(Reply::new(&Changed { tenant: &tenant, changed }, text(&tenant))?.note(note))
}

fn text(tenant: &TenantRecord) -> String {
    Record::new()
        .with("slug", &tenant.slug)
        .with("name", &tenant.name)
        .with("active", yes_or_no(tenant.active))
        .with("hosts", tenant.domains.join(", "))
        .with("return origins", tenant.return_origins.join(", "))
        .with("switched off", tenant.switched_off_modules.join(", "))
        .with("address", tenant.address.join(", "))
        .with("tax id", tenant.tax_id.clone().unwrap_or_default())
        .with("site", tenant.site_url.clone().unwrap_or_default())
        .with("answers to", tenant.reply_to.clone().unwrap_or_default())
        .with("id", tenant.id.to_string())
        .with("created", time(tenant.created_at))
        .text()
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NotFound(slug) => no_tenant(&slug),
            RegistryError::Fault(fault) => fault.into(),
            refusal => Self::refused(refusal),
        }
    }
}

/// As the table's constraint has it.
fn slug(text: &str) -> Result<String, Flaw> {
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 63 of a-z 0-9 and -, and neither begin nor end with -".into())
    }
}

/// As requests' hosts are folded, so that the two meet.
fn host(text: &str) -> Result<String, Flaw> {
    host::fold(text).ok_or_else(|| {
        "must be a host name such as shop.example.com, in ASCII (xn--…), without a scheme and path".into()
    })
}
