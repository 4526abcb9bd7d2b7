//! Activation: one device at a time, whoever asks and however many at once.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{ACME, DEMO, Shop};
use crate::main_job::verified;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_devices_on_two_instances_exactly_one_gets_the_licence() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let bodies: Vec<_> =
        (0..200).map(|at| json!({"licKey": key, "fingerprint": format!("device-{at:04}")})).collect();
    let tries =
        bodies.iter().enumerate().map(|(at, body)| shop.post(at, DEMO, "/api/licences/activate", body));
    let answers = join_all(tries).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.status == 409)
        .filter(|answer| answer.code() == "LICENCE_MAX_ACTIVATIONS")
        .count();
    assert_eq!((made, refused), (1, 199));
    assert_eq!(shop.count("SELECT count(*) FROM activations WHERE deactivated_at IS NULL").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_take_turns_never_hold_a_licence_together() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let device = async |at: usize| {
        let body = json!({"licKey": key, "fingerprint": format!("device-{at:04}")});
        let mut held = 0;
        for _ in 0..25 {
            if shop.post(at, DEMO, "/api/licences/activate", &body).await.status.is_success() {
                held += 1;
                shop.post(at + 1, DEMO, "/api/licences/deactivate", &body).await.expect(200);
            }
        }
        held
    };
    let held: usize = join_all((0..8).map(device)).await.into_iter().sum();
    assert!(held > 0);
    // Written intervals of one licence do not overlap.
    let overlaps = "SELECT count(*) FROM activations a JOIN activations b
        ON a.licence_id = b.licence_id AND a.id < b.id
        AND a.activated_at < coalesce(b.deactivated_at, 'infinity') AND b.activated_at < coalesce(a.deactivated_at, 'infinity')";
    assert_eq!(shop.count(overlaps).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_can_free_a_licence_and_a_stranger_cannot() {
    let shop = Shop::open().await;
    let (buyer, stranger) = (shop.register(DEMO).await, shop.register(DEMO).await);
    let (_, key) = shop.buy_licence(&buyer).await;
    let body = json!({"licKey": key, "fingerprint": "device-one"});
    shop.post(0, DEMO, "/api/licences/activate", &body).await.expect(201);
    let path = "/api/licences/deactivate";
    let only_key = json!({"licKey": key});
    assert_eq!(shop.post(0, DEMO, path, &only_key).await.expect(401).code(), "AUTH_REQUIRED");
    assert_eq!(shop.post_as(0, &stranger, path, &only_key).await.expect(404).code(), "LICENCE_NOT_FOUND");
    let elsewhere = json!({"licKey": key, "fingerprint": "device-two"});
    assert_eq!(shop.post(0, DEMO, path, &elsewhere).await.expect(409).code(), "LICENCE_NOT_ACTIVE_HERE");
    let freed = shop.post_as(0, &buyer, path, &only_key).await.expect(200).json();
    assert_eq!(freed["licence"]["activation"], json!(null));
    assert_eq!(shop.post_as(0, &buyer, path, &only_key).await.expect(409).code(), "LICENCE_NOT_ACTIVE_HERE");
    shop.post(0, DEMO, "/api/licences/activate", &elsewhere).await.expect(201);
    shop.make_admin(&stranger).await;
    shop.post_as(0, &stranger, path, &only_key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_tells_the_state_of_a_licence() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let validate = async |host: &'static str, fingerprint: Option<&str>| {
        let body = json!({"licKey": key, "fingerprint": fingerprint});
        let answer = shop.post(0, host, "/api/licences/validate", &body).await.expect(200).json();
        assert_eq!(answer["valid"], answer["code"] == "VALID");
        answer["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(validate(DEMO, None).await, "VALID");
    assert_eq!(validate(ACME, None).await, "LICENCE_NOT_FOUND");
    assert_eq!(validate(DEMO, Some("device-one")).await, "NOT_ACTIVATED");
    let body = json!({"licKey": key, "fingerprint": "device-one"});
    shop.post(0, DEMO, "/api/licences/activate", &body).await.expect(201);
    assert_eq!(validate(DEMO, Some("device-one")).await, "VALID");
    assert_eq!(validate(DEMO, Some("device-two")).await, "FINGERPRINT_MISMATCH");
    for (change, code) in [
        ("expires_at = now() - interval '1 second'", "LICENCE_EXPIRED"),
        ("status = 'SUSPENDED'", "LICENCE_SUSPENDED"),
        ("status = 'REVOKED'", "LICENCE_REVOKED"),
    ] {
        shop.execute(&format!("UPDATE licences SET {change}")).await;
        assert_eq!(validate(DEMO, Some("device-one")).await, code);
        let refused = shop.post(0, DEMO, "/api/licences/activate", &body).await.expect(403);
        assert_eq!(refused.code(), code, "for the active fingerprint too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licence_past_its_time_shows_as_expired_and_can_still_be_left() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let device = json!({"licKey": key, "fingerprint": "device-one"});
    shop.post(0, DEMO, "/api/licences/activate", &device).await.expect(201);
    shop.execute("UPDATE licences SET expires_at = now() - interval '1 second'").await;
    let one =
        shop.get_as(&buyer, &format!("/api/licences/{key}")).await.expect(200).json()["licence"].clone();
    let all = shop.get_as(&buyer, "/api/licences").await.expect(200).json();
    assert_eq!((&one["status"], &all["items"][0]), (&json!("EXPIRED"), &one));
    assert_eq!(
        (&one["maxActivations"], &one["activation"]["fingerprint"]),
        (&json!(1), &json!("device-one"))
    );
    let validated = shop.post(0, DEMO, "/api/licences/validate", &device).await.expect(200).json();
    let shown = json!({
        "key": key, "status": "EXPIRED", "productSku": "editor", "expiresAt": one["expiresAt"]
    });
    assert_eq!(validated, json!({"valid": false, "code": "LICENCE_EXPIRED", "licence": shown}));
    let left = shop.post(0, DEMO, "/api/licences/deactivate", &device).await.expect(200).json();
    assert_eq!(left["licence"]["activation"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signing_key_signs_and_all_are_published() {
    let (old, new) =
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "/+3b2dfV09HPzcvJx8XDwb+9u7m3tbOxr62rqaelo6E=");
    let both = format!("{new},{old}");
    // Two installations, whose tenants have the same ids.
    let before = Shop::open_as(1, &[("LICENCE_SIGNING_KEY", old)]).await;
    let after = Shop::open_as(1, &[("LICENCE_SIGNING_KEY", &both)]).await;
    let certificate = async |shop: &Shop| {
        let buyer = shop.register(DEMO).await;
        let (_, key) = shop.buy_licence(&buyer).await;
        let device = json!({"licKey": key, "fingerprint": "device-one"});
        let made = shop.post(0, DEMO, "/api/licences/activate", &device).await.expect(201).json();
        let again = shop.post(0, DEMO, "/api/licences/activate", &device).await.expect(200).json();
        let again = verified(shop, DEMO, again["certificate"].as_str().unwrap()).await.unwrap();
        assert_eq!(again["licKey"], json!(key), "who activates again gets one too");
        made["certificate"].as_str().unwrap().to_owned()
    };
    let (of_old, of_new) = (certificate(&before).await, certificate(&after).await);
    let claims = verified(&after, DEMO, &of_old).await.expect("the old key is published still");
    assert_eq!((&claims["tenant"], &claims["fingerprint"]), (&json!("demo"), &json!("device-one")));
    assert!(verified(&after, DEMO, &of_new).await.is_some());
    assert_eq!(verified(&before, DEMO, &of_new).await, None, "the new key signs");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_licence_call_is_named() {
    let shop = Shop::open().await;
    let body = json!({"licKey": "lic-aaaa-bbbb-cccc", "fingerprint": "short", "deviceName": "a\u{0}b"});
    let answer = shop.post(0, DEMO, "/api/licences/activate", &body).await.expect(400);
    assert_eq!(answer.faulty_fields(), ["deviceName", "fingerprint", "licKey"]);
    for path in ["/api/licences/validate", "/api/licences/deactivate"] {
        let answer = shop.post(0, DEMO, path, &body).await.expect(400);
        assert_eq!(answer.faulty_fields(), ["fingerprint", "licKey"]);
    }
    let nobody = json!({"licKey": "LIC-AAAA-BBBB-CCCC", "fingerprint": "device-one"});
    let answer = shop.post(0, DEMO, "/api/licences/activate", &nobody).await.expect(404);
    assert_eq!(answer.code(), "LICENCE_NOT_FOUND");
}
