//! What a token is, said once more and in another way: slowly, a digit and a bit at a time.

/// The digits of base62 in the order of their values.
const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Those of base64url.
const URL_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Number of characters after the prefix.
const BODY: usize = 49;

/// Whether a text is a token.
pub fn is_token(text: &[u8]) -> bool {
    let Some(prefix) = text.len().checked_sub(BODY).filter(|&length| length <= 32) else { return false };
    let (prefix, body) = text.split_at(prefix);
    let (covered, checksum) = text.split_at(text.len() - 6);
    prefix.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && number(&body[..11]).is_some_and(|lookup| lookup < 1 << 64)
        && number(&body[11..43]).is_some()
        && number(checksum) == Some(u128::from(crc(covered)))
}

/// A text followed by the checksum that a token of it has.
pub fn with_checksum(text: &[u8]) -> Vec<u8> {
    let mut rest = crc(text);
    let mut digits: Vec<u8> = Vec::new();
    for _ in 0..6 {
        digits.push(DIGITS.as_bytes()[rest as usize % 62]);
        rest /= 62;
    }
    digits.reverse();
    [text, &digits].concat()
}

/// The number that digits of base62 are; `None` for what is no digit. Of more than 21 digits only that they are some.
pub fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |value, &digit| {
        let digit = DIGITS.find(char::from(digit))?;
        Some(value.saturating_mul(62).saturating_add(digit as u128))
    })
}

/// CRC-32 as of zlib, bit by bit.
fn crc(text: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for bit in text.iter().flat_map(|byte| (0..8).map(move |place| u32::from(byte >> place & 1))) {
        let carry = (register ^ bit) & 1;
        register >>= 1;
        if carry == 1 {
            register ^= 0xEDB8_8320;
        }
    }
    !register
}

/// Bytes in base64url without padding, six bits at a time.
pub fn base64url(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in bytes {
        bits = bits << 8 & 0xffff | u32::from(byte);
        count += 8;
        while count >= 6 {
            count -= 6;
            text.push(URL_DIGITS[(bits >> count & 63) as usize]);
        }
    }
    if count > 0 {
        text.push(URL_DIGITS[(bits << (6 - count) & 63) as usize]);
    }
    text
}
