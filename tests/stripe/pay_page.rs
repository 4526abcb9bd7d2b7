//! The page a person pays on.

use crate::world::World;

async fn page(world: &World, id: &str) -> (u16, String) {
    let response = world.http.get(world.url(&format!("/c/pay/{id}"))).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Presses a button; the status and where it leads.
async fn press(world: &World, id: &str, action: &str) -> (u16, String) {
    let request = world.http.post(world.url(&format!("/c/pay/{id}")));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(format!("email=payer%40example.com&action={action}")).send().await.unwrap();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default())
}

#[tokio::test]
async fn it_shows_what_is_bought_and_for_how_much() {
    let world = World::start().await;
    let id = world.session().await;
    let (status, html) = page(&world, &id).await;
    assert_eq!(status, 200);
    for shown in
        ["$44.98 USD", "2 × $19.99 USD", "Ware 0 &lt;&amp; söhne&gt;", "ada@example.com", "ORD-20260930-AB12"]
    {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(!html.contains("<& söhne>"), "what the client named is text, not HTML");
    let yen = primetech_stripe::NewCheckoutSession {
        idempotency_key: "yen".to_owned(),
        ..world.order_in("JPY", &[(12_000, 1)])
    };
    let yen = world.provider().create_checkout_session(&yen).await.unwrap().id;
    assert!(page(&world, &yen).await.1.contains("¥12,000 JPY"));
    assert_eq!(page(&world, "cs_nobody").await.0, 404);
}

#[tokio::test]
async fn paying_sends_the_person_back_and_the_event_on() {
    let world = World::start().await;
    let id = world.session().await;
    let (status, location) = press(&world, &id, "pay").await;
    assert_eq!((status, location), (303, format!("https://shop.example/thanks?session={id}")));
    let event = world.receiver.wait_for_kind("checkout.session.completed").await.event();
    assert_eq!(event["data"]["object"]["customer_details"]["email"], "payer@example.com");
    assert!(page(&world, &id).await.1.contains("complete"));
    assert_eq!(press(&world, &id, "pay").await.0, 409);
}

#[tokio::test]
async fn a_bank_answers_after_the_person_has_gone() {
    for (action, kind) in [
        ("bank_pays", "checkout.session.async_payment_succeeded"),
        ("bank_refuses", "checkout.session.async_payment_failed"),
    ] {
        let world = World::start().await;
        let id = world.session().await;
        let (status, location) = press(&world, &id, action).await;
        assert_eq!((status, location), (303, format!("https://shop.example/thanks?session={id}")));
        let completed = world.receiver.wait_for_kind("checkout.session.completed").await.event();
        assert_eq!(completed["data"]["object"]["payment_status"], "unpaid");
        world.receiver.wait_for_kind(kind).await;
    }
}

#[tokio::test]
async fn the_other_buttons_do_what_they_say() {
    let world = World::start().await;
    let id = world.session().await;
    assert_eq!(press(&world, &id, "cancel").await, (303, "https://shop.example/cart".to_owned()));
    assert_eq!(press(&world, &id, "decline").await, (303, format!("/c/pay/{id}?declined")));
    let (_, html) = page(&world, &format!("{id}?declined")).await;
    assert!(html.contains("declined. Try another way"));
    assert_eq!(press(&world, &id, "steal").await.0, 400);
    assert_eq!(press(&world, &id, "expire").await, (303, "https://shop.example/cart".to_owned()));
    assert_eq!(page(&world, &id).await.0, 410);
    world.receiver.wait_for_kind("checkout.session.expired").await;
}
