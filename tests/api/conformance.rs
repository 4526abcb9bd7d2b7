//! Holds every answer that any test of this crate gets to the OpenAPI document.

use std::sync::{Arc, LazyLock};

use primetech::compose::{codes, endpoints};
use primetech_testkit::Described;

pub static DESCRIBED: LazyLock<Arc<Described>> =
    LazyLock::new(|| Arc::new(Described::new(endpoints(), &codes())));
