//! The endpoints of accounts, one file each, and what tells the layers who is signed in.

mod failed_logins;
mod link;
pub mod login;
pub mod logout;
pub mod me;
pub mod register;
pub mod request_password_reset;
pub mod resend_verification;
pub mod reset_password;
pub mod verify_email;

use actix_web::HttpResponse;
use primetech_http::context::{Authenticated, Authenticator, HttpContext};
use primetech_http::input::Input;
use primetech_kernel::tenancy::TenantScope;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::SessionDirectory;
use crate::messages::{SignedIn, User};
use crate::password;

impl Authenticator for SessionDirectory {
    fn session<'a>(&'a self, tenant: &'a TenantScope, token: &'a str) -> Authenticated<'a> {
        Box::pin(self.resolve(tenant, token))
    }
}

#[derive(Serialize, ToSchema)]
struct UserAnswer {
    user: User,
}

/// Answers with the user, and sets the cookie.
fn signed_in(
    http: &HttpContext,
    mut response: actix_web::HttpResponseBuilder,
    signed_in: SignedIn,
) -> HttpResponse {
    response.cookie(http.cookies.session(signed_in.token.expose())).json(UserAnswer { user: signed_in.user })
}

/// Records a weak password beside the other faults.
fn refuse_weak(input: &mut Input, password: Option<&SecretString>, email: Option<&str>) {
    if let Some(chosen) = password
        && let Some(weakness) = password::weakness(chosen.expose_secret(), email.unwrap_or_default())
    {
        input.fault("password", weakness);
    }
}
