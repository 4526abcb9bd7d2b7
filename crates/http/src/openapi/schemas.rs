//! Schemas of the parameters that several endpoints take.

use serde_json::{Value, json};

pub fn order_id() -> Value {
    json!({"type": "string", "example": "ORD-20260131-7K2P"})
}

pub fn invoice_number() -> Value {
    json!({"type": "string", "pattern": "^INV-[0-9]{4}-[0-9]{6}$", "example": "INV-2026-000042"})
}

pub fn receipt_number() -> Value {
    json!({"type": "string", "pattern": "^RCP-[0-9]{4}-[0-9]{6}$", "example": "RCP-2026-000017"})
}

pub fn uuid() -> Value {
    json!({"type": "string", "format": "uuid", "example": "0190b6f0-5d1a-7c33-9c5e-2f6f3a1d2b4c"})
}

pub fn licence_key() -> Value {
    json!({
        "type": "string",
        "pattern": "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$",
        "example": "LIC-7K2P-M4QX-9TZB",
    })
}

pub fn booking_ref() -> Value {
    json!({"type": "string", "pattern": "^BKG-[A-Z0-9]{8}$", "example": "BKG-7K2PM4QX"})
}
