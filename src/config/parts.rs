use primetech_mail::MailSettings;
use primetech_s3::StorageSettings;
use secrecy::{SecretSlice, SecretString};

use super::{Config, ConfigFault, ConfigFaults, Environment, Reader, StripeConfig, Variables, checks};
use crate::program::Program;

/// What is right of a configuration that may not be: for `doctor`, which looks at each part by itself.
#[derive(Debug, Clone)]
pub struct Parts {
    pub environment: Environment,
    pub database_url: Option<SecretString>,
    pub stripe: Option<StripeConfig>,
    pub storage: Option<StorageSettings>,
    pub mail: Option<MailSettings>,
    /// Not set is right as well.
    pub redis_url: Option<SecretString>,
    pub licence_signing_keys: Option<Vec<SecretSlice<u8>>>,
    /// All of it, where all is right.
    pub whole: Option<Config>,
    pub faults: Vec<ConfigFault>,
}

impl Parts {
    /// From variables, as the program takes them.
    pub fn read(variables: Variables, program: &Program) -> Self {
        let (whole, faults) = match program.configure(variables.clone()) {
            Ok((config, _)) => (Some(config), Vec::new()),
            Err(ConfigFaults(faults)) => (None, faults),
        };
        let mut read = Reader::new(variables);
        let environment = read.or("NODE_ENV", Environment::Production, checks::environment);
        Self {
            environment: environment.unwrap_or(Environment::Production),
            database_url: read.required("DATABASE_URL", checks::database_url),
            stripe: Config::read_stripe(&mut read, environment),
            storage: Config::read_storage(&mut read),
            mail: Config::read_mail(&mut read),
            redis_url: read.optional("REDIS_URL", checks::redis_url).flatten(),
            licence_signing_keys: read.required("LICENCE_SIGNING_KEY", checks::signing_keys),
            whole,
            faults,
        }
    }
}
