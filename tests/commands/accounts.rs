use crate::harness::{Installation, until};

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_made_password_can_sign_in() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let made = installation.json("user create --tenant acme --email Jane@Acme.test --name Jane --role admin");
    assert_eq!(made["email"], "jane@acme.test");
    assert_eq!(made["role"], "ADMIN");
    assert_eq!(made["tenant"], "acme");
    assert_eq!(made["emailVerified"], false);
    let password = made["password"].as_str().unwrap();
    assert!(password.len() >= 20, "{password}");
    let stored = format!(
        "SELECT count(*) FROM users u WHERE u::text LIKE '%{password}%' OR password_hash NOT LIKE '$argon2id$%'"
    );
    assert_eq!(installation.count(&stored).await, 0, "only its hash is stored");

    let serving = installation.serve();
    let cookie = serving.log_in("acme.test", "jane@acme.test", password).await;
    let me = serving.get("acme.test", "/api/auth/me", &cookie).await.expect(200).json();
    assert_eq!(me["user"]["role"], "ADMIN");
    assert_eq!(me["tenant"]["slug"], "acme");
    let elsewhere = serde_json::json!({"email": "jane@acme.test", "password": password});
    serving.post("other.test", "/api/auth/login", "", &elsewhere).await.expect(401);

    let table = installation.run("user create --tenant acme --email joe@acme.test").expect(0);
    assert!(table.stdout.contains("password  ") && table.stderr.contains("the one time"), "{table:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_by_standard_input_and_is_not_shown() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let line = "user create --tenant acme --email jane@acme.test --email-verified --password-stdin --json";
    let made = installation.run_with_input(line, &format!("{PASSWORD}\r\nanother line\n")).expect(0);
    assert!(!made.stdout.contains("horse") && !made.stderr.contains("horse"), "{made:?}");
    let made = made.json();
    assert_eq!(made.get("password"), None);
    assert_eq!(made["emailVerified"], true);
    let serving = installation.serve();
    serving.log_in("acme.test", "jane@acme.test", PASSWORD).await;

    installation.run_with_input(line, PASSWORD).refused(1, &["the e-mail address is taken"]);
    let weak = installation.run_with_input(line, "qwertyuiop\n");
    assert!(!weak.stderr.contains("qwerty"));
    weak.refused(2, &["--password-stdin is too easy to guess"]);
    installation.run_with_input(line, "").refused(2, &["--password-stdin must have 10 to 128 characters"]);
    let wrong = "user create --tenant acme --email jane --name= --password-stdin";
    let wanted = ["--email must be", "--name must have", "--password-stdin must have"];
    installation.run_with_input(wrong, "short").refused(2, &wanted);
    let unknown = "user create --tenant nobody --email jane@acme.test";
    installation.run(unknown).refused(1, &["there is no tenant nobody"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_takes_effect_in_live_sessions_and_in_one_tenant_only() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    for tenant in ["acme", "other"] {
        let line = format!("user create --tenant {tenant} --email jane@example.com --password-stdin");
        installation.run_with_input(&line, PASSWORD).expect(0);
    }
    let serving = installation.serve();
    let here = serving.log_in("acme.test", "jane@example.com", PASSWORD).await;
    let there = serving.log_in("other.test", "jane@example.com", PASSWORD).await;
    let role = async |host: &str, cookie: &str| {
        serving.get(host, "/api/auth/me", cookie).await.expect(200).json()["user"]["role"].clone()
    };
    assert_eq!(role("acme.test", &here).await, "CUSTOMER");
    serving.get("acme.test", "/api/admin/bookings", &here).await.expect(403);

    let set = installation.json("user set-role --tenant acme --email Jane@Example.com ADMIN");
    assert_eq!((set["role"].as_str(), set["changed"].as_bool()), (Some("ADMIN"), Some(true)));
    until("the role is known", async || role("acme.test", &here).await == "ADMIN").await;
    serving.get("acme.test", "/api/admin/bookings", &here).await.expect(200);
    assert_eq!(role("other.test", &there).await, "CUSTOMER", "the same address is another user there");

    assert_eq!(
        installation.json("user set-role --tenant acme --email jane@example.com ADMIN")["changed"],
        false
    );
    let last = installation.run("user set-role --tenant acme --email jane@example.com customer").expect(0);
    assert!(last.stderr.contains("acme now has no ADMIN"), "{last:?}");
    until("the role is gone", async || role("acme.test", &here).await == "CUSTOMER").await;
    installation
        .run("user set-role --tenant acme --email joe@example.com ADMIN")
        .refused(1, &["no user has this e-mail address"]);
    installation.run("user set-role --tenant acme --email jane@example.com KING").refused(2, &["ADMIN"]);
}
