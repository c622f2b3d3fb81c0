//! Networks a token may be used from, and the address a request came from.
//!
//! IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) are read as IPv4, in networks and in clients, so it makes no
//! difference whether a server listens on `::` or on `0.0.0.0`. A text that is not exactly one address counts as none:
//! there is no guessing, and names are never resolved.

mod client;
mod networks;

use std::{error, fmt, net::IpAddr, str};

use ipnet::IpNet;

pub use client::{Client, ClientAddress};
pub use networks::{Networks, are_within};

/// A network in the notation of RFC 4632 and RFC 4291 section 2.3, such as `10.0.0.0/8` or
/// `2001:db8::/32`.
///
/// Displayed with its prefix length always, as PostgreSQL's `cidr` does: each network has one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Parses a network; an address without a prefix length is the network of this single host.
    ///
    /// # Errors
    /// [`NetworkError::Unreadable`] when the text is neither, and [`NetworkError::HostBits`] when the address has bits
    /// set beyond the prefix: `10.0.0.1/8` may mean the host or the network, and these admit different clients.
    pub fn parse(text: &[u8]) -> Result<Self, NetworkError> {
        let text = str::from_utf8(text).map_err(|_| NetworkError::Unreadable)?;
        let network = read_network(text).ok_or(NetworkError::Unreadable)?;
        if network.addr() == network.network() { Ok(Self(network)) } else { Err(NetworkError::HostBits) }
    }

    /// Whether the client is in this network. No IPv6 network contains an IPv4 client, not even `::/0`.
    pub fn contains(&self, client: Client) -> bool {
        self.0.contains(&client.address())
    }
}

/// Whether a client may use what is bound to these networks; any client may if `None`.
pub fn admits(networks: Option<&[Network]>, client: Option<Client>) -> bool {
    networks.is_none_or(|networks| client.is_some_and(|client| networks.iter().any(|network| network.contains(client))))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not a network. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// Neither an address nor an address with a valid prefix length.
    Unreadable,
    /// The address has bits set to the right of the prefix.
    HostBits,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "a network is an IP address, alone or with \"/\" and a prefix length",
            Self::HostBits => "a network has no bits set to the right of its prefix",
        })
    }
}

impl error::Error for NetworkError {}

/// How many leading bits an IPv4-mapped IPv6 address has before its IPv4 part.
const MAPPED_PREFIX: u8 = 96;

fn read_network(text: &str) -> Option<IpNet> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(read_number(length)?)),
        None => (text, None),
    };
    // Parsed by the standard library: ipnet reads `010.0.0.0` as 10.0.0.0, where C libraries read an octal 8.
    let written: IpAddr = address.parse().ok()?;
    let address = written.to_canonical();
    match length {
        None => Some(IpNet::from(address)),
        Some(length) if address == written => IpNet::new(address, length).ok(),
        Some(length) => IpNet::new(address, length.checked_sub(MAPPED_PREFIX)?).ok(),
    }
}

/// Parses a number of digits only; the standard library would accept a sign as well.
fn read_number<N: str::FromStr>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn network(text: &str) -> Network {
        Network::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_network_has_one_spelling() {
        for (written, canonical) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0:0::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:a00:1", "10.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(network(written).to_string(), canonical);
            assert_eq!(network(canonical), network(written));
        }
    }

    #[test]
    fn host_bits_are_an_error_and_not_dropped() {
        for text in ["10.0.0.1/8", "0.0.0.1/0", "2001:db8::1/32", "::ffff:10.0.0.1/104"] {
            assert_eq!(Network::parse(text.as_bytes()), Err(NetworkError::HostBits), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_network() {
        let texts = [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.0/ 8",
            "10.0.0.0/256",
            "::/129",
            "::ffff:0:0/95",
            "10/8",
            "010.0.0.0/8",
            "0x0a.0.0.0",
            "10.0.0.0/255.0.0.0",
            " 10.0.0.1",
            "10.0.0.1\n",
            "localhost",
            "fe80::1%eth0",
            "[::1]",
            "10.0.0.1:80",
            "\u{ff11}0.0.0.1",
        ];
        for text in texts {
            assert_eq!(Network::parse(text.as_bytes()), Err(NetworkError::Unreadable), "{text}");
        }
        assert_eq!(Network::parse(b"10.0.0.1\xff"), Err(NetworkError::Unreadable));
    }

    #[test]
    fn a_mapped_client_is_in_the_ipv4_network_and_in_no_ipv6_network() {
        let mapped = Client::parse(b"::ffff:10.1.2.3").unwrap();
        assert!(network("10.0.0.0/8").contains(mapped));
        assert!(network("::ffff:10.0.0.0/104").contains(mapped));
        assert!(!network("::/0").contains(mapped));
        assert!(!network("11.0.0.0/8").contains(mapped));
    }

    proptest! {
        #[test]
        fn a_client_is_in_a_network_when_their_leading_bits_are_the_same(
            bits: u32,
            other: u32,
            length in 1u8..=32,
        ) {
            let mask = u32::MAX << (32 - length);
            let network = network(&format!("{}/{length}", Ipv4Addr::from(bits & mask)));
            for address in [other, (bits & mask) | (other & !mask)] {
                let client = Client::parse(Ipv4Addr::from(address).to_string().as_bytes()).unwrap();
                prop_assert_eq!(network.contains(client), address & mask == bits & mask);
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(text: Vec<u8>) {
            let _ = Network::parse(&text);
        }
    }
}
