//! The pure parts of the hot paths: no database, no network. Run with `cargo bench -p loadtests`.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use primetech::input::page::{cursor, parse_cursor};
use primetech_actors::identifiers::{InvoiceNumber, LicenceKey, OrderNumber};
use primetech_actors::page::Position;
use primetech_licences::{CertificateSigner, Claims};
use primetech_stripe::signature;
use secrecy::{SecretSlice, SecretString};
use sha2::Sha256;
use uuid::Uuid;

const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_790_000_000;

/// A webhook's signature, over an event of the usual size.
fn signature_check(criterion: &mut Criterion) {
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let mut group = criterion.benchmark_group("signature check");
    for size in [1_500, 20_000] {
        let payload = vec![b'x'; size];
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{NOW}.").as_bytes());
        mac.update(&payload);
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let header = format!("t={NOW},v1={hex}");
        let one = [SecretString::from(SECRET)];
        let while_rotating = [SecretString::from("whsec_another"), SecretString::from(SECRET)];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{size} bytes"), |bencher| {
            bencher.iter(|| signature::verify(black_box(&header), black_box(&payload), &one, now).unwrap());
        });
        group.bench_function(format!("{size} bytes, two secrets"), |bencher| {
            bencher.iter(|| {
                signature::verify(black_box(&header), black_box(&payload), &while_rotating, now).unwrap()
            });
        });
    }
    group.finish();
}

fn identifier_parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("identifier parsing");
    group.bench_function("licence key", |bencher| {
        bencher.iter(|| LicenceKey::parse(black_box("LIC-7K2P-M4QX-9TZB")).unwrap());
    });
    group.bench_function("malformed licence key", |bencher| {
        bencher.iter(|| LicenceKey::parse(black_box("LIC-7K2P-M4QX-9TZb")).unwrap_err());
    });
    group.bench_function("invoice number", |bencher| {
        bencher.iter(|| InvoiceNumber::parse(black_box("INV-2026-000001")).unwrap());
    });
    group.bench_function("order number", |bencher| {
        bencher.iter(|| OrderNumber::parse(black_box("ORD-20260131-7K2P")).unwrap());
    });
    group.finish();
}

fn cursor_parsing(criterion: &mut Criterion) {
    let created_at = DateTime::from_timestamp(NOW, 123_456_000).unwrap();
    let text = cursor(7, &Position { created_at, id: Uuid::from_u128(7) });
    let mut group = criterion.benchmark_group("cursor parsing");
    group.bench_function("cursor", |bencher| bencher.iter(|| parse_cursor(7, black_box(&text)).unwrap()));
    group.bench_function("no cursor", |bencher| {
        bencher.iter(|| parse_cursor(7, black_box("no cursor")).unwrap_err())
    });
    group.finish();
}

fn certificate_signing(criterion: &mut Criterion) {
    let signer = CertificateSigner::new(vec![SecretSlice::from(vec![7; 32])]).unwrap();
    let claims = Claims {
        lic_key: "LIC-7K2P-M4QX-9TZB",
        fingerprint: "mac:8f14e45f",
        tenant: "demo",
        product_sku: "editor-pro",
    };
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let mut group = criterion.benchmark_group("certificate signing");
    group.bench_function("known tenant", |bencher| {
        bencher.iter(|| signer.certify(Uuid::from_u128(1), black_box(&claims), now, None).unwrap());
    });
    let mut tenant = 0_u128;
    group.bench_function("tenant whose key is to be derived", |bencher| {
        bencher.iter(|| {
            tenant += 1;
            // Keys of so many tenants are kept in memory; a signer of its own knows none.
            let signer = CertificateSigner::new(vec![SecretSlice::from(vec![7; 32])]).unwrap();
            signer.certify(Uuid::from_u128(tenant), black_box(&claims), now, None).unwrap()
        });
    });
    group.finish();
}

criterion_group!(pure_parts, signature_check, identifier_parsing, cursor_parsing, certificate_signing);
criterion_main!(pure_parts);
