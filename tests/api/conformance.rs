//! Holds every answer that any test of this crate gets to the OpenAPI document.

use std::sync::LazyLock;

use primetech::compose::{codes, endpoints};
use primetech_testkit::Described;

pub static DESCRIBED: LazyLock<Described> = LazyLock::new(|| Described::new(endpoints(), &codes()));
