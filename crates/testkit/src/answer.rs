//! Answers, read to their end.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer of the service.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The canonical error's code; checks the rest of its form.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        let details = &body["error"]["details"];
        assert!(details["fieldErrors"].is_object() && body["error"]["message"].is_string(), "{self:?}");
        assert_eq!(details["meta"]["requestId"], self.headers["x-request-id"].to_str().unwrap());
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn faulty_fields(&self) -> Vec<String> {
        let body = self.json();
        body["error"]["details"]["fieldErrors"].as_object().unwrap().keys().cloned().collect()
    }

    /// The body without what differs between any two requests.
    pub fn without_request_id(&self) -> Value {
        let mut body = self.json();
        body["error"]["details"]["meta"]["requestId"] = Value::Null;
        body
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

/// The session's cookie, as a client sends it back.
#[track_caller]
pub fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}
