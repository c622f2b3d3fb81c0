//! Scopes, networks and the addresses of clients.

use crate::model::network::{Client, ClientAddress, Network};
use crate::model::scope::Scopes;

/// Sets of scopes have one form and only ever narrow; a network holds just the addresses that begin as it does.
pub fn check(input: &[u8]) {
    let mut lists = input.split(|&byte| byte == b'\n').map(|line| line.split(|&byte| byte == b' '));
    let (ours, theirs) = (lists.next(), lists.next());
    if let Some(ours) = ours.and_then(|list| Scopes::parse(list).ok()) {
        let again = Scopes::parse(ours.iter().map(str::as_bytes)).expect("what was read is well formed");
        assert!(again == ours, "there is one form");
        assert!(ours.iter().zip(ours.iter().skip(1)).all(|(one, next)| one.as_bytes() < next.as_bytes()));
        assert!(ours.within(&ours) && ours.within(&Scopes::everything()) && Scopes::nothing().within(&ours));
        if let Some(theirs) = theirs.and_then(|list| Scopes::parse(list).ok()) {
            let both = ours.intersect(&theirs);
            assert!(both.within(&ours) && both.within(&theirs));
            assert!(both == theirs.intersect(&ours));
            assert!(ours.within(&ours.union(&theirs)));
            assert_eq!(ours.within(&theirs), ours.missing_from(&theirs).next().is_none());
        }
    }
    let client = Client::parse(input);
    assert_eq!(ClientAddress::read(Some(input)).known(), client);
    assert!(client.is_none_or(|client| Client::parse(client.to_string().as_bytes()) == Some(client)));
    if let Ok(network) = Network::parse(input) {
        assert_eq!(Network::parse(network.to_string().as_bytes()), Ok(network), "there is one form");
        assert!(client.is_none_or(|client| network.contains(client)), "an address is the network of itself");
    }
}
