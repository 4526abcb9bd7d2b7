//! Lines of any text keep to their width, lose nothing, and stand in the order of the standard.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use super::fonts::Fonts;
use super::lines::{Line, clean, fitted, limited, paragraph, single};
use super::text::{Shaper, Style};
use super::weight::Weight;

const STYLE: Style = Style { weight: Weight::Regular, size: 10.0, tabular: false };

fn text_of(line: &Line) -> String {
    line.as_read().into_iter().map(|(_, piece)| piece.text.as_str()).collect()
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

fn visual(text: &str) -> Vec<String> {
    let fonts = Fonts::new(None).unwrap();
    let line = single(&mut Shaper::new(&fonts), text, STYLE).unwrap();
    line.pieces.iter().map(|piece| piece.text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

#[test]
fn words_stand_in_the_order_of_the_first_strong_character() {
    assert_eq!(visual("one שתיים three"), ["one", "שתיים", "three"]);
    assert_eq!(visual("אחת two שלוש"), ["שלוש", "two", "אחת"]);
    // Numbers in a right-to-left text keep their own direction, and stand to the left of what precedes them.
    assert_eq!(visual("מחיר 42"), ["42", "מחיר"]);
}

#[test]
fn right_to_left_glyphs_run_from_the_last_character_to_the_first() {
    let fonts = Fonts::new(None).unwrap();
    let line = single(&mut Shaper::new(&fonts), "שלום", STYLE).unwrap();
    let starts: Vec<usize> = line.pieces[0].glyphs.iter().map(|glyph| glyph.text_range.start).collect();
    assert_eq!(starts, [6, 4, 2, 0]);
}

#[test]
fn arabic_letters_join_also_where_a_word_is_cut() {
    let fonts = Fonts::new(None).unwrap();
    let mut shaper = Shaper::new(&fonts);
    let glyphs =
        |line: &Line| line.pieces[0].glyphs.iter().map(|glyph| glyph.glyph_id.to_u32()).collect::<Vec<_>>();
    let isolated = glyphs(&single(&mut shaper, "ب", STYLE).unwrap());
    let cut = paragraph(&mut shaper, "ببببب", STYLE, 1.0).unwrap();
    assert_eq!(cut.len(), 5);
    assert!(cut.iter().all(|line| glyphs(line) != isolated), "a letter stands alone");
}

#[test]
fn a_line_that_was_broken_at_a_space_ends_with_it() {
    let fonts = Fonts::new(None).unwrap();
    let lines = paragraph(&mut Shaper::new(&fonts), "first second", STYLE, 40.0).unwrap();
    assert_eq!(lines.iter().map(text_of).collect::<Vec<_>>(), ["first ", "second"]);
}

#[test]
fn a_limit_ends_in_an_ellipsis_only_where_something_is_left_out() {
    let fonts = Fonts::new(None).unwrap();
    let mut shaper = Shaper::new(&fonts);
    let lines = limited(&mut shaper, "one two three four five six seven", STYLE, 50.0, 2).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(text_of(&lines[1]).ends_with('…') && lines[1].width <= 50.0, "{lines:?}");
    let lines = limited(&mut shaper, "one two", STYLE, 50.0, 2).unwrap();
    assert_eq!(lines.iter().map(text_of).collect::<String>(), "one two");
    assert_eq!(text_of(&fitted(&mut shaper, "short", STYLE, 50.0).unwrap()), "short");
}

#[test]
fn an_arrow_made_of_signs_is_printed_as_those_signs() {
    let fonts = Fonts::new(None).unwrap();
    let mut shaper = Shaper::new(&fonts);
    let mut glyph = |text| single(&mut shaper, text, STYLE).unwrap().pieces[0].glyphs[0].glyph_id;
    assert_eq!(glyph("->"), glyph("-"));
}

#[test]
fn figures_of_a_column_have_one_width() {
    let fonts = Fonts::new(None).unwrap();
    let mut shaper = Shaper::new(&fonts);
    let mut width = |text| single(&mut shaper, text, Style { tabular: true, ..STYLE }).unwrap().width;
    assert!((width("1111") - width("8888")).abs() < 0.001);
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-z]{1,12}",
        "[א-ת]{1,9}",
        "[ا-ي]{1,9}",
        "[ก-ฮ]{1,9}[ะ-ู]",
        "[क-ह][ा-्]{0,2}",
        "[一-十]{1,9}",
        "[0-9]{1,7}",
        "[ (),.\"'\\-/]",
        " ",
        Just("👩\u{200d}👩\u{200d}👧".to_owned()),
        Just("e\u{301}\u{323}".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn lines_keep_to_their_width_and_lose_nothing(text in any_text(), width in 5.0_f32..300.0) {
        let fonts = Fonts::new(None).unwrap();
        let mut shaper = Shaper::new(&fonts);
        let lines = paragraph(&mut shaper, &text, STYLE, width).unwrap();
        let together: String = lines.iter().map(text_of).collect();
        prop_assert_eq!(without_spaces(&together), without_spaces(&clean(&text)));
        for line in &lines {
            let clusters = text_of(line).trim().graphemes(true).count();
            prop_assert!(line.width <= width + 0.05 || clusters == 1, "{:?}", line);
            let drawn: usize = line.pieces.iter().map(|piece| piece.glyphs.len()).sum();
            prop_assert!(drawn > 0);
            for piece in &line.pieces {
                for glyph in &piece.glyphs {
                    prop_assert!(piece.text.get(glyph.text_range.clone()).is_some_and(|text| !text.is_empty()));
                }
            }
        }
        let cuts = clean(&text);
        let whole: Vec<&str> = cuts.graphemes(true).collect();
        let parted: usize = lines.iter().map(|line| text_of(line).trim().graphemes(true).count()).sum();
        prop_assert!(parted <= whole.len(), "a cluster was split");
    }

    #[test]
    fn a_shortened_line_fits(text in any_text(), width in 20.0_f32..300.0) {
        let fonts = Fonts::new(None).unwrap();
        let line = fitted(&mut Shaper::new(&fonts), &text, STYLE, width).unwrap();
        prop_assert!(line.width <= width + 0.05, "{:?}", line);
    }
}
