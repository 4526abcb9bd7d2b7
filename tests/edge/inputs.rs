use serde_json::json;

use crate::harness::start;

#[test]
fn all_faults_of_a_request_come_in_one_answer() {
    let app = start();
    let body = json!({"email": "nobody", "items": [{"sku": "A", "quantity": 0}, {"quantity": "1"}]});
    let answer = app
        .post("/api/test/fields/7?limit=101&cursor=x")
        .header("idempotency-key", "a b")
        .json(body.to_string())
        .send();
    answer.assert_refused(400, "VALIDATION_ERROR");
    let faults = answer.field_errors();
    let mut fields: Vec<&str> = faults.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "cursor",
            "email",
            "idempotency-key",
            "items[0].quantity",
            "items[1].quantity",
            "items[1].sku",
            "limit",
            "orderId"
        ]
    );
}

#[test]
fn a_body_that_is_no_object_is_named_beside_the_rest() {
    let app = start();
    for body in ["[]", "null", "7", "\"x\"", "true"] {
        let answer = app.post("/api/test/fields/7").json(body).send();
        answer.assert_refused(400, "VALIDATION_ERROR");
        let faults = answer.field_errors();
        assert_eq!(faults, json!({"body": ["must be an object"], "orderId": ["must be a UUID"]}), "{body}");
    }
}

#[test]
fn a_right_request_gets_through_with_unknown_fields() {
    let app = start();
    let body = json!({"email": "A@Example.COM", "items": [{"sku": "A", "quantity": 999, "x": 1}], "y": null});
    let id = "0190b6f0-0000-7000-8000-000000000000";
    let answer = app
        .post(&format!("/api/test/fields/{id}?limit=7&unknown=%ff&unknown"))
        .header("idempotency-key", "k")
        .json(body.to_string())
        .send();
    assert_eq!(answer.json(), json!({"order": id, "limit": 7, "email": "a@example.com", "items": 1}));
}

#[test]
fn a_path_parameter_of_any_bytes_is_answered() {
    let app = start();
    let id = |path: &str| app.get(&format!("/api/test/literal/{path}")).send();
    assert_eq!(id("a%20b").json()["id"], "a b");
    assert_eq!(id("a%2Fb").json()["id"], "a/b");
    assert_eq!(id("%2541").json()["id"], "%41");
    assert_eq!(id("%C3%A9").json()["id"], "é");
    for bad in ["%ff", "%00", "%0d%0a", "%C3"] {
        let answer = id(bad);
        assert!(matches!(answer.status, 400 | 404), "{bad} gave {}", answer.status);
        assert!(matches!(answer.error_code().as_str(), "VALIDATION_ERROR" | "NOT_FOUND"));
    }
}
