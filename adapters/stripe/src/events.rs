//! Lists the events that Stripe still has, in the form that a webhook would bring.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::error::ProviderError;
use crate::provider::{PaymentProvider, invalid_answer};
use crate::retry::with_retries;

/// The largest page that Stripe gives.
const EVENTS_ON_A_PAGE: usize = 100;

/// Pages read for one question.
const MAX_PAGES: usize = 5;

/// An event with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedEvent {
    pub id: String,
    pub kind: String,
    pub payment_intent: Option<String>,
    /// The event as it is, with all that this program does not know of.
    pub body: Value,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Value>,
    has_more: bool,
}

impl PaymentProvider {
    /// The events of these types made within this time, oldest first; none where there are more than five hundred.
    /// Stripe keeps them for 30 days.
    pub async fn list_events(
        &self,
        kinds: &[&str],
        made: RangeInclusive<DateTime<Utc>>,
    ) -> Result<Option<Vec<ListedEvent>>, ProviderError> {
        let mut events: Vec<ListedEvent> = Vec::new();
        for _ in 0..MAX_PAGES {
            let path = path(kinds, &made, events.last().map(|event| event.id.as_str()));
            let bytes = with_retries(&self.timeouts, || self.transport.get(&path)).await?;
            let page: Page = serde_json::from_slice(&bytes)
                .map_err(|error| invalid_answer(&format!("the list of events: {error}")))?;
            for body in page.data {
                events.push(listed(body).ok_or_else(|| invalid_answer("an event without id and type"))?);
            }
            if !page.has_more {
                // Stripe tells the newest first.
                events.reverse();
                return Ok(Some(events));
            }
        }
        Ok(None)
    }
}

fn path(kinds: &[&str], made: &RangeInclusive<DateTime<Utc>>, after: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    for kind in kinds {
        query.append_pair("types[]", kind);
    }
    query.append_pair("created[gte]", &made.start().timestamp().to_string());
    query.append_pair("created[lte]", &made.end().timestamp().to_string());
    query.append_pair("limit", &EVENTS_ON_A_PAGE.to_string());
    if let Some(after) = after {
        query.append_pair("starting_after", after);
    }
    format!("/events?{}", query.finish())
}

fn listed(body: Value) -> Option<ListedEvent> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (id, kind) = (text(&body["id"])?, text(&body["type"])?);
    let intent = &body["data"]["object"]["payment_intent"];
    // Its id, or the whole of it where it is expanded.
    let payment_intent = text(intent).or_else(|| text(&intent["id"]));
    Some(ListedEvent { id, kind, payment_intent, body })
}
