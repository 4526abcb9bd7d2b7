//! The TCP listener and the HTTP settings of its connections.
//!
//! Speaks HTTP/1.1 in clear text; the proxy before every installation terminates TLS and HTTP/2. Built from the parts
//! of actix-web's `HttpServer`, which has no place for [`Connection`] between socket and HTTP.

use std::io;
use std::net::SocketAddr;

use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use tokio::net::TcpSocket;

use crate::layers::connection::{Connection, ConnectionSettings};
use crate::limits::Limits;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 1024;

/// Binds `address` and makes the server of what `application` makes, once on each of `threads` workers. It serves
/// when it is awaited. Gives the address that was bound.
pub fn listen<A, F>(
    address: SocketAddr,
    threads: usize,
    limits: Limits,
    strict_transport: bool,
    application: A,
) -> io::Result<(Server, SocketAddr)>
where
    A: Fn() -> F + Send + Clone + 'static,
    F: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = Response<BoxBody>,
            Error = Error,
            InitError = (),
        > + 'static,
    F::Future: 'static,
    <F::Service as actix_service::Service<Request>>::Future: 'static,
{
    let listener = bind(address)?;
    let bound = listener.local_addr()?;
    let server =
        Server::build().workers(threads).shutdown_timeout(limits.shutdown.as_secs()).disable_signals();
    let settings = ConnectionSettings { patience: limits.answer_taken, strict_transport };
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen("http", listener, move || {
        let stopping = stopping.clone();
        let service = map_config(application(), |()| AppConfig::default());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(limits.keep_alive)
            .client_request_timeout(limits.request_head)
            .client_disconnect_timeout(limits.disconnect)
            .local_addr(bound)
            .finish(service);
        fn_service(move |stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            // Answers are written whole; waiting to fill a packet only delays them. Not vital where it fails.
            let _ = stream.set_nodelay(true);
            Ok((Connection::new(stream, settings), Protocol::Http1, peer))
        })
        .and_then(http)
    })?;
    Ok((server.run(), bound))
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections are still fading may be listened on again.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
