//! The address a request came from, in the many ways that servers and proxies write it.
//!
//! A text that cannot be parsed is not an error but an absent client: a request must not fail because a proxy wrote
//! `unknown`, and a token bound to networks is refused when there is no address to compare. Names are never resolved,
//! and no address is chosen from several.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddrV4},
    str,
};

use super::{read_network, read_number};

/// The address a request came from, never IPv4-mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// Parses an address as servers and proxies report it; `None` when there is not exactly one.
    ///
    /// Accepts an address alone, with a port (`10.0.0.1:443`, `[::1]:443`), in brackets (`[::1]`), and with the full
    /// prefix length that PostgreSQL's `inet_client_addr()::text` appends (`10.0.0.1/32`). An IPv6 zone (RFC 4007
    /// section 11) and surrounding blanks are dropped. A list, as in `X-Forwarded-For`, is not an address: only the
    /// application knows which element to trust.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text.trim_ascii()).ok()?;
        let address = match text.strip_prefix('[') {
            Some(rest) => read_bracketed(rest)?,
            None => read_with_port(text).or_else(|| read_ipv6(text)).or_else(|| read_single_host(text))?,
        };
        Some(Self(address.to_canonical()))
    }

    /// The address: IPv4, or an IPv6 address that is not IPv4-mapped.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

/// What is known of the address a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAddress {
    /// Nobody has told it.
    NotGiven,
    /// What was told is not exactly one address.
    Unreadable,
    /// It is known.
    Known(Client),
}

impl ClientAddress {
    /// Reads what a caller has told, if anything.
    pub fn read(text: Option<&[u8]>) -> Self {
        text.map_or(Self::NotGiven, |text| Client::parse(text).map_or(Self::Unreadable, Self::Known))
    }

    /// The address, if it is known.
    pub fn known(self) -> Option<Client> {
        match self {
            Self::Known(client) => Some(client),
            Self::NotGiven | Self::Unreadable => None,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses the text after an opening bracket: `::1]` or `::1]:443`.
fn read_bracketed(text: &str) -> Option<IpAddr> {
    let (address, port) = text.split_once(']')?;
    if !port.is_empty() {
        read_number::<u16>(port.strip_prefix(':')?)?;
    }
    read_ipv6(address)
}

fn read_with_port(text: &str) -> Option<IpAddr> {
    let socket: SocketAddrV4 = text.parse().ok()?;
    Some(IpAddr::V4(*socket.ip()))
}

fn read_ipv6(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if is_zone(zone) => address,
        Some(_) => return None,
        None => text,
    };
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// Whether the text has only the characters that RFC 6874 section 2 allows in a zone, and `%`, which its `%25` brings
/// in. Not any characters, because `fe80::1%eth0, 10.0.0.1` is a list.
fn is_zone(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn read_single_host(text: &str) -> Option<IpAddr> {
    let network = read_network(text)?;
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn client(text: &str) -> Option<String> {
        Client::parse(text.as_bytes()).map(|client| client.to_string())
    }

    #[test]
    fn a_client_is_read_in_every_form_servers_report() {
        for (written, address) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:443", "10.0.0.1"),
            (" 10.0.0.1\t", "10.0.0.1"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:443", "::1"),
            ("2001:db8::1/128", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:8080", "fe80::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("[::ffff:a00:1]:443", "10.0.0.1"),
        ] {
            assert_eq!(client(written).as_deref(), Some(address), "{written}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_address_is_none() {
        let texts = [
            "",
            " ",
            "unknown",
            "localhost",
            "10.0.0.1, 10.0.0.2",
            "10.0.0.1:",
            "10.0.0.1:65536",
            "10.0.0.1:+1",
            "10.0.0.1%eth0",
            "10.0.0.1/31",
            "10.0.0.0/24",
            "010.0.0.1",
            "167772161",
            "[10.0.0.1]",
            "[::1",
            "::1]",
            "[::1]:",
            "[::1]443",
            "[::1]:+1",
            "[::1]:65536",
            "[[::1]]",
            "fe80::1%",
            "fe80::1%eth0, 10.0.0.1",
            "::1/64",
            "::1:70000",
            "10.0.0.1\0",
            "/32",
        ];
        for text in texts {
            assert_eq!(client(text), None, "{text}");
        }
        assert_eq!(Client::parse(b"10.0.0.1\xff"), None);
    }

    proptest! {
        #[test]
        fn every_address_is_read_with_and_without_port(address: IpAddr, port: u16) {
            let expected = Some(Client(address.to_canonical()));
            prop_assert_eq!(Client::parse(address.to_string().as_bytes()), expected);
            let with_port = SocketAddr::new(address, port).to_string();
            prop_assert_eq!(Client::parse(with_port.as_bytes()), expected);
        }

        #[test]
        fn no_bytes_make_reading_panic(text: Vec<u8>) {
            let _ = Client::parse(&text);
        }
    }
}
