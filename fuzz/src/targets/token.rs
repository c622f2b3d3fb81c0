//! The text of a token, its parts, and what older systems have instead.

use crate::oracle;
use crate::token::{BODY_LEN, ForeignAlgorithm, LOOKUP_LEN, Lookup, MAX_LEN, Prefix, Presented, PublicPart, embedded};

/// A text is parsed exactly if it is a token, and its parts are those of the text.
pub fn check(input: &[u8]) {
    judge(input);
    // Most texts fail at the checksum: each is tried with the right one, too.
    judge(&oracle::with_checksum(input));
    parts(input);
    foreign(input);
}

fn judge(text: &[u8]) {
    let Ok(token) = Presented::parse(text) else {
        assert!(!oracle::is_token(text));
        return;
    };
    assert!(oracle::is_token(text) && text.len() <= MAX_LEN);
    let shown = text.len() - BODY_LEN + 8;
    assert!(text[shown - 8..].starts_with(&token.lookup().encode()));
    let hint = [&text[..shown], "…".as_bytes(), &text[text.len() - 4..]].concat();
    assert_eq!(token.hint().as_bytes(), hint);
    assert!(embedded::contains(text), "what is accepted is masked");
}

fn parts(text: &[u8]) {
    if let Some(digits) = text.first_chunk::<LOOKUP_LEN>() {
        let number = oracle::number(digits).and_then(|number| u64::try_from(number).ok());
        assert_eq!(Lookup::decode(digits).ok().map(Lookup::to_bits), number);
        assert!(number.is_none_or(|bits| Lookup::from_bits(bits).encode() == *digits));
    }
    if let Some(bits) = text.first_chunk() {
        let lookup = Lookup::from_bits(u64::from_le_bytes(*bits));
        assert_eq!(Lookup::decode(&lookup.encode()), Ok(lookup));
    }
    if let Ok(prefix) = Prefix::parse(text) {
        assert_eq!(prefix.as_str().as_bytes(), text);
        assert!(text.len() <= 32);
    }
    if let Ok(public) = PublicPart::parse(text) {
        assert!(text.ends_with(&public.lookup().encode()));
        assert!(Prefix::parse(&text[..text.len() - LOOKUP_LEN]).is_ok());
    }
}

fn foreign(text: &[u8]) {
    if let Some(algorithm) = str::from_utf8(text).ok().and_then(ForeignAlgorithm::named) {
        assert_eq!(algorithm.name().as_bytes(), text);
        assert_eq!(algorithm.key().is_some(), text.contains(&b':'));
    }
    for algorithm in [ForeignAlgorithm::Sha256, ForeignAlgorithm::Sha256AfterBar, ForeignAlgorithm::Sha512OfHex] {
        let digest = algorithm.secret(text).and_then(|secret| algorithm.digest(&secret, None));
        assert!(digest.is_none_or(|digest| digest.as_bytes().len() == algorithm.digest_len()));
    }
}
