//! Stripe's JSON for payment intents, charges, refunds and disputes, with every field that Stripe publishes.

use serde_json::{Value, json};

use super::model::{Dispute, DisputeStatus, Payment, PaymentMethod, PaymentState, Refund};
use super::render::{add_nulls, empty_address, list};

const EVIDENCE_DAYS: i64 = 14;

pub(super) fn payment_intent(payment: &Payment) -> Value {
    const NULL: [&str; 21] = [
        "application",
        "application_fee_amount",
        "automatic_payment_methods",
        "canceled_at",
        "cancellation_reason",
        "customer",
        "customer_account",
        "excluded_payment_method_types",
        "next_action",
        "on_behalf_of",
        "payment_method_configuration_details",
        "processing",
        "receipt_email",
        "review",
        "setup_future_usage",
        "shipping",
        "source",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    ];
    let (status, received) = match payment.state {
        PaymentState::Processing => ("processing", 0),
        PaymentState::Succeeded => ("succeeded", payment.amount),
        PaymentState::Failed => ("requires_payment_method", 0),
    };
    let payment_method = (payment.state != PaymentState::Failed).then_some(&payment.payment_method_id);
    let last_payment_error = (payment.state == PaymentState::Failed).then(|| {
        json!({
            "charge": payment.charge_id, "code": failure_code(payment), "message": failure_message(payment),
            "type": "card_error",
        })
    });
    let mut object = json!({
        "id": payment.intent_id,
        "object": "payment_intent",
        "amount": payment.amount,
        "amount_capturable": 0,
        "amount_details": { "tip": {} },
        "amount_received": received,
        "capture_method": "automatic_async",
        "client_secret": format!("{}_secret_{}", payment.intent_id, suffix(&payment.payment_method_id)),
        "confirmation_method": "automatic",
        "created": payment.created,
        "currency": payment.currency,
        "description": payment.description,
        "last_payment_error": last_payment_error,
        "latest_charge": payment.charge_id,
        "livemode": false,
        "managed_payments": { "enabled": false },
        "metadata": payment.metadata,
        "payment_method": payment_method,
        "payment_method_options": {},
        "payment_method_types": [method_type(payment)],
        "status": status,
    });
    add_nulls(&mut object, &NULL);
    object
}

pub(super) fn charge(payment: &Payment) -> Value {
    const NULL: [&str; 17] = [
        "application",
        "application_fee",
        "application_fee_amount",
        "customer",
        "failure_balance_transaction",
        "on_behalf_of",
        "receipt_email",
        "receipt_number",
        "receipt_url",
        "review",
        "shipping",
        "source",
        "source_transfer",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    ];
    let succeeded = payment.state == PaymentState::Succeeded;
    let failed = payment.state == PaymentState::Failed;
    let status = match payment.state {
        PaymentState::Processing => "pending",
        PaymentState::Succeeded => "succeeded",
        PaymentState::Failed => "failed",
    };
    let refunded = payment.amount_refunded();
    let refunds = payment.refunds.iter().rev().map(|item| refund(payment, item)).collect();
    let mut object = json!({
        "id": payment.charge_id,
        "object": "charge",
        "amount": payment.amount,
        "amount_captured": if succeeded { payment.amount } else { 0 },
        "amount_refunded": refunded,
        "balance_transaction": succeeded.then(|| format!("txn_{}", suffix(&payment.charge_id))),
        "billing_details": {
            "address": empty_address(), "email": payment.email, "name": null, "phone": null, "tax_id": null,
        },
        "calculated_statement_descriptor": "STAND-IN",
        "captured": succeeded,
        "created": payment.created,
        "currency": payment.currency,
        "description": payment.description,
        "disputed": payment.dispute.is_some(),
        "failure_code": failed.then(|| failure_code(payment)),
        "failure_message": failed.then(|| failure_message(payment)),
        "fraud_details": {},
        "livemode": false,
        "metadata": payment.metadata,
        "outcome": {
            "advice_code": null, "network_advice_code": null, "network_decline_code": null,
            "network_status": if failed { "declined_by_network" } else { "approved_by_network" },
            "reason": failed.then_some("generic_decline"), "risk_level": "normal", "risk_score": 20,
            "seller_message": if failed { "The bank declined the payment." } else { "Payment complete." },
            "type": if failed { "issuer_declined" } else { "authorized" },
        },
        "paid": succeeded,
        "payment_intent": payment.intent_id,
        "payment_method": payment.payment_method_id,
        "payment_method_details": payment_method_details(payment),
        "refunded": succeeded && refunded == payment.amount,
        "refunds": list(refunds, false, &format!("/v1/charges/{}/refunds", payment.charge_id)),
        "status": status,
    });
    add_nulls(&mut object, &NULL);
    object
}

fn payment_method_details(payment: &Payment) -> Value {
    match payment.method {
        PaymentMethod::Card => json!({
            "type": "card",
            "card": {
                "amount_authorized": payment.amount, "authorization_code": null, "brand": "visa",
                "checks": {
                    "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass",
                },
                "country": "US", "exp_month": 12, "exp_year": 2034,
                "extended_authorization": { "status": "disabled" },
                "fingerprint": "StandInCard00001", "funding": "credit",
                "incremental_authorization": { "status": "unavailable" },
                "installments": null, "last4": "4242", "mandate": null,
                "multicapture": { "status": "unavailable" },
                "network": "visa", "network_token": { "used": false }, "network_transaction_id": null,
                "overcapture": { "maximum_amount_capturable": payment.amount, "status": "unavailable" },
                "regulated_status": "unregulated", "three_d_secure": null, "transaction_link_id": null,
                "wallet": null,
            },
        }),
        PaymentMethod::BankDebit => json!({
            "type": "us_bank_account",
            "us_bank_account": {
                "account_holder_type": "individual", "account_type": "checking", "bank_name": "STAND-IN BANK",
                "expected_debit_date": null, "fingerprint": "StandInBank00001", "last4": "6789",
                "mandate": null, "payment_reference": null, "routing_number": "110000000",
            },
        }),
    }
}

fn method_type(payment: &Payment) -> &'static str {
    match payment.method {
        PaymentMethod::Card => "card",
        PaymentMethod::BankDebit => "us_bank_account",
    }
}

fn failure_code(payment: &Payment) -> &'static str {
    match payment.method {
        PaymentMethod::Card => "card_declined",
        PaymentMethod::BankDebit => "payment_method_provider_decline",
    }
}

fn failure_message(payment: &Payment) -> &'static str {
    match payment.method {
        PaymentMethod::Card => "Your card was declined.",
        PaymentMethod::BankDebit => "The customer's bank could not collect the payment.",
    }
}

pub(super) fn refund(payment: &Payment, refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": format!("txn_{}", suffix(&refund.id)),
        "charge": payment.charge_id,
        "created": refund.created,
        "currency": payment.currency,
        "destination_details": {
            "card": {
                "reference": null, "reference_status": "pending", "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": refund.metadata,
        "payment_intent": payment.intent_id,
        "reason": refund.reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

pub(super) fn dispute(payment: &Payment, dispute: &Dispute) -> Value {
    let status = match dispute.status {
        DisputeStatus::NeedsResponse => "needs_response",
        DisputeStatus::Won => "won",
        DisputeStatus::Lost => "lost",
    };
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": payment.amount,
        "balance_transactions": [],
        "charge": payment.charge_id,
        "created": dispute.created,
        "currency": payment.currency,
        "enhanced_eligibility_types": [],
        "evidence": {
            "access_activity_log": null, "billing_address": null, "cancellation_policy": null,
            "cancellation_policy_disclosure": null, "cancellation_rebuttal": null,
            "customer_communication": null, "customer_email_address": payment.email, "customer_name": null,
            "customer_purchase_ip": null, "customer_signature": null, "duplicate_charge_documentation": null,
            "duplicate_charge_explanation": null, "duplicate_charge_id": null, "enhanced_evidence": {},
            "product_description": null, "receipt": null, "refund_policy": null,
            "refund_policy_disclosure": null, "refund_refusal_explanation": null, "service_date": null,
            "service_documentation": null, "shipping_address": null, "shipping_carrier": null,
            "shipping_date": null, "shipping_documentation": null, "shipping_tracking_number": null,
            "uncategorized_file": null, "uncategorized_text": null,
        },
        "evidence_details": {
            "due_by": dispute.created + EVIDENCE_DAYS * 86_400, "enhanced_eligibility": {},
            "has_evidence": false, "past_due": false, "submission_count": 0,
        },
        "is_charge_refundable": false,
        "livemode": false,
        "metadata": {},
        "payment_intent": payment.intent_id,
        "payment_method_details": {
            "card": { "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4" },
            "type": "card",
        },
        "reason": "fraudulent",
        "status": status,
    })
}

/// The random part of an id.
fn suffix(id: &str) -> &str {
    id.rsplit_once('_').map_or(id, |(_, suffix)| suffix)
}
