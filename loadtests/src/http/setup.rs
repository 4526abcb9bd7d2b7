use std::net::SocketAddr;

use serde_json::Value;

use super::{Connection, Template};
use crate::Failure;

/// Calls that prepare a run, one at a time.
pub struct SetupClient {
    connection: Connection,
}

/// What was answered to one of them.
pub struct Called {
    pub status: u16,
    pub body: Value,
    /// `session=…`, where the answer set it.
    pub cookie: Option<String>,
}

impl SetupClient {
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        Ok(Self { connection: Connection::open(address).await? })
    }

    pub async fn call(&mut self, template: &Template, body: &Value) -> Result<Called, Failure> {
        let mut request = Vec::new();
        template.write(&mut request, body.to_string().as_bytes());
        let answer = self.connection.exchange(&request).await?;
        let head = String::from_utf8_lossy(answer.head);
        let cookie = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .and_then(|(_, value)| value.trim().split(';').next())
            .map(str::to_owned);
        let body = if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(answer.body)? };
        Ok(Called { status: answer.status, body, cookie })
    }
}

impl Called {
    /// The answer, where it is the expected one.
    pub fn expect(self, status: u16, what: &str) -> Result<Self, Failure> {
        if self.status == status {
            Ok(self)
        } else {
            Err(format!("{what}: answered {} {}", self.status, self.body).into())
        }
    }
}
