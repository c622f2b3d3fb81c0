//! What fuzzing begins with: the vectors of `tests/vectors`, and documents as callers write them.

use std::fs;
use std::iter;

use serde_json::{Value, json};

use crate::usage::snapshot_file::image::Image;

/// A key as the key file has it.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A token of the vectors.
const TOKEN: &str = "ps_usr_000000000010123456789ABCDEFGHIJKLMNOPQRSTUV10iGnB";

/// The seeds of the target with this name.
///
/// # Panics
/// When there is no such target, or a vector cannot be read.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "token" => tokens(),
        "derived" => children(),
        "masking" => texts(),
        "headers" => headers(),
        "key_file" => key_files(),
        "snapshot" => snapshots(),
        "batch" => batches(),
        "documents" => documents(),
        "leak_report" => leak_reports(),
        "policy" => policies(),
        other => panic!("there is no target {other}"),
    }
}

/// The vectors of a file, of all its lists.
fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/../tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let json: Value = serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("it is JSON");
    json.as_object().expect("it has lists").values().filter_map(Value::as_array).flatten().cloned().collect()
}

/// What vectors have under this name: text or, where the name says so, bytes in hexadecimal.
fn members(vectors: &[Value], name: &str) -> Vec<Vec<u8>> {
    let texts = vectors.iter().filter_map(|vector| vector[name].as_str());
    if name.ends_with("_hex") {
        texts.map(|digits| hex::decode(digits).expect("it is hexadecimal")).collect()
    } else {
        texts.map(|text| text.as_bytes().to_vec()).collect()
    }
}

fn tokens() -> Vec<Vec<u8>> {
    let vectors = vectors("tokens");
    let names = ["sha512", "sha256-after-bar", "hmac-sha256-after-dot:netbox-1"].map(|name| name.as_bytes().to_vec());
    let public = members(&vectors, "text").into_iter().map(|text| text[..text.len() - 38].to_vec()).collect();
    [members(&vectors, "text"), members(&vectors, "text_hex"), public, names.to_vec()].concat()
}

fn children() -> Vec<Vec<u8>> {
    let vectors = vectors("derived");
    ["child", "text", "caveats"].map(|name| members(&vectors, name)).concat()
}

fn texts() -> Vec<Vec<u8>> {
    let crafted: [&[u8]; 6] =
        [b"\x01", b"a \x01, \x01.", b"x_\x01\x02\x01...", b"key=\x01abc", b"\x01\x01", b"\"name \x02\"\nDETAIL: \x01"];
    [members(&vectors("embedded"), "text_hex"), crafted.map(<[u8]>::to_vec).to_vec()].concat()
}

fn headers() -> Vec<Vec<u8>> {
    let basic = "dXNlcjpwYXNzd29yZA==";
    [
        json!({"Authorization": format!("Bearer {TOKEN}"), "Accept": "*/*"}),
        json!({"x-api-key": TOKEN, "X-Forwarded-For": "10.0.0.1, 2001:db8::1"}),
        json!({"authorization": [format!("Basic {basic}"), format!("Token {TOKEN}")]}),
        json!({"X-Token": [TOKEN, null, 7, [TOKEN], {"a": 1e300}], "authorization": "ApiKey a,b"}),
        json!([["Authorization", TOKEN]]),
    ]
    .iter()
    .zip([0_u8, 0x80, 0, 1, 2])
    .map(|(document, choice)| [&[choice], document.to_string().as_bytes()].concat())
    .collect()
}

fn key_files() -> Vec<Vec<u8>> {
    [
        format!("# keys\n\npepper 2025 {KEY}\n  seal\ts-1  {KEY}\r\npepper 2026.1 {KEY}\n"),
        format!("import netbox-1 ab\nimport b {}", KEY.repeat(8)),
        format!("pepper p {KEY}\nseal p {KEY}"),
        format!("pepper p {KEY}00"),
        "salt p 00".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn snapshots() -> Vec<Vec<u8>> {
    let image = Image::default().to_bytes();
    // A database and a slot, in words of which the fuzzer learns the rest.
    let with = |databases: u64, slots: u64, words: usize| {
        let header = [&image[..64], &databases.to_le_bytes(), &slots.to_le_bytes()].concat();
        [header, (1..=words).flat_map(|word| (word as u64).to_le_bytes()).collect()].concat()
    };
    let mut seeds: Vec<_> =
        [(0, 0, 0), (1, 0, 20), (0, 1, 20), (2, 2, 80), (u64::MAX, 1, 40)].map(|(d, s, w)| with(d, s, w)).to_vec();
    seeds.push(image);
    seeds
}

fn batches() -> Vec<Vec<u8>> {
    let id = "0196a1b2-0000-7000-8000-000000000001";
    let token = json!({
        "id": id, "first_use": 1, "last_use": 800_000_000_000_000_i64, "last_denial": 0, "requests": 3, "denials": 0,
        "client": "10.0.0.1", "networks": ["10.0.0.0/24", "2001:db8::/48"],
    });
    let mut most = token.clone();
    most["requests"] = (u64::from(u32::MAX) << 16).into();
    most["client"] = Value::Null;
    [
        json!({"node": id, "batch": 1, "tokens": [token]}),
        json!({"node": id, "copy": id, "batch": 7, "tokens": [most, token]}),
        json!({"node": id, "batch": 0, "tokens": []}),
        json!({}),
    ]
    .map(|batch| batch.to_string().into_bytes())
    .to_vec()
}

fn documents() -> Vec<Vec<u8>> {
    let id = "0196a1b2-0000-7000-8000-000000000001";
    let at = "2026-01-01T00:00:00Z";
    [
        json!({"site": ["nyc", "lon"], "*": []}),
        json!([{"site": ["nyc"], "rack": []}, {"site": ["lon", "nyc"], "*": ["nyc"]}, {"*": []}, {}]),
        json!({"version": 1, "reasons": ["left"], "more": true,
               "tokens": [{"id": id, "at": at, "by": "role:a", "reason": 0},
                          {"id": id, "at": at, "by": "", "reason": 7}],
               "owners": [{"owner": "user:1", "at": at, "by": "", "reason": "x", "covers": "all"}]}),
        json!({"version": 1, "disabled": [{"id": id, "at": at}], "inactive": [{"principal": "user:1", "reason": null}],
               "derived": [{"digest": KEY, "id": id, "at": at, "expires_at": at}]}),
    ]
    .map(|document| document.to_string().into_bytes())
    .to_vec()
}

fn leak_reports() -> Vec<Vec<u8>> {
    let url = "https://example.com/acme/x/blob/1/.env";
    [
        json!([{"token": TOKEN, "type": "acme_token", "url": url, "source": "content"}]).to_string(),
        json!([{"token": "nonsense"}, {"token": "", "type": null, "url": "ä€", "source": TOKEN, "more": [1]}])
            .to_string(),
        json!([]).to_string(),
        format!("https://example.com/{}?key=\u{1}&x=\u{1}runs-on", "ä".repeat(900)),
        "\u{1}".repeat(60),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn policies() -> Vec<Vec<u8>> {
    let many = iter::repeat_n("a:*", 256).collect::<Vec<_>>().join(" ");
    let scopes = ["devices:read *:list\n* devices:*", "a:b:c:d a\na:* b", "dcim.view_device", many.as_str()];
    let addresses = ["10.0.0.0/8", "10.0.0.1", "::ffff:10.0.0.1", "[2001:db8::1%eth0]:443", "2001:db8::/32"];
    scopes.into_iter().chain(addresses).map(|text| text.as_bytes().to_vec()).collect()
}
