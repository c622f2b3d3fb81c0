//! User and password of the scheme Basic (RFC 7617).

/// Longest credentials that are decoded: two texts, each as long as a token may be, in base64.
const MOST: usize = 1400;

/// The user and the password, without white space around them; `None` for anything but base64, padded or not, of a text
/// with a colon.
pub fn user_and_password(base64: &str) -> Option<[Vec<u8>; 2]> {
    let decoded = decode(base64)?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    Some([&decoded[..colon], &decoded[colon + 1..]].map(|part| part.trim_ascii().to_vec()))
}

/// Decodes base64 (RFC 4648 section 4).
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len() > MOST || text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut decoded = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            bits = bits << 6 | digit(byte)?;
        }
        bits <<= 6 * (4 - group.len());
        decoded.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Base64 by its definition: the bits of the bytes, six at a time.
    pub fn encode(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
        let digit = |six: &[u8]| {
            let six = format!("{:0<6}", str::from_utf8(six).unwrap());
            char::from(ALPHABET[usize::from_str_radix(&six, 2).unwrap()])
        };
        let mut text: String = bits.as_bytes().chunks(6).map(digit).collect();
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
        text
    }

    fn pair(text: &str) -> Option<[String; 2]> {
        user_and_password(text).map(|pair| pair.map(|part| String::from_utf8(part).unwrap()))
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        assert_eq!(pair("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Some(["Aladdin".into(), "open sesame".into()]));
        assert_eq!(pair("QWxhZGRpbjpvcGVuIHNlc2FtZQ"), Some(["Aladdin".into(), "open sesame".into()]));
    }

    #[test]
    fn the_first_colon_divides_and_either_side_may_be_empty() {
        assert_eq!(pair(&encode(b"a:b:c")), Some(["a".into(), "b:c".into()]));
        assert_eq!(pair(&encode(b"key:")), Some(["key".into(), String::new()]));
        assert_eq!(pair(&encode(b":key\n")), Some([String::new(), "key".into()]));
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "=", "QWxh", "QWxhZ", "QWxhZGRpbjpvcGVuIHNlc2FtZQ===", "a:b", "QWxh-GRp_jpv", "QWxh ZGRp"] {
            assert_eq!(pair(text), None, "{text}");
        }
        assert_eq!(pair(&encode(&[b':'; MOST])), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_makes_decoding_panic(text: String) {
            let _ = user_and_password(&text);
        }
    }
}
