use super::*;

fn row(number: &str) -> NumberedRow {
    NumberedRow {
        number: number.to_owned(),
        date: DateTime::from_timestamp(1_770_000_000, 0).unwrap_or_default(),
        currency: "USD".to_owned(),
        total: 4900,
        status: Some("PAID".to_owned()),
        order_number: Some("ORD-20260202-0001".to_owned()),
        order_status: Some("PAID".to_owned()),
        order_currency: Some("USD".to_owned()),
        order_total: Some(4900),
        subtotal: Some(4900),
        items_total: Some(4900),
        receipts: 1,
    }
}

fn audit(rows: Vec<NumberedRow>, last_value: Option<i32>) -> SeriesReport {
    let mut audit = SeriesAudit::new(Kind::Invoice, 2026, None);
    rows.into_iter().for_each(|row| audit.push(row));
    audit.finish(last_value)
}

fn codes(report: &SeriesReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

fn numbers(sequences: &[i32]) -> Vec<NumberedRow> {
    sequences.iter().map(|sequence| row(&format!("INV-2026-{sequence:06}"))).collect()
}

#[test]
fn a_whole_series_has_no_finding() {
    let report = audit(numbers(&[1, 2, 3]), Some(3));
    assert!(report.ok, "{:?}", report.findings);
    assert_eq!((report.count, report.totals[0].total), (3, 14_700));
    assert!(audit(Vec::new(), None).ok, "an empty year is whole");
}

#[test]
fn gaps_repeats_and_wrong_counters_are_found() {
    for (sequences, counter, wanted) in [
        (&[2, 3][..], Some(3), &["GAP"][..]),
        (&[1, 3], Some(3), &["GAP"]),
        (&[1, 5], Some(5), &["GAP"]),
        (&[1, 2, 2, 3], Some(3), &["REPEAT"]),
        (&[1, 2], Some(3), &["GAP"]),
        (&[1, 2], Some(1), &["COUNTER"]),
        (&[1, 2], None, &["COUNTER"]),
        (&[], Some(2), &["GAP"]),
        (&[0, 1], Some(1), &["NUMBER"]),
    ] {
        assert_eq!(codes(&audit(numbers(sequences), counter)), wanted, "{sequences:?} {counter:?}");
    }
    let report = audit(numbers(&[1, 5]), Some(5));
    assert!(report.findings[0].message.contains("INV-2026-000002 to INV-2026-000004"), "{report:?}");
}

#[test]
fn a_row_must_agree_with_its_order() {
    for (change, wanted) in [
        ((|row| row.order_number = None) as fn(&mut NumberedRow), "ORDER"),
        (|row| row.order_status = Some("PENDING".into()), "ORDER"),
        (|row| row.order_total = Some(1), "AMOUNT"),
        (|row| row.order_currency = Some("EUR".into()), "AMOUNT"),
        (|row| row.items_total = None, "AMOUNT"),
        (|row| row.receipts = 0, "RECEIPT"),
        (|row| row.date += chrono::TimeDelta::days(365), "DATE"),
    ] {
        let mut changed = row("INV-2026-000001");
        change(&mut changed);
        assert_eq!(codes(&audit(vec![changed], Some(1))), [wanted]);
    }
}

#[test]
fn an_earlier_report_is_proven_again_or_not() {
    let first = audit(numbers(&[1, 2]), Some(2));
    let earlier = Checkpoint { last_number: "INV-2026-000002".into(), sha256: first.sha256 };
    let again = |rows: Vec<NumberedRow>| {
        let mut audit = SeriesAudit::new(Kind::Invoice, 2026, Some(earlier.clone()));
        rows.into_iter().for_each(|row| audit.push(row));
        codes(&audit.finish(Some(3)))
    };
    assert!(again(numbers(&[1, 2, 3])).is_empty());
    let mut changed = numbers(&[1, 2, 3]);
    changed[0].date += chrono::TimeDelta::seconds(1);
    assert_eq!(again(changed), ["CHANGED"]);
    let mut audit = SeriesAudit::new(Kind::Invoice, 2026, Some(earlier.clone()));
    numbers(&[1]).into_iter().for_each(|row| audit.push(row));
    assert_eq!(codes(&audit.finish(Some(1))), ["CHANGED"]);
}
