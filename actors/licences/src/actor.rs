use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use chrono::{DateTime, Utc};
use primetech_kernel::audit_log::{self, Actor as AuditActor, Entry, Subject};
use primetech_kernel::batch::{Batch, BatchLimits, BatchQueue, Reply};
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::{BatchTx, Database};
use primetech_kernel::fault::Fault;
use serde_json::json;
use uuid::Uuid;

use crate::certificate::{CertificateSigner, Claims};
use crate::decide::{self, LicenceState};
use crate::error::{ActivateError, DeactivateError};
use crate::messages::*;
use crate::store::{self, LicenceName};

/// Decides activations. All requests for a licence meet in one of these actors of a process, which answers a whole
/// batch from one locked read; between processes the row lock decides.
pub struct LicenceActor {
    clock: SharedClock,
    signer: Arc<CertificateSigner>,
    commands: Rc<BatchQueue<CommandBatch>>,
    validations: Rc<BatchQueue<ValidationBatch>>,
}

impl LicenceActor {
    pub fn new(
        database: &Database,
        clock: SharedClock,
        signer: Arc<CertificateSigner>,
        limits: BatchLimits,
    ) -> Self {
        let commands = Rc::new(BatchQueue::new(CommandBatch { clock: clock.clone() }, database, limits));
        let validations =
            Rc::new(BatchQueue::new(ValidationBatch { clock: clock.clone() }, database, limits));
        Self { clock, signer, commands, validations }
    }
}

impl Actor for LicenceActor {
    type Context = Context<Self>;
}

primetech_kernel::ask::carry_spans!(LicenceActor);

/// What changes activations.
enum Command {
    Activate(Activate),
    Deactivate(Deactivate),
}

impl Command {
    fn name(&self) -> LicenceName {
        match self {
            Self::Activate(command) => (command.tenant.id, command.key.clone()),
            Self::Deactivate(command) => (command.scope.tenant_id(), command.key.clone()),
        }
    }
}

impl Command {
    /// What the audit log says of a change that this command made.
    fn audited(&self, tenant_id: Uuid, change: &decide::Change) -> Entry {
        let (actor, request_id) = match self {
            Self::Activate(command) => (AuditActor::Anonymous, &command.request_id),
            Self::Deactivate(command) => match &command.by {
                DeactivateBy::Fingerprint(_) => (AuditActor::Anonymous, &command.request_id),
                DeactivateBy::Viewer(viewer) => (AuditActor::User(viewer.user_id), &command.request_id),
            },
        };
        let (action, licence_id, activation_id) = match change {
            decide::Change::Insert { licence_id, activation } => {
                ("licence.activated", licence_id, activation.id)
            }
            decide::Change::Deactivate { licence_id, activation_id } => {
                ("licence.deactivated", licence_id, *activation_id)
            }
        };
        let entry = Entry::new(tenant_id, actor, action, Subject("licence", *licence_id));
        let activation = json!({ "activationId": activation_id });
        let entry = match change {
            decide::Change::Insert { .. } => entry.after(activation),
            decide::Change::Deactivate { .. } => entry.before(activation),
        };
        entry.asked_by(request_id.as_ref())
    }
}

/// The answer to a command of either kind.
enum Answer {
    Activated { decided: Result<decide::Decided, ActivateError>, licence: Option<LicenceState> },
    Deactivated(Result<LicenceView, DeactivateError>),
}

struct CommandBatch {
    clock: SharedClock,
}

impl Batch for CommandBatch {
    type Item = Command;
    type Done = Answer;
    type Error = Fault;
    const NAME: &'static str = "licence.commands";

    fn tenants(&self, commands: &[Command]) -> Vec<Uuid> {
        commands.iter().map(|command| command.name().0).collect()
    }

    async fn run(&self, tx: &mut BatchTx, commands: &[Command]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        let names: BTreeSet<LicenceName> = commands.iter().map(Command::name).collect();
        let orders_too = commands.iter().any(|command| matches!(command, Command::Deactivate(_)));
        let mut licences = store::read(tx.connection(), &names, orders_too).await?;

        // A first look without locks: most refusals and repetitions end here, and write nothing.
        let (answers, changed) = decide_all(commands, &mut licences.clone(), now);
        if changed.is_empty() {
            return Ok(answers.into_iter().map(Ok).collect());
        }

        // Mostly licences are free and taken, in one statement that writes where that is still so. Otherwise nothing
        // was written: locks taken in another order than the sorted one must not be held while waiting for more.
        if let Some(activations) = single_activations(&changed) {
            if let Some(xid) = store::take_free(tx.connection(), now, &activations).await? {
                tx.note_xid(xid);
                audit_log::record(tx.connection(), now, &audited(commands, &changed)).await?;
                return Ok(answers.into_iter().map(Ok).collect());
            }
            tx.start_over(self.tenants(commands)).await?;
        }

        // Those that would change are looked at again under lock: another process may have been first.
        let contested: BTreeSet<LicenceName> = changed.iter().map(|(_, name, _)| name.clone()).collect();
        let xid = store::lock(tx.connection(), &contested).await?;
        tx.note_xid(xid);
        licences.retain(|name, _| !contested.contains(name));
        licences.extend(store::read(tx.connection(), &contested, orders_too).await?);
        // Taken under the lock: whoever waited for it comes later than what it waited for, also in what is written.
        let now = self.clock.now();
        // A licence that needed no change at the first look may need one now: it is decided by what was read then.
        let (answers, changed) = decide_all(commands, &mut licences, now);
        let entries = audited(commands, &changed);
        let changes: Vec<_> =
            changed.into_iter().map(|(_, (tenant_id, _), change)| (tenant_id, change)).collect();
        store::apply(tx.connection(), now, &changes).await?;
        audit_log::record(tx.connection(), now, &entries).await?;
        Ok(answers.into_iter().map(Ok).collect())
    }
}

/// A change with the place of the command that calls for it.
type PlacedChange = (usize, LicenceName, decide::Change);

fn audited(commands: &[Command], changed: &[PlacedChange]) -> Vec<Entry> {
    changed.iter().map(|(at, (tenant_id, _), change)| commands[*at].audited(*tenant_id, change)).collect()
}

/// The changes, where they are activations alone and no licence has more than one.
fn single_activations(changed: &[PlacedChange]) -> Option<Vec<store::NewActivation<'_>>> {
    let mut seen = HashSet::with_capacity(changed.len());
    changed
        .iter()
        .map(|(_, name, change)| match change {
            decide::Change::Insert { licence_id, activation } if seen.insert(name) => {
                Some((name.0, *licence_id, activation))
            }
            _ => None,
        })
        .collect()
}

/// Runs the commands one after the other over the licences' state.
fn decide_all(
    commands: &[Command],
    licences: &mut HashMap<LicenceName, LicenceState>,
    now: DateTime<Utc>,
) -> (Vec<Answer>, Vec<PlacedChange>) {
    let mut changes = Vec::new();
    let answers = commands
        .iter()
        .enumerate()
        .map(|(at, command)| {
            let name = command.name();
            let licence = licences.get_mut(&name);
            match (command, licence) {
                (Command::Activate(_), None) => {
                    Answer::Activated { decided: Err(ActivateError::NotFound), licence: None }
                }
                (Command::Activate(command), Some(licence)) => {
                    let device_name = command.device_name.as_deref();
                    let (decided, change) = decide::activate(licence, &command.fingerprint, device_name, now);
                    changes.extend(change.map(|change| (at, name, change)));
                    Answer::Activated { decided, licence: Some(licence.clone()) }
                }
                (Command::Deactivate(_), None) => Answer::Deactivated(Err(DeactivateError::NotFound)),
                (Command::Deactivate(command), Some(licence)) => {
                    let (answer, change) = decide::deactivate(licence, &command.by, now);
                    changes.extend(change.map(|change| (at, name, change)));
                    Answer::Deactivated(answer)
                }
            }
        })
        .collect();
    (answers, changes)
}

/// Validations read only, and do not wait for the commits of activations.
struct ValidationBatch {
    clock: SharedClock,
}

impl Batch for ValidationBatch {
    type Item = Validate;
    type Done = Validated;
    type Error = Fault;
    const NAME: &'static str = "licence.validations";

    fn tenants(&self, validations: &[Validate]) -> Vec<Uuid> {
        validations.iter().map(|validation| validation.scope.tenant_id()).collect()
    }

    async fn run(&self, tx: &mut BatchTx, validations: &[Validate]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        let name = |validation: &Validate| (validation.scope.tenant_id(), validation.key.clone());
        let names: BTreeSet<LicenceName> = validations.iter().map(name).collect();
        let licences = store::read(tx.connection(), &names, false).await?;
        Ok(validations
            .iter()
            .map(|asked| Ok(decide::validate(licences.get(&name(asked)), asked.fingerprint.as_deref(), now)))
            .collect())
    }
}

impl Handler<Activate> for LicenceActor {
    type Result = ResponseFuture<Result<Activated, ActivateError>>;

    fn handle(&mut self, message: Activate, _: &mut Self::Context) -> Self::Result {
        let signer = Arc::clone(&self.signer);
        let clock = self.clock.clone();
        let tenant = Arc::clone(&message.tenant);
        let answer = self.commands.submit(Command::Activate(message));
        Box::pin(async move {
            let (decided, licence) = match answer.await? {
                Answer::Activated { decided, licence: Some(licence) } => (decided, licence),
                _ => {
                    count_refusal(&ActivateError::NotFound);
                    return Err(ActivateError::NotFound);
                }
            };
            let (activation, created) = decided.inspect_err(count_refusal)?;
            let claims = Claims {
                lic_key: licence.key.as_str(),
                fingerprint: &activation.fingerprint,
                tenant: &tenant.slug,
                product_sku: &licence.product_sku,
            };
            let certificate = signer.certify(tenant.id, &claims, clock.now(), licence.expires_at)?;
            Ok(Activated { activation, created, certificate })
        })
    }
}

/// What a refusal is counted under.
pub const REFUSALS: [&str; 6] = ["not_found", "suspended", "revoked", "expired", "max_activations", "fault"];

fn count_refusal(refusal: &ActivateError) {
    metrics::counter!("activation_refusals_total", "reason" => refusal_name(refusal)).increment(1);
}

fn refusal_name(refusal: &ActivateError) -> &'static str {
    match refusal {
        ActivateError::NotFound => "not_found",
        ActivateError::Suspended => "suspended",
        ActivateError::Revoked => "revoked",
        ActivateError::Expired => "expired",
        ActivateError::MaxActivations => "max_activations",
        ActivateError::Fault(_) => "fault",
    }
}

impl Handler<Deactivate> for LicenceActor {
    type Result = ResponseFuture<Result<LicenceView, DeactivateError>>;

    fn handle(&mut self, message: Deactivate, _: &mut Self::Context) -> Self::Result {
        let answer = self.commands.submit(Command::Deactivate(message));
        Box::pin(async move {
            match answer.await? {
                Answer::Deactivated(answer) => answer,
                Answer::Activated { .. } => {
                    Err(Fault::internal("an activation answered a deactivation").into())
                }
            }
        })
    }
}

impl Handler<Validate> for LicenceActor {
    type Result = ResponseFuture<Result<Validated, Fault>>;

    fn handle(&mut self, message: Validate, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.validations.submit(message))
    }
}
