//! Times that come in.

use serde_json::json;

use crate::harness::{DEMO, Shop};

const OUTSIDE: [&str; 4] =
    ["1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z"];

#[tokio::test(flavor = "multi_thread")]
async fn times_are_from_2000_to_2199_wherever_one_comes_in() {
    let shop = Shop::open().await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let book = async |time: &str| {
        let body =
            json!({"serviceSku": "call", "name": "Jane", "email": "jane@example.com", "scheduledFor": time});
        shop.post(0, DEMO, "/api/bookings", &body).await
    };
    let list = async |from: &str, to: &str| {
        let path = format!("/api/admin/bookings?from={from}&to={to}");
        shop.get_as(&admin, &path.replace("+", "%2B")).await
    };
    for outside in OUTSIDE {
        let refused = book(outside).await.expect(400);
        assert_eq!(
            (refused.code().as_str(), refused.faulty_fields()),
            ("VALIDATION_ERROR", vec!["scheduledFor".to_owned()]),
            "{outside}"
        );
        assert!(refused.text.contains("must be from 2000-01-01 to 2199-12-31"), "{}", refused.text);
        assert_eq!(list(outside, outside).await.expect(400).faulty_fields(), ["from", "to"], "{outside}");
    }
    book("2199-12-31T23:59:59Z").await.expect(201);
    list("2000-01-01T00:00:00Z", "2199-12-31T23:59:59Z").await.expect(200);
    assert_eq!(shop.count("SELECT count(*) FROM bookings").await, 1, "what was refused has left nothing");
}
