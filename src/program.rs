//! A program: the product, and the modules that others add to it.

use std::sync::Arc;

use primetech_kernel::runtime::Runtime;
use primetech_kernel::settings::{ConfigFaults, Reader, Settings, Variables};
use primetech_module::{Composition, Module, Modules};

use crate::app::Conflicts;
use crate::compose::{self, Adapters, Extend};
use crate::config::Config;

/// What [`crate::run`] runs.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     primetech::run(primetech::Program::default())
/// }
/// ```
pub struct Program {
    name: &'static str,
    plugins: Vec<Plugin>,
}

type ReadSettings = Box<dyn Fn(&mut Reader) -> Option<Extend> + Send + Sync>;

/// One module of another's.
struct Plugin {
    /// With the settings' defaults.
    described: Extend,
    /// With the settings of the environment. None if a fault was noted.
    read: ReadSettings,
}

impl Default for Program {
    fn default() -> Self {
        Self::new("primetech")
    }
}

impl Program {
    /// The product alone. `name` is how the program is called.
    pub fn new(name: &'static str) -> Self {
        Self { name, plugins: Vec::new() }
    }

    /// Adds a module after the product's and those that were added before.
    #[must_use]
    pub fn with<S: Settings, M: Module>(mut self, build: fn(&Runtime, &Adapters, S) -> Arc<M>) -> Self {
        let adding = move |settings: S| -> Extend {
            Arc::new(move |runtime, adapters, modules: Modules| {
                modules.with(&build(runtime, adapters, settings.clone()))
            })
        };
        self.plugins.push(Plugin {
            described: adding(S::default()),
            read: Box::new(move |read| S::read(read).map(adding)),
        });
        self
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the program is made of: over a database that is never asked, with default settings.
    pub fn describe(&self) -> Result<Composition, Conflicts> {
        let described = self.plugins.iter().map(|plugin| Arc::clone(&plugin.described)).collect();
        compose::describe(all(described))
    }

    /// The settings of the product and its modules. Names every fault of both.
    pub fn configure(&self, variables: Variables) -> Result<(Config, Extend), ConfigFaults> {
        let mut read = Reader::new(variables);
        let config = Config::read(&mut read);
        let modules = self.read(&mut read);
        read.finish(config.zip(modules))
    }

    /// The settings of the added modules alone, from the process's environment.
    pub fn load(&self) -> Result<Extend, ConfigFaults> {
        if self.plugins.is_empty() {
            // Nothing is read, so nothing can be wrong with it.
            return Ok(compose::nothing_more());
        }
        let mut read = Reader::new(Variables::load()?);
        let modules = self.read(&mut read);
        read.finish(modules)
    }

    /// The same, with others. None if a fault was noted.
    pub fn read(&self, read: &mut Reader) -> Option<Extend> {
        // Each of them, so that each fault is noted.
        let modules: Vec<Option<Extend>> = self.plugins.iter().map(|plugin| (plugin.read)(read)).collect();
        modules.into_iter().collect::<Option<Vec<Extend>>>().map(all)
    }
}

/// Adds the modules of each, in their order.
fn all(added: Vec<Extend>) -> Extend {
    Arc::new(move |runtime, adapters, modules| {
        added.iter().fold(modules, |modules, add| add(runtime, adapters, modules))
    })
}
