//! A thing of another tenant, or of another user, looks absent: the same bytes as for an id that nobody has.

use serde_json::json;

use crate::harness::{ACME, DEMO, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_others_looks_absent() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (started, key) = shop.buy_licence(&buyer).await;
    let order_id = started["order"]["id"].as_str().unwrap();
    let number = started["order"]["number"].as_str().unwrap();
    let order = shop.get_as(&buyer, &format!("/api/orders/{number}")).await.expect(200).json();
    let receipt = order["order"]["receiptNumber"].as_str().unwrap().to_owned();
    let invoice = started["invoice"]["number"].as_str().unwrap();
    let (neighbour, foreigner) = (shop.register(DEMO).await, shop.register(ACME).await);
    let foreign_admin = shop.register(ACME).await;
    shop.make_admin(&foreign_admin).await;
    let year = &invoice[4..8];
    let nobodys = [
        (
            "/api/orders/",
            vec![order_id.to_owned(), number.to_owned()],
            "01900000-0000-7000-8000-00000000ffff".to_owned(),
        ),
        ("/api/invoices/", vec![invoice.to_owned()], format!("INV-{year}-999999")),
        ("/api/receipts/", vec![receipt], format!("RCP-{year}-999999")),
        ("/api/licences/", vec![key], "LIC-ZZZZ-ZZZZ-ZZZZ".to_owned()),
    ];
    for (path, theirs, nobodys) in nobodys {
        for visitor in [&neighbour, &foreigner, &foreign_admin] {
            let absent = shop.get_as(visitor, &format!("{path}{nobodys}")).await.expect(404);
            for id in &theirs {
                let foreign = shop.get_as(visitor, &format!("{path}{id}")).await.expect(404);
                assert_eq!(foreign.without_request_id(), absent.without_request_id(), "{path}");
            }
        }
    }
    for visitor in [&neighbour, &foreigner, &foreign_admin] {
        for list in ["/api/orders", "/api/licences"] {
            assert_eq!(
                shop.get_as(visitor, list).await.expect(200).json(),
                json!({"items": [], "nextCursor": null})
            );
        }
    }
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    assert_eq!(shop.get_as(&admin, "/api/orders").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_its_own_and_an_administrator_the_tenants() {
    let shop = Shop::open().await;
    let (buyer, admin) = (shop.register(DEMO).await, shop.register(DEMO).await);
    shop.make_admin(&admin).await;
    let (started, key) = shop.buy_licence(&buyer).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let number = text(&started["order"]["number"]);
    let order = shop.get_as(&buyer, &format!("/api/orders/{number}")).await.expect(200).json();
    let receipt = text(&order["order"]["receiptNumber"]);
    for path in [
        format!("/api/orders/{number}"),
        format!("/api/orders/{}", text(&started["order"]["id"])),
        format!("/api/invoices/{}", text(&started["invoice"]["number"])),
        format!("/api/receipts/{receipt}"),
        format!("/api/licences/{key}"),
        "/api/orders".to_owned(),
        "/api/licences".to_owned(),
    ] {
        let own = shop.get_as(&buyer, &path).await.expect(200).json();
        assert_eq!(shop.get_as(&admin, &path).await.expect(200).json(), own, "{path}");
        assert!(own["items"].as_array().is_none_or(|items| items.len() == 1), "{path}");
    }
    // What may be downloaded is one's own, whoever one is.
    let downloads = shop.get_as(&admin, "/api/account/downloads").await.expect(200).json();
    assert_eq!(downloads["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_where_the_page_before_ended_while_rows_are_added() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
        numbers.insert(0, started["order"]["number"].clone());
    }
    let first = shop.get_as(&buyer, "/api/orders?limit=2").await.expect(200).json();
    shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    let mut seen: Vec<_> =
        first["items"].as_array().unwrap().iter().map(|order| order["number"].clone()).collect();
    let mut cursor = first["nextCursor"].as_str().map(str::to_owned);
    while let Some(at) = cursor {
        let page = shop.get_as(&buyer, &format!("/api/orders?limit=2&cursor={at}")).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|order| order["number"].clone()));
        cursor = page["nextCursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, numbers);
    let wrong = shop.get_as(&buyer, "/api/orders?limit=101&cursor=nonsense").await.expect(400);
    assert_eq!(wrong.faulty_fields(), ["cursor", "limit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_switched_off_is_off_in_every_instance() {
    let shop = Shop::open_with(2).await;
    let user = shop.register(DEMO).await;
    for instance in 0..2 {
        shop.get_from(instance, &user, "/api/auth/me").await.expect(200);
    }
    shop.execute("UPDATE tenants SET active = false WHERE slug = 'demo'").await;
    for instance in 0..2 {
        let off = async || shop.get_from(instance, &user, "/api/auth/me").await.status == 403;
        crate::harness::until("it is off", off).await;
        assert_eq!(shop.get_from(instance, &user, "/api/auth/me").await.code(), "TENANT_INACTIVE");
    }
}
