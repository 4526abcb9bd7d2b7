//! Certificates: compact JWS (RFC 7515) signed with Ed25519 (RFC 8037). With one, a device verifies its activation
//! offline. Each tenant has its own key, derived from the installation's seed, so a certificate of one tenant does
//! not verify for another.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use primetech_kernel::fault::Fault;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How long a device may go without asking again, where its licence does not end before.
const LIFETIME: TimeDelta = TimeDelta::days(30);

/// Tenants whose derived keys are kept in memory.
const MAX_CACHED_TENANTS: usize = 10_000;

#[derive(Debug, thiserror::Error)]
#[error("a licence signing key is 32 bytes, and at least one is needed")]
pub struct InvalidSigningKey;

/// Signs certificates with the first seed; publishes the keys of all.
pub struct CertificateSigner {
    seeds: Vec<SecretSlice<u8>>,
    tenants: DashMap<Uuid, Arc<TenantKeys>>,
}

struct TenantKeys {
    signing: SigningKey,
    kid: String,
    set: JwkSet,
}

/// The public keys of a tenant (RFC 7517), the signing one first.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    #[serde(rename = "use")]
    pub usage: &'static str,
    pub alg: &'static str,
    pub kid: String,
    pub x: String,
}

/// What a certificate says, beside its times.
pub struct Claims<'a> {
    pub lic_key: &'a str,
    pub fingerprint: &'a str,
    /// The tenant's slug.
    pub tenant: &'a str,
    pub product_sku: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    lic_key: &'a str,
    fingerprint: &'a str,
    tenant: &'a str,
    product_sku: &'a str,
    iat: i64,
    exp: i64,
}

impl CertificateSigner {
    /// Takes the seeds of LICENCE_SIGNING_KEY: the first signs, all are published.
    pub fn new(seeds: Vec<SecretSlice<u8>>) -> Result<Self, InvalidSigningKey> {
        if seeds.is_empty() || seeds.iter().any(|seed| seed.expose_secret().len() != 32) {
            return Err(InvalidSigningKey);
        }
        Ok(Self { seeds, tenants: DashMap::new() })
    }

    /// For a process that signs nothing: certificates and keys are refused.
    pub fn without_keys() -> Self {
        Self { seeds: Vec::new(), tenants: DashMap::new() }
    }

    /// The keys to check a tenant's certificates with.
    pub fn jwk_set(&self, tenant_id: Uuid) -> Result<JwkSet, Fault> {
        Ok(self.keys_of(tenant_id)?.set.clone())
    }

    /// A certificate that ends with the licence, or after thirty days.
    pub fn certify(
        &self,
        tenant_id: Uuid,
        claims: &Claims<'_>,
        now: DateTime<Utc>,
        licence_ends: Option<DateTime<Utc>>,
    ) -> Result<String, Fault> {
        let keys = self.keys_of(tenant_id)?;
        let longest = now + LIFETIME;
        let exp = licence_ends.map_or(longest, |end| end.min(longest));
        let header = Header { alg: "EdDSA", kid: &keys.kid, typ: "JWT" };
        let payload = Payload {
            lic_key: claims.lic_key,
            fingerprint: claims.fingerprint,
            tenant: claims.tenant,
            product_sku: claims.product_sku,
            iat: now.timestamp(),
            exp: exp.timestamp(),
        };
        let signed = format!("{}.{}", part(&header)?, part(&payload)?);
        let signature = keys.signing.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }

    fn keys_of(&self, tenant_id: Uuid) -> Result<Arc<TenantKeys>, Fault> {
        if let Some(keys) = self.tenants.get(&tenant_id) {
            return Ok(Arc::clone(&keys));
        }
        let derived: Vec<SigningKey> =
            self.seeds.iter().map(|seed| derive(seed, tenant_id)).collect::<Result<_, _>>()?;
        let set = JwkSet { keys: derived.iter().map(jwk).collect() };
        let signing = derived.into_iter().next().ok_or_else(|| Fault::internal("no licence signing key"))?;
        let kid = set.keys.first().map(|key| key.kid.clone()).unwrap_or_default();
        let keys = Arc::new(TenantKeys { signing, kid, set });
        if self.tenants.len() < MAX_CACHED_TENANTS {
            self.tenants.insert(tenant_id, Arc::clone(&keys));
        }
        Ok(keys)
    }
}

/// The tenant's own seed: HMAC-SHA256 of its id under the installation's seed.
fn derive(seed: &SecretSlice<u8>, tenant_id: Uuid) -> Result<SigningKey, Fault> {
    let mut mac = Hmac::<Sha256>::new_from_slice(seed.expose_secret())
        .map_err(|_| Fault::internal("a licence signing key cannot be used"))?;
    mac.update(b"licence certificate\0");
    mac.update(tenant_id.as_bytes());
    Ok(SigningKey::from_bytes(&mac.finalize().into_bytes().into()))
}

fn jwk(key: &SigningKey) -> Jwk {
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
    // RFC 7638: the hash of the required members in lexical order.
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    Jwk {
        kty: "OKP",
        crv: "Ed25519",
        usage: "sig",
        alg: "EdDSA",
        kid: BASE64_URL_SAFE_NO_PAD.encode(thumbprint),
        x,
    }
}

fn part(value: &impl Serialize) -> Result<String, Fault> {
    let json = serde_json::to_vec(value).map_err(|error| Fault::internal(error.to_string()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(byte: u8) -> Result<CertificateSigner, InvalidSigningKey> {
        CertificateSigner::new(vec![SecretSlice::from(vec![byte; 32])])
    }

    #[test]
    fn each_tenant_has_keys_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let signer = signer(7)?;
        let (one, other) = (signer.jwk_set(Uuid::from_u128(1))?, signer.jwk_set(Uuid::from_u128(2))?);
        assert_ne!(one.keys[0].x, other.keys[0].x);
        assert_ne!(one.keys[0].kid, other.keys[0].kid);
        Ok(())
    }

    #[test]
    fn a_certificate_ends_with_its_licence() -> Result<(), Box<dyn std::error::Error>> {
        let claims = Claims { lic_key: "LIC-A", fingerprint: "f", tenant: "demo", product_sku: "p" };
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let certificate = signer(7)?.certify(Uuid::nil(), &claims, now, Some(now + TimeDelta::days(1)))?;
        let payload = certificate.split('.').nth(1).ok_or("three parts")?;
        let payload: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
        assert_eq!(payload["exp"], 86_400);
        Ok(())
    }

    #[test]
    fn a_seed_of_another_length_is_refused() {
        assert!(CertificateSigner::new(vec![SecretSlice::from(vec![1; 31])]).is_err());
        assert!(CertificateSigner::new(vec![]).is_err());
    }
}
