//! Documents are read back with another library than the one that wrote them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use chrono::DateTime;
use lopdf::{Dictionary, Document, Object};
use uuid::Uuid;

use super::contents::Contents;
use super::layout::{Sheets, lay_out};
use super::text::Shaper;
use super::*;

pub fn printer() -> Printer {
    Printer::new(None).unwrap()
}

pub fn seller() -> Seller {
    Seller {
        name: "Northwind Software Ltd.".to_owned(),
        address: vec!["12 Harbour Street".to_owned(), "Bristol BS1 4QA".to_owned()],
        tax_id: Some("GB 123 4567 89".to_owned()),
    }
}

pub fn item(name: &str, quantity: i32, unit_amount: i64) -> Item {
    let total = unit_amount.saturating_mul(i64::from(quantity));
    Item { sku: format!("sku-{quantity}"), name: name.to_owned(), quantity, unit_amount, total }
}

pub fn invoice(status: &str, currency: &str, items: Vec<Item>) -> Invoice {
    let subtotal = items.iter().fold(0_i64, |sum, item| sum.saturating_add(item.total));
    Invoice {
        number: "INV-2026-000042".to_owned(),
        status: status.to_owned(),
        order_id: Uuid::from_u128(7),
        order_number: "ORD-20260131-7K2P".to_owned(),
        currency: currency.to_owned(),
        subtotal,
        tax: 19,
        total: subtotal.saturating_add(19),
        items,
        bill_to: BillTo { name: Some("Jane Doe".to_owned()), email: "jane@example.com".to_owned() },
        issued_at: DateTime::from_timestamp(1_769_853_600, 0).unwrap(),
        paid_at: DateTime::from_timestamp(1_769_940_000, 0),
    }
}

pub fn receipt(of: &Invoice) -> Receipt {
    Receipt {
        number: "RCP-2026-000017".to_owned(),
        order_id: of.order_id,
        order_number: of.order_number.clone(),
        invoice_number: of.number.clone(),
        currency: of.currency.clone(),
        total: of.total,
        paid_at: of.paid_at.unwrap(),
        issued_at: of.paid_at.unwrap() + chrono::TimeDelta::days(3),
        provider: "STRIPE".to_owned(),
        provider_payment_id: Some("pi_3Qk2".to_owned()),
    }
}

pub fn many_lines(count: i32) -> Vec<Item> {
    (1..=count).map(|number| item(&format!("Module number {number};"), number, 1_000)).collect()
}

/// Texts that have been trouble to somebody.
pub fn awkward() -> Invoice {
    let names = [
        "a".repeat(250),
        "Editor with all extensions, ".repeat(9),
        "שלום עולם Pro 2026 (שנה אחת) ".repeat(8),
        "مرحبا بالعالم ".repeat(18),
        "エディタ・プロ年間ライセンス".repeat(18),
        "👩\u{200d}👩\u{200d}👧\u{200d}👦".repeat(35),
        format!("Z{}", "\u{30b}".repeat(249)),
        "ใบอนุญาตผู้แก้ไขเอกสาร".repeat(11),
        "line\nbreak\u{0}, \u{202e}override, \u{2066}isolate, tab\tand\u{ad}hyphen".to_owned(),
        " ".repeat(250),
    ];
    let mut lines: Vec<Item> = names.iter().map(|name| item(name, 1, 1_234_567)).collect();
    lines.push(item("extremes", i32::MIN, i64::MIN));
    lines.push(item("extremes", i32::MAX, i64::MAX));
    let mut invoice = invoice("REFUNDED", "KWD", lines);
    invoice.bill_to =
        BillTo { name: Some("Maximiliana Featherstonehaugh ".repeat(12)), email: "m".repeat(320) };
    invoice
}

pub fn awkward_seller() -> Seller {
    let address = (1..40).map(|number| format!("{number} {}", "Long Street ".repeat(12))).collect();
    Seller { name: "International Company ".repeat(30), address, tax_id: Some("T".repeat(64)) }
}

fn text_of_page(document: &Document, page: u32) -> String {
    document.extract_text(&[page]).unwrap()
}

pub fn text_of(pdf: &Pdf) -> String {
    let document = Document::load_mem(&pdf.bytes).unwrap();
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    document.extract_text(&pages).unwrap()
}

pub fn laid_out(paper: Paper, contents: &Contents) -> Sheets {
    let printer = printer();
    lay_out(&mut Shaper::new(&printer.fonts), paper, contents).unwrap()
}

#[test]
fn the_same_data_gives_the_same_bytes() {
    let (one, other) = (printer(), printer());
    let invoice = awkward();
    for paper in [Paper::A4, Paper::Letter] {
        let first = one.invoice(paper, &awkward_seller(), &invoice).unwrap();
        assert_eq!(first, other.invoice(paper, &awkward_seller(), &invoice).unwrap());
        assert_eq!(first, one.invoice(paper, &awkward_seller(), &invoice).unwrap());
        let receipt = receipt(&invoice);
        let first = one.receipt(paper, &seller(), &receipt, &invoice).unwrap();
        assert_eq!(first, other.receipt(paper, &seller(), &receipt, &invoice).unwrap());
    }
}

#[test]
fn each_difference_in_the_data_gives_other_bytes() {
    let invoice = invoice("PAID", "USD", many_lines(2));
    let printed =
        |paper, seller: &Seller, invoice: &Invoice| printer().invoice(paper, seller, invoice).unwrap().bytes;
    let moved = Seller { address: vec!["Elsewhere".to_owned()], ..seller() };
    let registered = Seller { tax_id: Some("Another".to_owned()), ..seller() };
    let void = Invoice { status: "VOID".to_owned(), ..invoice.clone() };
    let other_order = Invoice { order_id: Uuid::from_u128(8), ..invoice.clone() };
    let all = BTreeSet::from([
        printed(Paper::A4, &seller(), &invoice),
        printed(Paper::Letter, &seller(), &invoice),
        printed(Paper::A4, &moved, &invoice),
        printed(Paper::A4, &registered, &invoice),
        printed(Paper::A4, &seller(), &void),
        printed(Paper::A4, &seller(), &other_order),
    ]);
    assert_eq!(all.len(), 6);
}

#[test]
fn an_invoice_says_what_it_has_to() {
    let pdf = printer()
        .invoice(Paper::A4, &seller(), &invoice("PAID", "USD", vec![item("Editor Pro", 2, 4_900)]))
        .unwrap();
    let text = text_of(&pdf);
    for expected in [
        "Northwind Software Ltd.",
        "12 Harbour Street",
        "Bristol BS1 4QA",
        "Tax ID: GB 123 4567 89",
        "Invoice",
        "PAID",
        "INV-2026-000042",
        "ORD-20260131-7K2P",
        "2026-01-31",
        "2026-02-01",
        "Jane Doe",
        "jane@example.com",
        "Editor Pro",
        "sku-2",
        "49.00",
        "98.00",
        "USD 0.19",
        "USD 98.19",
        "1 / 1",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert_eq!(pdf.missing_glyphs, 0);
}

#[test]
fn a_receipt_says_what_was_paid_even_after_a_refund() {
    let refunded = invoice("REFUNDED", "EUR", vec![item("Editor Pro", 2, 4_900)]);
    let text = text_of(&printer().receipt(Paper::Letter, &seller(), &receipt(&refunded), &refunded).unwrap());
    for expected in [
        "Receipt",
        "RCP-2026-000017",
        "INV-2026-000042",
        "ORD-20260131-7K2P",
        "PAID",
        "EUR 98.19 paid on 2026-02-01",
        "Date of issue",
        "2026-02-04",
        "Tax ID: GB 123 4567 89",
        "Stripe",
        "pi_3Qk2",
        "Editor Pro",
        "Jane Doe",
        "Amount paid",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains("REFUNDED"), "{text}");
}

#[test]
fn each_status_is_told_and_only_what_no_longer_counts_is_marked_across() {
    for (status, headline, marked) in [
        ("OPEN", "USD 10.19 due", false),
        ("PAID", "USD 10.19 paid on 2026-02-01", false),
        ("VOID", "USD 10.19 not due", true),
        ("REFUNDED", "USD 10.19 refunded", true),
    ] {
        let invoice = invoice(status, "USD", many_lines(1));
        let text = text_of(&printer().invoice(Paper::A4, &seller(), &invoice).unwrap());
        assert!(text.contains(status) && text.contains(headline), "{text}");
        let sheets = laid_out(Paper::A4, &Contents::of_invoice(&seller(), &invoice));
        let has_mark =
            |page: &page::Page| page.marks.iter().any(|mark| matches!(mark, Mark::Watermark { .. }));
        assert!(sheets.pages.iter().all(|page| has_mark(page) == marked), "{status}");
    }
}

#[test]
fn amounts_have_the_decimals_of_their_currency() {
    for (currency, unit, total) in
        [("JPY", "1,234,567", "JPY 2,469,153"), ("KWD", "1,234.567", "KWD 2,469.153")]
    {
        let invoice = invoice("PAID", currency, vec![item("Editor Pro", 2, 1_234_567)]);
        let text = text_of(&printer().invoice(Paper::A4, &seller(), &invoice).unwrap());
        assert!(text.contains(unit) && text.contains(total), "{text}");
    }
}

#[test]
fn fifty_lines_are_all_there_on_numbered_pages_that_repeat_the_headings() {
    for paper in [Paper::A4, Paper::Letter] {
        let pdf = printer().invoice(paper, &seller(), &invoice("PAID", "USD", many_lines(50))).unwrap();
        let document = Document::load_mem(&pdf.bytes).unwrap();
        let count = document.get_pages().len();
        assert!((3..=4).contains(&count), "{count} pages");
        let mut seen = Vec::new();
        for page in 1..=count {
            let text = text_of_page(&document, page.try_into().unwrap());
            assert!(text.contains(&format!("{page} / {count}")), "{text}");
            assert!(text.contains("Unit price, USD") && text.contains("INV-2026-000042"), "{text}");
            seen.extend((1..=50).filter(|number| text.contains(&format!("Module number {number};"))));
            assert_eq!(text.contains("Subtotal"), page == count, "{text}");
        }
        assert_eq!(seen, (1..=50).collect::<Vec<i32>>());
    }
}

#[test]
fn what_no_font_has_is_counted_and_still_printed() {
    let invoice = invoice("PAID", "JPY", vec![item("エディタ (Pro) 日本", 1, 4_900)]);
    let pdf = printer().invoice(Paper::A4, &seller(), &invoice).unwrap();
    assert_eq!(pdf.missing_glyphs, 6);
    // As wide as boxes are: a character that is dropped takes no room.
    let sheets = laid_out(Paper::A4, &Contents::of_invoice(&seller(), &invoice));
    let widths = sheets.pages.iter().flat_map(|page| &page.marks).filter_map(|mark| match mark {
        Mark::Text { line, .. } if line.missing.len() == 6 => Some(line.width),
        _ => None,
    });
    let widths: Vec<f32> = widths.collect();
    assert!(matches!(widths[..], [width] if width > 6.0 * 5.0), "{widths:?}");
}

#[test]
fn right_to_left_text_is_kept_in_the_order_in_which_it_is_read() {
    for name in ["רישיון עורך Pro 2026 (שנה אחת)", "Seat (رخصة المحرر 12) for שלום"]
    {
        let pdf = printer()
            .invoice(Paper::A4, &seller(), &invoice("PAID", "ILS", vec![item(name, 1, 100)]))
            .unwrap();
        assert_eq!(pdf.missing_glyphs, 0);
        let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
        let text = text_of(&pdf);
        assert!(without_spaces(&text).contains(&without_spaces(name)), "{text}");
    }
}

#[test]
fn the_file_is_tagged_titled_dated_by_its_data_and_searchable() {
    let pdf = printer().invoice(Paper::A4, &seller(), &awkward()).unwrap();
    let document = Document::load_mem(&pdf.bytes).unwrap();
    let catalog = document.catalog().unwrap();
    assert_eq!(lopdf::decode_text_string(catalog.get(b"Lang").unwrap()).unwrap(), "en");
    assert!(catalog.has(b"StructTreeRoot"));
    let information = document.trailer.get(b"Info").and_then(|info| document.dereference(info)).unwrap().1;
    let entry =
        |key: &[u8]| lopdf::decode_text_string(information.as_dict().unwrap().get(key).unwrap()).unwrap();
    assert_eq!(entry(b"Title"), "Invoice INV-2026-000042");
    assert!(entry(b"CreationDate").starts_with("D:20260131100000"), "{}", entry(b"CreationDate"));
    let fonts: Vec<&Dictionary> = document
        .objects
        .values()
        .filter_map(|object| object.as_dict().ok())
        .filter(|dictionary| dictionary.get(b"Subtype").and_then(Object::as_name).ok() == Some(&b"Type0"[..]))
        .collect();
    assert!(fonts.len() > 3 && fonts.iter().all(|font| font.has(b"ToUnicode")), "{}", fonts.len());
    // Subsets: the fonts themselves have three megabytes.
    assert!(pdf.bytes.len() < 300_000, "{}", pdf.bytes.len());
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Printer::new(Some(path)).err().unwrap().to_string();
    let absent = folder.path().join("absent");
    assert!(refused(&absent).contains(absent.to_str().unwrap()));
    assert!(refused(folder.path()).contains(folder.path().to_str().unwrap()));
    let broken = folder.path().join("broken.ttf");
    std::fs::write(&broken, "no font").unwrap();
    assert!(refused(folder.path()).contains("broken.ttf"));
}

#[test]
fn the_folders_fonts_draw_what_the_embedded_ones_lack() {
    let invoice = invoice("PAID", "EUR", vec![item("Licence ᚑᚌᚆᚐᚋ", 1, 100)]);
    let without = printer().invoice(Paper::A4, &seller(), &invoice).unwrap();
    assert_eq!(without.missing_glyphs, 5);
    let folder = tempfile::tempdir().unwrap();
    let font =
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fonts/for-tests/NotoSansOgham-Regular.ttf"));
    std::fs::write(folder.path().join("Ogham.ttf"), font).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a font, and not taken for one").unwrap();
    let printer = Printer::new(Some(folder.path())).unwrap();
    let with = printer.invoice(Paper::A4, &seller(), &invoice).unwrap();
    assert_eq!(with.missing_glyphs, 0);
    assert!(text_of(&with).contains("ᚑᚌᚆᚐᚋ"));
    // The file was checked at the start; now it is gone, which is told and not printed over.
    let printer = Printer::new(Some(folder.path())).unwrap();
    drop(folder);
    let error = printer.invoice(Paper::A4, &seller(), &invoice).unwrap_err().to_string();
    assert!(error.contains("Ogham.ttf"), "{error}");
}
