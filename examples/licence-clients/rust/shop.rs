//! Calls of the shop: bounded, repeated with patience, and told apart by what follows from them.

use std::time::{Duration, Instant};

use chrono::DateTime;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

/// How long a call goes on trying.
#[derive(Clone, Copy)]
pub struct Patience {
    pub time: Duration,
    pub attempts: u32,
}

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: u64 = 65_536;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What the shop says of a licence. Anything else that it refuses with is about the call, not about the licence.
const LICENCE_CODES: &[&str] = &[
    "LICENCE_NOT_FOUND",
    "LICENCE_SUSPENDED",
    "LICENCE_REVOKED",
    "LICENCE_EXPIRED",
    "LICENCE_MAX_ACTIVATIONS",
    "LICENCE_NOT_ACTIVE_HERE",
    "NOT_ACTIVATED",
    "FINGERPRINT_MISMATCH",
];

#[derive(Debug)]
pub enum Failure {
    /// The shop's word about this licence.
    Refused(String),
    /// No word of the shop's: nothing follows for the licence.
    Unreachable { code: String, retry_after: Option<u64> },
}

impl Failure {
    pub fn unreachable(code: impl Into<String>) -> Self {
        Self::Unreachable { code: code.into(), retry_after: None }
    }
}

pub struct Shop {
    base: String,
    agent: Agent,
    /// The shop's time, as its last answer told it.
    pub time: Option<i64>,
}

impl Shop {
    pub fn new(base: &str) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            // The API never redirects: what does is not the shop, and is not sent a licence key.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        Self { base: base.trim_end_matches('/').to_owned(), agent, time: None }
    }

    /// Whether a licence is good, and whose: its product and its end are in the answer.
    pub fn validate(&mut self, body: &Value, patience: Patience) -> Result<Value, Failure> {
        let mut answer = self.ask("/api/licences/validate", Some(body), patience)?;
        let code = answer["code"].as_str().unwrap_or_default();
        if LICENCE_CODES.contains(&code) {
            return Err(Failure::Refused(code.to_owned()));
        }
        if code != "VALID" || !answer["licence"]["productSku"].is_string() {
            return Err(Failure::unreachable("NOT_THE_SHOP"));
        }
        Ok(answer["licence"].take())
    }

    /// One call, tried several times. Each try is the same request to the letter: licence calls may be repeated, as key
    /// and fingerprint say what is meant, so that a lost answer does no harm.
    pub fn ask(&mut self, path: &str, body: Option<&Value>, patience: Patience) -> Result<Value, Failure> {
        let deadline = Instant::now() + patience.time;
        let mut attempt = 1;
        loop {
            let failure = match self.ask_once(path, body) {
                Err(Failure::Unreachable { code, retry_after }) => (code, retry_after),
                decided => return decided,
            };
            let (code, retry_after) = failure;
            // Full jitter: a thousand programs that lost the shop at once do not come back at once.
            let longest = LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(attempt - 1));
            let pause = longest.mul_f64(share()) + Duration::from_secs(retry_after.unwrap_or(0));
            let is_lasting = matches!(code.as_str(), "NOT_THE_SHOP" | "TENANT_NOT_FOUND" | "TENANT_INACTIVE");
            if is_lasting || attempt >= patience.attempts || Instant::now() + pause > deadline {
                return Err(Failure::Unreachable { code, retry_after });
            }
            std::thread::sleep(pause);
            attempt += 1;
        }
    }

    fn ask_once(&mut self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let sent = match body {
            Some(body) => {
                self.agent.post(url).header("content-type", "application/json").send(body.to_string())
            }
            None => self.agent.get(url).call(),
        };
        let offline = |error| match error {
            ureq::Error::BodyExceedsLimit(_) => Failure::unreachable("NOT_THE_SHOP"),
            _ => Failure::unreachable("OFFLINE"),
        };
        let mut response = sent.map_err(offline)?;
        let text =
            response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string().map_err(offline)?;
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let status = response.status().as_u16();
        if (200..300).contains(&status) && document.is_object() {
            self.time = header(&response, "date").and_then(http_date);
            return Ok(document);
        }
        let code = document["error"]["code"].as_str();
        match code {
            Some(code) if LICENCE_CODES.contains(&code) => Err(Failure::Refused(code.to_owned())),
            _ if matches!(status, 429 | 500 | 502 | 503 | 504) => Err(Failure::Unreachable {
                code: code.unwrap_or("UNAVAILABLE").to_owned(),
                retry_after: header(&response, "retry-after").and_then(retry_after),
            }),
            _ => Err(Failure::unreachable(code.unwrap_or("NOT_THE_SHOP"))),
        }
    }
}

fn header<'a>(response: &'a Response<ureq::Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn http_date(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp())
}

/// Retry-After is a number of seconds, or a date.
fn retry_after(text: &str) -> Option<u64> {
    let seconds =
        || Some(http_date(text)?.saturating_sub(crate::client::system_clock()).max(0).unsigned_abs());
    text.trim().parse().ok().or_else(seconds)
}

/// Between none and all.
#[allow(clippy::disallowed_methods, reason = "the server's generator is the server's; jitter is no secret")]
fn share() -> f64 {
    rand::random()
}
