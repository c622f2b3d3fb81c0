//! The document that carries revocations to another copy of the database, parsed before anything uses it.

mod forgotten;
mod written;

use pgrx::pg_sys;

use crate::arguments::MOST_PROSE;
use crate::catalog::id;
use crate::error::ImportError;
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::fields;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use forgotten::Forgotten;
use written::{
    Reason, Written, WrittenChild, WrittenCovers, WrittenInactive, WrittenMoment, WrittenOwner, WrittenToken,
};

/// The version that is written, and the one that is read.
pub const VERSION: u32 = 1;

/// Revocations as rows for the statements that carry them out.
pub struct Document {
    /// Tokens that died alone: `id`, `at`, `by`, `reason`, `deleted`.
    pub tokens: Rows,
    /// Mass deaths: `owner`, `first_id` (the least id that a token issued later can have), `at`, `by`, `reason`,
    /// `covers`.
    pub owners: Rows,
    /// Tokens that were disabled: `id`, `at`.
    pub disabled: Rows,
    /// Expiries that may have been lowered: `id`, `at`.
    pub expiries: Rows,
    /// Owners that had become inactive, and why.
    pub inactive: Vec<(PrincipalName, Option<Text>)>,
    /// Children of tokens that were revoked by themselves: `digest`, `token_id`, `expires_at`.
    pub children: Rows,
    /// Whether there is another document that goes on from this one.
    pub more: bool,
    /// All tokens and principals that any of the lists names: `id` of a token, or `principal`.
    pub named: Rows,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// 22023 for another format, another version, or a malformed element.
    pub fn parse(document: &Jsonb) -> Result<Self, ImportError> {
        let written: Written = document.parsed().ok_or(ImportError::NotRevocations)?;
        if written.version != VERSION {
            return Err(ImportError::RevocationsVersion);
        }
        let uuid = pg_sys::UUIDOID;
        let (text, moment) = (pg_sys::TEXTOID, pg_sys::TIMESTAMPTZOID);
        let mut parsed = Document {
            tokens: Rows::new(
                c"tokenauth_dead",
                &[(c"id", uuid), (c"at", moment), (c"by", text), (c"reason", text), (c"deleted", pg_sys::BOOLOID)],
            ),
            owners: Rows::new(
                c"tokenauth_dead",
                &[
                    (c"owner", text),
                    (c"first_id", uuid),
                    (c"at", moment),
                    (c"by", text),
                    (c"reason", text),
                    (c"covers", text),
                ],
            ),
            disabled: Rows::new(c"tokenauth_told", &[(c"id", uuid), (c"at", moment)]),
            expiries: Rows::new(c"tokenauth_told", &[(c"id", uuid), (c"at", moment)]),
            inactive: Vec::new(),
            children: Rows::new(
                c"tokenauth_children",
                &[(c"digest", pg_sys::BYTEAOID), (c"token_id", uuid), (c"expires_at", moment)],
            ),
            more: written.more,
            named: Rows::new(c"tokenauth_named", &[(c"id", uuid), (c"principal", text)]),
        };
        let forgotten = Forgotten::among(&written);
        let reasons = written.reasons;
        let why_died = |reason: Option<Reason>| match reason {
            Some(reason) => prose(Some(reason.among(&reasons)?)),
            None => prose(None),
        };
        for (index, WrittenToken { id, at, by, reason, deleted }) in numbered(written.tokens) {
            let why = ImportError::Revocation { of: "tokens", index };
            let row = token(&id).zip(past(&at)).zip(prose(forgotten.remembered(&by))).zip(why_died(reason));
            let (((id, at), by), reason) = row.ok_or(why)?;
            let reason = reason.filter(|_| !forgotten.has_owner_of(&id));
            parsed.tokens.put(fields![id, at, by, reason, deleted]);
            parsed.named.put(fields![id, None::<Text>]);
        }
        for (index, WrittenOwner { owner, at, by, reason, covers }) in numbered(written.owners) {
            let why = ImportError::Revocation { of: "owners", index };
            let row = principal(&owner).zip(past(&at)).zip(prose(forgotten.remembered(&by))).zip(why_died(reason));
            let (((owner, at), by), reason) = row.ok_or(why)?;
            let covers = match covers {
                WrittenCovers::All => "all",
                WrittenCovers::Revocable => "revocable",
            };
            parsed.owners.put(fields![owner.text(), id::first(at), at, by, reason, covers]);
            parsed.named.put(fields![None::<pgrx::Uuid>, owner.text()]);
        }
        for (of, list, rows) in
            [("disabled", written.disabled, &mut parsed.disabled), ("expiries", written.expiries, &mut parsed.expiries)]
        {
            for (index, WrittenMoment { id, at }) in numbered(list) {
                let (id, at) = token(&id).zip(Timestamp::parse(&at)).ok_or(ImportError::Revocation { of, index })?;
                rows.put(fields![id, at]);
                parsed.named.put(fields![id, None::<Text>]);
            }
        }
        for (index, WrittenInactive { principal: name, reason }) in numbered(written.inactive) {
            let row =
                principal(&name).zip(why_died(reason)).ok_or(ImportError::Revocation { of: "inactive", index })?;
            parsed.named.put(fields![None::<pgrx::Uuid>, row.0.text()]);
            parsed.inactive.push(row);
        }
        for (index, WrittenChild { digest, id, at, expires_at }) in numbered(written.derived) {
            let mut bytes = [0; 32];
            let is_digest = hex::decode_to_slice(&digest, &mut bytes).is_ok();
            let row = token(&id).zip(Timestamp::parse(&expires_at)).filter(|_| is_digest && past(&at).is_some());
            let (id, expires_at) = row.ok_or(ImportError::Revocation { of: "derived", index })?;
            parsed.children.put(fields![&bytes[..], id, expires_at]);
            parsed.named.put(fields![id, None::<Text>]);
        }
        Ok(parsed)
    }
}

fn numbered<T>(list: Vec<T>) -> impl Iterator<Item = (usize, T)> {
    (1..).zip(list)
}

fn token(id: &str) -> Option<pgrx::Uuid> {
    uuid::Uuid::try_parse(id).ok().map(|id| pgrx::Uuid::from_bytes(id.into_bytes()))
}

/// Reads a moment in the past: a token whose death lies in the future is not dead.
fn past(moment: &str) -> Option<Timestamp> {
    Timestamp::parse(moment).filter(|&moment| moment <= Timestamp::now())
}

fn principal(name: &str) -> Option<PrincipalName> {
    PrincipalName::parse(&encoding::from_utf8(name)).ok()
}

/// Reads text, if there is any; `None` if it is too long.
fn prose(text: Option<&str>) -> Option<Option<Text>> {
    match text {
        Some(text) if text.len() > MOST_PROSE => None,
        text => Some(text.map(|text| Text::from(encoding::from_utf8(text)).masked())),
    }
}
