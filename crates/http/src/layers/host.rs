//! The host of a request.

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderName};

use super::address::TrustedProxies;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Longest name in the domain name system.
const LONGEST_HOST: usize = 253;

/// The request's own host, folded and without a port; empty where it names none. Kept in the request's extensions.
#[derive(Debug, Clone)]
pub struct RequestHost(pub String);

/// `x-forwarded-host` where the peer is a trusted proxy, else what the request line or the `host` header says.
pub(crate) fn of(request: &ServiceRequest, proxies: &TrustedProxies) -> RequestHost {
    let forwarded = if proxies.trust(request.peer_addr().map(|peer| peer.ip())) {
        request
            .headers()
            .get(FORWARDED_HOST)
            // The first is what the client asked its first proxy for.
            .map(|value| value.to_str().unwrap_or_default().split(',').next().unwrap_or_default())
    } else {
        None
    };
    let named = match (forwarded, request.uri().authority()) {
        (Some(host), _) => Some(host),
        // A whole URL on the request line (and HTTP/2) overrides the header: RFC 9112, 3.2.2.
        (None, Some(authority)) => Some(authority.as_str()),
        (None, None) => {
            let mut hosts = request.headers().get_all(header::HOST);
            match (hosts.next(), hosts.next()) {
                (Some(host), None) => host.to_str().ok(),
                // Two hosts name none: which of them was meant could be read in two ways.
                _ => None,
            }
        }
    };
    RequestHost(named.and_then(fold).unwrap_or_default())
}

pub(crate) fn current(request: &ServiceRequest) -> String {
    request.extensions().get::<RequestHost>().map(|host| host.0.clone()).unwrap_or_default()
}

/// Drops the port, a trailing dot and an address's brackets, and folds the case. None where there is no host in it.
pub fn fold(text: &str) -> Option<String> {
    let text = text.trim();
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            if !(after.is_empty() || is_port(after)) {
                return None;
            }
            // One address has many spellings.
            return address.parse::<std::net::Ipv6Addr>().ok().map(|address| address.to_string());
        }
        None => match text.split_once(':') {
            Some((host, _)) if is_port(&text[host.len()..]) => host,
            Some(_) => return None,
            None => text,
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let fits = (1..=LONGEST_HOST).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    fits.then(|| host.to_ascii_lowercase())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn hosts_are_folded() {
        for (text, host) in [
            ("Demo.Example.COM", "demo.example.com"),
            ("demo.example.com:4000", "demo.example.com"),
            ("demo.example.com.", "demo.example.com"),
            ("demo.example.com.:443", "demo.example.com"),
            ("127.0.0.1:4000", "127.0.0.1"),
            ("[::1]:4000", "::1"),
            ("[::1]", "::1"),
            ("[0:0:0:0:0:0:0:1]", "::1"),
            (" localhost ", "localhost"),
            ("localhost:", "localhost"),
        ] {
            assert_eq!(fold(text).as_deref(), Some(host), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_names_none() {
        for text in [
            "",
            ":80",
            ".",
            "a b",
            "a/b",
            "user@host",
            "[::1",
            "[::1]x",
            "[x]",
            "::1",
            "a:b",
            "é.example",
            "a:999999",
        ] {
            assert_eq!(fold(text), None, "{text}");
        }
        assert_eq!(fold(&"a".repeat(254)), None);
    }
}
