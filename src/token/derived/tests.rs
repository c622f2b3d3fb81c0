use std::collections::HashSet;

use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256, Sha512};

use super::*;
use crate::token::{BODY_LEN, Digest, KEY_LEN, LOOKUP_LEN, Lookup, NewToken, Pepper, Prefix, Presented, vectors};

fn token(prefix: &str) -> String {
    NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap().expose().to_owned()
}

fn parsed(text: &str) -> DerivedText<'_> {
    DerivedText::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn derive(parent: &str, caveats: &Caveats) -> Option<String> {
    DerivedText::derive(&Presented::parse(parent.as_bytes()).ok()?, caveats)
}

fn key_of(parent: &str) -> PublicKey {
    DerivingKey::of(parent.as_bytes()).public()
}

/// A child of these caveats, whatever they are.
fn signed(parent: &str, caveats: &[u8], key: &DerivingKey) -> String {
    let mut text = format!("{}.", &parent[..parent.len() - BODY_LEN + LOOKUP_LEN]);
    base64url::encode_into(&mut text, caveats);
    let signature = signature::encode(&key.sign(text.as_bytes()));
    text + "." + str::from_utf8(&signature).unwrap()
}

const MINUTE: Caveats = Caveats { start: 0, end: 60, scopes: None, data_scopes: None, networks: None, label: None };

#[test]
fn known_parents_have_their_known_children() {
    for case in vectors::cases("derived.json", "derived") {
        let [parent, child, caveats] = ["parent", "child", "caveats"].map(|field| vectors::text(&case[field]));
        let presented = Presented::parse(parent.as_bytes()).ok().unwrap();
        let read = Caveats::parse(caveats).unwrap();
        assert_eq!(read.write().as_deref(), Some(caveats));
        assert_eq!(DerivedText::derive(&presented, &read).as_deref(), Some(child));
        assert!(DerivedText::may_be(child.as_bytes()));
        let text = parsed(child);
        assert_eq!(text.prefix(), vectors::text(&case["prefix"]).as_bytes());
        assert_eq!(text.lookup().to_bigint().to_string(), vectors::text(&case["bigint"]));
        assert_eq!(text.caveats(), &read);
        let key = key_of(parent);
        assert_eq!(key.to_stored(&[0; 16], text.lookup(), None), vectors::bytes(&case["public_key"]));
        assert!(text.is_signed_by(key));
        assert_eq!(Digest::sha256(child.as_bytes()).as_bytes(), vectors::bytes(&case["sha256"]));
    }
}

#[test]
fn known_keys_are_stored_as_known() {
    for case in vectors::cases("derived.json", "stored_keys") {
        let parent = vectors::text(&case["parent"]);
        let (id, lookup) = (vectors::array(&case["id"]), Presented::parse(parent.as_bytes()).ok().unwrap().lookup());
        let pepper = Pepper::new(&vectors::array::<KEY_LEN>(&case["pepper"]));
        for (field, pepper) in [("without_pepper", None), ("with_pepper", Some(&pepper))] {
            let stored = vectors::bytes(&case[field]);
            assert_eq!(key_of(parent).to_stored(&id, lookup, pepper), stored);
            assert_eq!(PublicKey::of_stored(&stored, &id, lookup, pepper), Some(key_of(parent)));
        }
    }
}

#[test]
fn known_malformed_texts_are_refused() {
    for case in vectors::cases("derived.json", "malformed") {
        let text = vectors::text(&case["text"]);
        assert!(DerivedText::parse(text.as_bytes()).is_err(), "{}", case["what"]);
    }
}

#[test]
fn known_forgeries_are_well_formed_and_not_signed_by_their_parent() {
    let parent = &vectors::cases("derived.json", "parent")[0];
    let key = key_of(vectors::text(parent));
    for case in vectors::cases("derived.json", "forged") {
        assert!(!parsed(vectors::text(&case["text"])).is_signed_by(key), "{}", case["what"]);
    }
}

#[test]
fn every_change_of_one_character_is_refused() {
    let parent = token("ps_");
    let caveats = Caveats { label: Some("job".into()), scopes: Some(vec!["a:read".into()]), ..MINUTE };
    let child = derive(&parent, &caveats).unwrap();
    let key = key_of(&parent);
    for at in 0..child.len() {
        for other in ["0", "1", "A", "z", "_", "-", ".", " "].into_iter().filter(|other| *other != &child[at..=at]) {
            let changed = format!("{}{other}{}", &child[..at], &child[at + 1..]);
            let is_accepted = DerivedText::parse(changed.as_bytes()).is_ok_and(|text| text.is_signed_by(key));
            assert!(!is_accepted, "{other} at {at}");
        }
    }
}

#[test]
fn what_the_database_stores_makes_no_child() {
    for prefix in ["", "fifteen_letters", "sixteen_letters_", "01234567890123456789012345678901"] {
        let parent = token(prefix);
        let key = key_of(&parent);
        let digest = Digest::sha256(parent.as_bytes());
        let hmac = |key: &[u8], message: &[u8]| -> [u8; 32] {
            Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().into()
        };
        let stored = key.to_stored(&[0; 16], Lookup::from_bits(0), None);
        // As a seed of one that is not the parent's text, each goes through the whole derivation; the HMACs are what an
        // implementation would use that has confused key and message.
        for guess in [
            digest.as_bytes().to_vec(),
            hmac(digest.as_bytes(), b"tokenauth derive 1").to_vec(),
            hmac(b"tokenauth derive 1", digest.as_bytes()).to_vec(),
            stored,
            parent.as_bytes()[..parent.len() - 1].to_vec(),
        ] {
            let child = signed(&parent, MINUTE.write().unwrap().as_bytes(), &DerivingKey::of(&guess));
            assert!(!parsed(&child).is_signed_by(key));
        }
    }
}

#[test]
fn a_key_that_was_stored_for_another_token_or_under_another_pepper_is_none() {
    let key = key_of(&token("k_"));
    let [pepper, other] = [[1; KEY_LEN], [2; KEY_LEN]].map(|key| Pepper::new(&key));
    let (id, lookup) = ([7; 16], Lookup::from_bits(9));
    let stored = key.to_stored(&id, lookup, Some(&pepper));
    assert_eq!(PublicKey::of_stored(&stored, &id, lookup, Some(&pepper)), Some(key));
    assert_eq!(PublicKey::of_stored(&stored, &id, lookup, Some(&other)), None);
    assert_eq!(PublicKey::of_stored(&stored, &[8; 16], lookup, Some(&pepper)), None);
    assert_eq!(PublicKey::of_stored(&stored, &id, Lookup::from_bits(8), Some(&pepper)), None);
    // Neither a row that lost its pepper nor one that was given a key without a code has children.
    assert_eq!(PublicKey::of_stored(&stored, &id, lookup, None), None);
    assert_eq!(PublicKey::of_stored(&stored[..32], &id, lookup, Some(&pepper)), None);
    for bit in 0..8 * stored.len() {
        let mut flipped = stored.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(PublicKey::of_stored(&flipped, &id, lookup, Some(&pepper)), None);
    }
    for length in 0..stored.len() {
        assert_eq!(PublicKey::of_stored(&stored[..length], &id, lookup, Some(&pepper)), None);
    }
}

#[test]
fn a_key_of_small_order_signs_nothing() {
    // The neutral point: as a key it would accept one signature for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let key = PublicKey::of_stored(&neutral, &[0; 16], Lookup::from_bits(0), None).unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!key.has_signed(b"anything", &signature));
}

#[test]
fn a_text_of_two_thousand_characters_is_read_and_a_longer_one_is_not() {
    let parent = token("k_");
    let child = |count: usize| {
        let scopes = (0..count).map(|number| format!("{number:08}")).collect();
        derive(&parent, &Caveats { scopes: Some(scopes), ..MINUTE })
    };
    let longest = (0..200).filter_map(child).next_back().unwrap();
    assert!(longest.len() <= MAX_DERIVED_LEN && longest.len() + 15 > MAX_DERIVED_LEN);
    assert!(parsed(&longest).is_signed_by(key_of(&parent)));
    let long = format!("{longest}{}", "0".repeat(16));
    assert!(!DerivedText::may_be(long.as_bytes()));
    assert_eq!(DerivedText::parse(&vec![0xff; 10 << 20]).err(), Some(crate::token::Malformed::Length));
}

#[test]
fn no_token_is_taken_for_a_child() {
    for prefix in ["", "a.b", "01234567890123456789012345678901"].into_iter().filter(|prefix| !prefix.contains('.')) {
        let token = token(prefix);
        assert!(!DerivedText::may_be(token.as_bytes()) && DerivedText::parse(token.as_bytes()).is_err());
    }
}

/// What may be caveats, or nearly.
const LIKE_CAVEATS: &str = "\\{\"n\":[0-9]{1,3},\"x\":[0-9]{1,3}(,\"[sdwl]\":[\\[\\]{}\",:a-b]{1,8}){0,2}\\}";

fn any_caveats() -> impl Strategy<Value = Caveats> {
    let distinct = |pattern| {
        proptest::collection::btree_set(pattern, 0..4).prop_map(|set| set.into_iter().collect::<Vec<String>>())
    };
    let dimensions = proptest::collection::btree_map("[a-zé*]{1,3}", distinct("[^\"\\\\\\p{Cc}]{0,5}"), 1..3)
        .prop_map(|map| map.into_iter().collect::<Vec<_>>());
    (
        (0..Caveats::LATEST, 1..100_000_i64),
        proptest::option::of(distinct("[a-z:*]{1,9}")),
        proptest::option::of(dimensions),
        proptest::option::of(distinct("[0-9./]{1,9}").prop_filter("not empty", |list| !list.is_empty())),
        proptest::option::of("[ !#-\\[\\]-~]{1,64}"),
    )
        .prop_map(|((start, length), scopes, data_scopes, networks, label)| {
            let end = (start + length).min(Caveats::LATEST);
            Caveats { start, end, scopes, data_scopes, networks, label }
        })
        .prop_filter("a moment long", |caveats| caveats.start < caveats.end)
}

proptest! {
    #[test]
    fn what_is_derived_is_read_back_and_signed_by_its_parent_alone(caveats in any_caveats()) {
        let (parent, other) = (token("ps_"), token("ps_"));
        let child = derive(&parent, &caveats).unwrap();
        let text = parsed(&child);
        prop_assert_eq!(text.caveats(), &caveats);
        prop_assert_eq!(text.lookup(), Presented::parse(parent.as_bytes()).ok().unwrap().lookup());
        prop_assert!(text.is_signed_by(key_of(&parent)));
        prop_assert!(!text.is_signed_by(key_of(&other)));
    }

    #[test]
    fn caveats_that_can_be_read_are_in_their_only_spelling(text in LIKE_CAVEATS) {
        if let Some(caveats) = Caveats::parse(&text) {
            prop_assert_eq!(caveats.write(), Some(text));
        }
    }

    #[test]
    fn a_character_more_anywhere_makes_other_caveats_or_none(
        caveats in any_caveats(), at: prop::sample::Index, more: char,
    ) {
        let text = caveats.write().unwrap();
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
        let at = places[at.index(places.len())];
        let changed = format!("{}{more}{}", &text[..at], &text[at..]);
        prop_assert_ne!(Caveats::parse(&changed), Some(caveats));
    }

    #[test]
    fn caveats_in_any_other_order_or_twice_are_refused(mut caveats in any_caveats()) {
        caveats.label = Some("job".into());
        caveats.scopes = Some(vec![]);
        let text = caveats.write().unwrap();
        let members = text.replace("\"s\":[]", "\"l\":\"job\"").replacen(",\"l\":\"job\"}", ",\"s\":[]}", 1);
        prop_assert!(Caveats::parse(&members).is_none());
        prop_assert!(Caveats::parse(&text.replace(",\"s\":[]", ",\"s\":[],\"s\":[]")).is_none());
    }

    #[test]
    fn arbitrary_bytes_are_refused(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(DerivedText::parse(&text).is_err());
    }

    #[test]
    fn arbitrary_caveats_never_panic(caveats in proptest::collection::vec(any::<u8>(), 0..200)) {
        let parent = token("k_");
        let text = signed(&parent, &caveats, &DerivingKey::of(parent.as_bytes()));
        let _ = DerivedText::parse(text.as_bytes());
    }
}

#[test]
fn the_numbers_of_children_differ_and_are_spread() {
    let number = |of: u32| {
        let signature = signature::encode(&Sha512::digest(of.to_be_bytes()).into());
        DerivedText::number(&[b"key_00000000000.e.", &signature[..]].concat())
    };
    let numbers: Vec<u64> = (0..500).map(number).collect();
    let distinct = |part: fn(u64) -> u64| numbers.iter().map(|&number| part(number)).collect::<HashSet<_>>().len();
    assert_eq!(distinct(|number| number), 500);
    // Those bits by which a table chooses a place, and those by which it tells what it has seen.
    assert_eq!(distinct(|number| number % 32), 32);
    assert!(distinct(|number| number >> 48) > 450);
}
