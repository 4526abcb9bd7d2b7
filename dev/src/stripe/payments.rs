//! What happens to money: paying a session in each way it can go, refunds and disputes, with the events of each.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::api_error::ApiError;
use super::core::Core;
use super::ids::random_id;
use super::model::{
    Dispute, DisputeStatus, Payment, PaymentMethod, PaymentState, PaymentStatus, Refund, Session,
    SessionStatus,
};
use super::money::{self, check_step, format_amount};
use super::render::{self, EventCause};
use super::state::State;
use super::{render_payment, sessions};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Paid,
    /// A bank debit was started: the session is complete, and unpaid until the bank answers.
    AsyncPending,
    /// The bank paid; starts the debit first where that has not happened.
    AsyncSucceeded,
    AsyncFailed,
    /// The card was declined; the session stays open for another try.
    Declined,
    Expired,
}

#[derive(Debug, Clone, Default)]
pub(super) struct PayOptions {
    pub(super) email: Option<String>,
    /// Pay even though the session has expired: the payment that was on its way when it did.
    pub(super) even_if_expired: bool,
    /// Laid over the session in the event, for an endpoint that must notice a wrong amount.
    pub(super) tamper: Map<String, Value>,
}

struct Settlement<'a> {
    core: &'a Core,
    state: &'a mut State,
    options: &'a PayOptions,
    events: Vec<String>,
}

/// Takes a session to an outcome; answers with the events to deliver, in Stripe's order.
pub(super) fn settle(
    core: &Core,
    state: &mut State,
    session_id: &str,
    outcome: Outcome,
    options: &PayOptions,
) -> Result<Vec<String>, ApiError> {
    let found = state.session(session_id);
    let session = found.ok_or_else(|| ApiError::no_such("checkout.session", "session", session_id))?.clone();
    if outcome == Outcome::Expired {
        return Ok(vec![sessions::expire(core, state, session_id, &EventCause::default())?]);
    }
    let payable = session.status == SessionStatus::Open
        || (session.status == SessionStatus::Expired && options.even_if_expired);
    let awaits_bank = session.status == SessionStatus::Complete
        && session.payment_status == PaymentStatus::Unpaid
        && payment_of(state, &session).is_some_and(|payment| payment.state == PaymentState::Processing);
    let mut settlement = Settlement { core, state, options, events: Vec::new() };
    match outcome {
        Outcome::Paid if payable => settlement.pay(session)?,
        Outcome::AsyncPending if payable => drop(settlement.start_debit(session)?),
        Outcome::AsyncSucceeded | Outcome::AsyncFailed if payable || awaits_bank => {
            let session = if payable { settlement.start_debit(session)? } else { session };
            settlement.finish_debit(session, outcome == Outcome::AsyncSucceeded)?;
        }
        Outcome::Declined if payable => settlement.decline(&session)?,
        _ => {
            let message = "This Checkout Session is in no state for that: it is complete, expired, or not awaiting a bank.";
            return Err(ApiError::wrong_state(None, message));
        }
    }
    Ok(settlement.events)
}

fn payment_of<'a>(state: &'a State, session: &Session) -> Option<&'a Payment> {
    state.payment(session.payment_intent.as_deref()?)
}

fn new_payment(
    core: &Core,
    session: &Session,
    options: &PayOptions,
    method: PaymentMethod,
    state: PaymentState,
) -> Result<Payment, ApiError> {
    Ok(Payment {
        intent_id: random_id("pi_3", 23)?,
        charge_id: random_id("ch_3", 23)?,
        payment_method_id: random_id("pm_1", 23)?,
        session_id: session.id.clone(),
        created: core.now(),
        amount: session.amount_total,
        currency: session.currency.clone(),
        description: session.payment_description.clone(),
        email: options.email.clone().or_else(|| session.customer_email.clone()),
        metadata: session.payment_metadata.clone(),
        method,
        state,
        refunds: Vec::new(),
        dispute: None,
    })
}

impl Settlement<'_> {
    fn emit(&mut self, kind: &str, object: &Value) -> Result<(), ApiError> {
        let id = self.core.record_event(self.state, kind, object, &EventCause::default())?;
        self.events.push(id);
        Ok(())
    }

    fn emit_session(&mut self, kind: &str, session: &Session) -> Result<(), ApiError> {
        let mut object = render::session(session, &self.core.base_url);
        for (key, value) in &self.options.tamper {
            object[key] = value.clone();
        }
        self.emit(kind, &object)
    }

    fn emit_payment(&mut self, charge: &str, intent: &str, payment: &Payment) -> Result<(), ApiError> {
        self.emit(charge, &render_payment::charge(payment))?;
        self.emit(intent, &render_payment::payment_intent(payment))
    }

    fn pay(&mut self, session: Session) -> Result<(), ApiError> {
        let mut session = Session { status: SessionStatus::Complete, ..session };
        session.payer_email = self.options.email.clone();
        if session.amount_total == 0 {
            session.payment_status = PaymentStatus::NoPaymentRequired;
        } else {
            let payment =
                new_payment(self.core, &session, self.options, PaymentMethod::Card, PaymentState::Succeeded)?;
            session.payment_status = PaymentStatus::Paid;
            session.payment_intent = Some(payment.intent_id.clone());
            self.emit_payment("charge.succeeded", "payment_intent.succeeded", &payment)?;
            self.state.put_payment(payment);
        }
        self.emit_session("checkout.session.completed", &session)?;
        self.state.put_session(session);
        Ok(())
    }

    fn start_debit(&mut self, session: Session) -> Result<Session, ApiError> {
        if session.amount_total == 0 {
            return Err(ApiError::wrong_state(None, "A session that costs nothing has no bank debit."));
        }
        let mut session = Session { status: SessionStatus::Complete, ..session };
        session.payer_email = self.options.email.clone();
        let payment = new_payment(
            self.core,
            &session,
            self.options,
            PaymentMethod::BankDebit,
            PaymentState::Processing,
        )?;
        session.payment_intent = Some(payment.intent_id.clone());
        self.emit_payment("charge.pending", "payment_intent.processing", &payment)?;
        self.state.put_payment(payment);
        self.emit_session("checkout.session.completed", &session)?;
        self.state.put_session(session.clone());
        Ok(session)
    }

    fn finish_debit(&mut self, mut session: Session, succeeded: bool) -> Result<(), ApiError> {
        let Some(mut payment) = payment_of(self.state, &session).cloned() else {
            return Err(ApiError::wrong_state(None, "The session has no payment to finish."));
        };
        if succeeded {
            payment.state = PaymentState::Succeeded;
            session.payment_status = PaymentStatus::Paid;
            self.emit_payment("charge.succeeded", "payment_intent.succeeded", &payment)?;
            self.emit_session("checkout.session.async_payment_succeeded", &session)?;
        } else {
            payment.state = PaymentState::Failed;
            self.emit_payment("charge.failed", "payment_intent.payment_failed", &payment)?;
            self.emit_session("checkout.session.async_payment_failed", &session)?;
        }
        self.state.put_payment(payment);
        self.state.put_session(session);
        Ok(())
    }

    fn decline(&mut self, session: &Session) -> Result<(), ApiError> {
        if session.amount_total == 0 {
            return Err(ApiError::wrong_state(None, "A session that costs nothing has no card to decline."));
        }
        let payment =
            new_payment(self.core, session, self.options, PaymentMethod::Card, PaymentState::Failed)?;
        self.emit_payment("charge.failed", "payment_intent.payment_failed", &payment)?;
        self.state.put_payment(payment);
        Ok(())
    }
}

/// What a refund asks for; without an amount, all that is left.
#[derive(Debug, Default)]
pub(super) struct NewRefund {
    pub(super) amount: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Refunds a payment named by its intent or charge; answers with the refund's JSON and the events to deliver.
pub(super) fn refund(
    core: &Core,
    state: &mut State,
    payment_id: &str,
    new: NewRefund,
    cause: &EventCause,
) -> Result<(Value, Vec<String>), ApiError> {
    let mut payment = find_payment(state, payment_id)?.clone();
    if payment.state != PaymentState::Succeeded {
        let message = format!(
            "This PaymentIntent ({}) does not have a successful charge to refund.",
            payment.intent_id
        );
        return Err(ApiError::wrong_state(Some("payment_intent_unexpected_state"), message));
    }
    if payment.dispute.as_ref().is_some_and(|dispute| dispute.status != DisputeStatus::Won) {
        let message = format!("Charge {} has been charged back; cannot issue a refund.", payment.charge_id);
        return Err(ApiError::wrong_state(Some("charge_disputed"), message));
    }
    let left = payment.amount - payment.amount_refunded();
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", payment.charge_id);
        return Err(ApiError::wrong_state(Some("charge_already_refunded"), message));
    }
    let amount = new.amount.unwrap_or(left);
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(ApiError::parameter("amount", "parameter_invalid_integer", message));
    }
    if let Some(amount) = new.amount {
        check_step("amount", amount, money::currency("currency", &payment.currency)?)?;
    }
    if amount > left {
        let message = format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            format_amount(amount, &payment.currency),
            format_amount(left, &payment.currency)
        );
        return Err(ApiError::bare_parameter("amount", message));
    }
    let refund = Refund {
        id: random_id("re_3", 23)?,
        created: core.now(),
        amount,
        reason: new.reason,
        metadata: new.metadata,
    };
    payment.refunds.push(refund.clone());
    let refund = render_payment::refund(&payment, &refund);
    let events = vec![
        core.record_event(state, "charge.refunded", &render_payment::charge(&payment), cause)?,
        core.record_event(state, "refund.created", &refund, cause)?,
    ];
    state.put_payment(payment);
    Ok((refund, events))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DisputeAction {
    Create,
    Won,
    Lost,
}

/// Opens or closes the dispute of a payment; answers with the events to deliver.
pub(super) fn dispute(
    core: &Core,
    state: &mut State,
    payment_id: &str,
    action: DisputeAction,
) -> Result<Vec<String>, ApiError> {
    let mut payment = find_payment(state, payment_id)?.clone();
    let (dispute, kind) = match (action, payment.dispute.take()) {
        (DisputeAction::Create, None) if payment.state == PaymentState::Succeeded => {
            let dispute = Dispute {
                id: random_id("dp_1", 23)?,
                created: core.now(),
                status: DisputeStatus::NeedsResponse,
            };
            (dispute, "charge.dispute.created")
        }
        (DisputeAction::Won, Some(open)) if open.status == DisputeStatus::NeedsResponse => {
            (Dispute { status: DisputeStatus::Won, ..open }, "charge.dispute.closed")
        }
        (DisputeAction::Lost, Some(open)) if open.status == DisputeStatus::NeedsResponse => {
            (Dispute { status: DisputeStatus::Lost, ..open }, "charge.dispute.closed")
        }
        _ => {
            let message = "The payment is in no state for that: a dispute is opened once, on a paid charge, and closed once.";
            return Err(ApiError::wrong_state(None, message));
        }
    };
    let object = render_payment::dispute(&payment, &dispute);
    payment.dispute = Some(dispute);
    let event = core.record_event(state, kind, &object, &EventCause::default())?;
    state.put_payment(payment);
    Ok(vec![event])
}

pub(super) fn find_payment<'a>(state: &'a State, id: &str) -> Result<&'a Payment, ApiError> {
    let (object, param) =
        if id.starts_with("ch_") { ("charge", "charge") } else { ("payment_intent", "payment_intent") };
    state.payment(id).ok_or_else(|| ApiError::no_such(object, param, id))
}
