//! Where things stand on the pages, whatever the data.
#![allow(clippy::unwrap_used)]

use lopdf::Document;
use proptest::prelude::*;

use super::contents::Contents;
use super::layout::Sheets;
use super::tests::{
    awkward, awkward_seller, invoice, item, laid_out, many_lines, printer, receipt, seller, text_of,
};
use super::*;

#[test]
fn the_sums_are_never_alone_on_a_page() {
    for count in 1..45 {
        for paper in [Paper::A4, Paper::Letter] {
            let sheets =
                laid_out(paper, &Contents::of_invoice(&seller(), &invoice("VOID", "USD", many_lines(count))));
            let last = sheets.pages.last().unwrap();
            let texts: Vec<String> = last.marks.iter().filter_map(drawn_text).collect();
            let last_row = format!("Module number {count};");
            assert!(
                texts.contains(&last_row) && texts.iter().any(|text| text == "Subtotal"),
                "{count}: {texts:?}"
            );
        }
    }
}

fn drawn_text(mark: &Mark) -> Option<String> {
    match mark {
        Mark::Text { line, .. } => Some(line.pieces.iter().map(|piece| piece.text.as_str()).collect()),
        _ => None,
    }
}

#[test]
fn nothing_leaves_the_margins_and_no_texts_overlap() {
    let short = invoice("OPEN", "USD", many_lines(30));
    let empty = Invoice {
        bill_to: BillTo { name: None, email: String::new() },
        status: String::new(),
        ..invoice("PAID", "JPY", Vec::new())
    };
    let nobody = Seller { name: String::new(), address: Vec::new(), tax_id: None };
    let awkward = awkward();
    for paper in [Paper::A4, Paper::Letter] {
        for (seller, invoice) in [
            (seller(), &short),
            (awkward_seller(), &awkward),
            (nobody.clone(), &empty),
            (awkward_seller(), &empty),
        ] {
            check_places(&laid_out(paper, &Contents::of_invoice(&seller, invoice)));
            check_places(&laid_out(paper, &Contents::of_receipt(&seller, &receipt(invoice), invoice)));
        }
    }
}

fn check_places(sheets: &Sheets) {
    for page in &sheets.pages {
        let mut boxes: Vec<([f32; 4], String)> = Vec::new();
        for mark in &page.marks {
            let Mark::Text { line, x, baseline, .. } = mark else { continue };
            let size = line.style.size;
            let area = [*x, baseline - 0.73 * size, x + line.width, baseline + 0.2 * size];
            let text = drawn_text(mark).unwrap();
            assert!(area[0] >= 53.9 && area[2] <= sheets.width - 53.9, "{area:?} {text}");
            assert!(area[1] >= 40.0 && area[3] <= sheets.height - 25.0, "{area:?} {text}");
            for (other, its) in &boxes {
                let apart =
                    area[0] >= other[2] || other[0] >= area[2] || area[1] >= other[3] || other[1] >= area[3];
                assert!(apart, "{text} at {area:?} covers {its} at {other:?}");
            }
            boxes.push((area, text));
        }
    }
}

/// A row that needs `count` lines for its description, and its SKU.
fn tall_row(count: usize) -> String {
    (0..count).map(|number| format!("word{number:04}{}", "x".repeat(40))).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_sums_are_not_parted_from_a_row_of_any_height() {
    for count in 1..140 {
        let invoice = invoice("PAID", "USD", vec![item("First", 2, 100), item(&tall_row(count), 1, 100)]);
        let sheets = laid_out(Paper::Letter, &Contents::of_invoice(&seller(), &invoice));
        let texts: Vec<String> = sheets.pages.last().unwrap().marks.iter().filter_map(drawn_text).collect();
        assert!(
            texts.iter().any(|text| text == "sku-1") && texts.iter().any(|text| text == "Total"),
            "{count}"
        );
        check_places(&sheets);
    }
}

#[test]
fn a_row_is_parted_only_if_no_page_could_hold_it() {
    for count in 1..40 {
        let invoice = invoice("PAID", "USD", vec![item("First", 2, 100), item(&tall_row(count), 1, 100)]);
        let sheets = laid_out(Paper::Letter, &Contents::of_invoice(&seller(), &invoice));
        let has_words = |page: &&page::Page| {
            page.marks.iter().filter_map(drawn_text).any(|text| text.starts_with("word"))
        };
        assert_eq!(sheets.pages.iter().filter(has_words).count(), 1, "{count}");
    }
}

#[test]
fn a_row_taller_than_a_page_is_parted_and_whole() {
    let words: Vec<String> = (0..1_500).map(|number| format!("word{number:04}")).collect();
    let invoice = invoice("PAID", "USD", vec![item(&words.join(" "), 1, 100), item("After it", 2, 100)]);
    let pdf = printer().invoice(Paper::Letter, &seller(), &invoice).unwrap();
    let text = text_of(&pdf);
    assert!(words.iter().all(|word| text.contains(word.as_str())));
    assert!(text.contains("After it") && text.contains("Subtotal"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_printed_within_the_margins(texts in prop::collection::vec(any::<String>(), 6), paid: i64) {
        let mut invoice = invoice("PAID", "EUR", vec![item(&texts[0], 1, paid), item(&texts[1], -1, paid)]);
        invoice.bill_to = BillTo { name: Some(texts[2].clone()), email: texts[3].clone() };
        let seller = Seller { name: texts[4].clone(), address: vec![texts[5].clone()], tax_id: Some(texts[0].clone()) };
        let pdf = printer().invoice(Paper::A4, &seller, &invoice).unwrap();
        let read = Document::load_mem(&pdf.bytes).unwrap();
        prop_assert!(!read.get_pages().is_empty());
        check_places(&laid_out(Paper::A4, &Contents::of_invoice(&seller, &invoice)));
    }
}
