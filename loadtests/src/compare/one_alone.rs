//! One request with nothing else running: what the queue, the mailbox and the batch's statements add to it.
//!
//! Two applications in this process, each with all layers of HTTP, on one database. One is the product as it is. In the
//! other `POST /api/licences/activate` has a handler without actor and batch: the same checks and answer, and a
//! transaction of its own that locks the licence, writes the activation and commits, as handlers without batches do.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use primetech::app::{Application, Options, State};
use primetech::config::Config;
use primetech::error::{ApiError, Code};
use primetech::input::{Input, rules};
use primetech::layers::permission::CurrentTenant;
use primetech::routes::Endpoint;
use primetech_actors::fault::Fault;
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::random;
use primetech_licences::{ActivateError, Activated, ActivationView, Claims, Licences};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::table::{Bound, Line};
use super::{Rounds, Spread, WARM_UP, service_round};
use crate::Failure;
use crate::installation::Installation;
use crate::load::Load;
use crate::scenarios::Scenario;

const PATH: &str = "/api/licences/activate";
const MARK: f64 = 1.3;

pub async fn compare(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let batched = InProcess::start(installation.owned()?.config()?, |endpoints| endpoints)?;
    let plain = InProcess::start(installation.owned()?.config()?, |endpoints| {
        endpoints.into_iter().filter(|endpoint| endpoint.path != PATH).chain([unbatched()]).collect()
    })?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds.count {
        with.push(round(installation, batched.address, rounds).await?);
        without.push(round(installation, plain.address, rounds).await?);
        eprintln!(
            "  alone: {:.3} ms batched, {:.3} ms not",
            with[with.len() - 1],
            without[without.len() - 1]
        );
    }
    batched.stop()?;
    plain.stop()?;
    let ratios: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with / without).collect();
    Ok(vec![Line {
        what: "one activation alone, p50 : the same handler unbatched".to_owned(),
        unit: " ms",
        ours: Spread::of(&with),
        other: Some(Spread::of(&without)),
        ratio: Some(Spread::of(&ratios)),
        bound: Some(Bound::AtMostTimes(MARK)),
    }])
}

/// The median latency of one client's requests, in milliseconds.
async fn round(installation: &Installation, address: SocketAddr, rounds: Rounds) -> Result<f64, Failure> {
    let target = installation.only(address);
    let load = Load { clients: 1, warm_up: WARM_UP, duration: rounds.length, rate: None };
    // One client cannot use up more than a few thousand licences a second.
    let sized = Load { rate: Some(4_000.0), ..load };
    let workload = Scenario::ActivateMany.prepare(&target, &sized).await?;
    let measured = service_round(&target, Rc::clone(&workload), load).await?;
    Ok(measured.total().map_or(f64::NAN, |total| total.quantile_ms(0.5)))
}

/// An application on a thread of its own.
struct InProcess {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl InProcess {
    fn start(config: Config, adjust_endpoints: fn(Vec<Endpoint>) -> Vec<Endpoint>) -> Result<Self, Failure> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("application".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let mut options = Options { adjust_endpoints, ..Options::default() };
                options.limits.shutdown_notice = Duration::ZERO;
                let application = Application::build(config, options).map_err(|error| error.to_string())?;
                tell.send(application.address()).map_err(|error| error.to_string())?;
                let until = async move {
                    // An error means that nobody is left to tell, which is an end too.
                    let _ended = stopped.await;
                };
                application.run_until(until).await.map_err(|error| error.to_string())
            })
        })?;
        let address = told.recv().map_err(|_| "an application within this process did not start")?;
        Ok(Self { address, stop, thread })
    }

    fn stop(self) -> Result<(), Failure> {
        // Where nobody listens any more, it has ended already.
        let _ended = self.stop.send(());
        Ok(self.thread.join().map_err(|_| "an application within this process panicked")??)
    }
}

fn unbatched() -> Endpoint {
    Endpoint::post(PATH, activate)
}

#[derive(sqlx::FromRow)]
struct Locked {
    id: Uuid,
    status: String,
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
    product_sku: String,
}

async fn activate(
    state: web::Data<State>,
    licences: web::Data<Licences>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.required("fingerprint", rules::fingerprint);
    let device_name = body.optional("deviceName", rules::text(1..=120));
    let (key, fingerprint, device_name) = input.finish((key, fingerprint, device_name))?;
    let actors = &state.actors;
    let work = async |tx: &mut primetech_actors::database::tx::TenantTx| {
        let locked: Option<Locked> = sqlx::query_as(
            "SELECT l.id, l.status, l.expires_at, p.sku AS product_sku FROM licences l
             JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id
             WHERE l.tenant_id = $1 AND l.key = $2 FOR UPDATE OF l",
        )
        .bind(tx.tenant_id())
        .bind(key.as_str())
        .fetch_optional(tx.connection())
        .await?;
        let Some(locked) = locked else { return Ok(Err(ActivateError::NotFound)) };
        let taken: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM activations
                            WHERE tenant_id = $1 AND licence_id = $2 AND deactivated_at IS NULL)",
        )
        .bind(tx.tenant_id())
        .bind(locked.id)
        .fetch_one(tx.connection())
        .await?;
        let now = actors.clock.now();
        if locked.status != "ACTIVE" || locked.expires_at.is_some_and(|expiry| expiry <= now) {
            return Ok(Err(ActivateError::Revoked));
        }
        if taken {
            return Ok(Err(ActivateError::MaxActivations));
        }
        let id = random::row_id(now);
        sqlx::query(
            "INSERT INTO activations (tenant_id, id, licence_id, fingerprint, device_name, activated_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(tx.tenant_id())
        .bind(id)
        .bind(locked.id)
        .bind(&fingerprint)
        .bind(&device_name)
        .bind(now)
        .execute(tx.connection())
        .await?;
        let activation = ActivationView {
            id,
            lic_key: key.clone(),
            fingerprint: fingerprint.clone(),
            device_name: device_name.clone(),
            activated_at: now,
        };
        Ok(Ok((activation, locked)))
    };
    let written: Result<_, ActivateError> = actors.database.write(&tenant.scope(), work).await;
    let (activation, licence) = written?;
    let claims = Claims {
        lic_key: key.as_str(),
        fingerprint: &fingerprint,
        tenant: &tenant.slug,
        product_sku: &licence.product_sku,
    };
    let certificate = licences
        .signer()
        .certify(tenant.id, &claims, actors.clock.now(), licence.expires_at)
        .map_err(|fault: Fault| ApiError::new(Code::INTERNAL_ERROR).caused_by(fault))?;
    Ok(HttpResponse::Created().json(Activated { activation, created: true, certificate }))
}
