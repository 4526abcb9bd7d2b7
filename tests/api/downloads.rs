//! Releases, and who may download them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, Shop, Visitor, event};

fn versions(list: &Value) -> Vec<String> {
    let release = |item: &Value| item.get("release").unwrap_or(item)["version"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(release).collect()
}

async fn buy_icons(shop: &Shop, visitor: &Visitor) -> Value {
    let started = shop.check_out(visitor, json!([{"sku": "icons", "quantity": 1}])).await;
    shop.deliver(0, &shop.paid_event(&started, "pi_icons")).await.expect(200);
    started
}

fn path_of(release_id: &str) -> String {
    format!("/api/account/downloads/{release_id}/signed-url")
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_listed_newest_first_for_their_own_shop() {
    let shop = Shop::open().await;
    for version in ["1.0", "1.1", "2.0"] {
        shop.publish("demo", "icons", version, "icons").await;
    }
    shop.publish("acme", "icons", "9.0", "others").await;
    let list = shop.send(0, Method::GET, DEMO, "/api/releases", &[], None).await.expect(200).json();
    assert_eq!(versions(&list), ["2.0", "1.1", "1.0"]);
    let release = &list["items"][0];
    let file = (&release["productSku"], &release["fileName"], &release["sizeBytes"], &release["channel"]);
    assert_eq!(file, (&json!("icons"), &json!("icons-2.0.txt"), &json!(5), &json!("stable")));
    assert!(!list.to_string().contains("primetech-private") && !list.to_string().contains("tenants/"));

    let first = shop.send(0, Method::GET, DEMO, "/api/releases?limit=2", &[], None).await.expect(200).json();
    shop.publish("demo", "icons", "3.0", "icons").await;
    let next = format!("/api/releases?limit=2&cursor={}", first["nextCursor"].as_str().unwrap());
    let second = shop.send(0, Method::GET, DEMO, &next, &[], None).await.expect(200).json();
    assert_eq!((versions(&first), versions(&second)), (vec!["2.0".into(), "1.1".into()], vec!["1.0".into()]));
    assert_eq!(second["nextCursor"], Value::Null);

    shop.execute("UPDATE releases SET published_at = NULL WHERE version = '3.0'").await;
    let list = shop.send(0, Method::GET, DEMO, "/api/releases", &[], None).await.expect(200).json();
    assert_eq!(versions(&list), ["2.0", "1.1", "1.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_bought_is_listed_and_downloaded_until_it_is_refunded() {
    let shop = Shop::open().await;
    let old = shop.publish("demo", "icons", "1.0", "first icons").await;
    let editor = shop.publish("demo", "editor", "1.0", "editor").await;
    let buyer = shop.register(DEMO).await;
    assert_eq!(shop.get_as(&buyer, "/api/account/downloads").await.expect(200).json()["items"], json!([]));
    let path = path_of(&old.id.to_string());
    let refused = shop.post_as(0, &buyer, &path, &json!({})).await.expect(403);
    assert_eq!(refused.code(), "ENTITLEMENT_REQUIRED");

    let started = buy_icons(&shop, &buyer).await;
    shop.publish("demo", "icons", "1.1", "newer icons").await;
    let list = shop.get_as(&buyer, "/api/account/downloads").await.expect(200).json();
    assert_eq!(versions(&list), ["1.1", "1.0"], "also what came after the purchase");
    assert_eq!(list["items"][1]["release"]["id"], json!(old.id));
    assert!(list["items"][0]["entitlementId"].is_string());

    let signed = shop.post_as(0, &buyer, &path, &json!({})).await.expect(200).json();
    assert_eq!((&signed["fileName"], &signed["sha256"]), (&json!("icons-1.0.txt"), &json!(old.sha256)));
    let (status, content) = shop.ask_store(Method::GET, signed["url"].as_str().unwrap(), "").await;
    assert_eq!((status, content.as_slice()), (200, b"first icons".as_slice()));
    shop.post_as(0, &buyer, &path_of(&editor.id.to_string()), &json!({})).await.expect(403);

    let intent = format!("pi_icons_{}", started["order"]["id"].as_str().unwrap());
    let amount = started["order"]["total"].clone();
    let refund = event(
        "charge.refunded",
        json!({
            "id": "ch_icons", "object": "charge", "payment_intent": intent, "refunded": true,
            "amount": amount, "amount_captured": amount, "amount_refunded": amount, "currency": "usd",
        }),
    );
    shop.deliver(0, &refund).await.expect(200);
    assert_eq!(shop.get_as(&buyer, "/api/account/downloads").await.expect(200).json()["items"], json!([]));
    let refused = shop.post_as(0, &buyer, &path, &json!({})).await.expect(403);
    assert_eq!(refused.code(), "ENTITLEMENT_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licence_entitles_to_its_products_releases() {
    let shop = Shop::open().await;
    let editor = shop.publish("demo", "editor", "1.0", "editor").await;
    let buyer = shop.register(DEMO).await;
    shop.buy_licence(&buyer).await;
    shop.post_as(0, &buyer, &path_of(&editor.id.to_string()), &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unpublished_and_foreign_releases_are_as_unknown_ones() {
    let shop = Shop::open().await;
    let (foreign, draft) = (
        shop.publish("acme", "icons", "1.0", "others").await,
        shop.publish("demo", "icons", "1.0", "draft").await,
    );
    shop.execute("UPDATE releases SET published_at = NULL WHERE size_bytes = 5").await;
    let (buyer, acme_buyer) = (shop.register(DEMO).await, shop.register(ACME).await);
    buy_icons(&shop, &buyer).await;
    buy_icons(&shop, &acme_buyer).await;
    let unknown = path_of("0190b6f0-0000-7000-8000-000000000000");
    let nobodys = shop.post_as(0, &buyer, &unknown, &json!({})).await.expect(404).without_request_id();
    for id in [foreign.id, draft.id] {
        let answer = shop.post_as(0, &buyer, &path_of(&id.to_string()), &json!({})).await.expect(404);
        assert_eq!(answer.without_request_id(), nobodys);
    }
    shop.post_as(0, &acme_buyer, &path_of(&foreign.id.to_string()), &json!({})).await.expect(200);
    shop.post_as(0, &buyer, &path_of("not-a-uuid"), &json!({})).await.expect(400);
    shop.post(0, DEMO, &unknown, &json!({})).await.expect(401);
}
