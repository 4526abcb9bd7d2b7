//! Accounts and sessions.

mod failed_logins;
pub mod login;
pub mod logout;
pub mod me;
pub mod register;
pub mod request_password_reset;
pub mod resend_verification;
pub mod reset_password;
pub mod verify_email;

use actix_web::HttpResponse;
use primetech_actors::session::{SignedIn, User};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::input::Input;

#[derive(Serialize, ToSchema)]
struct UserAnswer {
    user: User,
}

/// Answers with the user, and sets the cookie.
fn signed_in(
    state: &State,
    mut response: actix_web::HttpResponseBuilder,
    signed_in: SignedIn,
) -> HttpResponse {
    response
        .cookie(state.config.cookies.session(signed_in.token.expose()))
        .json(UserAnswer { user: signed_in.user })
}

/// Records a weak password beside the other faults.
fn refuse_weak(input: &mut Input, password: Option<&SecretString>, email: Option<&str>) {
    if let Some(password) = password
        && let Some(weakness) =
            primetech_actors::session::password::weakness(password.expose_secret(), email.unwrap_or_default())
    {
        input.fault("password", weakness);
    }
}
