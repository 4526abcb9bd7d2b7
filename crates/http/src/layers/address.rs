//! The client's address, and which proxies are trusted to state it.

use std::fmt;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use ipnet::IpNet;

use crate::endpoint::Argument;
use crate::error::ApiError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Peers whose `x-forwarded-…` headers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// An entry is neither an address nor a CIDR block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedProxy;

impl fmt::Display for MalformedProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("must be addresses and CIDR blocks, separated by commas")
    }
}

impl TrustedProxies {
    pub fn loopback() -> Self {
        let v4 = IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let v4 = IpNet::new(v4.addr(), 8).map_or(v4, |net| net.trunc());
        Self(vec![v4, IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))])
    }

    pub fn trust(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| {
            let peer = peer.to_canonical();
            self.0.iter().any(|net| net.contains(&peer))
        })
    }

    /// The right-most hop that is no trusted proxy: what stands left of it, it could have invented.
    fn client(&self, peer: IpAddr, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in hops.rev() {
            if !self.trust(Some(client)) {
                break;
            }
            // A hop that cannot be read ends the chain at the proxy that vouched for it.
            let Some(hop) = hop else { break };
            client = hop.to_canonical();
        }
        client
    }
}

impl FromStr for TrustedProxies {
    type Err = MalformedProxy;

    fn from_str(text: &str) -> Result<Self, MalformedProxy> {
        text.split(',')
            .map(|entry| {
                let entry = entry.trim();
                let net = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
                net.map(|net| canonical(net).trunc()).map_err(|_| MalformedProxy)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A block of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) as the IPv4 block that it is: peers are compared in their
/// canonical form, which is IPv4.
fn canonical(net: IpNet) -> IpNet {
    /// Bits before the IPv4 address: RFC 4291, 2.5.5.2.
    const MAPPED_BITS: u8 = 96;
    let v4 = net.prefix_len().checked_sub(MAPPED_BITS).zip(match net.addr() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    });
    v4.and_then(|(prefix, address)| IpNet::new(IpAddr::V4(address), prefix).ok()).unwrap_or(net)
}

/// Where the client is, as far as can be told. Kept in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

pub(crate) fn of(request: &ServiceRequest, proxies: &TrustedProxies) -> ClientAddress {
    // A listener on TCP always knows its peer.
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let hops: Vec<Option<IpAddr>> = request
        .headers()
        .get_all(FORWARDED_FOR)
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(hop)
        .collect();
    ClientAddress(proxies.client(peer, hops.into_iter()))
}

/// An entry of `x-forwarded-for`; some proxies write a port or brackets.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

impl Argument for ClientAddress {}

impl FromRequest for ClientAddress {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let address = request.extensions().get::<Self>().copied();
        ready(address.ok_or_else(|| ApiError::internal("a request without an address")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn client(proxies: &str, peer: &str, hops: &[&str]) -> String {
        let proxies: TrustedProxies = proxies.parse().unwrap();
        proxies.client(peer.parse().unwrap(), hops.iter().map(|text| hop(text))).to_string()
    }

    #[test]
    fn a_stranger_s_word_is_not_taken() {
        assert_eq!(client("127.0.0.1", "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        let hops = ["6.6.6.6", "198.51.100.1", "10.1.2.3"];
        assert_eq!(client("127.0.0.1,10.0.0.0/8", "127.0.0.1", &hops), "198.51.100.1");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &hops), "10.1.2.3");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["10.0.0.2", "10.0.0.3"]), "10.0.0.2");
    }

    #[test]
    fn an_unreadable_hop_ends_the_chain() {
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["198.51.100.1", "unknown"]), "127.0.0.1");
    }

    #[test]
    fn addresses_have_several_spellings() {
        assert_eq!(client("127.0.0.1", "::ffff:127.0.0.1", &["[2001:db8::1]:99"]), "2001:db8::1");
        assert_eq!(client("::1", "::1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("::1", "::1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn loopback_is_the_whole_block() {
        let proxies = TrustedProxies::loopback();
        for peer in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(proxies.trust(Some(peer.parse().unwrap())), "{peer}");
        }
        assert!(!proxies.trust(Some("128.0.0.1".parse().unwrap())));
        assert!(!proxies.trust(None));
    }

    #[test]
    fn a_block_in_ipv4_mapped_form_is_the_ipv4_block() {
        for (mapped, plain) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::FFFF:a00:0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1/128", "192.0.2.1/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(mapped.parse::<TrustedProxies>(), plain.parse(), "{mapped}");
        }
        assert_eq!(client("::ffff:10.0.0.0/104", "10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.0/104", "11.0.0.1", &["198.51.100.1"]), "11.0.0.1");
    }

    #[test]
    fn a_peer_in_ipv4_mapped_form_is_the_ipv4_peer() {
        let proxies: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        assert!(proxies.trust(Some("::ffff:10.1.2.3".parse().unwrap())));
        assert!(!proxies.trust(Some("::ffff:11.1.2.3".parse().unwrap())));
    }

    #[test]
    fn a_block_of_ipv6_holds_no_ipv4_address() {
        for block in ["::/0", "::/95", "::10.0.0.0/104", "2001:db8::/32"] {
            let proxies: TrustedProxies = block.parse().unwrap();
            for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
                assert!(!proxies.trust(Some(peer.parse().unwrap())), "{block} {peer}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "x", "127.0.0.1,", "10.0.0.0/33", "127.0.0.1;10.0.0.1", "::ffff:10.0.0.0/129"] {
            assert_eq!(text.parse::<TrustedProxies>(), Err(MalformedProxy), "{text}");
        }
    }
}
