//! `POST /api/auth/login`

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::cookies::SessionTokens;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::layers::rate_limit::Standings;
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use utoipa::ToSchema;

use super::failed_logins::FailedLogins;
use super::{UserAnswer, signed_in};
use crate::domain::Accounts;
use crate::error::{INVALID_CREDENTIALS, LoginError};
use crate::messages::{Login, Logout};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/login", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Sign in")
        .about("An unknown address gets the same answer as a wrong password, in the same time. After several \
             failures the account refuses every login for a while, even with the right password. Ends the session \
             that the request came with.")
        .body::<LoginBody>()
        .answers::<UserAnswer>(200, "The user, signed in.")
        .with_cookie()
        .refuses(&[INVALID_CREDENTIALS])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct LoginBody {
    #[schema(example = "jane@example.com", format = Email, max_length = 254)]
    email: String,
    #[schema(example = "seven-owls-at-dusk", format = Password)]
    password: String,
}

async fn handle(
    accounts: web::Data<Accounts>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    standings: Standings,
    tokens: SessionTokens,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let email = body.required("email", rules::email);
    let password = body.required("password", rules::login_password);
    let (email, password) = input.finish((email, password))?;
    let failures = FailedLogins::of(&http.rate_limiter, &standings, &tenant, &email);
    failures.check().await?;
    let (scope, replaced) = (tenant.scope(), tokens.into_inner());
    let login = Login {
        scope,
        email: email.clone(),
        password,
        replaces: replaced.clone(),
        request_id: request_id.audited(),
    };
    let logged_in = match ask(accounts.actor(), login).await {
        Ok(logged_in) => logged_in,
        Err(LoginError::InvalidCredentials) => {
            failures.count().await?;
            return Err(INVALID_CREDENTIALS.into());
        }
        Err(error) => return Err(error.into()),
    };
    accounts.sessions().forget(&scope, &replaced);
    if let Err(refusal) = failures.check().await {
        // Guesses that were made meanwhile used up what was left. The session is known to nobody; it ends here.
        let tokens = vec![logged_in.token.expose().into()];
        let logout = Logout { scope: tenant.scope(), tokens, request_id: request_id.audited() };
        ask(accounts.actor(), logout).await?;
        return Err(refusal);
    }
    Ok(signed_in(&http, HttpResponse::Ok(), logged_in))
}
