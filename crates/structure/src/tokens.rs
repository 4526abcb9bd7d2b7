//! The words of a source file, without what is not part of the product: comments, attributes and unit tests.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// An identifier or keyword.
    Word(String),
    /// The content of a string literal.
    Text(String),
    Mark(char),
    /// What stands between `(`, `[` or `{` and its end; a space for what a macro's parameter wraps invisibly.
    Group(char, Vec<Token>),
    /// A number, a character, bytes.
    Other,
}

impl Token {
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }

    pub fn is_mark(&self, mark: char) -> bool {
        matches!(self, Self::Mark(found) if *found == mark)
    }

    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    pub fn braced(&self) -> Option<&[Token]> {
        match self {
            Self::Group('{', inner) => Some(inner),
            _ => None,
        }
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Source {
    pub tokens: Vec<Token>,
    /// The modules with files of their own that are only built for tests.
    pub test_modules: Vec<String>,
}

/// Reads a file. The error says why it is no Rust.
pub fn read(text: &str) -> Result<Source, String> {
    let stream: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut test_modules = Vec::new();
    let tokens = product_part(convert(stream), &mut test_modules);
    Ok(Source { tokens, test_modules })
}

/// Calls `see` with each list of tokens: the outermost, and those of all groups within.
pub fn each_level<'t>(tokens: &'t [Token], see: &mut impl FnMut(&'t [Token])) {
    see(tokens);
    for token in tokens {
        if let Token::Group(_, inner) = token {
            each_level(inner, see);
        }
    }
}

/// All string literals.
pub fn texts(tokens: &[Token]) -> Vec<&str> {
    let mut texts = Vec::new();
    each_level(tokens, &mut |level| {
        texts.extend(level.iter().filter_map(|token| match token {
            Token::Text(text) => Some(text.as_str()),
            _ => None,
        }));
    });
    texts
}

/// All identifiers and keywords.
pub fn words(tokens: &[Token]) -> Vec<&str> {
    let mut words = Vec::new();
    each_level(tokens, &mut |level| {
        words.extend(level.iter().filter_map(|token| match token {
            Token::Word(word) => Some(word.as_str()),
            _ => None,
        }));
    });
    words
}

fn convert(stream: TokenStream) -> Vec<Token> {
    let tokens = stream.into_iter().map(|tree| match tree {
        TokenTree::Group(group) => {
            let open = match group.delimiter() {
                Delimiter::Parenthesis => '(',
                Delimiter::Brace => '{',
                Delimiter::Bracket => '[',
                Delimiter::None => ' ',
            };
            Token::Group(open, convert(group.stream()))
        }
        TokenTree::Ident(ident) => {
            let word = ident.to_string();
            Token::Word(word.strip_prefix("r#").unwrap_or(&word).to_owned())
        }
        TokenTree::Punct(punct) => Token::Mark(punct.as_char()),
        TokenTree::Literal(literal) => match content(&literal.to_string()) {
            Some(text) => Token::Text(text),
            None => Token::Other,
        },
    });
    tokens.collect()
}

/// The content of a string literal as it is written; none of another literal.
fn content(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        return Some(raw.trim_matches('#').trim_matches('"').to_owned());
    }
    let written = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut content = String::new();
    let mut characters = written.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            content.push(character);
            continue;
        }
        match characters.next() {
            Some('n' | 'r' | 't') => content.push(' '),
            // The line goes on at its first word.
            Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
            Some(other) => content.push(other),
            None => {}
        }
    }
    Some(content)
}

/// Leaves out attributes, and what `#[cfg(test)]` stands before.
fn product_part(tokens: Vec<Token>, test_modules: &mut Vec<String>) -> Vec<Token> {
    let mut product = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    let mut for_tests = false;
    while let Some(token) = rest.next() {
        if token.is_mark('#') {
            rest.next_if(|next| next.is_mark('!'));
            if let Some(Token::Group('[', attribute)) =
                rest.next_if(|next| matches!(next, Token::Group('[', _)))
            {
                for_tests = for_tests || is_cfg_test(&attribute);
            }
        } else if for_tests {
            for_tests = false;
            let mut item = vec![token];
            while item.last().is_some_and(|last| !ends_item(&item, last)) {
                match rest.next() {
                    Some(next) => item.push(next),
                    None => break,
                }
            }
            if let Some(at) = item.iter().position(|token| token.is_word("mod"))
                && let Some(name) = item.get(at + 1).and_then(Token::word)
                && item.last().is_some_and(|last| last.is_mark(';'))
            {
                test_modules.push(name.to_owned());
            }
        } else if let Token::Group(open, inner) = token {
            product.push(Token::Group(open, product_part(inner, &mut Vec::new())));
        } else {
            product.push(token);
        }
    }
    product
}

fn is_cfg_test(attribute: &[Token]) -> bool {
    let [name, Token::Group('(', condition)] = attribute else { return false };
    let words = words(condition);
    name.is_word("cfg") && words.contains(&"test") && !words.iter().any(|word| ["not", "any"].contains(word))
}

/// Whether `last` ends the item: a `;`, the braces of a function or a type, or the comma after a field, a variant or an
/// argument.
fn ends_item(item: &[Token], last: &Token) -> bool {
    let kind = kind_of_item(item);
    last.is_mark(';')
        || (last.is_mark(',') && kind.is_none())
        || (last.braced().is_some() && !kind.is_some_and(holds_braces))
}

/// The words that tell what an item is.
const KINDS: [&str; 14] = [
    "use",
    "mod",
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "const",
    "static",
    "let",
    "macro_rules",
    "impl",
    "extern",
];

/// What the item is that `tokens` begin with.
pub fn kind_of_item(tokens: &[Token]) -> Option<&str> {
    let head = tokens.iter().take_while(|token| !token.is_mark(';') && token.braced().is_none());
    let mut words = head.filter_map(Token::word);
    let kind = words.find(|word| KINDS.contains(word))?;
    match (kind, words.next()) {
        ("const" | "extern", Some("fn" | "unsafe" | "async" | "extern")) => Some("fn"),
        _ => Some(kind),
    }
}

/// Whether braces are within an item of this kind and do not end it.
pub fn holds_braces(kind: &str) -> bool {
    ["use", "const", "static", "let"].contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::{read, texts, words};

    #[test]
    fn comments_attributes_and_unit_tests_are_left_out() {
        let source = read(
            "//! inner\n/// outer\n#[derive(Debug)] struct A;
             #[cfg(test)] use x::{y};
             #[cfg(test)] fn helper() { hidden() }
             #[cfg(test)] const C: [u8; 1] = { hidden };
             #[cfg(test)] impl<A, B> D for E<A, B> { fn hidden() {} }
             #[cfg(test)] fn more<const N: usize>() {}
             fn b() {}
             #[cfg(test)] mod tests { fn c() {} }
             #[cfg(all(test, unix))] mod more_tests;",
        )
        .unwrap();
        let words: Vec<&str> = words(&source.tokens);
        assert_eq!(words, ["struct", "A", "fn", "b"]);
        assert_eq!(source.test_modules, ["more_tests"]);
    }

    #[test]
    fn what_is_built_for_tests_too_stays() {
        let source = read("#[cfg(any(test, unix))] fn a() {} #[cfg(not(test))] fn b() {}").unwrap();
        assert_eq!(words(&source.tokens).len(), 4);
    }

    #[test]
    fn the_texts_of_literals_are_read() {
        let source =
            read("f(\"SELECT \\\n   1\", r#\"raw \"text\" \"#, b\"bytes\", 'c', [concat!(\"a\\nb\")])")
                .unwrap();
        let texts: Vec<&str> = texts(&source.tokens);
        assert_eq!(texts, ["SELECT 1", "raw \"text\" ", "a b"]);
    }
}
