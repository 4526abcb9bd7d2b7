//! Stripe's JSON for Checkout Sessions, their line items, and events, with every field that Stripe publishes.

use serde_json::{Value, json};

use super::model::{Line, PaymentStatus, Session, SessionStatus};

/// The version of the API whose shapes these are: the one that async-stripe pins.
pub(super) const API_VERSION: &str = "2026-09-30.endive";

pub(super) fn status(session: &Session) -> &'static str {
    match session.status {
        SessionStatus::Open => "open",
        SessionStatus::Complete => "complete",
        SessionStatus::Expired => "expired",
    }
}

pub(super) fn session(session: &Session, base_url: &str) -> Value {
    let payment_status = match session.payment_status {
        PaymentStatus::Unpaid => "unpaid",
        PaymentStatus::Paid => "paid",
        PaymentStatus::NoPaymentRequired => "no_payment_required",
    };
    // Stripe shows the address of its page only while it can be paid there.
    let url = (session.status == SessionStatus::Open).then(|| format!("{base_url}/c/pay/{}", session.id));
    let email = session.payer_email.as_ref().or(session.customer_email.as_ref());
    let customer_details = email.map(|email| {
        json!({
            "address": empty_address(), "business_name": null, "email": email, "individual_name": null,
            "name": null, "phone": null, "tax_exempt": "none", "tax_ids": [],
        })
    });
    let mut object = json!({
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": session.amount_total,
        "amount_total": session.amount_total,
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id,
        "created": session.created,
        "currency": session.currency,
        "customer_details": customer_details,
        "customer_email": session.customer_email,
        "expires_at": session.expires_at,
        "livemode": false,
        "locale": session.locale,
        "metadata": session.metadata,
        "mode": "payment",
        "payment_intent": session.payment_intent,
        "payment_method_collection": "if_required",
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "payment_method_types": ["card"],
        "payment_status": payment_status,
        "status": status(session),
        "success_url": session.success_url,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page",
        "url": url,
    });
    add_unused_fields(&mut object);
    object
}

/// What Stripe offers and the product does not use, as Stripe answers when nobody asked for it.
fn add_unused_fields(session: &mut Value) {
    const NULL: [&str; 23] = [
        "after_expiration",
        "allow_promotion_codes",
        "billing_address_collection",
        "client_secret",
        "consent",
        "consent_collection",
        "currency_conversion",
        "customer",
        "customer_account",
        "integration_identifier",
        "invoice",
        "origin_context",
        "payment_link",
        "payment_method_configuration_details",
        "permissions",
        "recovered_from",
        "saved_payment_method_options",
        "setup_intent",
        "shipping_address_collection",
        "shipping_cost",
        "submit_type",
        "subscription",
        "wallet_options",
    ];
    add_nulls(session, &NULL);
    for field in ["custom_fields", "discounts", "shipping_options"] {
        session[field] = json!([]);
    }
    session["adaptive_pricing"] = json!({ "enabled": false });
    session["automatic_tax"] =
        json!({ "enabled": false, "liability": null, "provider": null, "status": null });
    session["collected_information"] =
        json!({ "business_name": null, "individual_name": null, "shipping_details": null });
    session["custom_text"] = json!({
        "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
    });
    session["customer_creation"] = json!("if_required");
    session["invoice_creation"] = json!({
        "enabled": false,
        "invoice_data": {
            "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
            "issuer": null, "metadata": {}, "rendering_options": null,
        },
    });
    session["managed_payments"] = json!({ "enabled": false });
    session["phone_number_collection"] = json!({ "enabled": false });
}

/// The session as it was answered when it was made.
pub(super) fn session_as_created(created: &Session, base_url: &str) -> Value {
    let as_it_was = Session {
        status: SessionStatus::Open,
        payment_status: PaymentStatus::Unpaid,
        payment_intent: None,
        payer_email: None,
        ..created.clone()
    };
    session(&as_it_was, base_url)
}

/// Fields that are there, and empty.
pub(super) fn add_nulls(object: &mut Value, fields: &[&str]) {
    for field in fields {
        object[*field] = Value::Null;
    }
}

pub(super) fn line_items(of: &Session) -> Value {
    let items: Vec<Value> = of.lines.iter().map(|line| line_item(of, line)).collect();
    list(items, false, &format!("/v1/checkout/sessions/{}/line_items", of.id))
}

fn line_item(of: &Session, line: &Line) -> Value {
    let total = line.unit_amount.saturating_mul(line.quantity);
    // The price and product made for the line share the random part of its id.
    let suffix = line.id.trim_start_matches("li_");
    json!({
        "id": line.id,
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": of.currency,
        "description": line.name,
        "discounts": [],
        "metadata": {},
        "price": {
            "id": format!("price_{suffix}"), "object": "price", "active": false, "billing_scheme": "per_unit",
            "created": of.created, "currency": of.currency, "custom_unit_amount": null, "livemode": false,
            "lookup_key": null, "metadata": {}, "nickname": null, "product": format!("prod_{suffix}"),
            "recurring": null, "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null,
            "type": "one_time", "unit_amount": line.unit_amount,
            "unit_amount_decimal": line.unit_amount.to_string(),
        },
        "quantity": line.quantity,
        "taxes": [],
    })
}

pub(super) fn list(items: Vec<Value>, has_more: bool, url: &str) -> Value {
    json!({ "object": "list", "data": items, "has_more": has_more, "url": url })
}

pub(super) fn empty_address() -> Value {
    json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
    })
}

/// What made an event happen: an API request has an id and perhaps a key, a payer's click has neither.
#[derive(Debug, Clone, Default)]
pub(super) struct EventCause {
    pub(super) request_id: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

pub(super) fn event(id: &str, kind: &str, created: i64, object: &Value, cause: &EventCause) -> Value {
    json!({
        "id": id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": cause.request_id, "idempotency_key": cause.idempotency_key },
        "type": kind,
    })
}
