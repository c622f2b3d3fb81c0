//! Where a request came from, as three words, and its network as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(IpAddr);

impl Address {
    /// This one.
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

    /// The network that usage is told apart by: /24 of IPv4, /48 of IPv6, what one site usually has.
    pub(super) fn network(self) -> u64 {
        match self.0 {
            IpAddr::V4(address) => 4 << 56 | u64::from(address.to_bits() >> 8),
            IpAddr::V6(address) => 6 << 56 | (address.to_bits() >> 80) as u64,
        }
    }

    /// As people write it.
    pub fn text(self) -> String {
        self.0.to_string()
    }
}

/// A network as people write it; `None` for what is none.
pub(super) fn network_text(network: u64) -> Option<String> {
    let bits = network & (u64::MAX >> 8);
    match network >> 56 {
        4 => Some(format!("{}/24", Ipv4Addr::from_bits((bits as u32) << 8))),
        6 => Some(format!("{}/48", Ipv6Addr::from_bits(u128::from(bits) << 80))),
        _ => None,
    }
}
