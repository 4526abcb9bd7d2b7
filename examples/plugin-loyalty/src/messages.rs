use chrono::{DateTime, Utc};
use primetech_kernel::audit_log::RequestId;
use primetech_kernel::idempotency::Keyed;
use primetech_kernel::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RedeemError;

/// What a customer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoyaltyPoints)]
pub struct PointsView {
    /// How many can be redeemed now.
    #[schema(example = 150)]
    pub points: i64,
    /// The newest 20, newest first.
    pub entries: Vec<EntryView>,
}

/// Points that were earned or redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoyaltyEntry)]
pub struct EntryView {
    pub id: Uuid,
    /// `EARNED` or `REDEEMED`.
    #[schema(example = "EARNED")]
    pub kind: String,
    /// More than 0 if they were earned, less if they were redeemed.
    #[schema(example = 49)]
    pub points: i64,
    /// Of those that were earned: how many are neither redeemed nor expired.
    #[schema(example = 49)]
    pub remaining: i64,
    /// The order that earned them.
    pub order_id: Option<Uuid>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Points that were redeemed, and what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LoyaltyRedemption)]
pub struct Redeemed {
    pub id: Uuid,
    #[schema(example = 40)]
    pub points: i64,
    /// How many can still be redeemed.
    #[schema(example = 9)]
    pub balance: i64,
    pub created_at: DateTime<Utc>,
}

/// Redeems points of a customer, those that expire first.
#[derive(Debug, Clone)]
pub struct Redeem {
    pub scope: TenantScope,
    pub user_id: Uuid,
    /// More than 0.
    pub points: i64,
    pub request_id: Option<RequestId>,
}

/// [`Redeem`], once for its key.
pub type RedeemOnce = Keyed<Redeem, Redeemed, RedeemError>;
