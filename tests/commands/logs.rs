//! What is logged at the most talkative level, by a serving process and by the commands, while everything that the
//! product does is done: nothing secret, nothing personal, and nothing that somebody else made up to look like a line.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use primetech::dev::store::{ObjectStore, StoreOptions};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Installation, Serving, until};

const HOST: &str = "acme.test";
const FORGED: &str = "\n2026-11-21T00:00:00.000000Z  INFO forged: everything is fine\r\u{1b}[2K";

/// What must not be logged, each with what it is.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn keep(&mut self, what: &str, secret: &str) -> String {
        assert!(secret.len() >= 8, "{what} would be found by chance: {secret:?}");
        self.0.push((what.to_owned(), secret.to_owned()));
        secret.to_owned()
    }

    fn of(&mut self, what: &str, value: &Value) -> String {
        self.keep(what, value.as_str().unwrap())
    }

    fn found_in<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut found = Vec::new();
        for line in lines {
            for (what, secret) in &self.0 {
                if line.to_lowercase().contains(&secret.to_lowercase()) {
                    found.push(format!("{what} in: {}", line.chars().take(600).collect::<String>()));
                }
            }
        }
        found
    }
}

struct Shop {
    installation: Installation,
    serving: Serving,
    stripe: StripeStandIn,
    lines: Arc<Mutex<Vec<String>>>,
    _store: ObjectStore,
}

impl Shop {
    async fn open(secrets: &mut Secrets) -> Self {
        let installation = Installation::new().await;
        installation.with_two_tenants().await;
        let stripe_key = secrets.keep("the Stripe key", "sk_test_logsKey");
        let webhook_secret = secrets.keep("the webhook secret", "whsec_logsSecret");
        let access_key = secrets.keep("the store's key id", "StoreAccessLogs");
        let secret_key = secrets.keep("the store's secret", "store-secret-of-logs");
        let session_secret = secrets.keep("the session secret", "session-secret-of-the-logs-test-run");
        let url: url::Url = installation.database_url.parse().unwrap();
        secrets.keep("the database's password", url.password().unwrap());
        let folder = installation.folder.path();
        std::fs::create_dir(folder.join("stripe")).unwrap();
        let settings = StandInConfig::new(
            folder.join("stripe"),
            stripe_key.as_str().into(),
            webhook_secret.as_str().into(),
        );
        let stripe = StripeStandIn::start(settings).await.unwrap();
        let store = ObjectStore::start(StoreOptions {
            root: folder.join("objects"),
            port: None,
            access_key: access_key.clone(),
            secret_key: secret_key.as_str().into(),
            bucket: "private".to_owned(),
        });
        let store = store.await.unwrap();
        let changes = [
            ("RUST_LOG", "trace".to_owned()),
            ("STRIPE_SECRET_KEY", stripe_key),
            ("STRIPE_WEBHOOK_SECRET", webhook_secret),
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", secret_key),
            ("SESSION_SECRET", session_secret),
            ("S3_ENDPOINT", store.endpoint()),
            ("RATE_LIMIT", "on".to_owned()),
        ];
        for (name, value) in installation.variables("") {
            if name == "LICENCE_SIGNING_KEY" {
                secrets.keep("the signing key", &value);
            }
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let tell = move |line| told.lock().unwrap().push(line);
        let serving = installation.serve_logging(stripe.base_url(), &changes, tell);
        stripe.set_webhook_endpoint(&format!("http://{}/api/webhooks/stripe", serving.address)).unwrap();
        Self { installation, serving, stripe, lines, _store: store }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    async fn post(&self, path: &str, cookie: &str, body: &Value) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("cookie", cookie),
            ("user-agent", "forged\u{9}agent"),
            ("idempotency-key", "key-of-the-logs-test"),
        ];
        self.serving.send(Method::POST, HOST, path, &headers, Some(body.to_string())).await
    }

    async fn mailed(&self, page: &str) -> String {
        let find = || {
            let files = std::fs::read_dir(self.installation.folder.path().join("mail")).ok()?;
            let mails = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
            let texts = mails.map(|mail| mail.replace("=\r\n", "").replace("=3D", "="));
            let mail = texts.into_iter().find(|mail| mail.contains(page))?;
            let token = mail.split(page).nth(1)?.strip_prefix("?token=")?;
            Some(
                token
                    .chars()
                    .take_while(|it| it.is_ascii_alphanumeric() || "-_".contains(*it))
                    .collect::<String>(),
            )
        };
        until("the mail is there", async || find().is_some()).await;
        find().unwrap()
    }

    /// A command, told to log all; what it writes to standard output is its answer and may well hold a secret.
    fn run(&self, line: &str) -> (String, String) {
        let output = self
            .installation
            .program()
            .env("RUST_LOG", "trace")
            .args(line.split_whitespace())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_nothing_personal_is_logged_at_any_level() {
    let mut secrets = Secrets::default();
    let shop = Shop::open(&mut secrets).await;
    let mut told_by_commands = Vec::new();

    // An account: sign-up, confirmation, a forgotten password, failures, and the sign-in.
    let email = secrets.keep("an address", "jane.of.the.logs@customers.example");
    let name = secrets.keep("a name", "Jane Logs-Test");
    let old = secrets.keep("a password", "the first password of jane");
    let new = secrets.keep("a new password", "the second password of jane");
    let wrong = secrets.keep("a wrong password", "the wrong password of jane");
    let account = json!({"email": email, "password": old, "name": name});
    let registered = shop.post("/api/auth/register", "", &account).await.expect(201);
    let first = registered.cookie.unwrap();
    secrets.keep("a cookie", first.split_once('=').unwrap().1);
    shop.post("/api/auth/register", "", &account).await.expect(409);
    let token = shop.mailed("/verify-email").await;
    secrets.keep("a token", &token);
    shop.post("/api/auth/verify-email", "", &json!({"token": token})).await.expect(200);
    shop.post("/api/auth/request-password-reset", "", &json!({"email": email})).await.expect(202);
    let token = shop.mailed("/reset-password").await;
    secrets.keep("a reset token", &token);
    shop.post("/api/auth/reset-password", "", &json!({"token": token, "password": new})).await.expect(204);
    shop.post("/api/auth/login", "", &json!({"email": email, "password": wrong})).await.expect(401);
    let log_in = json!({"email": email, "password": new});
    let cookie = shop.post("/api/auth/login", "", &log_in).await.expect(200).cookie.unwrap();
    secrets.keep("a cookie", cookie.split_once('=').unwrap().1);

    // A purchase, paid through the provider; its documents; the licence on a device.
    let cart = json!({"items": [{"sku": "editor", "quantity": 1}]});
    let started = shop.post("/api/checkout/start", &cookie, &cart).await.expect(201).json();
    let session = secrets.of("a session of the provider", &started["checkout"]["sessionId"]);
    let pay = format!("{}/_standin/sessions/{session}/pay", shop.stripe.base_url().trim_end_matches('/'));
    let paid = reqwest::Client::new().post(pay).json(&json!({"outcome": "paid"})).send().await.unwrap();
    assert!(paid.status().is_success(), "{}", paid.text().await.unwrap());
    let licence = async || {
        let licences = shop.serving.get(HOST, "/api/licences", &cookie).await.expect(200).json();
        licences["items"][0]["key"].as_str().map(str::to_owned)
    };
    until("it is paid", async || licence().await.is_some()).await;
    let key = secrets.keep("a licence key", &licence().await.unwrap());
    let invoice = started["invoice"]["number"].as_str().unwrap();
    let pdf =
        shop.post(&format!("/api/invoices/{invoice}/pdf"), &cookie, &json!({})).await.expect(200).json();
    let url: url::Url = pdf["url"].as_str().unwrap().parse().unwrap();
    let signature = url.query_pairs().find(|(name, _)| name == "X-Amz-Signature").unwrap().1.into_owned();
    secrets.keep("a signature", &signature);
    let device = json!({"licKey": key, "fingerprint": secrets.keep("a fingerprint", "mac:of-the-logs-test"),
        "deviceName": secrets.keep("a device", "Janes own laptop")});
    let activated = shop.post("/api/licences/activate", "", &device).await.expect(201).json();
    secrets.of("a certificate", &activated["certificate"]);
    shop.post("/api/licences/validate", "", &device).await.expect(200);
    shop.serving.get(HOST, &format!("/api/licences/{key}"), &cookie).await.expect(200);
    shop.post("/api/licences/deactivate", "", &device).await.expect(200);
    for number in 0..22 {
        let guess = json!({"licKey": format!("LIC-GUES-SEDX-{number:04}")});
        shop.post("/api/licences/validate", "", &guess).await.expect(200);
    }
    secrets.keep("a guessed key", "LIC-GUES-SEDX");

    // A booking, and one that PostgreSQL refuses with the whole row in what it says.
    let booking = json!({"serviceSku": "call", "name": name, "email": email, "phone": secrets.keep("a number", "+49 30 1234567"),
        "notes": secrets.keep("a note", "please ring twice at the back door")});
    let booked = shop.post("/api/bookings", "", &booking).await.expect(201).json();
    let reference = booked["booking"]["bkgRef"].as_str().unwrap();
    let track = format!("/api/bookings/track?bkgRef={reference}&email={}", email.replace('@', "%40"));
    shop.serving.get(HOST, &track, "").await.expect(200);
    shop.installation.execute("ALTER TABLE bookings ADD CONSTRAINT no_more CHECK (phone IS NOT NULL)").await;
    let refused = json!({"serviceSku": "call", "name": name, "email": email});
    let headers = [("content-type", "application/json")];
    let refused =
        shop.serving.send(Method::POST, HOST, "/api/bookings", &headers, Some(refused.to_string())).await;
    refused.expect(500);
    // The provider fails, and says the key that it was asked with.
    shop.post("/api/webhooks/stripe", "", &json!({"id": "evt_unsigned"})).await.expect(400);

    // The operator.
    let (made, stderr) =
        shop.run("user create --tenant acme --email admin.of.the.logs@acme.example --role ADMIN --json");
    told_by_commands.push(stderr);
    let made: Value = serde_json::from_str(&made).unwrap();
    let admin_email = secrets.keep("an administrator", "admin.of.the.logs@acme.example");
    let password = secrets.of("a made password", &made["password"]);
    let log_in = json!({"email": admin_email, "password": password});
    let admin = shop.post("/api/auth/login", "", &log_in).await.expect(200).cookie.unwrap();
    secrets.keep("a cookie", admin.split_once('=').unwrap().1);
    let headers = [("content-type", "application/json"), ("cookie", admin.as_str())];
    let moved = json!({"status": "CONFIRMED", "note": secrets.keep("an internal note", "a difficult customer, this one")});
    let path = format!("/api/admin/bookings/{reference}");
    shop.serving.send(Method::PATCH, HOST, &path, &headers, Some(moved.to_string())).await.expect(200);
    shop.serving.get(HOST, &format!("/api/admin/bookings?q={email}"), &admin).await.expect(200);
    for line in [
        "licence issue --tenant acme --sku editor --days 30 --json".to_owned(),
        format!("licence show --tenant acme {key} --json"),
        format!("licence revoke --tenant acme {key} --json"),
        "webhook list --json".to_owned(),
        "tenant list --json".to_owned(),
        "audit verify --tenant acme --json".to_owned(),
    ] {
        told_by_commands.push(shop.run(&line).1);
    }
    shop.post("/api/auth/logout", &cookie, &json!({})).await.expect(204);
    let settled = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'";
    until("all mails are sent", async || shop.installation.count(settled).await == 0).await;

    let lines = shop.lines();
    let all = lines.iter().map(String::as_str).chain(told_by_commands.iter().map(String::as_str));
    let found = secrets.found_in(all);
    assert!(found.is_empty(), "{} places, such as {:#?}", found.len(), &found[..found.len().min(12)]);
    // That there was something to look through, and that what an operator needs is in it.
    assert!(lines.len() > 200, "{}", lines.len());
    let alarms = lines.iter().filter(|line| line.contains("asks for licence keys that nobody has")).count();
    assert_eq!(alarms, 1, "the alarm is told once");
    assert!(
        lines.iter().any(|line| line.contains("ERROR") && line.contains("no_more")),
        "the failure is told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_write_lines_of_their_own_into_the_log() {
    let mut secrets = Secrets::default();
    let shop = Shop::open(&mut secrets).await;
    let body = json!({"email": FORGED, "password": FORGED, "name": FORGED});
    shop.post("/api/auth/register", "", &body).await.expect(400);
    let body = json!({"email": "eve@example.com", "password": format!("{FORGED} and more"), "name": "Eve"});
    let cookie = shop.post("/api/auth/register", "", &body).await.expect(201).cookie.unwrap();
    for (path, body) in [
        ("/api/checkout/start", json!({"items": [{"sku": FORGED, "quantity": 1}], "successUrl": FORGED})),
        ("/api/licences/activate", json!({"licKey": FORGED, "fingerprint": FORGED, "deviceName": FORGED})),
        ("/api/bookings", json!({"serviceSku": FORGED, "name": FORGED, "email": FORGED, "notes": FORGED})),
    ] {
        let answer = shop.post(path, &cookie, &body).await;
        assert!(answer.status.is_client_error(), "{path}: {answer:?}");
    }
    // What ends in the log in the end: an event's own words, and the name that PostgreSQL or the provider repeats.
    let booking = json!({"serviceSku": "call", "name": "Eve", "email": "eve@example.com", "notes": FORGED.replace('\u{1b}', "")});
    shop.installation.execute("ALTER TABLE bookings ADD CONSTRAINT no_more CHECK (false) NOT VALID").await;
    shop.post("/api/bookings", &cookie, &booking).await.expect(500);
    let encoded = "%0A2026-11-21T00:00:00Z%20%20INFO%20forged:%20everything%0D%1B[2K";
    for path in
        [format!("/{encoded}"), format!("/api/orders/{encoded}"), format!("/api/orders?cursor={encoded}")]
    {
        shop.serving.get(HOST, &path, &cookie).await;
    }
    let headers = [
        ("x-request-id", "forged: INFO"),
        ("x-forwarded-for", "forged, 1.2.3.4"),
        ("origin", "https://forged\u{9}INFO"),
    ];
    for method in ["GET", "FORGED"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        shop.serving.send(method, HOST, "/api/auth/me", &headers, None).await;
    }
    let last = async || {
        shop.lines().iter().any(|line| line.contains("method=\"FORGED\"") || line.contains("FORGED"))
    };
    until("the last one is logged", last).await;
    for line in shop.lines() {
        let bytes = line.as_bytes();
        let is_dated = bytes.len() > 20 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-';
        assert!(!line.contains('\r') && !line.contains('\u{1b}'), "{line:?}");
        assert!(
            is_dated && !line[20..].starts_with("forged"),
            "a line that nobody of ours has begun: {line:?}"
        );
        assert!(!line.contains("INFO forged:"), "{line:?}");
    }
}
