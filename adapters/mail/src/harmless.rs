//! What strangers wrote, made harmless: mail programs turn whatever looks like an address into a link.

/// Signs that part a link: of schemes, host names and mail addresses. Those of other scripts and widths count as the plain
/// ones in host names (UTS 46).
const PARTING: [char; 10] =
    ['.', ':', '@', '\u{2024}', '\u{3002}', '\u{fe52}', '\u{ff0e}', '\u{ff1a}', '\u{ff20}', '\u{ff61}'];

/// Signs that part one where there are two of them.
const PARTING_TWICE: [char; 3] = ['/', '\\', '\u{ff0f}'];

/// A name that a stranger gave, in a form that no mail program takes for a link: a blank follows each sign that could
/// part one. `J. R. Smith` stays as it is, `https://evil.example/x` becomes `https: / /evil. example/x`.
pub fn harmless(name: &str) -> String {
    let mut harmless = String::with_capacity(name.len());
    let mut shown = name.chars().filter(|character| !is_invisible(*character)).peekable();
    while let Some(character) = shown.next() {
        harmless.push(character);
        let Some(next) = shown.peek() else { break };
        let parts = PARTING.contains(&character) && !next.is_whitespace();
        if parts || (PARTING_TWICE.contains(&character) && PARTING_TWICE.contains(next)) {
            harmless.push(' ');
        }
    }
    harmless
}

/// Controls, and what changes the direction of writing or has no width: it could hide what a name says.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_broken() {
        for link in [
            "https://evil.example/pay?now=1",
            "HTTP://EVIL.EXAMPLE",
            "www.evil.example",
            "evil.example",
            "//evil.example",
            "evil\u{200b}.example",
            "evil.\u{200b}example",
            "evil\u{3002}example",
            "evil\u{ff0e}example",
            "mailto:jane@evil.example",
            "jane@evil.example",
            "javascript:alert(1)",
            r"\\evil\share",
            "ftp:evil",
        ] {
            let broken = harmless(&format!("Call {link} now"));
            let parts: Vec<&str> = broken.split(' ').collect();
            for part in parts {
                let inner = part.trim_end_matches(PARTING);
                assert!(!inner.contains(PARTING), "{link}: {broken}");
                assert!(!part.contains("//") && !part.contains(r"\\"), "{link}: {broken}");
            }
        }
    }

    #[test]
    fn names_stay_as_they_are() {
        for name in
            ["Jane Doe", "J. R. Smith", "Dr. Åsa Öberg", "O'Neil-Smith, Jr.", "山田 太郎", "Jane c/o Acme"]
        {
            assert_eq!(harmless(name), name);
        }
        assert_eq!(harmless("J.R. Smith"), "J. R. Smith");
    }
}
