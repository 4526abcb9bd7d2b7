//! Certificates: compact JWS (RFC 7515) with EdDSA (RFC 8037), verified by the shop's public keys.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

/// A shop's public keys (RFC 7517).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jwk {
    #[serde(default)]
    pub kty: String,
    #[serde(default)]
    pub crv: String,
    #[serde(default)]
    pub kid: String,
    #[serde(default)]
    pub x: String,
}

/// What a certificate says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    pub lic_key: String,
    pub fingerprint: String,
    pub tenant: String,
    pub product_sku: String,
    pub iat: i64,
    pub exp: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<serde_json::Value>,
}

/// The claims, where one of `keys` signed them.
pub fn verified(certificate: &str, keys: &[Jwk]) -> Option<Claims> {
    let (signed, signature) = certificate.rsplit_once('.')?;
    let (head, payload) = signed.split_once('.')?;
    let header = header(head)?;
    // The algorithm is ours to choose, not the certificate's: "none" is no signature.
    if header.alg != "EdDSA" || header.crit.is_some() {
        return None;
    }
    let signature = Signature::from_slice(&part(signature)?).ok()?;
    let is_signed = |key: &&Jwk| {
        key.kid == header.kid
            && key.kty == "OKP"
            && key.crv == "Ed25519"
            && public_key(key).is_some_and(|key| key.verify_strict(signed.as_bytes(), &signature).is_ok())
    };
    keys.iter().find(is_signed)?;
    serde_json::from_slice(&part(payload)?).ok()
}

/// Which key a certificate names, to know whether it has to be fetched. Not believed before the signature is.
pub fn key_id(certificate: &str) -> Option<String> {
    Some(header(certificate.split('.').next()?)?.kid)
}

fn header(head: &str) -> Option<Header> {
    serde_json::from_slice(&part(head)?).ok()
}

fn part(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

fn public_key(key: &Jwk) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&part(&key.x)?.try_into().ok()?).ok()
}
