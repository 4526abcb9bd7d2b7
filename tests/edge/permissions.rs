use primetech_actors::caller::Role;

use crate::harness::{Running, start};

fn send(app: &Running, path: &str, cookie: Option<&str>, body: &str) -> crate::client::Answer {
    let call = app.post(path).json(body);
    match cookie {
        Some(cookie) => call.header("cookie", cookie).send(),
        None => call.send(),
    }
}

#[test]
fn who_is_asking_is_decided_before_what_is_asked() {
    let app = start();
    for cookie in [None, Some("session="), Some("session=nobody"), Some("session=\"\""), Some("session")] {
        // The body is wrong as well.
        send(&app, "/api/test/session", cookie, "{}").assert_refused(401, "AUTH_REQUIRED");
        send(&app, "/api/test/admin", cookie, "{}").assert_refused(401, "AUTH_REQUIRED");
    }
}

#[test]
fn a_role_is_asked_for_where_it_is_needed() {
    let app = start();
    let customer = app.cookie_of_new_user("demo.localhost", Role::Customer);
    let admin = app.cookie_of_new_user("demo.localhost", Role::Admin);
    assert_eq!(
        send(&app, "/api/test/session", Some(&customer), r#"{"name":"x"}"#).json()["role"],
        "CUSTOMER"
    );
    send(&app, "/api/test/session", Some(&customer), "{}").assert_refused(400, "VALIDATION_ERROR");
    send(&app, "/api/test/admin", Some(&customer), "{}").assert_refused(403, "FORBIDDEN");
    assert_eq!(send(&app, "/api/test/admin", Some(&admin), "{}").json()["role"], "ADMIN");
}

#[test]
fn the_route_table_asks_where_a_handler_forgot_to() {
    let app = start();
    let customer = app.cookie_of_new_user("demo.localhost", Role::Customer);
    let admin = app.cookie_of_new_user("demo.localhost", Role::Admin);
    send(&app, "/api/test/forgetful", None, "{}").assert_refused(401, "AUTH_REQUIRED");
    send(&app, "/api/test/forgetful", Some(&customer), "{}").assert_refused(403, "FORBIDDEN");
    assert_eq!(send(&app, "/api/test/forgetful", Some(&admin), "{}").status, 200);
}

#[test]
fn a_session_is_good_for_its_own_tenant_only() {
    let app = start();
    let cookie = app.cookie_of_new_user("demo.localhost", Role::Customer);
    let signed_in = |host: &str| {
        app.get("/api/test/maybe").host(host).header("cookie", &cookie).send().json()["signedIn"] == true
    };
    assert!(signed_in("demo.localhost"));
    assert!(signed_in("demo.example"));
    assert!(!signed_in("acme.localhost"));
}

#[test]
fn other_cookies_beside_the_session_do_no_harm() {
    let app = start();
    let cookie = app.cookie_of_new_user("demo.localhost", Role::Customer);
    let cookies = format!("a=b; {cookie}; c=\"d\"");
    let answer = app.get("/api/test/maybe").header("cookie", &cookies).send();
    assert_eq!(answer.json()["signedIn"], true);
    let unreadable = app.get("/api/test/maybe").header("cookie", "=;;=%zz;\u{1}").send();
    assert!(unreadable.status == 200 || unreadable.status == 400, "{unreadable:?}");
}
