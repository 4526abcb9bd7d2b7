//! Chooses the actor of a delivery, so that deliveries that contend meet in one queue. It reads an event before the
//! event's content is validated, so only speed may depend on it.

use std::borrow::Cow;

use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    tenant_id: Cow<'a, str>,
}

/// What a delivery contends for: the tenant that it names, whose receipts are numbered one after the other, so that what
/// is paid at one shop is numbered together and none waits for another's commit. Where it names none, itself: the same
/// bytes meet, and others share the work.
pub fn contended_by(payload: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Envelope<'_>>(payload) {
        Ok(envelope) => envelope.data.object.metadata.tenant_id,
        Err(_) => Cow::Borrowed(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_s_events_meet_and_what_names_none_meets_its_like_alone() {
        let named =
            r#"{"id":"evt_1","data":{"object":{"id":"cs_1","metadata":{"tenantId":"t-1","orderId":"o"}}}}"#;
        assert_eq!(contended_by(named), "t-1");
        for other in [
            r#"{"id":"evt_1","data":{"object":{"id":"pi_1","metadata":{}}}}"#,
            r#"{"id":"evt_1","data":{"object":{"id":"pi_1","metadata":null}}}"#,
            r#"{"data":{"object":{"metadata":{"tenantId":7}}}}"#,
            "not even JSON",
        ] {
            assert_eq!(contended_by(other), other);
        }
    }
}
