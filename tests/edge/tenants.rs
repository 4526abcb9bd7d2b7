use crate::client::send_bytes;
use crate::harness::{limits, start, start_with};

const PATH: &str = "/api/test/tenant";

#[test]
fn the_host_names_the_tenant() {
    let app = start();
    for (host, slug) in [
        ("demo.localhost", "demo"),
        ("DEMO.localhost:4000", "demo"),
        ("demo.example.", "demo"),
        ("[::1]:4000", "demo"),
        ("[0:0::1]", "demo"),
        ("acme.localhost:80", "acme"),
    ] {
        assert_eq!(app.get(PATH).host(host).send().json()["slug"], slug, "{host}");
    }
}

#[test]
fn an_unknown_host_has_no_tenant() {
    let app = start();
    for host in [
        "nobody.localhost",
        "",
        "demo.localhost.evil.example",
        "demo",
        "a b",
        "é.localhost",
        "demo.localhost@x",
    ] {
        app.get(PATH).host(host).send().assert_refused(404, "TENANT_NOT_FOUND");
    }
    // The tenant comes before the path: nothing tells a stranger which paths there are.
    app.get("/api/nothing").host("nobody.localhost").send().assert_refused(404, "TENANT_NOT_FOUND");
}

#[test]
fn a_request_without_a_host_or_with_two_is_malformed() {
    // RFC 9112, 3.2.
    let app = start();
    app.get(PATH).without_host().send().assert_refused(400, "VALIDATION_ERROR");
    app.get(PATH).header("host", "acme.localhost").send().assert_refused(400, "VALIDATION_ERROR");
    let old = b"GET /api/test/tenant HTTP/1.0\r\n\r\n";
    send_bytes(app.address, old).unwrap().assert_refused(404, "TENANT_NOT_FOUND");
}

#[test]
fn a_tenant_that_is_switched_off_is_403() {
    let app = start();
    app.get(PATH).host("gone.localhost").send().assert_refused(403, "TENANT_INACTIVE");
}

#[test]
fn a_whole_url_on_the_request_line_overrides_the_host() {
    let app = start();
    let request = b"GET http://acme.localhost/api/test/tenant HTTP/1.1\r\nhost: demo.localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(send_bytes(app.address, request).unwrap().json()["slug"], "acme");
}

#[test]
fn a_trusted_proxy_s_word_for_the_host_counts() {
    let app = start();
    let forwarded =
        |value: &str| app.get(PATH).host("nobody.localhost").header("x-forwarded-host", value).send();
    assert_eq!(forwarded("acme.localhost").json()["slug"], "acme");
    assert_eq!(forwarded("ACME.localhost:443").json()["slug"], "acme");
    assert_eq!(forwarded("acme.localhost, demo.localhost").json()["slug"], "acme");
    forwarded("nobody.example").assert_refused(404, "TENANT_NOT_FOUND");
    let empty = app.get(PATH).host("demo.localhost").header("x-forwarded-host", "").send();
    empty.assert_refused(404, "TENANT_NOT_FOUND");
}

#[test]
fn a_stranger_s_word_for_the_host_does_not() {
    let app = start_with(limits(), &[("TRUSTED_PROXIES", "10.0.0.0/8")]);
    let answer = app.get(PATH).header("x-forwarded-host", "acme.localhost").send();
    assert_eq!(answer.json()["slug"], "demo");
}

#[test]
fn the_client_s_address_is_the_nearest_that_is_no_proxy() {
    let trusting = start_with(limits(), &[("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")]);
    let address = |forwarded: &str| {
        let answer = trusting.get("/test/address").header("x-forwarded-for", forwarded).send();
        answer.json()["address"].as_str().unwrap().to_owned()
    };
    assert_eq!(address("6.6.6.6, 198.51.100.7, 10.1.1.1"), "198.51.100.7");
    assert_eq!(address("garbage"), "127.0.0.1");
    let strict = start_with(limits(), &[("TRUSTED_PROXIES", "10.0.0.0/8")]);
    let answer = strict.get("/test/address").header("x-forwarded-for", "198.51.100.7").send();
    assert_eq!(answer.json()["address"], "127.0.0.1");
}

#[test]
fn a_path_outside_the_api_may_have_a_tenant() {
    let app = start();
    assert_eq!(app.get("/test/tenant").host("acme.localhost").send().json()["slug"], "acme");
    app.get("/test/tenant").host("nobody.localhost").send().assert_refused(404, "TENANT_NOT_FOUND");
}
