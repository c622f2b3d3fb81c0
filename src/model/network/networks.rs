//! The networks that a token is bound to, compared as sets of addresses.

use ipnet::IpNet;

use super::Network;

/// A list of networks, which admits every client that is in one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

impl Networks {
    /// Reads networks as our functions have stored them. One that was not written by them and does not parse admits
    /// nobody.
    pub fn stored<'a>(list: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(list.into_iter().filter_map(|network| Network::parse(network).ok()).collect())
    }

    /// Whether `other` admits every client that this list admits.
    pub fn within(&self, other: &Self) -> bool {
        let theirs: Vec<IpNet> = other.0.iter().map(|network| network.0).collect();
        self.0.iter().all(|network| is_covered(network.0, &theirs))
    }
}

/// Whether a token bound to `ours` can be used only from where one bound to `theirs` can; `None` is bound to none.
pub fn are_within(ours: Option<&Networks>, theirs: Option<&Networks>) -> bool {
    match (ours, theirs) {
        (_, None) => true,
        // Even `0.0.0.0/0` and `::/0` together admit less: they refuse a client whose address is not given.
        (None, Some(_)) => false,
        (Some(ours), Some(theirs)) => ours.within(theirs),
    }
}

/// Whether the networks together contain this one. `IpNet::aggregate` would tell, but it takes `255.255.255.254/32` for
/// a network that also holds the address after it.
fn is_covered(network: IpNet, by: &[IpNet]) -> bool {
    if by.iter().any(|wider| wider.contains(&network)) {
        return true;
    }
    // Each lies in one half or in the other, so all halvings together look at it no more often than it has bits.
    let inside: Vec<IpNet> = by.iter().filter(|narrower| network.contains(*narrower)).copied().collect();
    !inside.is_empty()
        && network
            .subnets(network.prefix_len() + 1)
            .is_ok_and(|mut halves| halves.all(|half| is_covered(half, &inside)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Client;
    use proptest::prelude::*;

    fn networks(texts: &[&str]) -> Networks {
        let networks = Networks::stored(texts.iter().map(|text| text.as_bytes()));
        assert_eq!(networks.0.len(), texts.len());
        networks
    }

    #[test]
    fn several_networks_may_contain_another_together() {
        assert!(networks(&["10.0.0.0/8"]).within(&networks(&["10.128.0.0/9", "::/0", "10.0.0.0/10", "10.64.0.0/10"])));
        assert!(!networks(&["10.0.0.0/8"]).within(&networks(&["10.128.0.0/9", "10.0.0.0/10"])));
        assert!(networks(&["::/0"]).within(&networks(&["8000::/1", "::/1"])));
        assert!(!networks(&["255.255.255.254/31"]).within(&networks(&["255.255.255.254/32"])));
    }

    #[test]
    fn addresses_of_one_family_are_in_no_network_of_the_other() {
        assert!(!networks(&["10.0.0.0/8"]).within(&networks(&["::/0"])));
        assert!(!networks(&["::1"]).within(&networks(&["0.0.0.0/0"])));
    }

    #[test]
    fn a_token_that_is_bound_to_nothing_is_within_no_networks() {
        let everywhere = networks(&["0.0.0.0/0", "::/0"]);
        let nowhere = networks(&[]);
        assert!(!are_within(None, Some(&everywhere)));
        assert!(are_within(None, None));
        assert!(are_within(Some(&everywhere), None));
        assert!(are_within(Some(&nowhere), Some(&nowhere)));
        assert!(!are_within(Some(&everywhere), Some(&nowhere)));
    }

    /// Networks within 10.0.0.0/28, few enough that each of its addresses can be tried.
    fn any_networks() -> impl Strategy<Value = Networks> {
        let network = (28_u8..=32, 0_u8..16).prop_map(|(length, host)| {
            let bits = u32::from_be_bytes([10, 0, 0, host]) & (u32::MAX << (32 - length));
            Network::parse(format!("{}/{length}", std::net::Ipv4Addr::from(bits)).as_bytes()).unwrap()
        });
        prop::collection::vec(network, 0..10).prop_map(|list| Networks(list.into()))
    }

    fn admitted(networks: &Networks) -> u16 {
        (0..16).fold(0, |bits, host| {
            let client = Client::parse(format!("10.0.0.{host}").as_bytes()).unwrap();
            bits | u16::from(networks.0.iter().any(|network| network.contains(client))) << host
        })
    }

    proptest! {
        #[test]
        fn lying_within_is_inclusion_of_the_clients_admitted(ours in any_networks(), theirs in any_networks()) {
            prop_assert_eq!(ours.within(&theirs), admitted(&ours) & !admitted(&theirs) == 0);
        }
    }
}
