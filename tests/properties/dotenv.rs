use primetech::config::dotenv::parse;
use proptest::prelude::*;

/// A value as it may be written: each way that can hold it.
fn ways_to_write(value: &str) -> Vec<String> {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n");
    let mut ways = vec![format!("\"{escaped}\""), format!(" \"{escaped}\"\t# comment")];
    if !value.contains('\'') {
        ways.push(format!("'{value}'"));
    }
    let is_plain = !value.contains(['\n', '#'])
        && value.trim_matches([' ', '\t']) == value
        && !value.starts_with(['"', '\'']);
    if is_plain {
        ways.extend([value.to_owned(), format!("  {value} "), format!("{value} # a \"comment\"")]);
    }
    ways
}

/// Characters that mean something in the file, among others.
fn values() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        prop::sample::select(vec!['"', '\'', '\\', '$', '#', ' ', '\t', '\n', '=', 'n', '{', '<', 'é', '`']),
        any::<char>()
            .prop_filter("no NUL, and CR is a line end", |character| !matches!(character, '\0' | '\r')),
    ];
    prop::collection::vec(character, 0..24).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn a_value_comes_back_from_every_way_to_write_it(
        name in "[A-Za-z_][A-Za-z0-9_]{0,12}", value in values(), export: bool, crlf: bool,
    ) {
        for written in ways_to_write(&value) {
            let line = format!("{}{name}={written}\nLAST=1\n", if export { "export " } else { "" });
            let file = if crlf { line.replace('\n', "\r\n") } else { line };
            let expected = vec![(name.clone(), value.clone()), ("LAST".to_owned(), "1".to_owned())];
            prop_assert_eq!(parse(file.as_bytes()), Ok(expected), "{:?}", file);
        }
    }

    #[test]
    fn any_bytes_are_read_or_their_lines_named(file in prop::collection::vec(any::<u8>(), 0..200)) {
        let lines = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        match parse(&file) {
            Ok(assignments) => prop_assert!(assignments.len() <= lines),
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)));
                prop_assert!(faults.is_sorted_by(|one, next| one.line < next.line));
            }
        }
    }

    #[test]
    fn no_line_changes_what_another_says(one in "[A-Z]{1,4}=[ -~]{0,12}", other in "[A-Z]{1,4}=[ -~&&[^'\"]]{0,12}") {
        if let (Ok(first), Ok(second)) = (parse(one.as_bytes()), parse(other.as_bytes())) {
            let both = parse(format!("{one}\n{other}\n").as_bytes());
            prop_assert_eq!(both, Ok([first, second].concat()));
        }
    }
}
