//! An S3 store on loopback, for `primetech dev` and for tests: objects are files under a root folder, requests are
//! checked as S3 checks them (signature, expiry, method).
//!
//! Owns its folder and its listener; serves on the runtime it was started on. Invariant: nothing is answered without
//! a valid signature of the one access key. A key that holds `../` leads out of its bucket (though not out of the
//! root), so object keys are never made of a user's input.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::{AwsNameValidation, NameValidation as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What requests under way get to end in.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// After a failed accept (no descriptor left, mostly) the next may succeed once a connection has ended.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub struct StoreOptions {
    /// The folder that holds a folder per bucket; made where there is none.
    pub root: PathBuf,
    /// None: a free port.
    pub port: Option<u16>,
    pub access_key: String,
    pub secret_key: SecretString,
    /// Made where there is none.
    pub bucket: String,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0:?} is no valid bucket name (3 to 63 lower-case letters, digits, dots and hyphens)")]
    BucketName(String),
    #[error("the store's folder {} cannot be used: {source}", .path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the store cannot work in {}: {reason}", .path.display())]
    Service { path: PathBuf, reason: String },
    #[error("the store cannot listen on port {port} of 127.0.0.1: {source}")]
    Listen { port: u16, source: io::Error },
}

/// A running store. Dropping it cuts the requests under way off.
pub struct ObjectStore {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl ObjectStore {
    /// Opens the store on the current runtime. It answers when this returns.
    pub async fn start(options: StoreOptions) -> Result<Self, StoreError> {
        if !AwsNameValidation::new().validate_bucket_name(&options.bucket) {
            return Err(StoreError::BucketName(options.bucket));
        }
        let bucket = options.root.join(&options.bucket);
        tokio::fs::create_dir_all(&bucket)
            .await
            .map_err(|source| StoreError::Folder { path: bucket, source })?;
        let service = service(&options)?;
        let port = options.port.unwrap_or(0);
        let listen_failed = |source| StoreError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, service, stopped));
        Ok(Self { address, stop: Some(stop), serving })
    }

    /// Such as `http://127.0.0.1:9000`. Buckets are named in the path (`force_path_style`).
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no new requests, lets those under way end for a few seconds, and closes.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // Where nobody listens any more, it has stopped already.
            let _stopped = stop.send(());
        }
        if let Err(error) = (&mut self.serving).await {
            tracing::error!(%error, "the store ended badly");
        }
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ObjectStore").field("address", &self.address).finish_non_exhaustive()
    }
}

fn service(options: &StoreOptions) -> Result<S3Service, StoreError> {
    let files = s3s_fs::FileSystem::new(&options.root)
        .map_err(|error| StoreError::Service { path: options.root.clone(), reason: format!("{error:?}") })?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(&options.access_key, options.secret_key.expose_secret()));
    Ok(builder.build())
}

async fn serve(listener: TcpListener, service: S3Service, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    // Ends all that is left in it when it is dropped.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
            _ = &mut stopped => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = graceful.watch(connection(stream, service.clone()));
                // A client that goes away in the middle is its own affair.
                connections.spawn(async move { drop(connection.await) });
            }
            Err(error) => {
                tracing::warn!(%error, "the store could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(STOP_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::warn!("the store cut off requests that did not end");
    }
}

fn connection(
    stream: TcpStream,
    service: S3Service,
) -> hyper::server::conn::http1::Connection<TokioIo<TcpStream>, S3Service> {
    hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
}
