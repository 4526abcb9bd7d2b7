//! The page a person pays on, in place of Stripe's hosted one: what is bought, and a button for each way it can go.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{HeaderValue, LOCATION};

use super::api_error::ApiError;
use super::core::Core;
use super::delivery::deliver_in_background;
use super::model::{Line, Session, SessionStatus};
use super::money::format_amount;
use super::payments::{self, Outcome, PayOptions};
use super::server::response;

/// A bank takes days; this is long enough to see the order waiting.
const BANK_ANSWERS_AFTER: Duration = Duration::from_secs(4);
const HTML: &str = "text/html; charset=utf-8";

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1a1f36;--soft:#697386;--line:#e3e8ee;--paper:#fff;--ground:#f6f8fa;--accent:#4b45c6}
@media(prefers-color-scheme:dark){:root{--ink:#eef0f6;--soft:#a3acb9;--line:#333a4d;--paper:#1c2130;--ground:#12151f;--accent:#7a73ff}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:30rem;margin:3rem auto;padding:2rem;background:var(--paper);border:1px solid var(--line);border-radius:12px}
.mark{display:inline-block;padding:.1rem .6rem;border-radius:99px;background:#ffde92;color:#5c3d00;font-size:.8rem;font-weight:600}
h1{margin:.8rem 0 0;font-size:2.2rem;font-variant-numeric:tabular-nums}p{color:var(--soft);margin:.3rem 0 1rem}
table{width:100%;border-collapse:collapse;margin:1rem 0}td,th{padding:.6rem 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400}
td:last-child,th:last-child{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tfoot th{font-weight:600;border:0}
small{color:var(--soft)}label{display:block;margin:1rem 0;font-size:.9rem}
input{width:100%;margin-top:.3rem;padding:.6rem;border:1px solid var(--line);border-radius:6px;background:transparent;color:inherit;font:inherit}
button{width:100%;margin:.3rem 0;padding:.7rem;border:1px solid var(--line);border-radius:6px;background:transparent;color:inherit;font:inherit;cursor:pointer}
button:hover,button:focus-visible{border-color:var(--accent)}
button.pay{background:var(--accent);border-color:var(--accent);color:#fff;font-weight:600}.note{padding:.7rem 1rem;border-radius:6px;background:#fde2dd;color:#7d1a00}
";

/// `GET`: the page, or what became of the session.
pub(super) fn show(core: &Core, id: &str, query: &str) -> Response<Full<Bytes>> {
    let session = core.state().session(id).cloned();
    match session {
        None => message_page(404, "There is no such payment", "The address may be mistyped."),
        Some(session) => match session.status {
            SessionStatus::Open => response(200, HTML, pay_page(&session, query == "declined")),
            SessionStatus::Complete => {
                message_page(200, "This payment is complete", "You can close this page.")
            }
            SessionStatus::Expired => {
                message_page(410, "This payment page has expired", "Start the order again.")
            }
        },
    }
}

/// `POST`: does what the pressed button says, then sends the person on.
pub(super) async fn submit(core: &Arc<Core>, id: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let mut action = String::new();
    let mut email = None;
    for (key, value) in url::form_urlencoded::parse(body) {
        match &*key {
            "action" => action = value.into_owned(),
            "email" if !value.trim().is_empty() => {
                email = Some(value.trim().chars().take(320).collect::<String>())
            }
            _ => {}
        }
    }
    let Some(session) = core.state().session(id).cloned() else {
        return message_page(404, "There is no such payment", "The address may be mistyped.");
    };
    let outcome = match action.as_str() {
        "pay" => Outcome::Paid,
        "bank_pays" | "bank_refuses" => Outcome::AsyncPending,
        "decline" => Outcome::Declined,
        "expire" => Outcome::Expired,
        "cancel" => return leave(&session),
        _ => return message_page(400, "Unknown button", "Go back and choose one of the buttons."),
    };
    let options = PayOptions { email, ..PayOptions::default() };
    let settled = payments::settle(core, &mut core.state(), id, outcome, &options);
    match settled {
        Ok(events) => deliver_in_background(core, events),
        Err(error) => return refused_page(&error),
    }
    match outcome {
        Outcome::Declined => redirect(&format!("/c/pay/{id}?declined")),
        Outcome::Expired => leave(&session),
        Outcome::AsyncPending => {
            let answer = if action == "bank_pays" { Outcome::AsyncSucceeded } else { Outcome::AsyncFailed };
            tokio::spawn(bank_answers(Arc::clone(core), id.to_owned(), answer));
            redirect(&success_url(&session))
        }
        _ => redirect(&success_url(&session)),
    }
}

async fn bank_answers(core: Arc<Core>, id: String, outcome: Outcome) {
    tokio::time::sleep(BANK_ANSWERS_AFTER).await;
    let settled = payments::settle(&core, &mut core.state(), &id, outcome, &PayOptions::default());
    // An error means that a script answered for the bank meanwhile.
    if let Ok(events) = settled {
        deliver_in_background(&core, events);
    }
}

fn success_url(session: &Session) -> String {
    session.success_url.replace("{CHECKOUT_SESSION_ID}", &session.id)
}

/// Back to the shop, where the session names a way back.
fn leave(session: &Session) -> Response<Full<Bytes>> {
    match &session.cancel_url {
        Some(cancel_url) => redirect(cancel_url),
        None => message_page(200, "Nothing was paid", "You can close this page."),
    }
}

fn redirect(location: &str) -> Response<Full<Bytes>> {
    let mut answer = response(303, HTML, String::new());
    // A URL with letters beyond ASCII is written as one with only these.
    let location = url::Url::parse(location).map_or_else(|_| location.to_owned(), String::from);
    match HeaderValue::from_str(&location) {
        Ok(location) => {
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        Err(_) => message_page(500, "The shop's address cannot be opened", "Go back to the shop by hand."),
    }
}

fn refused_page(error: &ApiError) -> Response<Full<Bytes>> {
    let message = error.to_json();
    message_page(
        409,
        "That is not possible any more",
        message["error"]["message"].as_str().unwrap_or_default(),
    )
}

fn message_page(status: u16, title: &str, text: &str) -> Response<Full<Bytes>> {
    let content = format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text));
    response(status, HTML, document(title, &content))
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{}</title>\
         <style>{STYLE}</style></head><body><main><span class=\"mark\">TEST MODE: no money moves</span>\
         {content}</main></body></html>",
        escape(title)
    )
}

fn pay_page(session: &Session, declined: bool) -> String {
    let total = format_amount(session.amount_total, &session.currency);
    let rows: String = session.lines.iter().map(|line| row(line, &session.currency)).collect();
    let note = if declined {
        "<p class=\"note\" role=\"alert\">The card was declined. Try another way.</p>"
    } else {
        ""
    };
    let subject = session.payment_description.as_deref().unwrap_or("Your order");
    let email = session.customer_email.as_deref().unwrap_or_default();
    let money_buttons = if session.amount_total == 0 {
        "<button class=\"pay\" name=\"action\" value=\"pay\">Complete the order</button>".to_owned()
    } else {
        format!(
            "<button class=\"pay\" name=\"action\" value=\"pay\">Pay {}</button>\
             <button name=\"action\" value=\"bank_pays\">Pay by bank debit: the bank pays a little later</button>\
             <button name=\"action\" value=\"bank_refuses\">Pay by bank debit: the bank refuses a little later</button>\
             <button name=\"action\" value=\"decline\">Let the card be declined</button>",
            escape(&total)
        )
    };
    let content = format!(
        "<h1>{}</h1><p>{}</p>{note}<table><tbody>{rows}</tbody><tfoot><tr><th>Total</th><th>{}</th></tr></tfoot></table>\
         <form method=\"post\"><label>Email<input type=\"email\" name=\"email\" value=\"{}\" autocomplete=\"email\"></label>\
         {money_buttons}<button name=\"action\" value=\"cancel\" formnovalidate>Cancel and go back</button>\
         <button name=\"action\" value=\"expire\" formnovalidate>Let this page expire</button></form>",
        escape(&total),
        escape(subject),
        escape(&total),
        escape(email),
    );
    document(&format!("Pay {total}"), &content)
}

fn row(line: &Line, currency: &str) -> String {
    let each = if line.quantity > 1 {
        format!(
            "<br><small>{} × {}</small>",
            line.quantity,
            escape(&format_amount(line.unit_amount, currency))
        )
    } else {
        String::new()
    };
    let total = format_amount(line.unit_amount.saturating_mul(line.quantity), currency);
    format!("<tr><td>{}{each}</td><td>{}</td></tr>", escape(&line.name), escape(&total))
}

/// Text as it may stand in HTML and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
