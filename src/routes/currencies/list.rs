//! `GET /v1/currencies`

use actix_web::HttpResponse;
use primetech_actors::money::{self, Currency};
use primetech_http::layers::permission::Anyone;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::input::page::ListAnswer;
use crate::openapi::{Doc, PageOf};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/v1/currencies", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("List the currencies")
        .about(
            "The decimals of each currency and the amounts that can be charged. All amounts are in the minor unit as \
             Stripe counts it: MGA has no decimals, and ISK and UGX have two that are always 00. The list has one page.",
        )
        .answers::<PageOf<CurrencyView>>(200, "All currencies, by code.")
}

/// A currency. Amounts are integers in its minor unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Currency)]
pub struct CurrencyView {
    #[schema(schema_with = code_schema)]
    pub currency: &'static str,
    /// The number of decimals of an amount: 0, 2 or 3.
    #[schema(example = 2, maximum = 3)]
    pub decimals: u8,
    /// Every amount must be a multiple of this: 1, 10 or 100.
    #[schema(example = 1, minimum = 1)]
    pub step: i64,
    /// The smallest total that can be charged. A total of 0 needs no payment.
    #[schema(example = 50, minimum = 1)]
    pub minimum: i64,
    /// The largest total, and the largest price.
    #[schema(example = 99_999_999)]
    pub maximum: i64,
}

/// The codes of the table.
fn code_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("ISO 4217."))
        .enum_values(Some(money::all().iter().map(Currency::code)))
        .examples(["USD"])
        .build()
}

impl From<&Currency> for CurrencyView {
    fn from(currency: &Currency) -> Self {
        Self {
            currency: currency.code(),
            decimals: currency.decimals(),
            step: currency.step(),
            minimum: currency.minimum(),
            maximum: currency.maximum(),
        }
    }
}

/// The whole answer: the same for everyone, for as long as the program is.
pub fn answer() -> ListAnswer<CurrencyView> {
    ListAnswer { items: money::all().iter().map(CurrencyView::from).collect(), next_cursor: None }
}

async fn handle(_: Anyone) -> HttpResponse {
    HttpResponse::Ok().json(answer())
}
