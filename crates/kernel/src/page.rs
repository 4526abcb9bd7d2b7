//! Lists by page: newest first, continued after the last row of the previous page, so new rows shift nothing.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A row's place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub created_at: DateTime<Utc>,
    pub id: Uuid,
}

#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// Tells the cursors of one list from those of another.
    pub list: u16,
    /// 1 to 100.
    pub limit: u32,
    /// The last row of the page before; none for the first page.
    pub after: Option<Position>,
}

#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Of the request.
    pub list: u16,
    pub items: Vec<T>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<Position>,
}

impl PageRequest {
    /// How many rows to read: one more than is shown tells whether there is a next page.
    pub fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts the extra row off and notes where the next page begins.
    pub fn cut<R>(&self, mut rows: Vec<R>, position: impl Fn(&R) -> Position) -> Page<R> {
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(position) } else { None };
        Page { list: self.list, items: rows, next }
    }
}

impl<T> Page<T> {
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { list: self.list, items: self.items.into_iter().map(convert).collect(), next: self.next }
    }
}
