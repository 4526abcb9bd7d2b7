//! Permissions, as types among a handler's arguments. Each decides from what the layers have looked up. Extraction
//! follows the order of the arguments, so put permissions before the input.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use primetech_kernel::caller::{Role, Session};
use primetech_kernel::tenancy::Tenant;

use super::session::Asking;
use crate::endpoint::{Access, Argument};
use crate::error::{ApiError, Code};

/// Anyone at all: for what is the same for everyone.
#[derive(Debug, Clone, Copy)]
pub struct Anyone;

/// The tenant whose host was asked.
#[derive(Debug, Clone)]
pub struct CurrentTenant(pub Arc<Tenant>);

/// Anyone: the session where there is one.
#[derive(Debug, Clone)]
pub struct MaybeSignedIn(pub Option<Arc<Session>>);

/// A signed-in user of any role, or 401 `AUTH_REQUIRED`.
#[derive(Debug, Clone)]
pub struct SignedIn(pub Arc<Session>);

/// An administrator of the tenant, or 401 `AUTH_REQUIRED` or 403 `FORBIDDEN`.
#[derive(Debug, Clone)]
pub struct Admin(pub Arc<Session>);

impl Argument for Anyone {
    const PERMISSION: Option<Access> = Some(Access::Public);
}

impl FromRequest for Anyone {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self))
    }
}

impl Argument for CurrentTenant {
    const PERMISSION: Option<Access> = Some(Access::Public);
}

impl Argument for MaybeSignedIn {
    const PERMISSION: Option<Access> = Some(Access::Public);
}

impl Argument for SignedIn {
    const PERMISSION: Option<Access> = Some(Access::Session);
}

impl Argument for Admin {
    const PERMISSION: Option<Access> = Some(Access::Admin);
}

fn session(request: &HttpRequest) -> Option<Arc<Session>> {
    request.extensions().get::<Asking>().and_then(|asking| asking.0.clone())
}

fn signed_in(request: &HttpRequest) -> Result<Arc<Session>, ApiError> {
    session(request).ok_or_else(|| ApiError::new(Code::AUTH_REQUIRED))
}

impl FromRequest for CurrentTenant {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let tenant = request.extensions().get::<Arc<Tenant>>().cloned().map(Self);
        ready(tenant.ok_or_else(|| ApiError::internal("an endpoint outside of tenants asks for one")))
    }
}

impl FromRequest for MaybeSignedIn {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(session(request))))
    }
}

impl FromRequest for SignedIn {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request).map(Self))
    }
}

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request).and_then(|session| {
            if session.user.role >= Role::Admin {
                Ok(Self(session))
            } else {
                Err(ApiError::new(Code::FORBIDDEN))
            }
        }))
    }
}
