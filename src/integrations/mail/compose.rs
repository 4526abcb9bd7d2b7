//! What mails say, in text and in HTML.

use lettre::Message;
use lettre::message::{Mailbox, MultiPart};

/// A mail before it is addressed.
pub(super) struct Letter {
    pub subject: String,
    /// Paragraphs.
    pub text: Vec<String>,
    /// A link that the mail is about, and what it is called.
    pub link: Option<(&'static str, String)>,
}

impl Letter {
    /// The whole message, in both forms.
    pub(super) fn message(&self, from: Mailbox, to: Mailbox) -> Result<Message, lettre::error::Error> {
        Message::builder()
            .from(from)
            .to(to)
            .subject(self.subject.as_str())
            .multipart(MultiPart::alternative_plain_html(self.plain(), self.html()))
    }

    fn plain(&self) -> String {
        let mut parts = self.text.clone();
        parts.extend(self.link.as_ref().map(|(name, url)| format!("{name}:\n{url}")));
        parts.join("\n\n") + "\n"
    }

    fn html(&self) -> String {
        let mut html = String::from(
            "<!doctype html><html><body style=\"font-family:sans-serif;max-width:36em;margin:2em auto;color:#222\">",
        );
        for paragraph in &self.text {
            html.push_str(&format!("<p>{}</p>", escape(paragraph).replace('\n', "<br>")));
        }
        if let Some((name, url)) = &self.link {
            html.push_str(&format!("<p><a href=\"{}\">{}</a></p>", escape(url), escape(name)));
        }
        html.push_str("</body></html>\n");
        html
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let letter = Letter { subject: String::new(), text: vec!["<script>\"&".to_owned()], link: None };
        assert!(letter.html().contains("<p>&lt;script&gt;&quot;&amp;</p>"));
    }
}
