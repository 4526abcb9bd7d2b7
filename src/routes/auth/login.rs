//! `POST /api/auth/login`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::{Login, LoginError, Logout};
use utoipa::ToSchema;

use super::failed_logins::FailedLogins;
use super::{UserAnswer, signed_in};
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::cookies::SessionTokens;
use crate::layers::facts::RequestId;
use crate::layers::permission::CurrentTenant;
use crate::layers::rate_limit::Standings;
use crate::openapi::Doc;
use crate::routes::Endpoint;

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
        .refuses(&[Code::INVALID_CREDENTIALS])
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
    state: web::Data<State>,
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
    let failures = FailedLogins::of(&state, &standings, &tenant, &email);
    failures.check().await?;
    let login = Login {
        scope: tenant.scope(),
        email: email.clone(),
        password,
        replaces: tokens.into_inner(),
        request_id: request_id.audited(),
    };
    let logged_in = match ask(&state.actors.session, login).await {
        Ok(logged_in) => logged_in,
        Err(LoginError::InvalidCredentials) => {
            failures.count().await?;
            return Err(Code::INVALID_CREDENTIALS.into());
        }
        Err(error) => return Err(error.into()),
    };
    if let Err(refusal) = failures.check().await {
        // Guesses that were made meanwhile used up what was left. The session is known to nobody; it ends here.
        let tokens = vec![logged_in.token.expose().into()];
        let logout = Logout { scope: tenant.scope(), tokens, request_id: request_id.audited() };
        ask(&state.actors.session, logout).await?;
        return Err(refusal);
    }
    Ok(signed_in(&state, HttpResponse::Ok(), logged_in))
}
