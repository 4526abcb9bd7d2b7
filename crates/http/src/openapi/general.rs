//! The refusals that follow from an endpoint's layers and access.

use actix_web::http::Method;

use crate::endpoint::{Access, Endpoint, Expects};
use crate::error::Code;

/// Those of the layers before an endpoint, of what it asks of its caller, and of what can happen to any request.
pub(super) fn refusals(endpoint: &Endpoint, has_parameters: bool) -> Vec<Code> {
    let mut codes = vec![Code::INTERNAL_ERROR, Code::OVERLOADED];
    let writes = endpoint.method != Method::GET;
    if writes {
        codes.push(Code::OUTCOME_UNKNOWN);
    }
    if has_parameters {
        codes.push(Code::VALIDATION_ERROR);
    }
    match endpoint.expects {
        Expects::TenantAndJson => {
            codes.extend([Code::TENANT_NOT_FOUND, Code::TENANT_INACTIVE, Code::RATE_LIMITED]);
            codes.extend([Code::INVALID_JSON, Code::UNSUPPORTED_MEDIA_TYPE, Code::PAYLOAD_TOO_LARGE]);
            codes.push(Code::DATABASE_UNAVAILABLE);
            if writes {
                codes.push(Code::ORIGIN_FORBIDDEN);
            }
        }
        Expects::Tenant => {
            codes.extend([Code::TENANT_NOT_FOUND, Code::TENANT_INACTIVE, Code::RATE_LIMITED]);
            codes.push(Code::DATABASE_UNAVAILABLE);
        }
        Expects::RawBody => codes.extend([Code::RATE_LIMITED, Code::PAYLOAD_TOO_LARGE]),
        Expects::Nothing => {}
    }
    if endpoint.module.is_some() {
        // A tenant may do without the module.
        codes.push(Code::NOT_FOUND);
    }
    match endpoint.access {
        Access::Public => {}
        Access::Session => codes.push(Code::AUTH_REQUIRED),
        Access::Admin => codes.extend([Code::AUTH_REQUIRED, Code::FORBIDDEN]),
    }
    codes
}
