//! `POST /api/loyalty/redeem`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::layers::address::ClientAddress;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::SignedIn;
use primetech_http::once::{Rendered, answer, keyed};
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Loyalty;
use crate::error::LOYALTY_NOT_ENOUGH_POINTS;
use crate::messages::{Redeem, Redeemed};

/// At once.
const MOST_POINTS: u32 = 1_000_000;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/loyalty/redeem", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Redeem points")
        .about("Those that expire first are taken. `meta` of `LOYALTY_NOT_ENOUGH_POINTS` has `points`: how many there are.")
        .idempotent()
        .body::<RedeemBody>()
        .answers::<RedeemAnswer<'_>>(201, "The redemption, and what is left.")
        .refuses(&[LOYALTY_NOT_ENOUGH_POINTS])
}

/// What is sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct RedeemBody {
    #[schema(example = 40, minimum = 1, maximum = 1_000_000)]
    points: u32,
}

#[derive(Serialize, ToSchema)]
struct RedeemAnswer<'a> {
    redemption: &'a Redeemed,
}

async fn handle(
    loyalty: web::Data<Loyalty>,
    SignedIn(session): SignedIn,
    client: ClientAddress,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.idempotency_key();
    let points = input.body()?.integer("points", 1..=MOST_POINTS);
    let (key, points) = input.finish((key, points))?;
    let claim = key.map(|key| key.claimed_by(Some(&*session), client));
    let scope = session.scope();
    let redeem =
        Redeem { scope, user_id: session.user.id, points: points.into(), request_id: request_id.audited() };
    let redeem = keyed(scope, redeem, claim, &request_id, render);
    answer(ask(loyalty.actors.of(&(scope, session.user.id)), redeem).await, render)
}

fn render(redemption: &Redeemed) -> Result<Rendered, ApiError> {
    Rendered::json(StatusCode::CREATED, &RedeemAnswer { redemption })
}
