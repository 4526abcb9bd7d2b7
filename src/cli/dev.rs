//! `primetech dev`: the whole product on this machine, without configuration.
#![allow(clippy::print_stdout, reason = "the banner is what the command is asked for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use primetech_module::Composition;

use super::fail;
use crate::app::{Application, Options};
use crate::compose::Extend;
use crate::config::{Environment as Kind, LogConfig};
use crate::dev::{DevError, Environment, Progress, Wishes};
use crate::program::Program;
use crate::telemetry;
use crate::termination::Termination;

#[derive(Args)]
pub(super) struct Arguments {
    /// The port of the API
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// The folder of the database, files, mails and dev.json
    #[arg(long, default_value = ".data")]
    data_dir: PathBuf,
    /// Switch off the rate limits, for load tests
    #[arg(long)]
    no_rate_limit: bool,
}

struct OnTerminal(Instant);

impl Progress for OnTerminal {
    fn step(&self, what: &str) {
        println!("[{:>5.2} s] starting {what}", self.0.elapsed().as_secs_f64());
    }
}

pub(super) fn run(arguments: &Arguments, program: &Program, composition: Composition) -> ExitCode {
    // Quiet unless asked: the banner must stay in sight.
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn,primetech=info".to_owned());
    let _logs = telemetry::start(Kind::Development, &LogConfig { filter: Some(filter), otlp_endpoint: None });
    match actix_web::rt::System::new().block_on(work(arguments, program, composition)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

async fn work(arguments: &Arguments, program: &Program, composition: Composition) -> Result<(), DevError> {
    let begun = Instant::now();
    let mut wishes = Wishes::new(&arguments.data_dir, arguments.port, !arguments.no_rate_limit);
    wishes.migrations = composition.shared().migrations().to_vec();
    wishes.seeds = composition.seeds;
    // The product's settings are the environment's that is brought up; those of other modules are the person's.
    let extend = program.load()?;
    let environment = Environment::start(wishes, &OnTerminal(begun)).await?;
    let served = serve(&environment, extend, begun).await;
    environment.stop().await?;
    println!("stopped; {} has the data for the next start", arguments.data_dir.display());
    served
}

async fn serve(environment: &Environment, extend: Extend, begun: Instant) -> Result<(), DevError> {
    let termination = Termination::heard();
    let application = Application::build(environment.config()?, Options { extend, ..Options::default() })?;
    let api_base = format!("http://127.0.0.1:{}", application.port());
    environment.stripe().set_webhook_endpoint(&format!("{api_base}/api/webhooks/stripe"))?;
    let description = environment.description(&api_base).await?;
    let actors = application.state().actors.clone();
    let announced = async {
        // Announced once it is served: the listener is bound already, so nobody is refused from here on.
        let path = environment.announce(&description)?;
        banner(&description, &path, begun);
        Ok::<_, DevError>(())
    };
    actors.database.check().await?;
    announced.await?;
    tokio::select! {
        served = application.run(termination) => Ok(served?),
        () = environment.database_ended() => {
            Err(DevError::Io(std::io::Error::other("PostgreSQL ended; see its log in the data directory")))
        }
    }
}

fn banner(description: &Value, path: &Path, begun: Instant) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let api_base = text(&description["apiBase"]);
    println!("\nPrime Tech Platform is ready ({:.1} s)\n", begun.elapsed().as_secs_f64());
    println!("  API        {api_base}/api");
    println!(
        "  Stripe     {} (stand-in; open a checkout's url to pay)",
        text(&description["stripe"]["apiBase"])
    );
    println!("  Store      {}", text(&description["s3"]["endpoint"]));
    println!("  Mails      {}", text(&description["mailDir"]));
    println!("  Database   psql '{}'", text(&description["databaseUrl"]));
    println!("  All of it  {}\n", path.display());
    for tenant in description["tenants"].as_array().into_iter().flatten() {
        println!("  {:<5} host {}", text(&tenant["slug"]), text(&tenant["host"]));
        for who in ["admin", "customer"] {
            println!("        {who:<9} {} / {}", text(&tenant[who]["email"]), text(&tenant[who]["password"]));
        }
    }
    let customer = &description["tenants"][0]["customer"];
    println!("\nTry: curl -i {api_base}/api/auth/login -H 'content-type: application/json' \\");
    println!(
        "       -d '{{\"email\":\"{}\",\"password\":\"{}\"}}'\n",
        text(&customer["email"]),
        text(&customer["password"])
    );
    println!("Ctrl-C stops everything.");
}
