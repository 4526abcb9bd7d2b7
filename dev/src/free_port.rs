//! Loopback ports for the parts of the development environment.
//!
//! A port is only known to be free at the moment of asking: whoever takes one must be ready to see its own bind
//! fail, and ask again.

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
