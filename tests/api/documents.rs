//! The PDFs of invoices and receipts, from the call to the bytes in the store.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{ACME, DEMO, Shop, Visitor};

async fn ask_for(shop: &Shop, instance: usize, visitor: &Visitor, kind: &str, number: &str) -> Value {
    let path = format!("/api/{kind}/{number}/pdf");
    shop.post_as(instance, visitor, &path, &json!({})).await.expect(200).json()
}

async fn fetch(shop: &Shop, signed: &Value) -> Vec<u8> {
    let (status, content) = shop.ask_store(Method::GET, signed["url"].as_str().unwrap(), "").await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&content));
    content
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_has_one_document_for_each_state() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "icons", "quantity": 2}])).await;
    let number = started["invoice"]["number"].as_str().unwrap();
    let first = ask_for(&shop, 0, &buyer, "invoices", number).await;
    assert_eq!(first["fileName"], format!("{number}.pdf"));
    let open = fetch(&shop, &first).await;
    assert!(open.starts_with(b"%PDF-"));
    let again = ask_for(&shop, 0, &buyer, "invoices", number).await;
    assert!(fetch(&shop, &again).await == open, "found, not made again");
    assert_eq!(shop.count("SELECT count(*) FROM documents").await, 1);

    shop.deliver(0, &shop.paid_event(&started, "pi_document")).await.expect(200);
    let paid = fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", number).await).await;
    assert!(paid != open, "it says that it is paid");
    assert!(fetch(&shop, &first).await == open, "the older one stays what it was");

    let order =
        shop.get_as(&buyer, &format!("/api/orders/{}", started["order"]["id"].as_str().unwrap())).await;
    let receipt = order.json()["order"]["receiptNumber"].as_str().unwrap().to_owned();
    let receipt_pdf = fetch(&shop, &ask_for(&shop, 0, &buyer, "receipts", &receipt).await).await;
    assert!(receipt_pdf.starts_with(b"%PDF-"));
    let recorded = "SELECT string_agg(encode(sha256, 'hex') || ' ' || size_bytes, ',' ORDER BY created_at) FROM documents";
    let made: Vec<String> =
        [&open, &paid, &receipt_pdf].map(|pdf| format!("{} {}", hex(pdf), pdf.len())).into_iter().collect();
    assert_eq!(shop.text(recorded).await, made.join(","));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_on_two_processes_get_one_document() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "icons", "quantity": 1}])).await;
    let number = started["invoice"]["number"].as_str().unwrap();
    let calls = (0..16).map(|at| ask_for(&shop, at, &buyer, "invoices", number));
    let signed = futures_util::future::join_all(calls).await;
    let content = fetch(&shop, &signed[0]).await;
    for signed in &signed {
        assert!(fetch(&shop, signed).await == content);
    }
    assert_eq!(shop.count("SELECT count(*) FROM documents").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_the_store_lost_is_made_again() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "icons", "quantity": 1}])).await;
    let number = started["invoice"]["number"].as_str().unwrap();
    let content = fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", number).await).await;
    let key = shop.text("SELECT object_key FROM documents").await;
    shop.storage().delete(&key).await.unwrap();
    assert!(fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", number).await).await == content);
}

const MOVE: &str =
    "UPDATE tenants SET name = 'Demo Reborn', address = '{1 Elsewhere}', tax_id = 'XX 987', paper = 'LETTER'
                    WHERE slug = 'demo'";

#[tokio::test(flavor = "multi_thread")]
async fn the_seller_belongs_to_the_invoice_whatever_becomes_of_the_tenant() {
    let shop = Shop::open().await;
    shop.execute("UPDATE tenants SET address = '{1 Old Street}', tax_id = 'XX 123' WHERE slug = 'demo'")
        .await;
    let buyer = shop.register(DEMO).await;
    let items = json!([{"sku": "icons", "quantity": 1}]);
    let started = shop.check_out(&buyer, items.clone()).await;
    let number = started["invoice"]["number"].as_str().unwrap();
    let before = fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", number).await).await;
    shop.execute(MOVE).await;
    let after = fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", number).await).await;
    assert!(before == after, "found, with the seller that it had");
    assert_eq!(shop.count("SELECT count(*) FROM documents").await, 1);

    // A later document of the number shows the same seller, and so does the receipt.
    let sellers = "SELECT string_agg(DISTINCT concat_ws(' ', seller_name, seller_address[1], seller_tax_id, seller_paper), ', ')
                   FROM invoices";
    assert_eq!(shop.text(sellers).await, "Demo 1 Old Street XX 123 A4");
    shop.deliver(0, &shop.paid_event(&started, "pi_moved")).await.expect(200);
    let paid = fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", number).await).await;
    let receipt = shop.text("SELECT number FROM receipts").await;
    let receipt = fetch(&shop, &ask_for(&shop, 0, &buyer, "receipts", &receipt).await).await;
    for document in [&before, &paid, &receipt] {
        assert_eq!(sheet_of(document), "A4");
    }
    // What is issued from now on is the new seller's.
    let later = shop.check_out(&buyer, items).await;
    let later = later["invoice"]["number"].as_str().unwrap();
    assert_eq!(sheet_of(&fetch(&shop, &ask_for(&shop, 0, &buyer, "invoices", later).await).await), "LETTER");
    let new = format!("{sellers} WHERE number = '{later}'");
    assert_eq!(shop.text(&new).await, "Demo Reborn 1 Elsewhere XX 987 LETTER");
}

/// By the height of the pages.
fn sheet_of(pdf: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(pdf);
    if text.contains("612 792") { "LETTER" } else { "A4" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_document_of_a_moved_seller_is_made_again_to_the_same_bytes() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "icons", "quantity": 1}])).await;
    shop.deliver(0, &shop.paid_event(&started, "pi_lost")).await.expect(200);
    let invoice = started["invoice"]["number"].as_str().unwrap().to_owned();
    let receipt = shop.text("SELECT number FROM receipts").await;
    for (kind, number) in [("invoices", &invoice), ("receipts", &receipt)] {
        shop.execute("UPDATE tenants SET name = 'Demo', address = '{}', tax_id = NULL, paper = 'A4' WHERE slug = 'demo'")
            .await;
        let content = fetch(&shop, &ask_for(&shop, 0, &buyer, kind, number).await).await;
        let stored = format!("SELECT object_key FROM documents WHERE number = '{number}'");
        shop.storage().delete(&shop.text(&stored).await).await.unwrap();
        shop.execute(MOVE).await;
        let again = fetch(&shop, &ask_for(&shop, 1, &buyer, kind, number).await).await;
        assert_eq!(hex(&again), hex(&content));
    }
    assert_eq!(shop.count("SELECT count(*) FROM documents").await, 2);
}

/// As a program of before that goes on while the schema is migrated.
#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_that_an_older_program_writes_has_its_seller_too() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.check_out(&buyer, json!([{"sku": "icons", "quantity": 1}])).await;
    shop.execute(
        "INSERT INTO orders (tenant_id, id, number, user_id, currency, total, created_at)
             SELECT tenant_id, '00000000-0000-7000-8000-0000000000aa', 'ORD-20260101-AAAA', user_id, currency, total, created_at
             FROM orders;
         INSERT INTO invoices (tenant_id, id, number, order_id, currency, subtotal, total, bill_to_email, issued_at)
             SELECT tenant_id, gen_random_uuid(), 'INV-2026-000777', '00000000-0000-7000-8000-0000000000aa', currency,
                    subtotal, total, bill_to_email, issued_at FROM invoices",
    )
    .await;
    let of_old = "SELECT seller_name || ' ' || seller_paper FROM invoices WHERE number = 'INV-2026-000777'";
    assert_eq!(shop.text(of_old).await, "Demo A4");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_shown_to_whom_their_subjects_are() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (started, _) = shop.buy_licence(&buyer).await;
    let order =
        shop.get_as(&buyer, &format!("/api/orders/{}", started["order"]["id"].as_str().unwrap())).await;
    let (invoice, receipt) =
        (started["invoice"]["number"].clone(), order.json()["order"]["receiptNumber"].clone());
    let (stranger, foreigner, admin) =
        (shop.register(DEMO).await, shop.register(ACME).await, shop.register(DEMO).await);
    shop.make_admin(&admin).await;
    for (kind, number, unknown) in
        [("invoices", &invoice, "INV-2026-999999"), ("receipts", &receipt, "RCP-2026-999999")]
    {
        let path = |number: &str| format!("/api/{kind}/{number}/pdf");
        let number = number.as_str().unwrap();
        let nobodys =
            shop.post_as(0, &buyer, &path(unknown), &json!({})).await.expect(404).without_request_id();
        for other in [&stranger, &foreigner] {
            let refused = shop.post_as(0, other, &path(number), &json!({})).await.expect(404);
            assert_eq!(refused.without_request_id(), nobodys);
        }
        shop.post(0, DEMO, &path(number), &json!({})).await.expect(401);
        assert_eq!(shop.count("SELECT count(*) FROM documents").await, i64::from(kind == "receipts"));
        ask_for(&shop, 0, &admin, kind, number).await;
    }
}
