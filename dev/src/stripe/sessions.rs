//! Makes, expires and checks Checkout Sessions, within the limits that Stripe documents.

use primetech_kernel::money::Currency;
use url::Url;

use super::api_error::ApiError;
use super::core::Core;
use super::ids::random_id;
use super::model::{Line, PaymentStatus, Session, SessionStatus};
use super::money::{self, check_step, check_total};
use super::params::{Params, Scope};
use super::render::{self, EventCause};
use super::state::State;

const MAX_LINES: usize = 100;
const MAX_QUANTITY: i64 = 999_999;
const MAX_REFERENCE_CHARACTERS: usize = 200;
const MAX_NAME_CHARACTERS: usize = 250;
const MAX_URL_CHARACTERS: usize = 5_000;
const LIFETIME_SECONDS: i64 = 24 * 3_600;
const SHORTEST_LIFETIME_SECONDS: i64 = 30 * 60;
/// The caller's clock and ours may differ by a little, and its request took a moment.
const LIFETIME_SLACK_SECONDS: i64 = 60;

const KNOWN: [&str; 14] = [
    "cancel_url",
    "client_reference_id",
    "currency",
    "customer_creation",
    "customer_email",
    "expand",
    "expires_at",
    "line_items",
    "locale",
    "metadata",
    "mode",
    "payment_intent_data",
    "success_url",
    "ui_mode",
];

/// A new session from the parameters of `POST /v1/checkout/sessions`.
pub(super) fn new_session(params: &Params, now: i64) -> Result<Session, ApiError> {
    let root = params.root();
    root.allow_only(&[&KNOWN[..], &["payment_method_types", "submit_type"]].concat())?;
    require_value(&root, "mode", &["payment"], true)?;
    require_value(&root, "ui_mode", &["hosted_page", "hosted"], false)?;
    let (lines, currency) = lines(&root)?;
    let amount_total = total(&lines, currency)?;
    let payment_intent = root.object("payment_intent_data")?;
    payment_intent.allow_only(&["description", "metadata", "receipt_email"])?;
    let client_reference_id = root.text("client_reference_id")?.map(str::to_owned);
    if client_reference_id.as_ref().is_some_and(|id| id.chars().count() > MAX_REFERENCE_CHARACTERS) {
        let message = format!("Invalid string: must be at most {MAX_REFERENCE_CHARACTERS} characters");
        return Err(ApiError::bare_parameter("client_reference_id", message));
    }
    let success_url =
        web_address(&root, "success_url")?.ok_or_else(|| ApiError::missing_parameter("success_url"))?;
    Ok(Session {
        id: random_id("cs_test_a1", 56)?,
        created: now,
        expires_at: expiry(&root, now)?,
        currency: currency.code().to_ascii_lowercase(),
        lines,
        amount_total,
        success_url,
        cancel_url: web_address(&root, "cancel_url")?,
        client_reference_id,
        customer_email: email(&root)?,
        locale: root.text("locale")?.map(str::to_owned),
        metadata: root.metadata("metadata")?,
        payment_metadata: payment_intent.metadata("metadata")?,
        payment_description: payment_intent.text("description")?.map(str::to_owned),
        status: SessionStatus::Open,
        payment_status: PaymentStatus::Unpaid,
        payment_intent: None,
        payer_email: None,
    })
}

fn require_value(root: &Scope<'_>, key: &str, allowed: &[&str], required: bool) -> Result<(), ApiError> {
    let value = if required { Some(root.required_text(key)?) } else { root.text(key)? };
    match value {
        Some(value) if !allowed.contains(&value) => {
            let value: String = value.chars().take(100).collect();
            let message = format!(
                "Invalid {key}: must be one of {} (the stand-in does no other), not {value}",
                allowed.join(", ")
            );
            Err(ApiError::bare_parameter(key, message))
        }
        _ => Ok(()),
    }
}

fn lines(root: &Scope<'_>) -> Result<(Vec<Line>, &'static Currency), ApiError> {
    let items = root.objects("line_items")?;
    if items.is_empty() {
        return Err(ApiError::missing_parameter("line_items"));
    }
    if items.len() > MAX_LINES {
        let message = format!("A Checkout Session has at most {MAX_LINES} line items.");
        return Err(ApiError::bare_parameter("line_items", message));
    }
    let mut lines = Vec::with_capacity(items.len());
    let mut shared_currency: Option<&'static Currency> = None;
    for item in &items {
        let (line, currency) = line(item)?;
        match shared_currency {
            Some(shared) if shared != currency => {
                let message = format!(
                    "All line items must have the same currency; got {} and {}.",
                    shared.code().to_ascii_lowercase(),
                    currency.code().to_ascii_lowercase()
                );
                return Err(ApiError::bare_parameter(item.name_of("price_data"), message));
            }
            Some(_) => {}
            None => shared_currency = Some(currency),
        }
        lines.push(line);
    }
    shared_currency.map(|currency| (lines, currency)).ok_or_else(|| ApiError::missing_parameter("line_items"))
}

fn line(item: &Scope<'_>) -> Result<(Line, &'static Currency), ApiError> {
    item.allow_only(&["price_data", "quantity", "metadata"])?;
    if !item.has("price_data") {
        return Err(ApiError::missing_parameter(&item.name_of("price_data")));
    }
    let price = item.object("price_data")?;
    price.allow_only(&["currency", "product_data", "tax_behavior", "unit_amount"])?;
    let currency = money::currency(&price.name_of("currency"), price.required_text("currency")?)?;
    let unit_amount = price
        .integer("unit_amount")?
        .ok_or_else(|| ApiError::missing_parameter(&price.name_of("unit_amount")))?;
    at_least(&price, "unit_amount", unit_amount, 0)?;
    check_step(&price.name_of("unit_amount"), unit_amount, currency)?;
    let product = price.object("product_data")?;
    product.allow_only(&["description", "images", "metadata", "name", "tax_code", "unit_label"])?;
    let name = product.required_text("name")?;
    if name.chars().count() > MAX_NAME_CHARACTERS {
        let message = format!("Invalid string: must be at most {MAX_NAME_CHARACTERS} characters");
        return Err(ApiError::bare_parameter(product.name_of("name"), message));
    }
    let quantity =
        item.integer("quantity")?.ok_or_else(|| ApiError::missing_parameter(&item.name_of("quantity")))?;
    at_least(item, "quantity", quantity, 1)?;
    if quantity > MAX_QUANTITY {
        let message = format!("Quantity must be at most {MAX_QUANTITY}.");
        return Err(ApiError::bare_parameter(item.name_of("quantity"), message));
    }
    let line = Line { id: random_id("li_1", 23)?, name: name.to_owned(), unit_amount, quantity };
    Ok((line, currency))
}

fn at_least(scope: &Scope<'_>, key: &str, value: i64, least: i64) -> Result<(), ApiError> {
    if value >= least {
        return Ok(());
    }
    let message = format!("This value must be greater than or equal to {least}.");
    Err(ApiError::parameter(scope.name_of(key), "parameter_invalid_integer", message))
}

fn total(lines: &[Line], currency: &'static Currency) -> Result<i64, ApiError> {
    let mut total = 0_i64;
    for line in lines {
        // Prices and quantities are not negative: what does not fit is too large for any currency.
        total = total.saturating_add(line.unit_amount.saturating_mul(line.quantity));
    }
    check_total(total, currency)?;
    Ok(total)
}

fn expiry(root: &Scope<'_>, now: i64) -> Result<i64, ApiError> {
    let Some(expires_at) = root.integer("expires_at")? else { return Ok(now + LIFETIME_SECONDS) };
    if expires_at < now + SHORTEST_LIFETIME_SECONDS - LIFETIME_SLACK_SECONDS {
        let message =
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.";
        return Err(ApiError::bare_parameter("expires_at", message));
    }
    if expires_at > now + LIFETIME_SECONDS + LIFETIME_SLACK_SECONDS {
        let message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.";
        return Err(ApiError::bare_parameter("expires_at", message));
    }
    Ok(expires_at)
}

fn web_address(root: &Scope<'_>, key: &str) -> Result<Option<String>, ApiError> {
    let Some(address) = root.text(key)? else { return Ok(None) };
    let valid =
        Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if valid && address.chars().count() <= MAX_URL_CHARACTERS {
        Ok(Some(address.to_owned()))
    } else {
        Err(ApiError::parameter(key, "url_invalid", "Not a valid URL"))
    }
}

fn email(root: &Scope<'_>) -> Result<Option<String>, ApiError> {
    let Some(email) = root.text("customer_email")? else { return Ok(None) };
    let valid = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !email.contains(char::is_whitespace)
            && !domain.contains('@')
    });
    if valid && email.len() <= 512 {
        return Ok(Some(email.to_owned()));
    }
    let message = format!("Invalid email address: {}", email.chars().take(100).collect::<String>());
    Err(ApiError::parameter("customer_email", "email_invalid", message))
}

/// Expires an open session; answers with the event to deliver.
pub(super) fn expire(
    core: &Core,
    state: &mut State,
    id: &str,
    cause: &EventCause,
) -> Result<String, ApiError> {
    let session = state.session(id).ok_or_else(|| ApiError::no_such("checkout.session", "session", id))?;
    if session.status != SessionStatus::Open {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Session has a status of {}.",
            render::status(session)
        );
        return Err(ApiError::wrong_state(None, message));
    }
    let session = Session { status: SessionStatus::Expired, ..session.clone() };
    let object = render::session(&session, &core.base_url);
    state.put_session(session);
    core.record_event(state, "checkout.session.expired", &object, cause)
}

/// Expires the open sessions whose time is over; answers with the events to deliver.
pub(super) fn expire_due(core: &Core, state: &mut State) -> Vec<String> {
    let due = state.sessions_due(core.now());
    due.iter().filter_map(|id| expire(core, state, id, &EventCause::default()).ok()).collect()
}
