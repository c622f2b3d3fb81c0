//! Leaked tokens: the pattern by which scanners of texts find them, and what is done about those they have found.

mod written;

use pgrx::prelude::*;
use serde_json::{Value, json};

use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_PROSE};
use crate::catalog::event::Event;
use crate::catalog::kind;
use crate::catalog::token;
use crate::error::{Error, ErrorReport, KindError, LeakError};
use crate::lifecycle::revoke::{kill, kill_child};
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::encoding;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::token::pasted::masked;
use crate::verify::Killable;
use written::Leaked;

/// The most tokens of a report.
const MOST: usize = 1000;

/// Returns a regular expression that finds every token of a kind, and those derived from them, in any text.
///
/// For scanners of repositories and logs: it has the same meaning in RE2, Hyperscan, PCRE2, Rust's `regex` and
/// PostgreSQL. It finds nothing without the prefix of the kind, but it knows no checksum: whether what it finds is a
/// token, `contains_token` tells. Added in 0.2.0.
///
/// # Arguments
/// - `kind`: the kind
///
/// # Errors
/// `22004` for a NULL kind, `22023` for one without a prefix, `42704` for an unknown one.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT 'key = ' || :'token' || ';' ~ tokenauth.scan_pattern('api') AS found,
///        'nothing' ~ tokenauth.scan_pattern('api') AS found_nothing;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn scan_pattern(call: Call, kind: Option<Text>) -> Result<Text, ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    let name = arguments::given("kind", kind)?;
    let kind = kind::find(name.as_bytes(), &LatestSnapshot::take()).ok_or_else(|| KindError::NotFound(name.shown()))?;
    let prefix = kind.prefix.as_str();
    if prefix.is_empty() {
        Err(LeakError::NoPrefix(name.shown()))?;
    }
    Ok(Text::from(pattern(prefix).as_str()))
}

/// The characters of a prefix stand for themselves in every dialect. No repetition is longer than PostgreSQL's 255,
/// none within another than RE2's 1000.
fn pattern(prefix: &str) -> String {
    const LETTERS: &str = "[0-9A-Za-z]";
    const BASE64: &str = "[0-9A-Za-z_-]";
    // 1 to 1960 characters: a derived token has 2048 at most.
    let eights = format!("(?:{BASE64}{{8}}){{0,122}}");
    let caveats = format!("{eights}{eights}{BASE64}{{1,8}}");
    format!("{prefix}{LETTERS}{{11}}(?:{LETTERS}{{38}}|[.]{caveats}[.]{LETTERS}{{86}})")
}

/// Takes a report of leaked tokens, revokes those that are ours, and answers which these are.
///
/// The report is what GitHub's secret scanning sends to its partners: an array of at most 1,000 objects with `token`,
/// `type`, `url` and `source`. The answer is what it expects: for each `token_hash` (base64 of the SHA-256),
/// `token_type`, and `label`, which is `true_positive` for a token of ours, dead ones included, or `false_positive`. No
/// token text comes back. A derived token dies alone. An event `token.leaked` says where it was found. Whoever calls it
/// has checked that the report comes from whom it seems to. Added in 0.2.0.
///
/// # Arguments
/// - `report`: the report
/// - `reason`: why the tokens are revoked
///
/// # Errors
/// `22004` for a NULL report, `22023` for anything else than such an array, `42501` for a role that may not make
/// trusted calls and under an identity, `55000` when the digest of a token has a pepper that is not in the key file:
/// then nothing was revoked.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT answer - 'token_hash' AS answer
///   FROM jsonb_array_elements(tokenauth.report_leak(jsonb_build_array(
///            jsonb_build_object('token', :'token', 'type', 'acme_token',
///                               'url', 'https://example.com/1'),
///            jsonb_build_object('token', 'nonsense', 'type', 'acme_token')))) answer;
/// SELECT verdict FROM tokenauth.verify(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn report_leak(
    call: Call,
    report: Option<Jsonb>,
    reason: default!(Option<Text>, "'leaked'"),
) -> Result<Jsonb, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let report = arguments::given("report", report)?;
    let reason = arguments::masked("reason", reason, MOST_PROSE)?;
    let leaked: Vec<Leaked> = report.parsed().ok_or(LeakError::Report)?;
    if leaked.len() > MOST {
        Err(LeakError::TooMany { most: MOST })?;
    }
    let found = leaked.iter().map(Leaked::find).collect::<Result<Vec<Vec<Killable>>, Error>>()?;
    let answer: Vec<Value> = hashes(&leaked)
        .into_iter()
        .zip(leaked.iter().zip(&found))
        .map(|(hash, (leaked, found))| {
            let label = if !found.is_empty() { "true_positive" } else { "false_positive" };
            json!({"token_hash": hash, "token_type": leaked.r#type.as_deref().map(masked), "label": label})
        })
        .collect();
    // In the order in which tokens are locked.
    let mut ours: Vec<(Killable, &Leaked)> = found
        .into_iter()
        .zip(&leaked)
        .flat_map(|(found, leaked)| found.into_iter().map(move |one| (one, leaked)))
        .collect();
    ours.sort_by_key(|(found, _)| *found.token().as_bytes());
    for (found, leaked) in ours {
        leaked.revoke(&found, reason.clone(), &actor)?;
    }
    Ok(Jsonb::of(&Value::Array(answer)))
}

impl Leaked {
    fn find(&self) -> Result<Vec<Killable>, Error> {
        Killable::all_of(&encoding::from_utf8(&self.token))
    }

    /// Records where it was found, and revokes it.
    fn revoke(&self, found: &Killable, reason: Option<Text>, actor: &Actor) -> Result<(), Error> {
        let id = found.token();
        let token = token::lock(id)?;
        let kept = |text: &Option<String>| text.as_deref().map(|text| encoding::from_utf8(&written::kept(text)));
        let after = JsonObject::new()
            .text("url", kept(&self.url).as_deref())
            .text("source", kept(&self.source).as_deref())
            .text("type", kept(&self.r#type).as_deref());
        Event {
            event: "token.leaked",
            token_id: Some(id),
            kind: Some(token.kind.clone()),
            owner: Some(token.owner.clone()),
            after: Some(after.into()),
            ..Event::default()
        }
        .record(actor)?;
        match found {
            Killable::Token(_) => kill(token, reason, actor).map(|_| ()),
            Killable::Child(child) => kill_child(child, reason.as_ref(), actor),
        }
    }
}

/// The SHA-256 of each token in base64.
fn hashes(leaked: &[Leaked]) -> Vec<String> {
    static HASH: Statement = Statement::new(
        "SELECT encode(sha256(convert_to(t.token, 'UTF8')), 'base64')
           FROM unnest($1::text[]) WITH ORDINALITY t (token, place)
          ORDER BY place",
    );
    let tokens: TextArray = leaked.iter().map(|leaked| Text::from(encoding::from_utf8(&leaked.token))).collect();
    HASH.all(arguments![tokens], |row| String::from_utf8_lossy(row.bytes(1).unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn a_pattern_has_no_repetition_that_a_dialect_would_refuse() {
        let pattern = pattern("acme_");
        assert!(pattern.starts_with("acme_[0-9A-Za-z]{11}"));
        assert!(
            !pattern.contains("(?=") && !pattern.contains("(?<") && !pattern.contains("\\") && !pattern.contains('*')
        );
    }
}
