//! The conflicts in a composition.

use std::collections::HashMap;
use std::fmt;

use crate::surface::Surface;

/// Two modules, or a module and a rule, that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict(String);

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Conflict {}

/// Every conflict of what the modules bring.
pub(crate) fn of(surface: &Surface) -> Vec<Conflict> {
    let mut found = Vec::new();
    let modules = surface.modules.iter().map(|(module, _)| (*module, *module));
    declared_twice("module", modules, &mut found);
    let codes = surface.codes.iter().map(|(module, code)| (*module, code.as_str()));
    declared_twice("code", codes, &mut found);
    let endpoints = surface
        .endpoints
        .iter()
        .map(|(module, endpoint)| (*module, format!("{} {}", endpoint.method, endpoint.path)));
    declared_twice("endpoint", endpoints, &mut found);
    paths_of_two_modules(surface, &mut found);
    let topics = surface.deliveries.iter().map(|(module, topic, _)| (*module, *topic));
    declared_twice("topic", topics, &mut found);
    let tables = surface.tables.iter().map(|(module, table)| (*module, *table));
    declared_twice("table", tables, &mut found);
    let workers = surface.workers.iter().map(|(module, worker)| (*module, worker.name));
    declared_twice("worker", workers, &mut found);
    let commands = surface.commands.iter().map(|(module, command)| (*module, command.name()));
    declared_twice("command", commands, &mut found);
    let histories = surface.migrations.iter().map(|migrations| (migrations.module, migrations.history()));
    declared_twice("history of migrations", histories, &mut found);
    let events = surface.tells.iter().map(|(module, event)| (*module, *event));
    declared_twice("event", events, &mut found);
    endpoints_without_permission(surface, &mut found);
    heard_before_told(surface, &mut found);
    ranks_that_do_not_ascend(surface, &mut found);
    found
}

fn declared_twice<T: fmt::Display + Eq + std::hash::Hash>(
    what: &str,
    declared: impl Iterator<Item = (&'static str, T)>,
    found: &mut Vec<Conflict>,
) {
    let mut first: HashMap<T, &'static str> = HashMap::new();
    for (module, thing) in declared {
        if let Some(other) = first.get(&thing) {
            found.push(Conflict(format!("the {what} {thing} is declared twice: by {other} and by {module}")));
        } else {
            first.insert(thing, module);
        }
    }
}

/// A path is switched off with its module, so it has one.
fn paths_of_two_modules(surface: &Surface, found: &mut Vec<Conflict>) {
    let mut first: HashMap<&str, &str> = HashMap::new();
    for (module, endpoint) in &surface.endpoints {
        let owner = first.entry(endpoint.path).or_insert(module);
        if owner != module {
            let path = endpoint.path;
            found.push(Conflict(format!(
                "the path {path} has endpoints of two modules: {owner} and {module}"
            )));
        }
    }
}

fn endpoints_without_permission(surface: &Surface, found: &mut Vec<Conflict>) {
    for (module, endpoint) in surface.endpoints.iter().filter(|(_, endpoint)| !endpoint.asks) {
        let (method, path) = (&endpoint.method, endpoint.path);
        found.push(Conflict(format!(
            "{method} {path} of {module} does not say who may call it: its handler has no permission among its arguments"
        )));
    }
}

/// Each event that is heard, with the module that hears it.
fn heard(surface: &Surface) -> Vec<(&'static str, &'static str)> {
    let within = surface.reactions.heard_within().map(|(event, module, _)| (event, module));
    within.chain(surface.reactions.heard_after().map(|(event, module, _)| (event, module))).collect()
}

fn heard_before_told(surface: &Surface, found: &mut Vec<Conflict>) {
    let place = |module: &str| surface.modules.iter().position(|(listed, _)| *listed == module);
    for (event, listener) in heard(surface) {
        match surface.tells.iter().find(|(_, told)| *told == event) {
            None => found.push(Conflict(format!("{listener} hears {event}, which no module tells"))),
            Some((teller, _)) if place(teller) > place(listener) => found.push(Conflict(format!(
                "{listener} hears {event} of {teller}, and is listed before it: list {teller} first"
            ))),
            Some(_) => {}
        }
    }
}

/// The listeners within a transaction lock rows: a module that is listed later has the higher rank, so that what it hears
/// of the others has been told when its turn comes.
fn ranks_that_do_not_ascend(surface: &Surface, found: &mut Vec<Conflict>) {
    let place = |module: &str| surface.modules.iter().position(|(listed, _)| *listed == module);
    let heard: Vec<_> = surface.reactions.heard_within().collect();
    for (at, (event, module, rank)) in heard.iter().enumerate() {
        for (_, other, other_rank) in &heard[at + 1..] {
            if place(module) > place(other) && rank < other_rank {
                found.push(Conflict(format!(
                    "{module} hears {event} at a lower lock rank than {other}, and is listed after it"
                )));
            } else if module != other && rank == other_rank {
                found.push(Conflict(format!("{module} and {other} hear events at the same lock rank")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::HttpResponse;
    use primetech_http::endpoint::Endpoint;
    use primetech_http::layers::permission::MaybeSignedIn;
    use primetech_kernel::events::{Event, LockRank};
    use serde::{Deserialize, Serialize};
    use sqlx::migrate::Migrator;
    use uuid::Uuid;

    use crate::{Command, CommandError, Module, Modules, Surface};

    #[derive(Serialize, Deserialize)]
    struct Told;

    impl Event for Told {
        const NAME: &'static str = "teller.told";

        fn tenant_id(&self) -> Uuid {
            Uuid::nil()
        }
    }

    async fn open(_: MaybeSignedIn) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn careless() -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    fn nothing(name: &'static str) -> Command {
        let refused = || Err(CommandError::Refused("nothing is done".to_owned()));
        Command::new(clap::Command::new(name), move |_| Box::pin(async move { refused() }))
    }

    struct Teller;

    impl Module for Teller {
        const NAME: &'static str = "teller";

        fn surface(self: &Arc<Self>, on: &mut Surface) {
            on.tells::<Told>().tables(&["told"]).endpoints(self, [Endpoint::get("/api/told", open)]);
            on.command(nothing("tell"));
        }
    }

    struct Listener(LockRank);

    impl Module for Listener {
        const NAME: &'static str = "listener";

        fn surface(self: &Arc<Self>, on: &mut Surface) {
            on.within::<Told, _>(self, self.0, |_, _, _| Box::pin(async { Ok(()) }));
        }
    }

    struct Copycat;

    impl Module for Copycat {
        const NAME: &'static str = "copycat";

        fn surface(self: &Arc<Self>, on: &mut Surface) {
            on.tables(&["told"]).endpoints(self, [Endpoint::get("/api/told", careless)]);
            on.command(nothing("tell")).migrations(Migrator::DEFAULT).migrations(Migrator::DEFAULT);
            on.within::<Told, _>(self, LockRank::ORDERS, |_, _, _| Box::pin(async { Ok(()) }));
        }
    }

    fn conflicts(modules: Modules) -> Vec<String> {
        modules.compose().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn modules_that_fit_are_composed() {
        let modules = Modules::default().with(&Arc::new(Teller)).with(&Arc::new(Listener(LockRank::ORDERS)));
        assert_eq!(conflicts(modules), [""; 0]);
    }

    #[test]
    fn an_event_is_told_before_it_is_heard() {
        let modules = Modules::default().with(&Arc::new(Listener(LockRank::ORDERS))).with(&Arc::new(Teller));
        let found = conflicts(modules);
        assert_eq!(
            found,
            ["listener hears teller.told of teller, and is listed before it: list teller first"]
        );
        let alone = conflicts(Modules::default().with(&Arc::new(Listener(LockRank::ORDERS))));
        assert_eq!(alone, ["listener hears teller.told, which no module tells"]);
    }

    #[test]
    fn what_is_declared_twice_is_refused_with_both_sides_named() {
        let modules = Modules::default().with(&Arc::new(Teller)).with(&Arc::new(Copycat));
        let found = conflicts(modules);
        assert_eq!(
            found,
            [
                "the endpoint GET /api/told is declared twice: by teller and by copycat",
                "the path /api/told has endpoints of two modules: teller and copycat",
                "the table told is declared twice: by teller and by copycat",
                "the command tell is declared twice: by teller and by copycat",
                "the history of migrations _migrations_copycat is declared twice: by copycat and by copycat",
                "GET /api/told of copycat does not say who may call it: its handler has no permission among its \
                 arguments",
            ]
        );
    }

    #[test]
    fn lock_ranks_ascend_with_the_list() {
        let list = |rank| {
            let listener = Arc::new(Listener(rank));
            conflicts(Modules::default().with(&Arc::new(Teller)).with(&listener).with(&Arc::new(Copycat)))
        };
        let about_ranks = |found: Vec<String>| {
            found.into_iter().filter(|conflict| conflict.contains("lock rank")).collect::<Vec<_>>()
        };
        assert_eq!(about_ranks(list(LockRank::PAYMENT_INTENTS)), [""; 0]);
        assert_eq!(
            about_ranks(list(LockRank::BOOKINGS)),
            ["copycat hears teller.told at a lower lock rank than listener, and is listed after it"]
        );
        assert_eq!(
            about_ranks(list(LockRank::ORDERS)),
            ["listener and copycat hear events at the same lock rank"]
        );
    }
}
