//! Checkout Sessions at Stripe, in the product's own types.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use primetech_kernel::random;
use secrecy::SecretString;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ExpireCheckoutSession, ListCheckoutSession, ProductData,
    RetrieveCheckoutSession,
};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_shared::{
    CheckoutSession as StripeSession, CheckoutSessionMode, CheckoutSessionPaymentStatus,
    CheckoutSessionStatus, CheckoutSessionUiMode, PaymentIntentStatus,
};
use stripe_types::{Currency, List, RangeBoundsTs, RangeQueryTs};
use url::Url;
use uuid::Uuid;

use crate::error::{ProviderConfigError, ProviderError, UnavailableReason};
use crate::retry::{Failed, ProviderTimeouts, counting_failures, with_retries};
use crate::transport::Transport;

/// The largest page that Stripe gives.
const SESSIONS_ON_A_PAGE: i64 = 100;

/// How many sessions are looked at in search of one, so that a busy shop's are not read through for ever.
const MAX_SESSIONS_LOOKED_AT: i64 = 1_000;

/// What a checkout asks of Stripe. Stripe compares all of it when an idempotency key comes again: a repeated
/// request must be built from what was stored with the order, `expires_at` included.
#[derive(Debug, Clone)]
pub struct NewCheckoutSession {
    /// 1 to 255 characters, stored with the payment before the first call.
    pub idempotency_key: String,
    pub order_id: Uuid,
    pub order_number: String,
    pub tenant_id: Uuid,
    /// ISO 4217, in any case.
    pub currency: String,
    pub lines: Vec<CheckoutLine>,
    pub customer_email: Option<String>,
    pub success_url: String,
    pub cancel_url: String,
    /// 30 minutes to 24 hours from now, by Stripe's rule.
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutLine {
    pub name: String,
    /// In the currency's minor unit.
    pub unit_amount: i64,
    pub quantity: u32,
}

/// A session that can be paid at `url` until `expires_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutSession {
    pub id: String,
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckoutStatus {
    Open,
    Complete,
    Expired,
    /// One that Stripe added after this was written.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentStatus {
    Paid,
    Unpaid,
    NoPaymentRequired,
    Unknown(String),
}

/// A session as it is at Stripe now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutSessionDetails {
    pub id: String,
    /// Only while it is open.
    pub url: Option<String>,
    pub status: CheckoutStatus,
    pub payment_status: PaymentStatus,
    pub amount_total: Option<i64>,
    /// ISO 4217, upper case.
    pub currency: Option<String>,
    pub payment_intent_id: Option<String>,
    /// When it was paid: the payment intent's own time, or the session's where nothing was to be paid. Told of a completed
    /// session that is looked up by its id.
    pub paid_at: Option<DateTime<Utc>>,
    /// The money was asked for, and will not come: told of a completed session that is looked up by its id.
    pub payment_failed: bool,
    /// The order's id, as it was given at the creation.
    pub client_reference_id: Option<String>,
    pub metadata: HashMap<String, String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The way to Stripe. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct PaymentProvider {
    pub(super) transport: Arc<Transport>,
    pub(super) timeouts: ProviderTimeouts,
}

// The secret key is inside: nothing of it is shown.
impl fmt::Debug for PaymentProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PaymentProvider").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl PaymentProvider {
    /// Without an `api_base`, Stripe itself. Opens no connection: it is made while Stripe cannot be reached, too.
    pub fn new(
        secret_key: SecretString,
        api_base: Option<Url>,
        timeouts: ProviderTimeouts,
    ) -> Result<Self, ProviderConfigError> {
        let transport = Transport::new(&secret_key, api_base, timeouts.connect)?;
        Ok(Self { transport: Arc::new(transport), timeouts })
    }

    /// Makes a session, or, with a key that was used before, answers with the one made then.
    pub async fn create_checkout_session(
        &self,
        new: &NewCheckoutSession,
    ) -> Result<CheckoutSession, ProviderError> {
        self.try_checkout_session(new).await.map_err(|failed| failed.error)
    }

    /// The same; where it fails, with what tells whether another try under the key can succeed.
    pub async fn try_checkout_session(&self, new: &NewCheckoutSession) -> Result<CheckoutSession, Failed> {
        let once = |error| Failed { error, replayed: false, server_errors: 0 };
        let key = idempotency_key(&new.idempotency_key).map_err(once)?;
        let session = self.send_once(&creation(new), key).await?;
        let expires_at = time(session.expires_at).map_err(once)?;
        let url = session.url.ok_or_else(|| once(invalid_answer("the new session has no URL")))?;
        Ok(CheckoutSession { id: session.id.as_str().to_owned(), url, expires_at })
    }

    /// A session that Stripe does not know is a refusal for which [`ProviderError::is_missing`] holds.
    pub async fn get_checkout_session(
        &self,
        session_id: &str,
    ) -> Result<CheckoutSessionDetails, ProviderError> {
        check_session_id(session_id)?;
        // Only the payment intent tells a debit that failed from one on its way.
        let request = RetrieveCheckoutSession::new(session_id).expand(vec!["payment_intent".to_owned()]);
        details(self.send(&request).await?)
    }

    /// The sessions of an order, by its `client_reference_id`, among those made within this time, the newest first. Looks
    /// at [`MAX_SESSIONS_LOOKED_AT`] of them at the most.
    pub async fn find_checkout_sessions(
        &self,
        order_id: Uuid,
        made: RangeInclusive<DateTime<Utc>>,
    ) -> Result<Vec<CheckoutSessionDetails>, ProviderError> {
        let order_id = order_id.to_string();
        let created = RangeBoundsTs {
            gte: Some(made.start().timestamp()),
            lte: Some(made.end().timestamp()),
            ..RangeBoundsTs::default()
        };
        let first =
            ListCheckoutSession::new().created(RangeQueryTs::Bounds(created)).limit(SESSIONS_ON_A_PAGE);
        let mut request = first.clone();
        let mut found = Vec::new();
        for _ in 0..MAX_SESSIONS_LOOKED_AT / SESSIONS_ON_A_PAGE {
            let transport = self.transport.as_ref();
            let attempt = || request.customize().request_strategy(RequestStrategy::Once).send(transport);
            let page: List<StripeSession> = with_retries(&self.timeouts, attempt).await?;
            let last = page.data.last().map(|session| session.id.as_str().to_owned());
            let is_of_order =
                |session: &StripeSession| session.client_reference_id.as_ref() == Some(&order_id);
            for session in page.data.into_iter().filter(is_of_order) {
                found.push(self.get_checkout_session(session.id.as_str()).await?);
            }
            match last.filter(|_| page.has_more) {
                Some(last) => request = first.clone().starting_after(last),
                None => break,
            }
        }
        Ok(found)
    }

    /// Ends an open session, so that it can no longer be paid. One that is complete or expired is refused.
    pub async fn expire_checkout_session(
        &self,
        session_id: &str,
    ) -> Result<CheckoutSessionDetails, ProviderError> {
        check_session_id(session_id)?;
        let request = ExpireCheckoutSession::new(session_id);
        // A session opens only once, so a success kept under this key never grows wrong.
        let key = idempotency_key(&format!("expire-{session_id}"))?;
        let mut ended = self.send_once(&request, key).await;
        if ended.as_ref().is_err_and(|failed| failed.replayed && !failed.error.is_refusal()) {
            // A failure that is kept would only be given again.
            let another = format!("expire-{session_id}-{}", random::opaque_id().simple());
            ended = self.send_once(&request, idempotency_key(&another)?).await;
        }
        details(ended.map_err(|failed| failed.error)?)
    }

    async fn send<R>(&self, request: &R) -> Result<StripeSession, ProviderError>
    where
        R: StripeRequest<Output = StripeSession>,
    {
        let transport = self.transport.as_ref();
        let attempt = || request.customize().request_strategy(RequestStrategy::Once).send(transport);
        with_retries(&self.timeouts, attempt).await
    }

    /// Sends what is done once under the key, however often it is sent.
    async fn send_once<R>(&self, request: &R, key: IdempotencyKey) -> Result<StripeSession, Failed>
    where
        R: StripeRequest<Output = StripeSession>,
    {
        let transport = self.transport.as_ref();
        let strategy = RequestStrategy::Idempotent(key);
        let attempt = || request.customize().request_strategy(strategy.clone()).send(transport);
        counting_failures(&self.timeouts, attempt).await
    }
}

fn idempotency_key(key: &str) -> Result<IdempotencyKey, ProviderError> {
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    let valid = IdempotencyKey::new(key).ok().filter(|_| visible);
    valid.ok_or_else(|| ProviderError::unsendable("Idempotency-Key", "1 to 255 visible ASCII characters"))
}

/// The id becomes a part of a path: nothing but what Stripe's ids are made of may come through.
fn check_session_id(id: &str) -> Result<(), ProviderError> {
    let valid = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if valid { Ok(()) } else { Err(ProviderError::unsendable("session", "not the id of a Checkout Session")) }
}

fn creation(new: &NewCheckoutSession) -> CreateCheckoutSession {
    let Ok(currency) = Currency::from_str(&new.currency.to_ascii_lowercase());
    let metadata = HashMap::from([
        ("tenantId".to_owned(), new.tenant_id.to_string()),
        ("orderId".to_owned(), new.order_id.to_string()),
        ("orderNumber".to_owned(), new.order_number.clone()),
    ]);
    let line = |line: &CheckoutLine| CreateCheckoutSessionLineItems {
        price_data: Some(CreateCheckoutSessionLineItemsPriceData {
            product_data: Some(ProductData::new(line.name.clone())),
            unit_amount: Some(line.unit_amount),
            ..CreateCheckoutSessionLineItemsPriceData::new(currency.clone())
        }),
        quantity: Some(u64::from(line.quantity)),
        ..CreateCheckoutSessionLineItems::new()
    };
    let payment_intent = CreateCheckoutSessionPaymentIntentData {
        description: Some(new.order_number.clone()),
        metadata: Some(metadata.clone()),
        ..CreateCheckoutSessionPaymentIntentData::new()
    };
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .ui_mode(CheckoutSessionUiMode::HostedPage)
        .line_items(new.lines.iter().map(line).collect::<Vec<_>>())
        .client_reference_id(new.order_id.to_string())
        .metadata(metadata)
        .payment_intent_data(payment_intent)
        .success_url(new.success_url.clone())
        .cancel_url(new.cancel_url.clone())
        .expires_at(new.expires_at.timestamp());
    match &new.customer_email {
        Some(email) => request.customer_email(email.clone()),
        None => request,
    }
}

fn details(session: StripeSession) -> Result<CheckoutSessionDetails, ProviderError> {
    let status = match session.status {
        Some(CheckoutSessionStatus::Open) => CheckoutStatus::Open,
        Some(CheckoutSessionStatus::Complete) => CheckoutStatus::Complete,
        Some(CheckoutSessionStatus::Expired) => CheckoutStatus::Expired,
        Some(other) => CheckoutStatus::Unknown(other.as_str().to_owned()),
        None => CheckoutStatus::Unknown(String::new()),
    };
    let payment_status = match session.payment_status {
        CheckoutSessionPaymentStatus::Paid => PaymentStatus::Paid,
        CheckoutSessionPaymentStatus::Unpaid => PaymentStatus::Unpaid,
        CheckoutSessionPaymentStatus::NoPaymentRequired => PaymentStatus::NoPaymentRequired,
        other => PaymentStatus::Unknown(other.as_str().to_owned()),
    };
    let payment_failed = status == CheckoutStatus::Complete
        && payment_status == PaymentStatus::Unpaid
        && session.payment_intent.as_ref().and_then(|intent| intent.as_object()).is_some_and(|intent| {
            matches!(
                intent.status,
                PaymentIntentStatus::Canceled | PaymentIntentStatus::RequiresPaymentMethod
            )
        });
    let paid_at = match (&session.payment_intent, &payment_status) {
        (Some(intent), _) => intent.as_object().map(|intent| time(intent.created)).transpose()?,
        (None, PaymentStatus::NoPaymentRequired) => Some(time(session.created)?),
        (None, _) => None,
    };
    Ok(CheckoutSessionDetails {
        paid_at,
        payment_failed,
        id: session.id.as_str().to_owned(),
        url: session.url,
        status,
        payment_status,
        amount_total: session.amount_total,
        currency: session.currency.map(|currency| currency.to_string().to_ascii_uppercase()),
        payment_intent_id: session.payment_intent.map(|intent| intent.id().as_str().to_owned()),
        client_reference_id: session.client_reference_id,
        metadata: session.metadata.unwrap_or_default(),
        created_at: time(session.created)?,
        expires_at: time(session.expires_at)?,
    })
}

fn time(seconds: i64) -> Result<DateTime<Utc>, ProviderError> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| invalid_answer("a time out of range"))
}

pub(super) fn invalid_answer(what: &str) -> ProviderError {
    ProviderError::Unavailable { reason: UnavailableReason::InvalidAnswer(what.to_owned()), request_id: None }
}
