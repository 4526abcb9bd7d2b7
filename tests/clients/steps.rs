//! The steps that each client is walked through. What is offline here is a proxy between it and the shop.

use std::time::Duration;

use serde_json::{Value, json};

use crate::certificates;
use crate::client::{Device, Language};
use crate::proxy::{Proxy, Way};
use crate::world::{World, text};

/// A client of one language, the shop, and what stands between them.
struct Walk {
    world: World,
    proxy: Proxy,
    program: Vec<String>,
}

impl Walk {
    /// A device that was never used. Fingerprints are told apart by their first words.
    fn device(&self, name: &str) -> Device {
        Device::new(&self.program, &self.proxy.base, &format!("{name}:0123456789abcdef"))
    }

    /// A device with an active licence.
    async fn licensed(&self, name: &str) -> (Device, crate::world::Bought) {
        let (device, bought) = (self.device(name), self.world.buy("editor-pro").await);
        device.activate(&bought.key).await.expect("LICENSED", "VALID");
        (device, bought)
    }

    fn online(&self) {
        self.proxy.set([], Way::Pass);
    }

    /// The network wants someone to sign in: told at once that it is not the shop.
    fn offline(&self) {
        self.proxy.set([], Way::sign_in_page());
    }
}

pub async fn walk(language: Language) {
    let Some(program) = language.program() else { return };
    let world = World::start().await;
    let proxy = Proxy::before(world.address());
    let mut walk = Walk { world, proxy, program };
    what_is_no_licence_of_this_program_is_refused(&walk).await;
    a_licence_is_activated_once_and_kept_safely(&walk).await;
    without_the_shop_the_certificate_decides(&walk).await;
    what_was_tampered_with_proves_nothing(&walk).await;
    with_keys_built_in_no_other_is_believed(&walk).await;
    failures_on_the_way_are_survived(&walk).await;
    what_the_shop_says_ends_a_licence(&walk).await;
    a_device_is_left_for_another(&walk).await;
    limits_are_obeyed(&mut walk).await;
}

async fn what_is_no_licence_of_this_program_is_refused(walk: &Walk) {
    let device = walk.device("refused");
    walk.online();
    device.check().await.expect("REFUSED", "NO_LICENCE");
    device.deactivate().await.expect("REFUSED", "NO_LICENCE");
    for nonsense in ["nonsense", "LIC-AAAA-AAAA", "LIC-AAAA-AAAA-AAAA-AAAA", "LIC-ÄAAA-AAAA-AAAA", ""] {
        device.activate(nonsense).await.expect("REFUSED", "MALFORMED_KEY");
    }
    assert_eq!(walk.proxy.seen(), Vec::<String>::new(), "what cannot be a key is not asked about");
    device.activate("LIC-AAAA-AAAA-AAAA").await.expect("REFUSED", "LICENCE_NOT_FOUND");
    let expired = text(&walk.world.shop()["licences"][0]["key"]);
    device.activate(expired).await.expect("REFUSED", "LICENCE_EXPIRED");
    let other = walk.world.buy("editor-pro-eur").await;
    device.activate(&other.key).await.expect("REFUSED", "WRONG_PRODUCT");
    let licence = walk.world.licence(&other.key).await;
    assert_eq!(licence["activation"], Value::Null, "it is not taken up by the wrong program");
    assert!(!device.file().exists());
}

async fn a_licence_is_activated_once_and_kept_safely(walk: &Walk) {
    let device = walk.device("laptop");
    let bought = walk.world.buy("editor-pro").await;
    walk.online();
    let entered = format!("  {} ", bought.key.to_lowercase());
    let activated = device.activate(&entered).await;
    activated.expect("LICENSED", "VALID").without_warning();
    let licence = walk.world.licence(&bought.key).await;
    assert_eq!(licence["activation"]["fingerprint"], device.fingerprint.as_str());
    assert_eq!(licence["activation"]["deviceName"], "Jane's laptop");
    assert!(device.is_private());
    let certificate = device.stored()["certificate"].clone();
    let (_, claims, _) = certificates::parts(text(&certificate));
    assert_eq!(activated.document["until"], claims["exp"]);

    let checked = device.check().await;
    checked.expect("LICENSED", "VALID").without_warning();
    assert!(checked.took < Duration::from_secs(5), "{checked:?}");
    device.activate(&bought.key).await.expect("LICENSED", "VALID");
    assert_eq!(walk.world.licence(&bought.key).await["activation"], licence["activation"]);
    let second = walk.device("desktop");
    second.activate(&bought.key).await.expect("REFUSED", "LICENCE_MAX_ACTIVATIONS");
    assert!(!second.file().exists());
    for said in [activated, checked] {
        assert!(!said.all.contains(&bought.key), "a key is not for logs: {said:?}");
        assert_eq!(said.document["licence"], format!("LIC-****-****-{}", &bought.key[14..]));
    }
    // A disk that takes nothing: the licence holds, and the user is told.
    let broken = walk.device("laptop");
    std::fs::write(broken.file().parent().unwrap(), "a file, where a folder should be").unwrap();
    broken.activate(&bought.key).await.expect("LICENSED", "VALID").warns("could not be stored");
}

async fn without_the_shop_the_certificate_decides(walk: &Walk) {
    walk.online();
    let (device, _) = walk.licensed("traveller").await;
    walk.proxy.set([], Way::Cut);
    let offline = device.check().await;
    offline.expect("LICENSED_OFFLINE", "OFFLINE").without_warning();
    assert!(offline.took < Duration::from_secs(8), "a program starts without its shop: {offline:?}");
    assert_eq!(walk.proxy.seen().len(), 3);
    let nobody = Device { base: "http://127.0.0.1:1".to_owned(), ..walk.device("nobody") };
    nobody.activate("LIC-AAAA-AAAA-AAAA").await.expect("UNREACHABLE", "OFFLINE");

    walk.offline();
    device.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    let elsewhere = "location: http://127.0.0.1:1/\r\n";
    walk.proxy.set([], Way::answer("302 Found", elsewhere, ""));
    device.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    walk.proxy.set(
        [],
        Way::answer("200 OK", "", &format!("{{\"code\": \"VALID\", \"x\": \"{}\"}}", "x".repeat(70_000))),
    );
    device.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    walk.offline();
    // The certificate is good for thirty days, and three more with a warning.
    device.check_at(29).await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP").without_warning();
    device.check_at(0).await.expect("REFUSED", "CLOCK_TURNED_BACK");
    device.check_at(31).await.expect("GRACE", "NOT_THE_SHOP").warns("Connect to the internet before");
    device.check_at(34).await.expect("REFUSED", "OFFLINE_TOO_LONG");

    // Asked, the shop tells the time: what the clock said before is forgotten.
    walk.online();
    let corrected = device.check_at(34).await;
    corrected.expect("LICENSED", "VALID").warns("The clock of this device is wrong");
    walk.offline();
    device.check_at(0).await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    device.check_at(-2).await.expect("REFUSED", "CLOCK_TURNED_BACK");

    // The licence's own end is no matter of grace.
    let state = device.stored();
    let seen = state["lastSeen"].as_i64().unwrap();
    let mut ends = state.clone();
    ends["licenceEnds"] = json!(seen + 86_400);
    device.store(&ends);
    device.check_at(0).await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    device.check_at(2).await.expect("REFUSED", "LICENCE_EXPIRED");
}

async fn what_was_tampered_with_proves_nothing(walk: &Walk) {
    walk.online();
    let (device, bought) = walk.licensed("tampered").await;
    let state = device.stored();
    let genuine = text(&state["certificate"]).to_owned();
    let (_, claims, _) = certificates::parts(&genuine);
    walk.offline();
    let another_product = certificates::forged(&genuine, &[("productSku", json!("icon-pack"))]);
    let another_shop = certificates::forged(&genuine, &[("tenant", json!("acme"))]);
    let another_device = certificates::forged(&genuine, &[("fingerprint", json!("another:0123456789"))]);
    let another_licence = certificates::forged(&genuine, &[("licKey", json!("LIC-AAAA-AAAA-AAAA"))]);
    let timeless = certificates::forged(&genuine, &[("exp", json!("never"))]);
    let kept = json!({"keys": state["keys"]});
    let (of_a_stranger, _) = certificates::forged(&genuine, &[]);
    let longer = json!(claims["exp"].as_i64().unwrap() + 86_400 * 365);
    let forgeries = [
        (certificates::with_another_signature(&genuine), kept["keys"].clone()),
        (certificates::with_twisted_signature(&genuine), kept["keys"].clone()),
        (certificates::with_claim(&genuine, "exp", longer), kept["keys"].clone()),
        (certificates::with_header(&genuine, "alg", json!("none")), kept["keys"].clone()),
        (certificates::with_header(&genuine, "kid", json!("another")), kept["keys"].clone()),
        (of_a_stranger, kept["keys"].clone()),
        (format!("{}.", genuine.rsplit_once('.').unwrap().0), kept["keys"].clone()),
        (format!("{genuine}.{genuine}"), kept["keys"].clone()),
        ("nonsense".to_owned(), kept["keys"].clone()),
        (genuine.clone(), json!([])),
        (genuine.clone(), json!([{"kty": "OKP", "crv": "Ed25519", "kid": "x"}, {}])),
        // Signed by keys that are stored, and not for this program here.
        (another_product.0, json!([another_product.1])),
        (another_shop.0, json!([another_shop.1])),
        (another_device.0, json!([another_device.1])),
        (another_licence.0, json!([another_licence.1])),
        (timeless.0, json!([timeless.1])),
    ];
    for (at, (certificate, keys)) in forgeries.into_iter().enumerate() {
        let mut forged = state.clone();
        forged["certificate"] = certificate.into();
        forged["keys"] = keys;
        device.store(&forged);
        let said = device.check().await;
        assert_eq!(said.document["code"], "CERTIFICATE_INVALID", "forgery {at}: {said:?}");
        said.expect("REFUSED", "CERTIFICATE_INVALID");
    }
    // Copied to another machine.
    let copy = walk.device("copied");
    std::fs::create_dir(copy.file().parent().unwrap()).unwrap();
    copy.store(&state);
    copy.check().await.expect("REFUSED", "CERTIFICATE_INVALID");
    // Torn, as by another program: as if it were not there.
    for torn in ["", "{\"licKey\": \"LIC-", "[]", "null", "{\"licKey\": 7}", "{\"licKey\": \"nonsense\"}"] {
        std::fs::write(device.file(), torn).unwrap();
        device.check().await.expect("REFUSED", "NO_LICENCE");
    }
    // With the shop at hand it is mended.
    walk.online();
    let mut forged = state.clone();
    forged["certificate"] = certificates::with_another_signature(&genuine).into();
    device.store(&forged);
    device.check().await.expect("LICENSED", "VALID");
    walk.offline();
    device.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    walk.online();
    copy.check().await.expect("REFUSED", "FINGERPRINT_MISMATCH");
    assert_eq!(
        walk.world.licence(&bought.key).await["activation"]["fingerprint"],
        device.fingerprint.as_str()
    );
}

async fn with_keys_built_in_no_other_is_believed(walk: &Walk) {
    walk.online();
    let (mut device, bought) = walk.licensed("pinned").await;
    let file = device.folder.path().join("keys.json");
    std::fs::write(&file, walk.world.published_keys().await.to_string()).unwrap();
    device.options = vec!["--trusted-keys".to_owned(), file.to_str().unwrap().to_owned()];
    let state = device.stored();
    let (certificate, jwk) = certificates::forged(text(&state["certificate"]), &[]);
    let mut forged = state.clone();
    (forged["certificate"], forged["keys"]) = (certificate.into(), json!([jwk]));
    device.store(&forged);
    walk.offline();
    device.check().await.expect("REFUSED", "CERTIFICATE_INVALID");
    // Without keys of its own, a program believes those that are stored: what the guide warns of.
    let trusting = Device { options: vec![], ..walk.device("pinned") };
    std::fs::create_dir(trusting.file().parent().unwrap()).unwrap();
    trusting.store(&forged);
    trusting.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");

    walk.online();
    device.check().await.expect("LICENSED", "VALID");
    // A new key that the program was not built with: the certificate that is here holds until it ends. The date makes
    // that one old enough to be renewed.
    let date = "date: Fri, 31 Dec 2055 23:59:59 GMT\r\n";
    let valid = json!({"code": "VALID", "valid": true, "licence": {"productSku": "editor-pro"}});
    let renewed = json!({"certificate": forged["certificate"]});
    let answers = [valid, renewed].map(|body| Way::answer("200 OK", date, &body.to_string()));
    walk.proxy.set(answers, Way::Cut);
    device.check().await.expect("LICENSED_OFFLINE", "CERTIFICATE_INVALID");
    walk.online();
    // The shop signs with a key that this program does not know: its word alone is not enough.
    std::fs::write(&file, json!({"keys": [jwk]}).to_string()).unwrap();
    device.check().await.expect("REFUSED", "CERTIFICATE_INVALID");
    device.activate(&bought.key).await.expect("REFUSED", "CERTIFICATE_INVALID");
}

async fn failures_on_the_way_are_survived(walk: &Walk) {
    walk.online();
    let bought = walk.world.buy("editor-pro").await;
    let device = walk.device("patient");
    // Validated; the activation happens, its answer is lost; overloaded; cut; then it is told of the first one.
    let ways = [Way::Pass, Way::LoseAnswer, Way::overloaded("1"), Way::Cut];
    walk.proxy.set(ways, Way::Pass);
    let said = device.activate(&bought.key).await;
    said.expect("LICENSED", "VALID");
    assert!(said.took >= Duration::from_secs(1), "Retry-After is waited for: {said:?}");
    let seen = walk.proxy.seen();
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(seen[1].starts_with("/api/licences/activate "), "{seen:?}");
    assert!(seen[1..5].iter().all(|request| *request == seen[1]), "each try is the same request: {seen:?}");
    assert!(seen[5].starts_with("/.well-known/licence-keys.json"), "{seen:?}");

    // Longer than a user waits for a program to start: told, and not asked again.
    walk.proxy.set([], Way::overloaded("3600"));
    let said = device.check().await;
    said.expect("LICENSED_OFFLINE", "OVERLOADED");
    assert!(said.took < Duration::from_secs(4) && walk.proxy.seen().len() == 1, "{said:?}");
    assert!(said.document["retry_after"] == 3600 || said.document["retryAfter"] == 3600, "{said:?}");
    // The form of a date, and one that is none.
    walk.proxy.set([], Way::overloaded("Fri, 31 Dec 2055 23:59:59 GMT"));
    device.check().await.expect("LICENSED_OFFLINE", "OVERLOADED");
    assert_eq!(walk.proxy.seen().len(), 1);
    walk.proxy.set([Way::overloaded("soon")], Way::Pass);
    device.check().await.expect("LICENSED", "VALID");

    // A shop that is shut is no reason to take a licence away.
    let closed =
        r#"{"error":{"code":"TENANT_INACTIVE","message":"","details":{"fieldErrors":{},"meta":{}}}}"#;
    walk.proxy.set([], Way::answer("403 Forbidden", "", closed));
    device.check().await.expect("LICENSED_OFFLINE", "TENANT_INACTIVE");
    walk.proxy.set([], Way::answer("404 Not Found", "", "nothing here"));
    device.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    device.deactivate().await.expect("UNREACHABLE", "NOT_THE_SHOP");
    assert!(device.file().exists(), "what the shop has not freed stays");
}

async fn what_the_shop_says_ends_a_licence(walk: &Walk) {
    walk.online();
    let (device, bought) = walk.licensed("disputed").await;
    walk.world.dispute(&bought, "create").await;
    device.check().await.expect("REFUSED", "LICENCE_SUSPENDED");
    walk.offline();
    device.check().await.expect("UNREACHABLE", "NOT_THE_SHOP");
    walk.online();
    device.activate(&bought.key).await.expect("REFUSED", "LICENCE_SUSPENDED");
    walk.world.dispute(&bought, "won").await;
    device.check().await.expect("LICENSED", "VALID");
    walk.offline();
    device.check().await.expect("LICENSED_OFFLINE", "NOT_THE_SHOP");
    walk.online();
    walk.world.refund(&bought).await;
    device.check().await.expect("REFUSED", "LICENCE_REVOKED");
    device.activate(&bought.key).await.expect("REFUSED", "LICENCE_REVOKED");
}

async fn a_device_is_left_for_another(walk: &Walk) {
    walk.online();
    let (first, bought) = walk.licensed("first").await;
    let second = walk.device("second");
    // Freed by the owner: the old device does not take it up again by itself.
    walk.world.free(&bought.key).await;
    first.check().await.expect("REFUSED", "NOT_ACTIVATED");
    assert_eq!(walk.world.licence(&bought.key).await["activation"], Value::Null);
    second.activate(&bought.key).await.expect("LICENSED", "VALID");
    first.check().await.expect("REFUSED", "FINGERPRINT_MISMATCH");
    // Freed by the device, though the answer is lost at first.
    walk.proxy.set([Way::LoseAnswer], Way::Pass);
    second.deactivate().await.expect("DEACTIVATED", "DEACTIVATED");
    assert_eq!(walk.proxy.seen().len(), 2);
    assert!(!second.file().exists());
    assert_eq!(walk.world.licence(&bought.key).await["activation"], Value::Null);
    second.check().await.expect("REFUSED", "NO_LICENCE");
    first.activate(&bought.key).await.expect("LICENSED", "VALID");
}

async fn limits_are_obeyed(walk: &mut Walk) {
    walk.online();
    let (mut device, _) = walk.licensed("hasty").await;
    let strict = Proxy::before(walk.world.strict());
    device.base.clone_from(&strict.base);
    // The minute may turn between two calls: then the second passes as well.
    let mut limited = None;
    for _ in 0..3 {
        strict.set([], Way::Pass);
        let said = device.check().await;
        if said.document["code"] == "RATE_LIMITED" {
            limited = Some(said);
            break;
        }
        said.expect("LICENSED", "VALID");
    }
    let said = limited.expect("the second call of a minute is refused");
    // Waited for where the minute is about to turn, and else not asked again.
    said.expect("LICENSED_OFFLINE", "RATE_LIMITED");
    assert!(strict.seen().len() <= 2, "{:?}", strict.seen());
}
