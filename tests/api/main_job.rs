//! The main job from end to end, with real parts.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_buys_a_licence_and_one_device_holds_it() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop
        .check_out(&buyer, json!([{"sku": "editor", "quantity": 1}, {"sku": "icons", "quantity": 2}]))
        .await;
    assert_eq!(started["order"]["total"], 4900 + 2 * 1900);
    assert_eq!(
        (&started["order"]["status"], &started["order"]["receiptNumber"]),
        (&json!("PENDING"), &json!(null))
    );
    let me = shop.get_as(&buyer, "/api/auth/me").await.expect(200).json();
    assert_eq!(me["user"]["emailVerified"], false, "who is not verified may buy");
    assert_eq!(started["invoice"]["number"], "INV-2026-000001".replace("2026", &year(&started)));
    assert_eq!(started["invoice"]["billTo"], json!({"name": "Jane", "email": buyer.email}));

    let session = started["checkout"]["sessionId"].as_str().unwrap();
    shop.stand_in(&format!("sessions/{session}/pay"), &json!({"outcome": "paid"})).await;

    let number = started["order"]["number"].as_str().unwrap();
    let order =
        shop.get_as(&buyer, &format!("/api/orders/{number}")).await.expect(200).json()["order"].clone();
    assert_eq!(order["status"], "PAID");
    assert!(order["paidAt"].is_string());
    let receipt = order["receiptNumber"].as_str().unwrap();
    assert!(receipt.ends_with("-000001"));
    let receipt =
        shop.get_as(&buyer, &format!("/api/receipts/{receipt}")).await.expect(200).json()["receipt"].clone();
    assert_eq!(receipt["total"], order["total"]);
    assert_eq!(receipt["invoiceNumber"], started["invoice"]["number"]);
    assert!(receipt["providerPaymentId"].as_str().unwrap().starts_with("pi_"));
    let invoice = started["invoice"]["number"].as_str().unwrap();
    let invoice = shop.get_as(&buyer, &format!("/api/invoices/{invoice}")).await.expect(200).json();
    assert_eq!(invoice["invoice"]["status"], "PAID");

    let licences = shop.get_as(&buyer, "/api/licences").await.expect(200).json();
    assert_eq!(licences["items"].as_array().unwrap().len(), 1, "one unit of the one LICENCE product");
    let key = licences["items"][0]["key"].as_str().unwrap();
    let first = json!({"licKey": key, "fingerprint": "device-one", "deviceName": "Laptop"});
    let activated = shop.post(0, DEMO, "/api/licences/activate", &first).await.expect(201).json();
    assert_eq!(activated["created"], true);
    let again = shop.post(0, DEMO, "/api/licences/activate", &first).await.expect(200).json();
    assert_eq!((&again["created"], &again["activation"]), (&json!(false), &activated["activation"]));
    let second = json!({"licKey": key, "fingerprint": "device-two"});
    let refused = shop.post(0, DEMO, "/api/licences/activate", &second).await.expect(409);
    assert_eq!(refused.code(), "LICENCE_MAX_ACTIVATIONS");

    let certificate = activated["certificate"].as_str().unwrap();
    let claims = verified(&shop, DEMO, certificate).await.expect("signed with the tenant's published key");
    assert_eq!((&claims["licKey"], &claims["fingerprint"]), (&json!(key), &json!("device-one")));
    assert_eq!((&claims["tenant"], &claims["productSku"]), (&json!("demo"), &json!("editor")));
    assert!(claims["exp"].as_i64() > claims["iat"].as_i64());
    assert_eq!(verified(&shop, ACME, certificate).await, None, "no other tenant's key checks it");
}

fn year(started: &Value) -> String {
    started["order"]["createdAt"].as_str().unwrap()[..4].to_owned()
}

/// The claims of a certificate, where one of the tenant's published keys has signed it.
pub async fn verified(shop: &Shop, host: &str, certificate: &str) -> Option<Value> {
    let set =
        shop.send(0, Method::GET, host, "/.well-known/licence-keys.json", &[], None).await.expect(200).json();
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let (signed, signature) = certificate.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!(header["alg"], "EdDSA");
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"])?;
    let key = VerifyingKey::from_bytes(&decode(key["x"].as_str().unwrap()).try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&decode(signature)).unwrap();
    key.verify(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&decode(payload)).ok()
}
