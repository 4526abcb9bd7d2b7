//! Loopback ports for the parts of the development environment.
//!
//! A port is known to be free only at the moment of asking: a caller must expect its own bind to fail, and ask again.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A port of 127.0.0.1 that nothing listened on a moment ago, chosen by the operating system.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a listener on this port of 127.0.0.1 could be opened now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
