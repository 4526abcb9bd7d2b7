//! Amounts as Stripe counts them: what can be charged is listed, and nothing else is ordered.

use primetech_actors::money;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, DEMO, Shop, Visitor};

async fn stands_in_the_catalogue(shop: &Shop, sku: &str, amount: i64, currency: &str) {
    shop.execute(&format!(
        "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
         VALUES ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), '{sku}', 'SERVICE', 'Priced', {amount},
                 '{currency}', now(), now())"
    ))
    .await;
}

async fn check_out(shop: &Shop, buyer: &Visitor, items: &[(&str, u32)]) -> Answer {
    let items: Vec<Value> =
        items.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    shop.post_as(0, buyer, "/api/checkout/start", &json!({"items": items})).await
}

/// What is wrong with the items.
fn faults(answer: &Answer) -> Vec<String> {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "VALIDATION_ERROR"),
        "{}",
        answer.text
    );
    assert_eq!(answer.faulty_fields(), ["items"]);
    let faults = &answer.json()["error"]["details"]["fieldErrors"]["items"];
    faults.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_may_read_how_amounts_are_counted() {
    let shop = Shop::open().await;
    let path = "/v1/currencies";
    let answer = shop.send(0, Method::GET, DEMO, path, &[], None).await.expect(200).json();
    assert_eq!(answer["nextCursor"], json!(null));
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), money::all().len());
    for expected in [
        json!({"currency": "USD", "decimals": 2, "step": 1, "minimum": 50, "maximum": 99_999_999}),
        json!({"currency": "JPY", "decimals": 0, "step": 1, "minimum": 50, "maximum": 99_999_999}),
        json!({"currency": "MGA", "decimals": 0, "step": 1, "minimum": 1, "maximum": 99_999_999}),
        json!({"currency": "KWD", "decimals": 3, "step": 10, "minimum": 10, "maximum": 99_999_999}),
        json!({"currency": "ISK", "decimals": 2, "step": 100, "minimum": 100, "maximum": 99_999_999}),
        json!({"currency": "UGX", "decimals": 2, "step": 100, "minimum": 100, "maximum": 99_999_999}),
        json!({"currency": "HUF", "decimals": 2, "step": 1, "minimum": 17_500, "maximum": 99_999_999}),
        json!({"currency": "IDR", "decimals": 2, "step": 1, "minimum": 50, "maximum": 999_999_999_999_i64}),
    ] {
        assert!(items.contains(&expected), "{expected}");
    }
    let nobody = shop.send(0, Method::GET, "nobody.test", path, &[], None).await.expect(404);
    assert_eq!(nobody.code(), "TENANT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_charged_is_refused_before_a_number_is_spent() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for (sku, amount, currency) in [
        ("dime", 10, "USD"),
        ("fils", 12_345, "KWD"),
        ("aurar", 150, "ISK"),
        ("cents", 505, "UGX"),
        ("forints", 120_000_000, "HUF"),
        ("unknown", 1_000, "CLF"),
        ("million", 99_999_999, "USD"),
    ] {
        stands_in_the_catalogue(&shop, sku, amount, currency).await;
    }
    for (items, fault) in [
        (&[("dime", 1)][..], "the total must be 0 or at least 50 in USD"),
        (&[("dime", 4)], "the total must be 0 or at least 50 in USD"),
        (&[("million", 1), ("editor", 1)], "the total must be at most 99999999 in USD"),
        (&[("fils", 1)], "the price of fils must be a multiple of 10 in KWD"),
        (&[("fils", 2)], "the price of fils must be a multiple of 10 in KWD"),
        (&[("aurar", 2)], "the price of aurar must be a multiple of 100 in ISK"),
        (&[("cents", 1)], "the price of cents must be a multiple of 100 in UGX"),
        (&[("forints", 1)], "the price of forints must be at most 99999999 in HUF"),
        (&[("unknown", 1)], "the price of unknown must be in a currency that Stripe supports"),
    ] {
        assert_eq!(faults(&check_out(&shop, &buyer, items).await), [fault]);
    }
    stands_in_the_catalogue(&shop, "baisa", 1, "KWD").await;
    let both = faults(&check_out(&shop, &buyer, &[("fils", 1), ("baisa", 1)]).await);
    assert_eq!(both.len(), 2, "all faults at once: {both:?}");
    for table in ["orders", "invoices", "payments"] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    let started = check_out(&shop, &buyer, &[("dime", 5)]).await.expect(201).json();
    assert_eq!((&started["order"]["total"], &started["order"]["currency"]), (&json!(50), &json!("USD")));
    assert!(started["invoice"]["number"].as_str().unwrap().ends_with("-000001"), "no number was spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_takes_what_the_table_and_the_provider_take() {
    let shop = Shop::open_as(1, &[("RATE_LIMIT", "off")]).await;
    let buyer = shop.register(DEMO).await;
    let (mut taken, mut refused) = (0, 0);
    for code in
        ["USD", "EUR", "GBP", "JPY", "HUF", "KWD", "ISK", "UGX", "MGA", "INR", "COP", "IDR", "XAF", "TWD"]
    {
        let of = money::find(code).unwrap();
        let (step, least, most) = (of.step(), of.minimum(), of.maximum());
        let mut amounts =
            vec![0, 1, step, step + 1, least - 1, least, least + 1, most - most % step, most, most + 1];
        amounts.sort_unstable();
        amounts.dedup();
        // No product can have a price beyond this.
        amounts.retain(|amount| *amount <= money::LARGEST_AMOUNT);
        for amount in amounts {
            let sku = format!("{code}-{amount}");
            stands_in_the_catalogue(&shop, &sku, amount, code).await;
            let answer = check_out(&shop, &buyer, &[(&sku, 1)]).await;
            match of.check_total(amount) {
                Ok(()) => {
                    answer.expect(201);
                    taken += 1;
                }
                Err(_) => {
                    faults(&answer);
                    refused += 1;
                }
            }
        }
    }
    assert!(taken > 40 && refused > 30, "{taken} were taken and {refused} refused");
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, taken);
}
