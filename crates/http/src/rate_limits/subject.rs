//! The subject of a limit, as a keyed hash that does not identify anyone.

use std::fmt;
use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use super::policy::Bucket;

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A client of a tenant; of none for webhooks.
    Address { tenant: Option<Uuid>, address: IpAddr },
    /// An account of a tenant, by its folded e-mail address, whether it exists or not.
    Account { tenant: Uuid, email: &'a str },
}

/// What a subject is known by in counters: a keyed hash, so that neither this process's memory nor Redis names an
/// address or an account, and nobody without the installation's secret can find out whether one was counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SubjectHash([u8; 16]);

impl SubjectHash {
    #[cfg(test)]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The same in all processes of an installation.
    pub fn id(&self) -> Uuid {
        Uuid::from_bytes(self.0)
    }

    pub fn of_id(id: Uuid) -> Self {
        Self(id.into_bytes())
    }

    /// Evenly one of `shards`.
    pub fn shard(&self, shards: usize) -> usize {
        usize::from(self.0[15]) % shards
    }
}

impl fmt::Display for SubjectHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The key of the hash: the same in all processes of an installation, since it comes from its secret.
pub(super) struct SubjectKey(Hmac<Sha256>);

impl SubjectKey {
    pub fn new(session_secret: &SecretString) -> Self {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = Hmac::new_from_slice(session_secret.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        Self(mac)
    }

    pub fn hash(&self, bucket: Bucket, subject: &Subject<'_>) -> SubjectHash {
        let mut mac = self.0.clone();
        mac.update(b"rate limit\0");
        mac.update(bucket.name().as_bytes());
        mac.update(b"\0");
        match subject {
            Subject::Address { tenant, address } => {
                mac.update(b"address\0");
                mac.update(tenant.unwrap_or_default().as_bytes());
                match address.to_canonical() {
                    IpAddr::V4(address) => mac.update(&address.octets()),
                    // A client with one IPv6 address has the 2^64 of its network.
                    IpAddr::V6(address) => mac.update(&address.octets()[..8]),
                }
            }
            Subject::Account { tenant, email } => {
                mac.update(b"account\0");
                mac.update(tenant.as_bytes());
                mac.update(email.as_bytes());
            }
        }
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        SubjectHash(hash)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TENANT: Option<Uuid> = Some(Uuid::from_u128(1));

    fn hash_with(secret: &str, bucket: Bucket, tenant: Option<Uuid>, address: &str) -> String {
        let subject = Subject::Address { tenant, address: address.parse().unwrap() };
        SubjectKey::new(&secret.into()).hash(bucket, &subject).to_string()
    }

    fn hash(address: &str) -> String {
        hash_with("secret", Bucket::Other, TENANT, address)
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        assert_eq!(hash("2001:db8:1:2::1"), hash("2001:db8:1:2:ffff::9"));
        assert_ne!(hash("2001:db8:1:2::1"), hash("2001:db8:1:3::1"));
    }

    #[test]
    fn ipv4_addresses_are_clients_each_however_they_are_written() {
        assert_eq!(hash("192.0.2.1"), hash("::ffff:192.0.2.1"));
        assert_ne!(hash("192.0.2.1"), hash("192.0.2.2"));
    }

    #[test]
    fn buckets_tenants_and_installations_are_apart() {
        let usual = hash("192.0.2.1");
        assert_ne!(usual, hash_with("secret", Bucket::Auth, TENANT, "192.0.2.1"));
        assert_ne!(usual, hash_with("secret", Bucket::Other, Some(Uuid::from_u128(2)), "192.0.2.1"));
        assert_ne!(usual, hash_with("secret", Bucket::Other, None, "192.0.2.1"));
        assert_ne!(usual, hash_with("another", Bucket::Other, TENANT, "192.0.2.1"));
    }

    #[test]
    fn a_hash_names_nobody() {
        let key = SubjectKey::new(&"secret".into());
        let subject = Subject::Account { tenant: Uuid::from_u128(1), email: "jane@example.com" };
        let text = key.hash(Bucket::LoginFailures, &subject).to_string();
        assert!(text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    }
}
