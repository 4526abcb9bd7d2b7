//! A tenant without a module: for each module that may be switched off, all its endpoints answer as if they were not
//! there, to that tenant alone, until it is switched on again.

use std::collections::BTreeSet;

use primetech::compose::{codes, description, endpoints};
use primetech::openapi::document;
use primetech::routes::{Endpoint, Expects};
use reqwest::Method;

use crate::harness::{ACME, Answer, DEMO, Shop, until};
use crate::isolation::{call, furnish};

fn switchable() -> BTreeSet<&'static str> {
    description().modules.iter().filter(|module| module.switchable).map(|module| module.name).collect()
}

async fn switch(shop: &Shop, slug: &str, module: &str, on: bool) {
    let array = if on { "array_remove" } else { "array_append" };
    shop.execute(&format!(
        "UPDATE tenants SET switched_off_modules = {array}(switched_off_modules, '{module}') WHERE slug = '{slug}'"
    ))
    .await;
}

/// Whether that is what nobody has.
fn is_not_there(answer: &Answer) -> bool {
    answer.status == 404 && answer.code() == "NOT_FOUND"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_switched_off_is_not_there_for_that_tenant_alone() {
    let shop = Shop::open().await;
    let (owner, known) = furnish(&shop).await;
    shop.make_admin(&owner).await;
    let document = document(&endpoints(), &codes());
    let modules = switchable();
    assert!(modules.contains("bookings"), "{modules:?}");
    for module in modules {
        let all = endpoints();
        let of_module: Vec<&Endpoint> = all
            .iter()
            .filter(|endpoint| endpoint.module == Some(module) && endpoint.expects == Expects::TenantAndJson)
            .collect();
        assert!(!of_module.is_empty(), "{module}");
        // Asked for what the shop has, without a body: nothing is done that could be done once only.
        let ask = async |endpoint: &Endpoint, host| {
            let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
            let visitor = (host == DEMO).then_some(&owner);
            call(&shop, endpoint, host, visitor, &known.path(endpoint, operation, true), None).await
        };
        let answers = async |host| {
            let mut answers = Vec::new();
            for endpoint in &of_module {
                // What a success says differs from call to call: a signed URL has its time.
                let answer = ask(endpoint, host).await;
                let code = if answer.status.is_success() { String::new() } else { answer.code() };
                answers.push((endpoint.path, answer.status, code));
            }
            answers
        };
        let (before, others_before) = (answers(DEMO).await, answers(ACME).await);
        switch(&shop, "demo", module, false).await;
        let first = of_module[0];
        until("the switch is heard", async || is_not_there(&ask(first, DEMO).await)).await;
        for endpoint in &of_module {
            let answer = ask(endpoint, DEMO).await;
            assert!(is_not_there(&answer), "{} {}: {}", endpoint.method, endpoint.path, answer.text);
            let other_method = shop.send(0, Method::TRACE, DEMO, endpoint.path, &[], None).await;
            assert_eq!(other_method.status, 404, "no word of {} either", endpoint.path);
        }
        assert_eq!(answers(ACME).await, others_before, "{module} is there for others");
        let others = all.iter().filter(|endpoint| {
            endpoint.module != Some(module)
                && endpoint.expects == Expects::TenantAndJson
                && endpoint.method == Method::GET.as_str()
                && !endpoint.path.contains('{')
        });
        for endpoint in others {
            assert_ne!(ask(endpoint, DEMO).await.status, 404, "{} is of another module", endpoint.path);
        }
        switch(&shop, "demo", module, true).await;
        until("it is there again", async || !is_not_there(&ask(first, DEMO).await)).await;
        assert_eq!(answers(DEMO).await, before, "{module} is as it was");
    }
}
