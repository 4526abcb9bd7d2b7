//! The form of a mail: one text, told plainly and in HTML.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart};
use lettre::{Address, Message};
use uuid::Uuid;

use crate::calendar::Event;
use crate::mailbox::{mailbox_header, one_line};

/// A mail before it is addressed.
pub struct Letter {
    /// The shop on whose behalf it is sent.
    pub shop: String,
    pub subject: String,
    /// Paragraphs. The first is the product's own words: what a stranger wrote never stands there.
    pub text: Vec<String>,
    /// A link that the mail is about, and what it is called.
    pub link: Option<(&'static str, String)>,
    pub event: Option<Event>,
}

/// Whom a mail is from and goes to.
pub(crate) struct Envelope<'a> {
    /// Bears the shop's name.
    pub from: &'a Address,
    pub reply_to: &'a Address,
    pub name: Option<&'a str>,
    pub to: &'a Address,
}

impl Letter {
    /// The whole message, in both forms. Its `Message-ID` is `id`'s at each delivery, so that a recipient who gets it
    /// twice (its first delivery was not confirmed) can tell.
    pub(crate) fn message(&self, id: Uuid, envelope: &Envelope<'_>) -> Result<Message, lettre::error::Error> {
        let both = MultiPart::alternative_plain_html(self.plain(), self.html());
        let whole = match &self.event {
            None => both,
            Some(event) => {
                let kind = format!("text/calendar; charset=utf-8; method={}", event.method.as_str());
                // A constant but for one of two words.
                let kind = ContentType::parse(&kind).unwrap_or(ContentType::TEXT_PLAIN);
                MultiPart::mixed()
                    .multipart(both)
                    .singlepart(Attachment::new("booking.ics".to_owned()).body(event.file(), kind))
            }
        };
        let Envelope { from, reply_to, name, to } = envelope;
        let id = format!("<{}@{}>", id.simple(), from.domain());
        let bare = |address: &Address| Mailbox::new(None, address.clone());
        let mut message = Message::builder()
            .message_id(Some(id))
            .from(bare(from))
            .to(bare(to))
            .subject(one_line(&self.subject))
            .multipart(whole)?;
        let headers = message.headers_mut();
        // The names come after: the library reads its own headers back, and cannot read every name.
        headers.insert_raw(mailbox_header(HeaderName::new_from_ascii_str("From"), Some(&self.shop), from));
        headers.insert_raw(mailbox_header(HeaderName::new_from_ascii_str("To"), *name, to));
        headers.insert_raw(mailbox_header(HeaderName::new_from_ascii_str("Reply-To"), None, reply_to));
        // RFC 3834, 5: nobody's absence note answers it.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        headers.insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Ok(message)
    }

    fn plain(&self) -> String {
        let mut parts = self.text.clone();
        parts.extend(self.link.as_ref().map(|(name, url)| format!("{name}:\n{url}")));
        parts.push(format!("-- \n{}", self.shop));
        parts.join("\n\n") + "\n"
    }

    fn html(&self) -> String {
        let shop = escape(&self.shop);
        let mut content = String::new();
        for paragraph in &self.text {
            let paragraph = escape(paragraph).replace('\n', "<br>");
            content.push_str(&format!("<p style=\"margin:0 0 16px\">{paragraph}</p>\n"));
        }
        if let Some((name, url)) = &self.link {
            let (name, url) = (escape(name), escape(url));
            content.push_str(&format!(
                "<p style=\"margin:24px 0\"><a href=\"{url}\" style=\"background:#1f4b99;color:#ffffff;\
                 text-decoration:none;padding:12px 20px;border-radius:6px;display:inline-block\">{name}</a></p>\n\
                 <p style=\"margin:0 0 16px;font-size:13px;color:#666666\">If the button does nothing, open this \
                 address:<br><span style=\"word-break:break-all\">{url}</span></p>\n"
            ));
        }
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
             <body style=\"margin:0;padding:24px;background:#f4f5f7;color:#222222;\
             font-family:-apple-system,'Segoe UI',Roboto,Arial,sans-serif;font-size:16px;line-height:1.5\">\n\
             <div style=\"max-width:560px;margin:0 auto;background:#ffffff;border-radius:8px;padding:32px\">\n\
             <p style=\"margin:0 0 24px;font-size:18px;font-weight:600\">{shop}</p>\n{content}</div>\n\
             <p style=\"max-width:560px;margin:16px auto;font-size:12px;color:#888888;text-align:center\">{shop}</p>\n\
             </body></html>\n",
            title = escape(&self.subject),
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(shop: &str, text: &str) -> Letter {
        Letter {
            shop: shop.to_owned(),
            subject: format!("{shop}: {text}"),
            text: vec![text.to_owned()],
            link: Some(("Open", "https://front.example/?a=1&b=\"".to_owned())),
            event: None,
        }
    }

    #[test]
    fn names_cannot_become_markup() {
        let html = letter("A & B", "<script>\"&").html();
        assert!(html.contains("&lt;script&gt;&quot;&amp;</p>") && html.contains("A &amp; B"));
        assert!(html.contains("href=\"https://front.example/?a=1&amp;b=&quot;\""));
        assert!(!html.contains("<script"));
    }

    fn formatted(letter: &Letter, name: &str) -> String {
        let address: Address = "shop@example.com".parse().unwrap_or_else(|_| unreachable!("a constant"));
        let envelope = Envelope { from: &address, reply_to: &address, name: Some(name), to: &address };
        let message = letter.message(Uuid::nil(), &envelope);
        String::from_utf8_lossy(&message.map(|message| message.formatted()).unwrap_or_default()).into_owned()
    }

    #[test]
    fn names_cannot_become_headers() {
        let text = formatted(
            &letter("Shop\r\nBcc: x@example.com", "hello\r\nX-Evil: 1"),
            "Eve\r\nBcc: all@example.com",
        );
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        assert!(names.contains(&"Subject"), "{head}");
        assert!(!names.contains(&"Bcc") && !names.contains(&"X-Evil"), "{head}");
    }
}
