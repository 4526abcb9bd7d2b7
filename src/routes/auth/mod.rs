//! Accounts and sessions.

mod failed_logins;
pub mod login;
pub mod logout;
pub mod me;
pub mod register;
pub mod request_password_reset;
pub mod reset_password;
pub mod verify_email;

use actix_web::HttpResponse;
use primetech_actors::session::{LoginError, RegisterError, ResetPasswordError, SignedIn, TokenError, User};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
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
    response.cookie(state.config.cookies.session(&signed_in.token)).json(UserAnswer { user: signed_in.user })
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

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::new(Code::EmailTaken),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::new(Code::InvalidCredentials),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::InvalidToken => Self::new(Code::InvalidToken),
            TokenError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ResetPasswordError> for ApiError {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::InvalidToken => Self::new(Code::InvalidToken),
            ResetPasswordError::WeakPassword(weakness) => {
                Self::new(Code::ValidationError).field("password", weakness)
            }
            ResetPasswordError::Fault(fault) => fault.into(),
        }
    }
}
