//! What holds for every endpoint of the route table, whichever are added to it.

use actix_web::http::Method;
use primetech::compose::endpoints;
use primetech::routes::{Access, Endpoint, Expects};
use primetech_actors::caller::Role;

use crate::harness::{Running, start};

/// The path with a value for each of its parameters, which need not be right.
fn filled(endpoint: &Endpoint) -> String {
    let segments =
        endpoint.path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn call(app: &Running, endpoint: &Endpoint) -> crate::client::Call {
    app.call(endpoint.method.as_str(), &filled(endpoint))
}

fn of_tenants() -> impl Iterator<Item = Endpoint> {
    endpoints().into_iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson)
}

#[test]
fn every_endpoint_that_needs_a_session_says_so_before_anything_else() {
    let app = start();
    for endpoint in of_tenants() {
        let answer = call(&app, &endpoint).send();
        match endpoint.access {
            Access::Public => assert_ne!(answer.status, 403, "{}", endpoint.path),
            Access::Session | Access::Admin => {
                assert_eq!(
                    (answer.status, answer.error_code().as_str()),
                    (401, "AUTH_REQUIRED"),
                    "{}",
                    endpoint.path
                );
            }
        }
    }
}

#[test]
fn every_endpoint_of_administrators_refuses_customers() {
    let app = start();
    let cookie = app.cookie_of_new_user("demo.localhost", Role::Customer);
    for endpoint in of_tenants().filter(|endpoint| endpoint.access == Access::Admin) {
        let answer = call(&app, &endpoint).header("cookie", &cookie).send();
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "FORBIDDEN"), "{}", endpoint.path);
    }
}

#[test]
fn every_endpoint_under_the_api_but_webhooks_has_a_tenant_or_404() {
    let app = start();
    for endpoint in endpoints().into_iter().filter(|endpoint| endpoint.path.starts_with("/api/")) {
        let answer = call(&app, &endpoint).host("nobody.localhost").send();
        match endpoint.expects {
            Expects::RawBody => assert_ne!(answer.error_code(), "TENANT_NOT_FOUND", "{}", endpoint.path),
            _ => assert_eq!(answer.error_code(), "TENANT_NOT_FOUND", "{}", endpoint.path),
        }
        let inactive = call(&app, &endpoint).host("gone.localhost").send();
        if endpoint.expects == Expects::TenantAndJson {
            assert_eq!(inactive.error_code(), "TENANT_INACTIVE", "{}", endpoint.path);
        }
    }
}

#[test]
fn every_path_answers_other_methods_with_what_is_allowed() {
    let app = start();
    for endpoint in endpoints() {
        let answer = app.call("PROPFIND", &filled(&endpoint)).send();
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (405, "METHOD_NOT_ALLOWED"),
            "{}",
            endpoint.path
        );
        let allow = answer.header("allow").unwrap();
        assert!(
            allow.split(", ").any(|method| method == endpoint.method.as_str()),
            "{}: {allow}",
            endpoint.path
        );
    }
}

#[test]
fn every_mutation_refuses_foreign_origins_other_types_and_what_is_no_json() {
    let app = start();
    for endpoint in of_tenants().filter(|endpoint| endpoint.method != Method::GET) {
        let foreign = call(&app, &endpoint)
            .header("cookie", "session=x")
            .header("origin", "https://evil.example")
            .send();
        assert_eq!(foreign.error_code(), "ORIGIN_FORBIDDEN", "{}", endpoint.path);
        let form = call(&app, &endpoint).body("application/x-www-form-urlencoded", "a=b").send();
        assert_eq!(form.error_code(), "UNSUPPORTED_MEDIA_TYPE", "{}", endpoint.path);
        let broken = call(&app, &endpoint).json("{").send();
        assert_eq!(broken.error_code(), "INVALID_JSON", "{}", endpoint.path);
        let large = call(&app, &endpoint).json(vec![b' '; 64 * 1024 + 1]).send();
        assert_eq!(
            (large.status, large.error_code().as_str()),
            (413, "PAYLOAD_TOO_LARGE"),
            "{}",
            endpoint.path
        );
    }
}
