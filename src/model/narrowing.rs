//! What a derived token leaves of its parent: each of these only ever takes away.

use serde_json::Value;

use super::data_scope::DataScopes;
use super::kind::Kind;
use super::network::{self, Client, Network};
use super::scope::{Scope, Scopes};
use super::token_state::TokenState;
use crate::pg::types::clock::Timestamp;
use crate::token::derived::Caveats;
use crate::token::pasted::masked;

/// By how much the clock of whoever makes a child may be ahead of ours.
const MOST_AHEAD: i64 = 60;

/// The caveats of a child, understood. What is `None` is not narrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing {
    start: Timestamp,
    end: Timestamp,
    scopes: Option<Scopes>,
    data_scopes: Option<DataScopes>,
    networks: Option<Box<[Network]>>,
    label: Option<Box<str>>,
}

impl Narrowing {
    /// Understands caveats; `None` if a scope, a network or data scopes are none that a token could be issued with.
    ///
    /// Dimensions and values with characters that the database does not have, as `is_known` tells, are none of any
    /// table's: they are left out, since no answer could name them.
    pub fn of(caveats: &Caveats, is_known: impl Fn(&str) -> bool) -> Option<Self> {
        let Caveats { start, end, scopes, data_scopes, networks, label } = caveats;
        Some(Narrowing {
            start: Timestamp::of_unix_seconds(*start),
            end: Timestamp::of_unix_seconds(*end),
            scopes: given(scopes, |list| Scopes::parse(list.iter().map(String::as_bytes)).ok())?,
            data_scopes: given(data_scopes, |dimensions| {
                DataScopes::parse(&value_of(dimensions, |_| true)).ok()?;
                DataScopes::parse(&value_of(dimensions, &is_known)).ok()
            })?,
            networks: given(networks, |list| {
                let network = |text: &String| Network::parse(text.as_bytes()).ok();
                (list.len() <= MOST_NETWORKS).then(|| list.iter().map(network).collect())?
            })?,
            // Whoever makes a child writes its label, which events and answers show.
            label: label.as_deref().map(masked).map(String::into_boxed_str),
        })
    }

    /// When the child begins to work by itself, as whoever made it has said.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// When the child begins to work by itself, allowing for a clock that is ahead.
    pub fn begin(&self) -> Timestamp {
        Timestamp::of_unix_seconds(self.start.unix_seconds() - MOST_AHEAD)
    }

    /// When the child stops working by itself.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// For people: what it was made for.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Whether it works for longer than children of this kind may.
    pub fn is_too_long_for(&self, kind: &Kind) -> bool {
        // A bound beyond the calendar is none.
        self.start.plus(&kind.max_derived_lifetime).is_some_and(|latest| self.end > latest)
    }

    /// The state of a child of a token in this state; `is_killed` if the child was revoked by itself.
    pub fn state(&self, parent: TokenState, kind: &Kind, is_killed: bool) -> TokenState {
        let end = if self.is_too_long_for(kind) { Timestamp::MINUS_INFINITY } else { self.end };
        let begin = self.begin();
        TokenState {
            revoked: parent.revoked || is_killed,
            not_before: Some(parent.not_before.map_or(begin, |start| start.max(begin))),
            ends_at: Some(parent.ends_at.map_or(end, |parents| parents.min(end))),
            ..parent
        }
    }

    /// The part of these scopes that is left.
    pub fn scopes(&self, parents: &Scopes) -> Scopes {
        self.scopes.as_ref().map_or_else(|| parents.clone(), |own| own.intersect(parents))
    }

    /// The scopes that it is narrowed to; `None`: it leaves all as they are.
    pub fn own_scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// Whether this scope is left, if the parent grants it.
    pub fn grants(&self, scope: &Scope) -> bool {
        self.scopes.as_ref().is_none_or(|own| own.covers(scope))
    }

    /// The part of these data scopes that is left.
    pub fn data_scopes(&self, parents: DataScopes) -> DataScopes {
        match &self.data_scopes {
            Some(own) => own.intersect(&parents),
            None => parents,
        }
    }

    /// Whether it may be used from there, if its parent may.
    pub fn admits(&self, client: Option<Client>) -> bool {
        network::admits(self.networks.as_deref(), client)
    }

    /// The networks from which it may be used.
    pub fn networks(&self) -> Option<&[Network]> {
        self.networks.as_deref()
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.scopes.as_ref().map_or(0, Scopes::size)
            + self.data_scopes.as_ref().map_or(0, DataScopes::size)
            + self.networks.as_ref().map_or(0, |networks| size_of_val(&**networks))
            + self.label.as_ref().map_or(0, |label| label.len())
    }
}

/// The most networks of a token.
const MOST_NETWORKS: usize = 256;

/// What is made of a value that may be absent; `None` if it is there and nothing can be made of it.
fn given<T, U>(value: &Option<T>, make: impl FnOnce(&T) -> Option<U>) -> Option<Option<U>> {
    value.as_ref().map_or(Some(None), |value| make(value).map(Some))
}

/// Dimensions in JSON, but for names and values that are not known.
fn value_of(dimensions: &[(String, Vec<String>)], is_known: impl Fn(&str) -> bool) -> Value {
    let known = |values: &[String]| values.iter().filter(|value| is_known(value)).cloned().collect::<Vec<_>>();
    let dimensions = dimensions.iter().filter(|(name, _)| is_known(name));
    Value::Object(dimensions.map(|(name, values)| (name.clone(), Value::from(known(values)))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::{NewToken, Prefix};

    fn narrowing(caveats: &Caveats) -> Option<Narrowing> {
        Narrowing::of(&Caveats { start: 0, end: 60, ..caveats.clone() }, |_| true)
    }

    fn list(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn what_no_token_could_be_issued_with_is_refused() {
        for caveats in [
            Caveats { scopes: list(&["a b"]), ..Caveats::default() },
            Caveats { scopes: list(&[""]), ..Caveats::default() },
            Caveats { scopes: Some((0..257).map(|number| number.to_string()).collect()), ..Caveats::default() },
            Caveats { networks: list(&["10.0.0.1/8"]), ..Caveats::default() },
            Caveats { networks: list(&["host"]), ..Caveats::default() },
            Caveats { networks: Some((0..257).map(|n| format!("::{n:x}")).collect()), ..Caveats::default() },
            Caveats { data_scopes: Some(vec![(String::new(), Vec::new())]), ..Caveats::default() },
            Caveats { data_scopes: Some(vec![("a".repeat(256), Vec::new())]), ..Caveats::default() },
        ] {
            assert_eq!(narrowing(&caveats), None, "{caveats:?}");
        }
        assert!(narrowing(&Caveats { scopes: list(&[]), ..Caveats::default() }).is_some());
    }

    #[test]
    fn what_the_database_has_no_characters_for_is_left_out_and_nothing_else() {
        let site = |values: &[&str]| ("site".to_owned(), list(values).unwrap());
        let narrowed = |dimensions: Vec<(String, Vec<String>)>| {
            let caveats = Caveats { end: 60, data_scopes: Some(dimensions), ..Caveats::default() };
            Narrowing::of(&caveats, str::is_ascii).unwrap().data_scopes(DataScopes::unrestricted())
        };
        let expected =
            |dimensions: &[(String, Vec<String>)]| DataScopes::parse(&value_of(dimensions, |_| true)).unwrap();
        assert_eq!(narrowed(vec![site(&["nyc", "łódź"])]), expected(&[site(&["nyc"])]));
        // Where no value is left, none is allowed.
        assert_eq!(narrowed(vec![site(&["łódź"])]), expected(&[site(&[])]));
        assert_eq!(narrowed(vec![site(&["nyc"]), ("größe".into(), vec![])]), expected(&[site(&["nyc"])]));
    }

    #[test]
    fn times_are_seconds_of_1970_and_a_clock_may_be_a_minute_ahead() {
        let narrowing = narrowing(&Caveats::default()).unwrap();
        assert_eq!(narrowing.start().unix_seconds(), 0);
        assert_eq!(narrowing.begin().unix_seconds(), -60);
        assert_eq!(narrowing.end().unix_seconds(), 60);
    }

    #[test]
    fn a_token_in_a_label_is_not_shown() {
        let token = NewToken::generate(&Prefix::parse(b"api_").unwrap()).unwrap();
        let label = |label: &str| narrowing(&Caveats { label: Some(label.to_owned()), ..Caveats::default() }).unwrap();
        let shown = format!("for {}{}{}", &token.expose()[..12], "*".repeat(37), &token.expose()[49..]);
        assert_eq!(label(&format!("for {}", token.expose())).label(), Some(&*shown));
        assert_eq!(label("for the night").label(), Some("for the night"));
    }

    fn any_scopes() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab*](:[ab*]){0,2}", 0..5)
    }

    fn any_dimensions() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
        prop::collection::btree_map("[xy*]", prop::collection::vec("[123]", 0..3), 1..3)
            .prop_map(|map| map.into_iter().collect())
    }

    fn any_networks() -> impl Strategy<Value = Vec<String>> {
        let network = (28_u8..=32, 0_u32..16)
            .prop_map(|(length, host)| format!("10.0.0.{}/{length}", host & (u32::MAX << (32 - length)) & 15));
        prop::collection::vec(network, 1..4)
    }

    proptest! {
        #[test]
        fn what_is_left_is_within_the_parent_and_within_the_caveats(
            own in prop::option::of(any_scopes()), parents in any_scopes(),
            dimensions in prop::option::of(any_dimensions()), held in any_dimensions(),
        ) {
            let caveats = Caveats { scopes: own.clone(), data_scopes: dimensions.clone(), ..Caveats::default() };
            let narrowing = narrowing(&caveats).unwrap();
            let scopes = |texts: &[String]| Scopes::parse(texts.iter().map(String::as_bytes)).unwrap();
            let parents = scopes(&parents);
            let left = narrowing.scopes(&parents);
            prop_assert!(left.within(&parents));
            prop_assert!(own.is_none_or(|own| left.within(&scopes(&own))));
            for scope in ["a", "b", "a:a", "a:b", "b:a:b", "a:*", "*:a", "*"] {
                let scope = Scope::parse(scope.as_bytes()).unwrap();
                prop_assert_eq!(left.covers(&scope), parents.covers(&scope) && narrowing.grants(&scope));
            }
            let data = |dimensions: &[(String, Vec<String>)]| {
                DataScopes::parse(&value_of(dimensions, |_| true)).unwrap()
            };
            let held = data(&held);
            let left = narrowing.data_scopes(held.clone());
            prop_assert!(left.within(&held));
            prop_assert!(dimensions.is_none_or(|own| left.within(&data(&own))));
        }

        #[test]
        fn only_clients_in_its_networks_are_admitted(own in any_networks(), host in 0_u8..16) {
            let narrowing = narrowing(&Caveats { networks: Some(own.clone()), ..Caveats::default() }).unwrap();
            let client = Client::parse(format!("10.0.0.{host}").as_bytes()).unwrap();
            let is_inside = own.iter().any(|network| Network::parse(network.as_bytes()).unwrap().contains(client));
            prop_assert_eq!(narrowing.admits(Some(client)), is_inside);
            prop_assert!(!narrowing.admits(None));
        }
    }
}
