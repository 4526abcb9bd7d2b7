use serde_json::{Value, json};

use crate::harness::Installation;
use crate::shop::Shop;

/// The audit of acme's year.
fn audit(installation: &Installation, year: &str, code: i32) -> Value {
    installation.run(&format!("audit numbers --tenant acme --year {year} --json")).expect(code).json()
}

/// Codes and messages of a series' findings.
fn findings(report: &Value, series: usize) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["series"][series]["findings"].as_array().unwrap();
    findings.iter().map(|finding| (text(&finding["code"]), text(&finding["message"]))).collect()
}

/// Three invoices, of which the second is void, and two receipts; and their year.
async fn sold() -> (Shop, String) {
    let shop = Shop::open().await;
    let first = shop.buy().await;
    shop.let_expire().await;
    shop.buy().await;
    let year = first["invoice"]["number"].as_str().unwrap()[4..8].to_owned();
    (shop, year)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_year_is_proven_and_void_numbers_are_accounted_for() {
    let (shop, year) = sold().await;
    let installation = &shop.installation;
    let report = audit(installation, &year, 0);
    assert_eq!((&report["ok"], &report["tenant"]), (&json!(true), &json!("acme")));
    let (invoices, receipts) = (&report["series"][0], &report["series"][1]);
    assert_eq!((&invoices["kind"], &receipts["kind"]), (&json!("INV"), &json!("RCP")));
    assert_eq!((&invoices["count"], &receipts["count"]), (&json!(3), &json!(2)));
    assert_eq!(invoices["firstNumber"], format!("INV-{year}-000001"));
    assert_eq!(invoices["lastNumber"], format!("INV-{year}-000003"));
    assert_eq!(invoices["counter"], json!({"lastValue": 3, "highestNumber": 3}));
    assert_eq!(invoices["totals"], json!([{"currency": "USD", "total": 29_400, "count": 3}]));
    let statuses: Vec<_> = invoices["byStatus"].as_array().unwrap().iter().map(|of| &of["status"]).collect();
    assert_eq!(json!(statuses), json!(["PAID", "VOID"]));
    assert_eq!(invoices["void"][0]["number"], format!("INV-{year}-000002"));
    assert_eq!(invoices["void"][0]["orderStatus"], "EXPIRED");
    assert_eq!(audit(installation, &year, 0)["series"], report["series"], "a later run can be compared");

    let text = installation.run(&format!("audit numbers --tenant acme --year {year}")).expect(0).stdout;
    for part in ["acme", "nothing found", invoices["sha256"].as_str().unwrap(), "29400 USD (3)", "VOID"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let other = installation.json(&format!("audit numbers --tenant other --year {year}"));
    assert_eq!((&other["ok"], &other["series"][0]["count"]), (&json!(true), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_wrong_counters_and_missing_numbers_are_found() {
    let (shop, year) = sold().await;
    let installation = &shop.installation;
    let number = |kind: &str, sequence: i32| format!("{kind}-{year}-{sequence:06}");
    let renumber = |from: i32, to: i32| {
        format!(
            "UPDATE invoices SET number = '{}' WHERE number = '{}'",
            number("INV", to),
            number("INV", from)
        )
    };
    // In the middle, and at the end beyond the counter.
    installation.execute(&renumber(2, 7)).await;
    let found = findings(&audit(installation, &year, 1), 0);
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["GAP", "GAP", "COUNTER"], "{found:?}");
    assert!(found[0].1.contains(&number("INV", 2)), "{found:?}");
    assert!(found[1].1.contains(&format!("{} to {}", number("INV", 4), number("INV", 6))), "{found:?}");
    installation.execute(&renumber(7, 2)).await;

    let counter = |value: i32| format!("UPDATE counters SET last_value = {value} WHERE kind = 'INV'");
    for (value, wanted) in [(2, "COUNTER"), (4, "GAP")] {
        installation.execute(&counter(value)).await;
        let found = findings(&audit(installation, &year, 1), 0);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, wanted, "{found:?}");
    }
    installation.execute(&counter(3)).await;

    // A receipt that was lost: the last of its series, which only the counter and the paid order still know.
    installation.execute(&format!("DELETE FROM receipts WHERE number = '{}'", number("RCP", 2))).await;
    let report = audit(installation, &year, 1);
    let (invoices, receipts) = (findings(&report, 0), findings(&report, 1));
    assert_eq!(invoices[0].0, "RECEIPT", "{invoices:?}");
    assert!(receipts[0].0 == "GAP" && receipts[0].1.contains(&number("RCP", 2)), "{receipts:?}");
    let text = installation.run(&format!("audit numbers --tenant acme --year {year}")).expect(1);
    assert!(text.stdout.contains("2 FINDINGS") && text.stderr.contains("2 findings"), "{text:?}");
    let other = installation.run(&format!("audit numbers --tenant other --year {year}"));
    other.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_report_holds_or_is_shown_to_be_broken() {
    let (shop, year) = sold().await;
    let installation = &shop.installation;
    let earlier = installation.folder.path().join("earlier.json");
    let report = audit(installation, &year, 0);
    std::fs::write(&earlier, report.to_string()).unwrap();
    shop.buy().await;
    let compare = format!("audit numbers --tenant acme --year {year} --compare-with earlier.json --json");
    let later = installation.run(&compare).expect(0).json();
    assert_eq!(later["series"][0]["count"], 4);

    let first = format!("INV-{year}-000001");
    installation
        .execute(&format!(
            "UPDATE invoices SET issued_at = issued_at - interval '1 second' WHERE number = '{first}'"
        ))
        .await;
    let changed = installation.run(&compare).expect(1).json();
    assert_eq!(findings(&changed, 0)[0].0, "CHANGED");
    assert!(changed["series"][1]["ok"].as_bool().unwrap());

    let of_other = format!("audit numbers --tenant other --year {year} --compare-with earlier.json");
    installation.run(&of_other).refused(2, &["another tenant or year"]);
    std::fs::write(&earlier, "{}").unwrap();
    installation.run(&compare).refused(2, &["--compare-with must be a report"]);
    installation.run("audit numbers --tenant acme --year 26").refused(2, &["--year"]);
    installation.run("audit numbers --tenant nobody --year 2026").refused(1, &["no tenant nobody"]);
}
