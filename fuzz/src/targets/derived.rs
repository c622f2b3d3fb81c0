//! Derived tokens and their caveats.

use crate::oracle;
use crate::token::derived::{Caveats, DerivedText, DerivingKey, MAX_DERIVED_LEN, SIGNATURE_LEN};
use crate::token::{LOOKUP_LEN, Presented, embedded};

/// Two tokens of the same lookup and prefix.
const PARENT: &[u8] = b"ps_usr_000000000010123456789ABCDEFGHIJKLMNOPQRSTUV10iGnB";

/// What a parent writes is what is read, and there is one spelling of it.
pub fn check(input: &[u8]) {
    judge(input);
    if let Ok(text) = str::from_utf8(input)
        && let Some(caveats) = Caveats::parse(text)
    {
        assert_eq!(caveats.write().as_deref(), Some(text));
        sign(&caveats);
    }
}

fn sign(caveats: &Caveats) {
    let parent = Presented::parse(PARENT).expect("it is a token");
    let Some(child) = DerivedText::derive(&parent, caveats) else {
        let caveats = oracle::base64url(caveats.write().expect("it was read").as_bytes());
        assert!(18 + 1 + caveats.len() + 1 + SIGNATURE_LEN > MAX_DERIVED_LEN);
        return;
    };
    judge(child.as_bytes());
    let read = DerivedText::parse(child.as_bytes()).expect("what is derived is read");
    assert_eq!((read.caveats(), read.lookup()), (caveats, parent.lookup()));
    assert!(read.is_signed_by(DerivingKey::of(PARENT).public()));
    assert!(!read.is_signed_by(DerivingKey::of(b"another").public()));
    // A digit of its signature changed: another number, or none.
    let mut changed = child.into_bytes();
    let digit = changed.last_mut().expect("it has a signature");
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    let forged = DerivedText::parse(&changed);
    assert!(forged.is_ok_and(|forged| !forged.is_signed_by(DerivingKey::of(PARENT).public())));
}

fn judge(text: &[u8]) {
    let Ok(child) = DerivedText::parse(text) else { return };
    assert!(text.len() <= MAX_DERIVED_LEN && DerivedText::may_be(text));
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
    let [public, caveats, signature] = parts[..] else { panic!("it has {} parts", parts.len()) };
    let (prefix, lookup) = public.split_at(public.len() - LOOKUP_LEN);
    assert_eq!((child.prefix(), &child.lookup().encode()[..]), (prefix, lookup));
    let written = child.caveats().write().expect("what was read can be written");
    assert_eq!(oracle::base64url(written.as_bytes()), caveats, "there is one spelling");
    assert!(signature.len() == SIGNATURE_LEN && oracle::number(signature).is_some());
    assert_eq!(child.hint().as_bytes(), [prefix, &lookup[..8], "…".as_bytes()].concat());
    assert!(Presented::parse(text).is_err(), "it is no token besides");
    assert!(embedded::contains(text), "what is accepted is masked");
}
