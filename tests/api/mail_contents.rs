//! What mails bear: the tenant's site and address, headers that every parser reads, and nothing that strangers may use
//! to speak in the shop's name.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, PASSWORD, Shop, token_in, until};

const RESET: &str = "/api/auth/request-password-reset";

async fn mails(shop: &Shop, count: usize) -> Vec<String> {
    until("the mails are there", async || shop.mails().len() == count).await;
    shop.mails()
}

/// The mails in the shop's folder, as Python's parser reads them.
fn parsed(shop: &Shop) -> Vec<Value> {
    let script = r#"
import email, email.policy, email.utils, json, pathlib, sys
mails = []
for path in pathlib.Path(sys.argv[1]).glob("*.eml"):
    data = path.read_bytes()
    mail = email.message_from_bytes(data, policy=email.policy.default)
    old = email.message_from_bytes(data)
    def people(name):
        header = mail[name]
        return [[one.display_name, one.addr_spec] for one in header.addresses]
    def old_address(name):
        return email.utils.getaddresses(old.get_all(name, []))
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"}
    defects = [str(defect) for name in ("from", "to", "reply-to", "subject") for defect in mail[name].defects]
    longest = 0
    for line in data.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        if not line.startswith(b" "):
            names_people = line.lower().startswith((b"from:", b"to:", b"reply-to:"))
        if names_people:
            longest = max(longest, len(line))
    mails.append({"from": people("from"), "to": people("to"), "replyTo": people("reply-to"),
                  "oldTo": [address for _, address in old_address("to")], "subject": mail["subject"],
                  "automatic": mail["auto-submitted"], "plain": parts["text/plain"], "html": parts["text/html"],
                  "defects": defects, "longest": longest})
print(json.dumps(mails))
"#;
    let output = Command::new("python3").args(["-c", script]).arg(shop.mail.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_wrote_is_neither_the_first_line_nor_a_link() {
    let shop = Shop::open().await;
    let name = "URGENT pay at https://evil.example/x or www.evil.example";
    let notes = "See https://notes.example/y";
    let booking = json!({"serviceSku": "call", "name": name, "email": "victim@example.com", "notes": notes});
    shop.post(0, DEMO, "/api/bookings", &booking).await.expect(201);
    let account = json!({"email": "victim@example.com", "password": PASSWORD, "name": name});
    shop.post(0, DEMO, "/api/auth/register", &account).await.expect(201);
    shop.post(0, DEMO, RESET, &json!({"email": "victim@example.com"})).await.expect(202);
    for mail in mails(&shop, 3).await {
        assert!(!mail.contains("evil.example") && !mail.contains("https://evil"), "{mail}");
        assert!(!mail.contains("notes.example"), "{mail}");
    }
    for mail in parsed(&shop) {
        assert_eq!(mail["plain"].as_str().unwrap().lines().next(), Some("Hello,"), "{mail}");
        for form in ["plain", "html"] {
            let text = mail[form].as_str().unwrap();
            assert!(!text.contains("evil.example") && !text.contains("://evil"), "{text}");
            let before_the_name = text.split("URGENT").next().unwrap();
            assert!(
                before_the_name.contains("Hello,") && before_the_name.contains("Demo") || form == "plain"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_greets_once_its_address_is_confirmed() {
    let shop = Shop::open().await;
    let account = json!({"email": "jane@example.com", "password": PASSWORD, "name": "Jane B. Doe"});
    shop.post(0, DEMO, "/api/auth/register", &account).await.expect(201);
    mails(&shop, 1).await;
    assert_eq!(parsed(&shop)[0]["plain"].as_str().unwrap().lines().next(), Some("Hello,"));
    let token = token_in(&shop, "https://front.example/verify-email").unwrap();
    shop.post(0, DEMO, "/api/auth/verify-email", &json!({"token": token})).await.expect(200);
    shop.post(0, DEMO, RESET, &json!({"email": "jane@example.com"})).await.expect(202);
    mails(&shop, 2).await;
    let greeted = |mail: &Value| mail["plain"].as_str().unwrap().lines().next() == Some("Hello Jane B. Doe,");
    assert!(parsed(&shop).iter().any(greeted));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_the_tenant_s_site_and_answers_to_its_address() {
    let shop = Shop::open().await;
    shop.execute(
        "UPDATE tenants SET site_url = 'https://shop.demo.example/en', reply_to = 'help@demo.example' WHERE slug = 'demo'",
    )
    .await;
    for (host, email) in [(DEMO, "jane@demo.example"), (ACME, "jane@acme.example")] {
        let account = json!({"email": email, "password": PASSWORD});
        shop.post(0, host, "/api/auth/register", &account).await.expect(201);
        shop.post(0, host, RESET, &json!({"email": email})).await.expect(202);
        let booking = json!({"serviceSku": "call", "name": "Jane", "email": email});
        shop.post(0, host, "/api/bookings", &booking).await.expect(201);
    }
    mails(&shop, 6).await;
    for mail in parsed(&shop) {
        let of_demo = mail["to"][0][1] == "jane@demo.example";
        let (site, answers, sender) = if of_demo {
            ("https://shop.demo.example/en/", "help@demo.example", "Demo")
        } else {
            ("https://front.example/", "shop@example.com", "Acme")
        };
        let plain = mail["plain"].as_str().unwrap();
        let links: Vec<&str> = plain.split_whitespace().filter(|word| word.contains("://")).collect();
        assert!(links.len() == 1 && links[0].starts_with(site), "{links:?}");
        assert!(mail["html"].as_str().unwrap().contains(&format!("href=\"{site}")), "{mail}");
        assert_eq!(mail["replyTo"], json!([["", answers]]));
        assert_eq!(mail["from"], json!([[sender, "shop@example.com"]]));
        assert_eq!(mail["automatic"], "auto-generated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_characters_are_read_by_mail_parsers() {
    let names = [
        "Jane Doe".to_owned(),
        "Doe, Jane (Acme); <jane>".to_owned(),
        r#"Jane "JD" Doe \ Co."#.to_owned(),
        "J. R. Smith".to_owned(),
        "Jane @ Acme: Sales".to_owned(),
        "Åsa Öberg".to_owned(),
        "山田 太郎".to_owned(),
        "Zoë \"Z\" <x@y.example>, (Ltd.)".to_owned(),
        "=?utf-8?q?already?=".to_owned(),
        "🦉".repeat(60),
        "a very long name of many words ".repeat(3).trim_end().to_owned(),
        "x".repeat(120),
        "undisclosed:;".to_owned(),
    ];
    let shop = Shop::open().await;
    for (number, name) in names.iter().enumerate() {
        // Each once as the shop's, and once as a customer's who has confirmed the address.
        let rename = sqlx::query("UPDATE tenants SET name = $1 WHERE slug = 'demo'").bind(name);
        rename.execute(&shop.pool).await.unwrap();
        let email = format!("jane-{number}@example.com");
        let account = json!({"email": email, "password": PASSWORD, "name": name});
        shop.post(0, DEMO, "/api/auth/register", &account).await.expect(201);
        let waiting = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'";
        until("the mail has left", async || shop.count(waiting).await == 0).await;
        shop.execute("UPDATE users SET email_verified_at = now()").await;
        shop.post(0, DEMO, RESET, &json!({"email": email})).await.expect(202);
        until("the mail has left", async || shop.count(waiting).await == 0).await;
    }
    let mails = parsed(&shop);
    assert_eq!(mails.len(), 2 * names.len());
    assert_eq!(shop.count("SELECT count(*) FROM outbox_messages WHERE status <> 'SENT'").await, 0);
    for (number, name) in names.iter().enumerate() {
        let email = format!("jane-{number}@example.com");
        let own: Vec<&Value> = mails.iter().filter(|mail| mail["to"][0][1] == email.as_str()).collect();
        assert_eq!(own.len(), 2, "{name}");
        for mail in &own {
            assert_eq!(mail["from"], json!([[name, "shop@example.com"]]));
            assert_eq!(mail["to"].as_array().unwrap().len(), 1, "{mail}");
            assert_eq!(mail["oldTo"], json!([email]), "as older programs read it");
            assert_eq!(mail["defects"], json!([]), "{name}");
            // RFC 5322, 2.1.1: must, and should where the name is not longer than that itself.
            let longest = if name.len() <= 39 { 78 } else { 998 };
            assert!(mail["longest"].as_u64().unwrap() <= longest, "{mail}");
        }
        let reset = own.iter().find(|mail| mail["subject"].as_str().unwrap().ends_with(": a new password"));
        assert_eq!(reset.unwrap()["to"], json!([[name, email]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_mailed_and_calendars_follow() {
    let shop = Shop::open().await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let body = json!({"serviceSku": "call", "name": "Jane <b>Doe</b>", "email": "Jane@Example.com",
                      "phone": "+44 20 7946 0000", "scheduledFor": "2027-01-31T14:00:00+02:00",
                      "notes": "By video,\nplease."});
    let booking = shop.post(0, DEMO, "/api/bookings", &body).await.expect(201).json()["booking"].clone();
    let reference = booking["bkgRef"].as_str().unwrap();
    let move_on = async |body: &Value| {
        let headers = [("content-type", "application/json"), ("cookie", admin.cookie.as_str())];
        let path = format!("/api/admin/bookings/{reference}");
        shop.send(0, Method::PATCH, DEMO, &path, &headers, Some(body.to_string())).await.expect(200)
    };
    let mail = |words: &str| {
        let subject = format!("Subject: Demo: booking {reference} {words}");
        shop.mails().into_iter().find(|mail| mail.contains(&subject))
    };
    until("the first mail is there", async || mail("received").is_some()).await;
    let received = mail("received").unwrap();
    assert!(
        received.contains("From: \"Demo\" <shop@example.com>")
            || received.contains("From: Demo <shop@example.com>"),
        "{received}"
    );
    assert!(received.contains("jane@example.com") && !received.contains("text/calendar"));
    assert!(received.contains("text/plain") && received.contains("text/html"));
    assert!(received.contains("Name: Jane &lt;b&gt;Doe&lt;/b&gt;"), "{received}");
    let link = format!("https://front.example/bookings/track?bkgRef={reference}&email=jane%40example.com");
    assert!(received.contains(&link), "{received}");

    let confirm = json!({"status": "CONFIRMED", "note": "Bring <tea>."});
    move_on(&confirm).await;
    until("the second mail is there", async || mail("confirmed").is_some()).await;
    let confirmed = mail("confirmed").unwrap();
    assert!(confirmed.contains("Bring &lt;tea&gt;."));
    for part in
        ["method=PUBLISH", "METHOD:PUBLISH", "DTSTART:20270131T120000Z", "SEQUENCE:2", "STATUS:CONFIRMED"]
    {
        assert!(confirmed.contains(part), "{part}: {confirmed}");
    }
    let uid = |mail: &str| mail.split("UID:").nth(1).unwrap().lines().next().unwrap().to_owned();
    move_on(&json!({"status": "CANCELLED"})).await;
    until("the third mail is there", async || mail("cancelled").is_some()).await;
    let cancelled = mail("cancelled").unwrap();
    for part in ["METHOD:CANCEL", "SEQUENCE:3", "STATUS:CANCELLED"] {
        assert!(cancelled.contains(part), "{part}: {cancelled}");
    }
    assert_eq!(uid(&confirmed), uid(&cancelled));
}
