//! The refusals that an endpoint has because of where it stands.

use actix_web::http::Method;

use crate::error::Code;
use crate::routes::{Access, Endpoint, Expects};

/// Those of the layers before an endpoint, of what it asks of its caller, and of what can happen to any request.
pub(super) fn refusals(endpoint: &Endpoint, has_parameters: bool) -> Vec<Code> {
    let mut codes = vec![Code::InternalError, Code::Overloaded];
    let writes = endpoint.method != Method::GET;
    if writes {
        codes.push(Code::OutcomeUnknown);
    }
    if has_parameters {
        codes.push(Code::ValidationError);
    }
    match endpoint.expects {
        Expects::TenantAndJson => {
            codes.extend([Code::TenantNotFound, Code::TenantInactive, Code::RateLimited]);
            codes.extend([Code::InvalidJson, Code::UnsupportedMediaType, Code::PayloadTooLarge]);
            codes.push(Code::DatabaseUnavailable);
            if writes {
                codes.push(Code::OriginForbidden);
            }
        }
        Expects::Tenant => {
            codes.extend([Code::TenantNotFound, Code::TenantInactive, Code::RateLimited]);
            codes.push(Code::DatabaseUnavailable);
        }
        Expects::RawBody => codes.extend([Code::RateLimited, Code::PayloadTooLarge]),
        Expects::Nothing => {}
    }
    match endpoint.access {
        Access::Public => {}
        Access::Session => codes.push(Code::AuthRequired),
        Access::Admin => codes.extend([Code::AuthRequired, Code::Forbidden]),
    }
    codes
}
