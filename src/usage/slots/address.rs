//! The address of a client as three words, and its network as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(IpAddr);

impl Address {
    /// Wraps an address.
    pub fn of(address: IpAddr) -> Self {
        Address(address)
    }

    /// Its family, 4 or 6, and its bits.
    pub(super) fn words(self) -> [u64; 3] {
        match self.0 {
            IpAddr::V4(address) => [4, 0, u64::from(address.to_bits())],
            IpAddr::V6(address) => [6, (address.to_bits() >> 64) as u64, address.to_bits() as u64],
        }
    }

    pub(super) fn of_words([family, high, low]: [u64; 3]) -> Option<Self> {
        match family {
            4 => Some(Address(Ipv4Addr::from_bits(low as u32).into())),
            6 => Some(Address(Ipv6Addr::from_bits((u128::from(high) << 64) | u128::from(low)).into())),
            _ => None,
        }
    }

    /// The network that usage records: the /24 of an IPv4 or /48 of an IPv6 address, usually that of one site.
    pub(super) fn network(self) -> u64 {
        match self.0 {
            IpAddr::V4(address) => 4 << 56 | u64::from(address.to_bits() >> 8),
            IpAddr::V6(address) => 6 << 56 | (address.to_bits() >> 80) as u64,
        }
    }

    /// The address as text.
    pub fn text(self) -> String {
        self.0.to_string()
    }
}

/// A network as text; `None` if the word holds none.
pub(super) fn network_text(network: u64) -> Option<String> {
    let bits = network & (u64::MAX >> 8);
    match network >> 56 {
        4 => Some(format!("{}/24", Ipv4Addr::from_bits((bits as u32) << 8))),
        6 => Some(format!("{}/48", Ipv6Addr::from_bits(u128::from(bits) << 80))),
        _ => None,
    }
}
