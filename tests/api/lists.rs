//! Every list: newest first, 20 items unless asked otherwise, and pages that hold together while rows are added.

use std::collections::BTreeSet;

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use serde_json::{Value, json};

use crate::harness::{DEMO, Shop, Visitor};

/// More than a page of each.
const ROWS: usize = 25;

/// A list, and where its items tell what they are and when they came.
struct List {
    path: &'static str,
    id: &'static str,
    time: &'static str,
}

const LISTS: [List; 5] = [
    List { path: "/api/account/downloads", id: "/release/id", time: "/release/publishedAt" },
    List { path: "/api/admin/bookings", id: "/bkgRef", time: "/createdAt" },
    List { path: "/api/licences", id: "/key", time: "/createdAt" },
    List { path: "/api/orders", id: "/id", time: "/createdAt" },
    List { path: "/api/releases", id: "/id", time: "/publishedAt" },
];

impl List {
    async fn page(&self, shop: &Shop, visitor: &Visitor, query: &str) -> (Vec<(String, String)>, Value) {
        let page = shop.get_as(visitor, &format!("{}?{query}", self.path)).await.expect(200).json();
        let text = |item: &Value, at: &str| item.pointer(at).unwrap().as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap();
        let items = items.iter().map(|item| (text(item, self.time), text(item, self.id))).collect();
        (items, page["nextCursor"].clone())
    }
}

/// One more row of every list.
async fn add(shop: &Shop, visitor: &Visitor, number: usize) {
    shop.buy_licence(visitor).await;
    shop.publish("demo", "icons", &format!("1.{number}"), "icons").await;
    let booking = json!({"serviceSku": "call", "name": "Jane", "email": "jane@example.com"});
    shop.post(0, DEMO, "/api/bookings", &booking).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_paged_newest_first_and_stays_right_while_rows_are_added() {
    let shop = Shop::open().await;
    // An administrator who buys has something in every list.
    let visitor = shop.register(DEMO).await;
    shop.make_admin(&visitor).await;
    let icons = shop.check_out(&visitor, json!([{"sku": "icons", "quantity": 1}])).await;
    shop.deliver(0, &shop.paid_event(&icons, "pi_icons")).await.expect(200);
    for number in 0..ROWS - 5 {
        add(&shop, &visitor, number).await;
    }
    // Rows of one transaction, which have one time.
    let together = shop.check_out(&visitor, json!([{"sku": "editor-eur", "quantity": 5}])).await;
    shop.deliver(0, &shop.paid_event(&together, "pi_together")).await.expect(200);
    for number in ROWS - 5..ROWS {
        add(&shop, &visitor, number).await;
    }
    for (at, list) in LISTS.iter().enumerate() {
        let (all, after) = list.page(&shop, &visitor, "limit=100").await;
        let distinct: BTreeSet<&String> = all.iter().map(|(_, id)| id).collect();
        assert!(all.len() >= ROWS && distinct.len() == all.len(), "{}: {}", list.path, all.len());
        assert_eq!(after, Value::Null, "{}", list.path);
        assert!(all.is_sorted_by(|one, next| one.0 >= next.0), "{} is newest first", list.path);
        let (usual, after) = list.page(&shop, &visitor, "").await;
        assert_eq!((usual.as_slice(), after.is_string()), (&all[..20], true), "{}", list.path);
        // From the first page on nothing is lost, repeated or moved, whatever comes in front of it.
        let (mut seen, mut next) = list.page(&shop, &visitor, "limit=7").await;
        let mut added = 1000 * (at + 1);
        while let Some(cursor) = next.as_str() {
            add(&shop, &visitor, added).await;
            added += 1;
            let (page, after) = list.page(&shop, &visitor, &format!("limit=7&cursor={cursor}")).await;
            assert!((1..=7).contains(&page.len()), "{}", list.path);
            seen.extend(page);
            next = after;
        }
        assert_eq!(seen, all, "{}", list.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_refuses_a_bad_limit_or_cursor() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    shop.make_admin(&visitor).await;
    let document = document(&endpoints(), &codes());
    let paged: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, methods)| {
            methods["get"]["parameters"].as_array().into_iter().flatten().any(|it| it["name"] == "cursor")
        })
        .map(|(path, _)| path.as_str())
        .collect();
    assert!(paged.iter().copied().eq(LISTS.map(|list| list.path)), "{paged:?}");
    for path in paged {
        for (query, faulty) in [
            ("limit=0", ["limit"].as_slice()),
            ("limit=101", &["limit"]),
            ("limit=-1", &["limit"]),
            ("limit=ten", &["limit"]),
            ("limit=", &["limit"]),
            ("limit=1&limit=2", &["limit"]),
            ("cursor=", &["cursor"]),
            ("cursor=AAAA", &["cursor"]),
            ("cursor=nonsense&limit=1.5", &["cursor", "limit"]),
        ] {
            let answer = shop.get_as(&visitor, &format!("{path}?{query}")).await.expect(400);
            assert_eq!(answer.code(), "VALIDATION_ERROR", "{path}?{query}");
            assert_eq!(answer.faulty_fields(), faulty, "{path}?{query}");
        }
        for limit in [1, 100] {
            shop.get_as(&visitor, &format!("{path}?limit={limit}")).await.expect(200);
        }
    }
}
