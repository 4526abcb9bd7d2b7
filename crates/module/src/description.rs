//! The description of a composition, for `primetech modules` and generated documents.

use serde::Serialize;

use crate::surface::Surface;

/// The modules in their order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    pub modules: Vec<ModuleDescription>,
}

/// What one module brings.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleDescription {
    pub name: &'static str,
    /// Whether a tenant may do without its endpoints.
    pub switchable: bool,
    pub endpoints: Vec<String>,
    pub codes: Vec<&'static str>,
    pub tables: Vec<&'static str>,
    pub tells: Vec<&'static str>,
    /// Inside the transaction that tells.
    pub hears_within: Vec<&'static str>,
    /// After it, by the outbox: event and topic.
    pub hears_after: Vec<(&'static str, &'static str)>,
    pub workers: Vec<&'static str>,
    pub commands: Vec<String>,
    /// The history table of the migrations that the module brings itself.
    pub migrations: Option<String>,
}

pub(crate) fn of(surface: &Surface) -> Description {
    let of_module = |name: &'static str| ModuleDescription {
        name,
        switchable: surface.modules.iter().any(|(module, switchable)| *module == name && *switchable),
        endpoints: surface
            .endpoints
            .iter()
            .filter(|(module, _)| *module == name)
            .map(|(_, endpoint)| format!("{} {}", endpoint.method, endpoint.path))
            .collect(),
        codes: of(&surface.codes, name).map(|code| code.as_str()).collect(),
        tables: of(&surface.tables, name).collect(),
        tells: of(&surface.tells, name).collect(),
        hears_within: surface
            .reactions
            .heard_within()
            .filter(|(_, module, _)| *module == name)
            .map(|(event, ..)| event)
            .collect(),
        hears_after: surface
            .reactions
            .heard_after()
            .filter(|(_, module, _)| *module == name)
            .map(|(event, _, topic)| (event, topic))
            .collect(),
        workers: surface
            .workers
            .iter()
            .filter(|(module, _)| *module == name)
            .map(|(_, worker)| worker.name)
            .collect(),
        commands: surface
            .commands
            .iter()
            .filter(|(module, _)| *module == name)
            .map(|(_, command)| command.name().to_owned())
            .collect(),
        migrations: surface
            .migrations
            .iter()
            .find(|migrations| migrations.module == name)
            .map(|migrations| migrations.history().to_owned()),
    };
    return Description { modules: surface.modules.iter().map(|(name, _)| of_module(name)).collect() };

    fn of<T: Copy>(all: &[(&'static str, T)], name: &'static str) -> impl Iterator<Item = T> {
        all.iter().filter(move |(module, _)| *module == name).map(|(_, thing)| *thing)
    }
}
