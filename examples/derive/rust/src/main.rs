//! Derives from a token a narrower one that works for a short time, with nothing but the token's text.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;

const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Caveats, in this order: s (scopes), d (data scopes), w (networks), l (label).
fn derive(token: &str, start: u64, seconds: u64, caveats: Map<String, Value>) -> String {
    let mut all = Map::from_iter([("n".to_owned(), json!(start)), ("x".to_owned(), json!(start + seconds))]);
    all.extend(caveats);
    let text = format!("{}.{}", &token[..token.len() - 38], URL_SAFE_NO_PAD.encode(Value::Object(all).to_string()));
    let mac = Hmac::<Sha256>::new_from_slice(b"tokenauth derive 1").expect("any length will do");
    let key = SigningKey::from_bytes(&mac.chain_update(token).finalize().into_bytes().into());
    let mut number = key.sign(text.as_bytes()).to_bytes();
    let mut signature = [0; 86];
    for digit in signature.iter_mut().rev() {
        let rest = number.iter_mut().fold(0, |rest, byte| {
            let value = rest << 8 | usize::from(*byte);
            *byte = (value / 62) as u8;
            value % 62
        });
        *digit = DIGITS[rest];
    }
    format!("{text}.{}", String::from_utf8_lossy(&signature))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut caveats: Map<String, Value> = serde_json::from_str(&std::env::args().nth(1).ok_or("no caveats")?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let start = caveats.shift_remove("start").and_then(|start| start.as_u64()).unwrap_or(now);
    let seconds = caveats.shift_remove("seconds").and_then(|seconds| seconds.as_u64()).unwrap_or(300);
    let token = std::io::read_to_string(std::io::stdin())?;
    println!("{}", derive(token.trim(), start, seconds, caveats));
    Ok(())
}
