//! The API's endpoints: what each path reads or does.

use hyper::Method;
use serde_json::Value;

use super::api::{Done, Work};
use super::api_error::ApiError;
use super::core::Core;
use super::model::{Answer, Session};
use super::params::{Params, Scope};
use super::payments::{self, NewRefund};
use super::render::{self, EventCause};
use super::state::State;
use super::{render_payment, sessions};

const DEFAULT_PAGE: i64 = 10;
const LARGEST_PAGE: i64 = 100;

fn segments(path: &str) -> Vec<&str> {
    path.trim_start_matches("/v1/").trim_end_matches('/').split('/').collect()
}

/// `GET`: answers with an object or a list.
pub(super) fn read(core: &Core, path: &str, params: &Params) -> Result<Value, ApiError> {
    let root = params.root();
    let state = core.state();
    match segments(path).as_slice() {
        ["checkout", "sessions"] => list_sessions(core, &state, &root),
        ["checkout", "sessions", id] => {
            root.allow_only(&["expand"])?;
            let session = find_session(&state, id)?;
            let mut object = render::session(session, &core.base_url);
            for field in root.texts("expand")? {
                expand(&mut object, &state, session, field)?;
            }
            Ok(object)
        }
        ["checkout", "sessions", id, "line_items"] => Ok(render::line_items(find_session(&state, id)?)),
        ["payment_intents", id] => {
            let payment = state.payment(id).filter(|payment| payment.intent_id == *id);
            let payment = payment.ok_or_else(|| ApiError::no_such("payment_intent", "intent", id))?;
            Ok(render_payment::payment_intent(payment))
        }
        ["charges", id] => {
            let payment = state.payment(id).filter(|payment| payment.charge_id == *id);
            Ok(render_payment::charge(payment.ok_or_else(|| ApiError::no_such("charge", "id", id))?))
        }
        ["refunds", id] => {
            let missing = || ApiError::no_such("refund", "id", id);
            let payment = state.payment_of_refund(id).ok_or_else(missing)?;
            let refund = payment.refunds.iter().find(|refund| refund.id == *id).ok_or_else(missing)?;
            Ok(render_payment::refund(payment, refund))
        }
        ["events"] => list_events(&state, &root),
        ["events", id] => {
            let event = state.event(id).ok_or_else(|| ApiError::no_such("event", "id", id))?;
            parse_payload(&event.payload)
        }
        _ => Err(ApiError::unknown_url("GET", path)),
    }
}

/// `POST`: checks the parameters, and does what the path says. The state is changed under one lock, so no other request
/// sees half of it.
pub(super) fn write(
    core: &Core,
    path: &str,
    params: &Params,
    cause: &EventCause,
    work: Work,
) -> Result<Done, ApiError> {
    let root = params.root();
    match segments(path).as_slice() {
        ["checkout", "sessions"] => {
            let session = sessions::new_session(params, core.now())?;
            let mut object = render::session(&session, &core.base_url);
            let mut state = core.state();
            let expansions = root.texts("expand")?;
            for field in &expansions {
                expand(&mut object, &state, &session, field)?;
            }
            work.begin()?;
            let body = object.to_string();
            let answer = if expansions.is_empty() {
                Answer::CreatedSession(session.id.clone())
            } else {
                Answer::Body { status: 200, body: body.clone() }
            };
            state.put_session(session);
            Ok(Done { answer, body, events: Vec::new() })
        }
        ["checkout", "sessions", id, "expire"] => {
            root.allow_only(&["expand"])?;
            let mut state = core.state();
            find_session(&state, id)?;
            work.begin()?;
            let event = sessions::expire(core, &mut state, id, cause)?;
            let object = render::session(find_session(&state, id)?, &core.base_url);
            Ok(Done::new(&object, vec![event]))
        }
        ["refunds"] => {
            let (payment, new) = new_refund(&root)?;
            payments::find_payment(&core.state(), &payment)?;
            work.begin()?;
            let (refund, events) = payments::refund(core, &mut core.state(), &payment, new, cause)?;
            Ok(Done::new(&refund, events))
        }
        _ => Err(ApiError::unknown_url(Method::POST.as_str(), path)),
    }
}

fn find_session<'a>(state: &'a State, id: &str) -> Result<&'a Session, ApiError> {
    state.session(id).ok_or_else(|| ApiError::no_such("checkout.session", "session", id))
}

fn expand(object: &mut Value, state: &State, session: &Session, field: &str) -> Result<(), ApiError> {
    match field {
        "line_items" => object[field] = render::line_items(session),
        "payment_intent" => {
            if let Some(payment) = session.payment_intent.as_deref().and_then(|id| state.payment(id)) {
                object[field] = render_payment::payment_intent(payment);
            }
        }
        _ => {
            let field: String = field.chars().take(100).collect();
            let message = format!("This property cannot be expanded ({field}) by the stand-in.");
            return Err(ApiError::bare_parameter("expand[0]", message));
        }
    }
    Ok(())
}

fn new_refund(root: &Scope<'_>) -> Result<(String, NewRefund), ApiError> {
    root.allow_only(&["amount", "charge", "expand", "metadata", "payment_intent", "reason"])?;
    let payment = match (root.text("payment_intent")?, root.text("charge")?) {
        (Some(intent), None) => intent,
        (None, Some(charge)) => charge,
        (Some(_), Some(_)) => {
            return Err(ApiError::malformed(
                "You may only specify one of these parameters: charge, payment_intent.",
            ));
        }
        (None, None) => {
            return Err(ApiError::malformed(
                "One of the following params should be provided: charge or payment_intent.",
            ));
        }
    };
    let reason = root.text("reason")?;
    if reason.is_some_and(|reason| !["duplicate", "fraudulent", "requested_by_customer"].contains(&reason)) {
        let message = "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer";
        return Err(ApiError::bare_parameter("reason", message));
    }
    let new = NewRefund {
        amount: root.integer("amount")?,
        reason: reason.map(str::to_owned),
        metadata: root.metadata("metadata")?,
    };
    Ok((payment.to_owned(), new))
}

/// One page of rows, newest first, after the row a client names.
fn page<'a, T: 'a>(
    root: &Scope<'_>,
    rows: impl Iterator<Item = &'a T>,
    id_of: impl Fn(&T) -> &str,
) -> Result<(Vec<&'a T>, bool), ApiError> {
    let limit = root.integer("limit")?.unwrap_or(DEFAULT_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        let message = format!("This value must be between 1 and {LARGEST_PAGE}.");
        return Err(ApiError::parameter("limit", "parameter_invalid_integer", message));
    }
    let limit = usize::try_from(limit).unwrap_or(1);
    let starting_after = root.text("starting_after")?;
    let mut waiting = starting_after.is_some();
    let mut page = Vec::with_capacity(limit);
    for row in rows {
        if waiting {
            waiting = starting_after != Some(id_of(row));
        } else if page.len() == limit {
            return Ok((page, true));
        } else {
            page.push(row);
        }
    }
    Ok((page, false))
}

fn list_sessions(core: &Core, state: &State, root: &Scope<'_>) -> Result<Value, ApiError> {
    root.allow_only(&["created", "limit", "payment_intent", "starting_after", "status"])?;
    let status = root.text("status")?;
    let created = if root.has("created") { Some(root.object("created")?) } else { None };
    let bound = |name| created.as_ref().map_or(Ok(None), |created| created.integer(name));
    let (since, until) = (bound("gte")?, bound("lte")?);
    let wanted = |row: &&Session| {
        status.is_none_or(|status| render::status(row) == status)
            && since.is_none_or(|since| row.created >= since)
            && until.is_none_or(|until| row.created <= until)
    };
    let (rows, has_more) = match root.text("payment_intent")? {
        Some(intent) => {
            let session = state.payment(intent).and_then(|payment| state.session(&payment.session_id));
            // A declined payment belongs to a session that may have been paid by another one.
            let session = session.filter(|row| row.payment_intent.as_deref() == Some(intent));
            page(root, session.into_iter().filter(wanted), |row| &row.id)?
        }
        None => page(root, state.sessions_newest_first().filter(wanted), |row| &row.id)?,
    };
    let objects = rows.into_iter().map(|session| render::session(session, &core.base_url)).collect();
    Ok(render::list(objects, has_more, "/v1/checkout/sessions"))
}

fn list_events(state: &State, root: &Scope<'_>) -> Result<Value, ApiError> {
    root.allow_only(&["created", "limit", "starting_after", "type", "types"])?;
    let mut kinds = root.texts("types")?;
    kinds.extend(root.text("type")?);
    let created = if root.has("created") { Some(root.object("created")?) } else { None };
    let bound = |name| created.as_ref().map_or(Ok(None), |created| created.integer(name));
    let (since, until) = (bound("gte")?, bound("lte")?);
    let rows = state.events_newest_first().filter(|event| {
        (kinds.is_empty() || kinds.contains(&event.kind.as_str()))
            && since.is_none_or(|since| event.created >= since)
            && until.is_none_or(|until| event.created <= until)
    });
    let (rows, has_more) = page(root, rows, |row| &row.id)?;
    let objects = rows.into_iter().map(|event| parse_payload(&event.payload)).collect::<Result<_, _>>()?;
    Ok(render::list(objects, has_more, "/v1/events"))
}

fn parse_payload(payload: &str) -> Result<Value, ApiError> {
    serde_json::from_str(payload).map_err(|_| ApiError::internal())
}
