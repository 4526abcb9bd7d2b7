//! How a domain joins the product.
//!
//! A domain implements [`Module`] and names everything that it adds on a [`Surface`]. The composition root lists the
//! modules; [`Modules`] refuses a conflict between them and names both sides. Nothing about a domain is stated
//! elsewhere.

mod command;
mod conflicts;
mod description;
mod mail;
mod migrations;
mod modules;
mod seed;
mod surface;
mod worker;

use std::sync::Arc;

pub use command::{Command, CommandContext, CommandError, CommandReply, RunCommand};
pub use conflicts::Conflict;
pub use description::{Description, ModuleDescription};
pub use mail::{UserLetter, UserMail};
pub use migrations::Migrations;
pub use modules::{Composition, Modules, Shared};
pub use seed::Seed;
pub use surface::Surface;
pub use worker::{Next, Stop, Worker};

/// A domain of the product.
pub trait Module: Send + Sync + Sized + 'static {
    /// The prefix of its topics, figures, settings and advisory locks.
    const NAME: &'static str;

    /// Whether a tenant may do without it: its endpoints under the API then answer that tenant 404. What the module hears
    /// and does beside them goes on.
    const SWITCHABLE: bool = true;

    /// Names all that the module brings.
    fn surface(self: &Arc<Self>, on: &mut Surface);
}
