//! Certificates that are not the shop's, made of one that is.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

pub fn parts(certificate: &str) -> (Value, Value, Vec<u8>) {
    let parts: Vec<Vec<u8>> =
        certificate.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
    (json(&parts[0]), json(&parts[1]), parts[2].clone())
}

pub fn joined(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let [header, claims] = [header, claims].map(|part| encoded(part.to_string().as_bytes()));
    format!("{header}.{claims}.{}", encoded(signature))
}

/// With one value of its claims changed, and the signature of before.
pub fn with_claim(certificate: &str, name: &str, value: Value) -> String {
    let (header, mut claims, signature) = parts(certificate);
    claims[name] = value;
    joined(&header, &claims, &signature)
}

/// With one value of its header changed.
pub fn with_header(certificate: &str, name: &str, value: Value) -> String {
    let (mut header, claims, signature) = parts(certificate);
    header[name] = value;
    joined(&header, &claims, &signature)
}

/// Cut out of the text, so that nothing is written anew: with another byte in the signature.
pub fn with_another_signature(certificate: &str) -> String {
    let (signed, signature) = certificate.rsplit_once('.').unwrap();
    let mut signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[10] ^= 1;
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// With the group's order added to the signature's second half, which a careless verifier takes for the same.
pub fn with_twisted_signature(certificate: &str) -> String {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (signed, signature) = certificate.rsplit_once('.').unwrap();
    let mut signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0;
    for (byte, addend) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(addend) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "it still fits into its 32 bytes");
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// Signed by a key of the forger's own, and the JWK that goes with it. What differs from `certificate` is in `changed`.
pub fn forged(certificate: &str, changed: &[(&str, Value)]) -> (String, Value) {
    let key = SigningKey::from_bytes(&[42; 32]);
    let (header, mut claims, _) = parts(certificate);
    for (name, value) in changed {
        claims[*name] = value.clone();
    }
    let unsigned = joined(&header, &claims, &[]);
    let signed = unsigned.trim_end_matches('.');
    let signature = key.sign(signed.as_bytes()).to_bytes();
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": header["kid"], "x": x});
    (format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)), jwk)
}
