//! The catalogue: the products of a tenant and their prices.
//!
//! Owns `products`. Only the operator's commands write it. An order copies what it needs of a product when it is
//! placed, so a later change of the product does not change the order.

mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit_log::{self, Entry, Subject};
use crate::database::Database;
use crate::fault::Fault;
use crate::money::{self, AmountFault};
use crate::random;
use crate::tenancy::TenantScope;

/// What a product is, and so what its buyer gets. Never changed of a product that something hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProductKind {
    Licence,
    Download,
    Service,
}

impl ProductKind {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "LICENCE" => Some(Self::Licence),
            "DOWNLOAD" => Some(Self::Download),
            "SERVICE" => Some(Self::Service),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Licence => "LICENCE",
            Self::Download => "DOWNLOAD",
            Self::Service => "SERVICE",
        }
    }
}

/// A product as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    pub id: Uuid,
    pub sku: String,
    pub kind: ProductKind,
    pub name: String,
    /// In the currency's minor unit.
    pub unit_amount: i64,
    pub currency: String,
    pub active: bool,
    /// How long a licence is valid; none: for ever.
    pub licence_days: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What is wished of a product. What is none stays as it is; a new product needs kind, name, amount and currency.
#[derive(Debug, Clone, Default)]
pub struct ProductWish {
    pub sku: String,
    pub kind: Option<ProductKind>,
    pub name: Option<String>,
    pub unit_amount: Option<i64>,
    pub currency: Option<String>,
    pub active: Option<bool>,
    /// `Some(None)`: for ever.
    pub licence_days: Option<Option<i32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Upserted {
    Created,
    Updated,
    Unchanged,
}

#[derive(Debug, thiserror::Error)]
pub enum UpsertError {
    /// The product is new; these are what it lacks.
    #[error("a new product needs more")]
    Incomplete(Vec<&'static str>),
    /// Orders, licences, releases or bookings hang on it, and what they mean depends on the kind.
    #[error("it is a {was} and was sold or released as one; make a new product with another sku")]
    KindIsFixed { was: &'static str },
    /// An amount in one currency is not the same amount in another.
    #[error("a new currency needs a new amount with it")]
    CurrencyWithoutAmount,
    /// Stripe would not charge this.
    #[error("the price {0}")]
    Price(AmountFault),
    #[error("only a LICENCE product has licence days")]
    DaysWithoutLicence,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// All products of a tenant, by sku.
pub async fn list(database: &Database, scope: &TenantScope) -> Result<Vec<Product>, Fault> {
    database.read(scope, async |tx| store::list(tx).await).await
}

/// Makes a product, or changes what is wished of it.
pub async fn upsert(
    database: &Database,
    now: DateTime<Utc>,
    scope: &TenantScope,
    wish: &ProductWish,
) -> Result<(Product, Upserted), UpsertError> {
    database
        .write(scope, async |tx| {
            // Twice: where another command makes the product in between, it is there at the second look.
            for _ in 0..2 {
                let before = store::lock(tx, &wish.sku).await?;
                let mut wanted = match wish.applied_to(before.as_ref(), now) {
                    Ok(wanted) => wanted,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if let Some(before) = before {
                    if wanted == before {
                        return Ok(Ok((before, Upserted::Unchanged)));
                    }
                    if wanted.kind != before.kind && store::is_referred_to(tx, before.id).await? {
                        return Ok(Err(UpsertError::KindIsFixed { was: before.kind.as_str() }));
                    }
                    wanted.updated_at = now;
                    store::update(tx, &wanted).await?;
                    let entry = Entry::new(
                        tx.tenant_id(),
                        tx.actor(),
                        "product.changed",
                        Subject("product", wanted.id),
                    )
                    .before(audited(&before))
                    .after(audited(&wanted));
                    audit_log::record(tx.connection(), now, &[entry]).await?;
                    return Ok(Ok((wanted, Upserted::Updated)));
                }
                if store::insert(tx, &wanted).await? {
                    let entry = Entry::new(
                        tx.tenant_id(),
                        tx.actor(),
                        "product.created",
                        Subject("product", wanted.id),
                    );
                    audit_log::record(tx.connection(), now, &[entry.after(audited(&wanted))]).await?;
                    return Ok(Ok((wanted, Upserted::Created)));
                }
            }
            Ok(Err(Fault::Overloaded.into()))
        })
        .await
}

fn audited(product: &Product) -> Value {
    let Product { sku, kind, name, unit_amount, currency, active, licence_days, .. } = product;
    json!({
        "sku": sku, "kind": kind, "name": name, "unitAmount": unit_amount, "currency": currency, "active": active,
        "licenceDays": licence_days,
    })
}

impl ProductWish {
    /// The product as it would be.
    fn applied_to(&self, before: Option<&Product>, now: DateTime<Utc>) -> Result<Product, UpsertError> {
        let product = match before {
            Some(before) => self.changed(before)?,
            None => self.made(now)?,
        };
        // A price that stands there from before a rule does not keep the product from being renamed or taken off sale.
        if self.unit_amount.is_some() || self.currency.is_some() {
            money::check_price(product.unit_amount, &product.currency).map_err(UpsertError::Price)?;
        }
        if product.kind != ProductKind::Licence && product.licence_days.is_some() {
            return Err(UpsertError::DaysWithoutLicence);
        }
        Ok(product)
    }

    fn changed(&self, before: &Product) -> Result<Product, UpsertError> {
        let currency = self.currency.as_ref().unwrap_or(&before.currency);
        if *currency != before.currency && self.unit_amount.is_none() {
            return Err(UpsertError::CurrencyWithoutAmount);
        }
        let kind = self.kind.unwrap_or(before.kind);
        // Days that were a licence's mean nothing to what is none any more.
        let kept_days = before.licence_days.filter(|_| kind == ProductKind::Licence);
        Ok(Product {
            kind,
            name: self.name.clone().unwrap_or_else(|| before.name.clone()),
            unit_amount: self.unit_amount.unwrap_or(before.unit_amount),
            currency: currency.clone(),
            active: self.active.unwrap_or(before.active),
            licence_days: self.licence_days.unwrap_or(kept_days),
            ..before.clone()
        })
    }

    fn made(&self, now: DateTime<Utc>) -> Result<Product, UpsertError> {
        let Self { sku, kind, name, unit_amount, currency, active, licence_days } = self;
        let (Some(kind), Some(name), Some(unit_amount), Some(currency)) =
            (*kind, name.clone(), *unit_amount, currency.clone())
        else {
            let missing = [
                ("kind", kind.is_none()),
                ("name", name.is_none()),
                ("amount", unit_amount.is_none()),
                ("currency", currency.is_none()),
            ];
            let names = missing.into_iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| name);
            return Err(UpsertError::Incomplete(names.collect()));
        };
        Ok(Product {
            id: random::row_id(now),
            sku: sku.clone(),
            kind,
            name,
            unit_amount,
            currency,
            active: active.unwrap_or(true),
            licence_days: licence_days.flatten(),
            created_at: now,
            updated_at: now,
        })
    }
}
