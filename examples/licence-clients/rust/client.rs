//! A licence client for programs sold through a Prime Tech shop: this folder but for `main.rs`, with the crates base64,
//! chrono, ed25519-dalek, rand, serde, serde_json, sha2 and ureq.
//!
//! What may be believed: a certificate that verifies, never the bare word VALID. What ends a licence here: the shop's own
//! word about it, never a failure on the way. `docs/licence-clients.md` tells why each rule is there.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use serde::Serialize;
use serde_json::{Value, json};

use crate::certificate::{self, Claims, JwkSet};
use crate::shop::{Failure, Patience, Shop};
use crate::stored::{self, State};
use crate::{machine, messages};

const DAY: i64 = 86_400;
/// How far a clock may be off before anyone is told: that of this device, or that of the server.
const CLOCK_TOLERANCE: i64 = 300;
/// A certificate that is older is made anew when the shop can be asked, so that the time offline begins again.
const RENEW_AFTER: i64 = DAY;
/// How long after its certificate a program still starts without the shop, with a warning each time.
const GRACE: i64 = 3 * DAY;

const LONGEST_DEVICE_NAME: usize = 120;
const PATIENT: Patience = Patience { time: Duration::from_secs(30), attempts: 5 };
/// With a certificate at hand the user waits less: the program starts without an answer.
const IMPATIENT: Patience = Patience { time: Duration::from_secs(5), attempts: 3 };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    Licensed,
    LicensedOffline,
    /// Licensed still, and not for long: the warning tells until when.
    Grace,
    Deactivated,
    /// The user must act.
    Refused,
    /// Try later.
    Unreachable,
}

/// What came of a call, to act on (`outcome`, `code`) and to show (`message`, `warning`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub outcome: Outcome,
    pub code: String,
    pub message: &'static str,
    /// The key with its middle hidden, fit for a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Until when the program starts without the shop, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// When the shop wants to be asked again at the earliest, in seconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

pub struct Options {
    pub server: String,
    /// The shop's short name, as certificates have it.
    pub tenant: String,
    pub product_sku: String,
    pub state_folder: PathBuf,
    /// In place of the machine's own.
    pub fingerprint: Option<String>,
    /// The shop's JWK set as the program was built with it. Without, the set is learned at the first activation over
    /// HTTPS, and kept: whoever may write to this device's files can then replace it.
    pub trusted_keys: Option<JwkSet>,
    /// Seconds since 1970.
    pub clock: Box<dyn Fn() -> i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidOptions {
    #[error("a licence server is asked over https")]
    NotSecure,
    #[error("a fingerprint is 8 to 128 of A-Z a-z 0-9 . _ : -, and this machine has none of its own")]
    Fingerprint,
}

/// The time by the operating system, in seconds since 1970.
#[allow(clippy::disallowed_methods, reason = "the server's clock is the server's; a client has its own")]
pub fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

pub struct LicenceClient {
    shop: Shop,
    tenant: String,
    product_sku: String,
    file: PathBuf,
    fingerprint: String,
    trusted_keys: Option<JwkSet>,
    clock: Box<dyn Fn() -> i64>,
}

impl LicenceClient {
    pub fn new(options: Options) -> Result<Self, InvalidOptions> {
        let Options { server, tenant, product_sku, state_folder, fingerprint, trusted_keys, clock } = options;
        if !is_secure(&server) {
            return Err(InvalidOptions::NotSecure);
        }
        let fingerprint = fingerprint
            .or_else(|| machine::fingerprint(&product_sku))
            .filter(|fingerprint| is_fingerprint(fingerprint))
            .ok_or(InvalidOptions::Fingerprint)?;
        let (shop, file) = (Shop::new(&server), state_folder.join("licence.json"));
        Ok(Self { shop, tenant, product_sku, file, fingerprint, trusted_keys, clock })
    }

    /// Binds a licence to this device. Again on the same device it changes nothing and succeeds.
    pub fn activate(&mut self, entered: &str, device_name: Option<&str>) -> Verdict {
        let key = entered.trim().to_uppercase();
        if !is_key(&key) {
            return refused("MALFORMED_KEY", None);
        }
        match self.take_up(&key, device_name) {
            Ok(state) => self.licensed_online(state),
            Err(Failure::Refused(code)) => refused(&code, Some(&key)),
            Err(Failure::Unreachable { code, retry_after }) => unreachable(code, retry_after, &key),
        }
    }

    /// Whether the program may run. To be asked at each start, and daily where it runs for long.
    pub fn check(&mut self) -> Verdict {
        let Some(mut state) = self.load() else { return refused("NO_LICENCE", None) };
        match self.renew(&mut state) {
            Ok(()) => self.licensed_online(state),
            // A key that this program was not built with yet: the certificate that is here holds until it ends.
            Err(Failure::Refused(code)) if code == "CERTIFICATE_INVALID" => {
                self.judge_offline(state, code, None)
            }
            Err(Failure::Refused(code)) => {
                // Offline it must not pass from now on; the key stays, as the licence may come back.
                state.certificate = None;
                let _kept = stored::store(&self.file, &state);
                refused(&code, Some(&state.lic_key))
            }
            Err(Failure::Unreachable { code, retry_after }) => self.judge_offline(state, code, retry_after),
        }
    }

    /// Frees the licence for another device. What is stored here goes once the shop has said so, not before.
    pub fn deactivate(&mut self) -> Verdict {
        let Some(State { lic_key: key, .. }) = self.load() else { return refused("NO_LICENCE", None) };
        let body = json!({"licKey": key, "fingerprint": self.fingerprint});
        match self.shop.ask("/api/licences/deactivate", Some(&body), PATIENT) {
            Ok(_) => {}
            // It was freed before, perhaps by the very request whose answer was lost.
            Err(Failure::Refused(code))
                if code == "LICENCE_NOT_ACTIVE_HERE" || code == "LICENCE_NOT_FOUND" => {}
            Err(Failure::Refused(code)) => return refused(&code, Some(&key)),
            Err(Failure::Unreachable { code, retry_after }) => return unreachable(code, retry_after, &key),
        }
        // A file that stays is found out at the next check: the licence is not active here.
        let _removed = stored::remove(&self.file);
        verdict(Outcome::Deactivated, "DEACTIVATED", Some(&key))
    }

    fn load(&self) -> Option<State> {
        stored::load(&self.file).filter(|state| is_key(&state.lic_key))
    }

    fn take_up(&mut self, key: &str, device_name: Option<&str>) -> Result<State, Failure> {
        // Asked first: a licence of another product is not to be taken up by this one.
        let licence = self.shop.validate(&json!({"licKey": key}), PATIENT)?;
        self.expect_product(&licence)?;
        let licence_ends = seconds(&licence["expiresAt"]);
        let lic_key = key.to_owned();
        let mut state = State { lic_key, certificate: None, keys: vec![], licence_ends, last_seen: None };
        self.certify(&mut state, PATIENT, device_name)?;
        Ok(state)
    }

    fn renew(&mut self, state: &mut State) -> Result<(), Failure> {
        let patience = if self.claims(state).is_some() { IMPATIENT } else { PATIENT };
        let body = json!({"licKey": state.lic_key, "fingerprint": self.fingerprint});
        let licence = self.shop.validate(&body, patience)?;
        self.expect_product(&licence)?;
        state.licence_ends = seconds(&licence["expiresAt"]);
        let is_fresh = self.claims(state).is_some_and(|claims| self.now() - claims.iat <= RENEW_AFTER);
        if !is_fresh {
            // Only after the shop said that it is active here: a licence that the user freed stays free.
            self.certify(state, patience, None)?;
        }
        Ok(())
    }

    fn expect_product(&self, licence: &Value) -> Result<(), Failure> {
        if licence["productSku"] == self.product_sku.as_str() {
            Ok(())
        } else {
            Err(Failure::Refused("WRONG_PRODUCT".to_owned()))
        }
    }

    /// Activates on this device, which for the active one changes nothing, and keeps the fresh certificate.
    fn certify(
        &mut self,
        state: &mut State,
        patience: Patience,
        device_name: Option<&str>,
    ) -> Result<(), Failure> {
        let mut body = json!({"licKey": state.lic_key, "fingerprint": self.fingerprint});
        if let Some(name) = device_name {
            body["deviceName"] = name.chars().take(LONGEST_DEVICE_NAME).collect::<String>().into();
        }
        let mut answer = self.shop.ask("/api/licences/activate", Some(&body), patience)?;
        let certificate = answer["certificate"].as_str().unwrap_or_default().to_owned();
        let mut candidate = state.clone();
        let named = certificate::key_id(&certificate);
        if self.trusted_keys.is_none() && !state.keys.iter().any(|key| Some(&key.kid) == named.as_ref()) {
            answer = self.shop.ask("/.well-known/licence-keys.json", None, patience)?;
            candidate.keys = serde_json::from_value::<JwkSet>(answer).unwrap_or_default().keys;
        }
        candidate.certificate = Some(certificate);
        if self.claims(&candidate).is_none() {
            return Err(Failure::Refused("CERTIFICATE_INVALID".to_owned()));
        }
        *state = candidate;
        Ok(())
    }

    /// What the stored certificate says, where it is genuine and speaks of this licence, product and device.
    fn claims(&self, state: &State) -> Option<Claims> {
        let keys = self.trusted_keys.as_ref().map_or(&state.keys, |set| &set.keys);
        certificate::verified(state.certificate.as_deref()?, keys).filter(|claims| {
            claims.lic_key == state.lic_key
                && claims.fingerprint == self.fingerprint
                && claims.tenant == self.tenant
                && claims.product_sku == self.product_sku
        })
    }

    /// The shop's time where it has told it in this call, this device's otherwise.
    fn now(&self) -> i64 {
        self.shop.time.unwrap_or_else(|| (self.clock)())
    }

    fn licensed_online(&mut self, mut state: State) -> Verdict {
        let Some(claims) = self.claims(&state) else {
            return refused("CERTIFICATE_INVALID", Some(&state.lic_key));
        };
        state.last_seen = Some(self.now());
        let mut result = verdict(Outcome::Licensed, "VALID", Some(&state.lic_key));
        result.until = Some(claims.exp);
        if self.shop.time.is_some_and(|time| (time - (self.clock)()).abs() > CLOCK_TOLERANCE) {
            result.warning = Some(messages::of("CLOCK_WRONG").to_owned());
        }
        if stored::store(&self.file, &state).is_err() {
            result.warning = Some(messages::of("NOT_STORED").to_owned());
        }
        result
    }

    fn judge_offline(&self, mut state: State, code: String, retry_after: Option<u64>) -> Verdict {
        let key = state.lic_key.clone();
        if state.certificate.is_none() && code != "CERTIFICATE_INVALID" {
            return unreachable(code, retry_after, &key);
        }
        let Some(claims) = self.claims(&state) else { return refused("CERTIFICATE_INVALID", Some(&key)) };
        // The shop has not told the time: this device's clock it is, which may not go back behind what was seen.
        let now = (self.clock)();
        let seen = state.last_seen.unwrap_or(0);
        if now < claims.iat.max(seen) - CLOCK_TOLERANCE {
            return refused("CLOCK_TURNED_BACK", Some(&key));
        }
        if state.licence_ends.is_some_and(|end| now > end + CLOCK_TOLERANCE) {
            return refused("LICENCE_EXPIRED", Some(&key));
        }
        if now > claims.exp + CLOCK_TOLERANCE + GRACE {
            return refused("OFFLINE_TOO_LONG", Some(&key));
        }
        state.last_seen = Some(seen.max(now));
        // What could not be noted is noted at the next start.
        let _noted = stored::store(&self.file, &state);
        let is_in_grace = now > claims.exp + CLOCK_TOLERANCE;
        let outcome = if is_in_grace { Outcome::Grace } else { Outcome::LicensedOffline };
        let until = if is_in_grace { claims.exp + GRACE } else { claims.exp };
        let warning = DateTime::from_timestamp(until, 0).filter(|_| is_in_grace).map(|last| {
            format!(
                "The licence could not be checked for a long time. Connect to the internet before {}.",
                last.format("%Y-%m-%d")
            )
        });
        Verdict { until: Some(until), warning, retry_after, ..verdict(outcome, &code, Some(&key)) }
    }
}

fn verdict(outcome: Outcome, code: &str, key: Option<&str>) -> Verdict {
    let (code, message) = (code.to_owned(), messages::of(code));
    Verdict {
        outcome,
        code,
        message,
        licence: key.map(masked),
        warning: None,
        until: None,
        retry_after: None,
    }
}

fn refused(code: &str, key: Option<&str>) -> Verdict {
    verdict(Outcome::Refused, code, key)
}

fn unreachable(code: String, retry_after: Option<u64>, key: &str) -> Verdict {
    Verdict { retry_after, ..verdict(Outcome::Unreachable, &code, Some(key)) }
}

/// A key as logs may have it.
fn masked(key: &str) -> String {
    let end: String = key.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("LIC-****-****-{end}")
}

fn is_key(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_group = |part: &str| {
        part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    parts.next() == Some("LIC") && parts.clone().count() == 3 && parts.all(is_group)
}

fn is_fingerprint(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (8..=128).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Over TLS, or to this machine, as in development.
fn is_secure(server: &str) -> bool {
    let host = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        match authority.rsplit_once(':') {
            // What stands before an @ is a name to sign in with, made to look like a host.
            _ if authority.contains('@') => String::new(),
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
            _ => authority,
        }
    };
    server.starts_with("https://")
        || server
            .strip_prefix("http://")
            .is_some_and(|rest| matches!(host(rest).as_str(), "127.0.0.1" | "localhost" | "[::1]"))
}

/// A time of the API in seconds since 1970.
fn seconds(time: &Value) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(time.as_str()?).ok()?.timestamp())
}
