//! The product's client of Stripe, against the stand-in.

use std::str::FromStr;

use chrono::TimeDelta;
use primetech_stripe::{
    CheckoutStatus, PaymentProvider, PaymentStatus, ProviderConfigError, ProviderError, ProviderTimeouts,
    UnavailableReason,
};
use secrecy::SecretString;
use serde_json::json;
use stripe_checkout::checkout_session::{CreateCheckoutSession, RetrieveCheckoutSession};
use url::Url;

use crate::world::{SECRET_KEY, World, provider_at, quick};

#[tokio::test]
async fn a_created_session_carries_the_order_and_can_be_read_back() {
    let world = World::start().await;
    let order = world.order();
    let created = world.provider().create_checkout_session(&order).await.unwrap();
    assert_eq!(created.expires_at, order.expires_at);
    assert_eq!(created.url, world.url(&format!("/c/pay/{}", created.id)));

    let details = world.provider().get_checkout_session(&created.id).await.unwrap();
    assert_eq!(details.status, CheckoutStatus::Open);
    assert_eq!(details.payment_status, PaymentStatus::Unpaid);
    assert_eq!(details.amount_total, Some(4_498));
    assert_eq!(details.currency.as_deref(), Some("USD"));
    assert_eq!(details.client_reference_id, Some(order.order_id.to_string()));
    assert_eq!(details.metadata["tenantId"], order.tenant_id.to_string());
    assert_eq!(details.metadata["orderId"], order.order_id.to_string());
    assert_eq!(details.metadata["orderNumber"], order.order_number);
    assert_eq!(details.payment_intent_id, None);
    assert_eq!(details.created_at, world.clock.now());

    world.pay(&created.id, "paid").await;
    let paid = world.provider().get_checkout_session(&created.id).await.unwrap();
    assert_eq!((paid.status, paid.payment_status), (CheckoutStatus::Complete, PaymentStatus::Paid));
    assert_eq!(paid.url, None, "a paid session cannot be paid again");
    let (_, intent) = world.get(&format!("/v1/payment_intents/{}", paid.payment_intent_id.unwrap())).await;
    assert_eq!(intent["metadata"]["orderId"], order.order_id.to_string());
    assert_eq!(intent["metadata"]["tenantId"], order.tenant_id.to_string());
    assert_eq!(intent["amount_received"], 4_498);
}

#[tokio::test]
async fn the_same_key_makes_one_session() {
    let world = World::start().await;
    let provider = world.provider();
    let first = provider.create_checkout_session(&world.order()).await.unwrap();
    let second = provider.create_checkout_session(&world.order()).await.unwrap();
    assert_eq!(first, second);
    let (_, list) = world.get("/v1/checkout/sessions").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);

    // Even once the session has been paid, the answer is the one given at first.
    world.pay(&first.id, "paid").await;
    assert_eq!(provider.create_checkout_session(&world.order()).await.unwrap(), first);

    let other = primetech_stripe::NewCheckoutSession {
        expires_at: world.order().expires_at + TimeDelta::minutes(1),
        ..world.order()
    };
    let refused = provider.create_checkout_session(&other).await.unwrap_err();
    let ProviderError::Refused { status, kind, request_id, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((status, kind.as_str()), (400, "idempotency_error"));
    assert!(request_id.unwrap().starts_with("req_"));
}

#[tokio::test]
async fn fifty_callers_with_one_key_get_one_session() {
    let world = World::start().await;
    // Slow enough for the calls to overlap: most of them meet a 409 and come again.
    world.tell("mode", json!({ "latencyMs": 20 })).await;
    let provider = world.provider();
    let callers = (0..50).map(|_| {
        let (provider, order) = (provider.clone(), world.order());
        tokio::spawn(async move { provider.create_checkout_session(&order).await.unwrap().id })
    });
    let ids = futures_util::future::try_join_all(callers).await.unwrap();
    assert!(ids.iter().all(|id| *id == ids[0]));
    let (_, list) = world.get("/v1/checkout/sessions").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_expired_session_stays_expired_and_a_paid_one_cannot_expire() {
    let world = World::start().await;
    let id = world.session().await;
    for _ in 0..2 {
        let expired = world.provider().expire_checkout_session(&id).await.unwrap();
        assert_eq!((expired.status, expired.url), (CheckoutStatus::Expired, None));
    }
    assert_eq!(
        world.receiver.wait_for_kind("checkout.session.expired").await.event()["data"]["object"]["id"],
        id
    );

    let order =
        primetech_stripe::NewCheckoutSession { idempotency_key: "checkout-2".to_owned(), ..world.order() };
    let paid = world.provider().create_checkout_session(&order).await.unwrap().id;
    world.pay(&paid, "paid").await;
    let refused = world.provider().expire_checkout_session(&paid).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Refused { status: 400, .. }), "{refused:?}");
}

#[tokio::test]
async fn an_unknown_session_is_missing_and_an_impossible_id_is_not_sent() {
    let world = World::start().await;
    let missing = world.provider().get_checkout_session("cs_test_nobody").await.unwrap_err();
    assert!(missing.is_missing(), "{missing:?}");
    assert!(missing.request_id().is_some());
    for id in ["", "../refunds", "cs_1?expand[]=x", "cs 1", "cs_1/expire"] {
        let refused = world.provider().get_checkout_session(id).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Refused { request_id: None, .. }), "{id}: {refused:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_without_being_shown() {
    let world = World::start().await;
    let key = "sk_test_WrongKeyThatMustStaySecret";
    let provider = provider_at(world.stand_in.base_url(), key, quick());
    let refused = provider.create_checkout_session(&world.order()).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Refused { status: 401, .. }), "{refused:?}");
    for shown in [format!("{refused}"), format!("{refused:?}"), format!("{provider:?}")] {
        assert!(!shown.contains("Secret"), "{shown}");
    }
}

#[tokio::test]
async fn what_stripe_finds_wrong_is_told_apart_by_parameter_and_code() {
    let world = World::start().await;
    let order = world.order_in("USD", &[(10, 1)]);
    let refused = world.provider().create_checkout_session(&order).await.unwrap_err();
    let ProviderError::Refused { status, code, param, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(
        (status, code.as_deref(), param.as_deref()),
        (400, Some("amount_too_small"), Some("line_items"))
    );
    let long_key = primetech_stripe::NewCheckoutSession { idempotency_key: "k".repeat(256), ..order };
    let refused = world.provider().create_checkout_session(&long_key).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Refused { request_id: None, .. }), "{refused:?}");
}

#[tokio::test]
async fn connections_are_kept() {
    let world = World::start().await;
    let (url, connections) = counting_proxy(world.stand_in.base_url()).await;
    let provider = provider_at(&url, SECRET_KEY, ProviderTimeouts::default());
    for _ in 0..20 {
        provider.create_checkout_session(&world.order()).await.unwrap();
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// Passes bytes on and counts the connections.
async fn counting_proxy(target: &str) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counter, target) = (std::sync::Arc::clone(&count), target.trim_start_matches("http://").to_owned());
    tokio::spawn(async move {
        loop {
            let (mut inside, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut outside = tokio::net::TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
        }
    });
    (url, count)
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let world = World::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = provider_at(&url, SECRET_KEY, quick());
    let unavailable = provider.create_checkout_session(&world.order()).await.unwrap_err();
    let connect = ProviderError::Unavailable { reason: UnavailableReason::Connect, request_id: None };
    assert_eq!(unavailable, connect);
}

/// Needs the machine's root certificates, as the product does; a port without TLS behind it is no connection.
#[tokio::test]
async fn an_address_without_tls_behind_it_is_unavailable() {
    let world = World::start().await;
    let url = world.stand_in.base_url().replace("http://", "https://");
    let error =
        provider_at(&url, SECRET_KEY, quick()).create_checkout_session(&world.order()).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Unavailable { reason: UnavailableReason::Connect, .. }),
        "{error:?}"
    );
}

#[test]
fn a_base_that_cannot_work_is_refused_at_once() {
    let new = |key: &str, base: &str| {
        PaymentProvider::new(
            SecretString::from(key),
            Some(Url::parse(base).unwrap()),
            ProviderTimeouts::default(),
        )
    };
    for base in [
        "http://127.0.0.1/prefix",
        "ftp://127.0.0.1",
        "http://user@127.0.0.1",
        "http://127.0.0.1?x",
        "data:x",
    ] {
        assert!(matches!(new("sk_test_1", base), Err(ProviderConfigError::InvalidApiBase)), "{base}");
    }
    assert!(matches!(new("sk_live_1", "http://127.0.0.1:1"), Err(ProviderConfigError::LiveKeyInClear)));
    assert!(matches!(new("sk_test_\n", "http://127.0.0.1:1"), Err(ProviderConfigError::InvalidSecretKey)));
    assert!(new("sk_test_1", "http://127.0.0.1:1/").is_ok());
}

#[tokio::test]
async fn calls_can_be_moved_to_other_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let world = World::start().await;
    let (provider, order) = (world.provider(), world.order());
    is_send(provider.create_checkout_session(&order)).await.unwrap();
    drop(is_send(provider.get_checkout_session("cs_test_1")));
    drop(is_send(provider.expire_checkout_session("cs_test_1")));
}

/// The library's own transport, unlike ours, is not of our making.
#[tokio::test]
async fn the_unchanged_async_stripe_client_works_too() {
    let world = World::start().await;
    let client = stripe::ClientBuilder::new(SECRET_KEY)
        .url(format!("{}/", world.stand_in.base_url()))
        .build()
        .unwrap();
    let id = world.session().await;
    let session = RetrieveCheckoutSession::new(id.as_str()).send(&client).await.unwrap();
    assert_eq!(session.id.as_str(), id);
    assert_eq!(session.currency, stripe_types::Currency::from_str("usd").ok());
    let error = CreateCheckoutSession::new().send(&client).await.unwrap_err();
    let stripe::StripeError::Stripe(error, 400) = error else { panic!("{error:?}") };
    assert_eq!(error.param.as_deref(), Some("mode"));
}
