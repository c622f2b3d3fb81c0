//! `import`: takes over a token of an older system, of which only a digest is known.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::handing_out::{Admission, New, StoredCredential};
use super::lifetime::Expiry;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_NAME};
use crate::catalog::import::Imports;
use crate::catalog::token::Settings;
use crate::error::{DigestError, Error, ErrorReport, ImportError, LifetimeError};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::token::{Algorithm, Digest, Lookup};

/// Takes over a token of an older system by its digest, so that its holder can go on using it.
///
/// A text of fewer than 8 or more than 512 bytes is never accepted. An import is judged like `issue`: it grants only
/// what the owner holds, and any expiry is in the future.
///
/// # Arguments
/// - `digest`: in hexadecimal, of the whole text that the holder presents
/// - `algorithm`: `sha256` or `sha512`
/// - `hint`: what lists show of the text
/// - `expires_at`: when it stops working; NULL: as its kind says
/// - `created_at`: when the older system issued it; NULL: now
///
/// # Returns
/// the id of the token
///
/// # Errors
/// As `issue`; also `22004` for a NULL digest or algorithm, `22023` for a malformed digest or that of an empty text,
/// an unknown algorithm, a hint that is the token itself, or a creation in the future; `42710` for a digest that was
/// imported before.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT encode(sha256('old-secret'), 'hex') AS digest \gset
/// SELECT tokenauth.import('api', 'user:42', :'digest', 'sha256', name => 'old')
///        IS NOT NULL AS imported;
/// SELECT verdict, name FROM tokenauth.verify('old-secret');
/// ```
#[expect(clippy::too_many_arguments, reason = "the contract's signature; SQL calls it with named arguments")]
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn import(
    call: Call,
    kind: Option<Text>,
    owner: Option<Text>,
    digest: Option<Text>,
    algorithm: Option<Text>,
    name: default!(Option<Text>, "NULL"),
    hint: default!(Option<Text>, "NULL"),
    scopes: default!(Option<TextArray>, "NULL"),
    expires_at: default!(Option<Timestamp>, "NULL"),
    created_at: default!(Option<Timestamp>, "NULL"),
    metadata: default!(Option<Jsonb>, "NULL"),
    actor: default!(Option<Text>, "'session'"),
) -> Result<Uuid, ErrorReport> {
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let kind = arguments::given("kind", kind)?;
    let owner = PrincipalName::given("owner", owner)?;
    let (algorithm, digest) = taken_over(algorithm, digest)?;
    let name = arguments::bounded("name", name, MOST_NAME)?.filter(|name| !name.is_empty());
    let hint = arguments::bounded("hint", hint, MOST_NAME)?.filter(|hint| !hint.is_empty());
    if hint.as_ref().is_some_and(|hint| is_token(hint, algorithm, &digest)) {
        Err(ImportError::HintIsToken)?;
    }
    let chosen = scopes.map(|scopes| arguments::scopes("scopes", &scopes)).transpose()?;
    let metadata = arguments::metadata(metadata)?.filter(|metadata| !metadata.is_empty_object());
    let asked = Expiry::asked(None, expires_at)?;

    let admission = Admission::new(&actor, &kind, &owner, name.as_ref(), &asked)?;
    let created_at = created(created_at, admission.now)?;
    admission.admits(None)?;
    let grant = admission.grant(&owner, chosen, None)?;
    let settings = Settings { name, metadata, ..Settings::default() };
    let new = New { settings, created_at, ..admission.token(&owner, &actor, grant)? };
    let credential = StoredCredential {
        lookup: Lookup::of_digest(&digest),
        digest: &digest,
        algorithm,
        // Only SHA-256 digests can be peppered, and the lookup shows 64 bits of the plain digest anyway.
        pepper: None,
        hint,
        // The text is not known, so it cannot be revealed.
        sealed: None,
    };
    if !new.insert(credential, "token.imported", admission.now)? {
        Err(DigestError::Known)?;
    }
    Imports::expect(algorithm);
    Ok(new.id)
}

/// What a migration hashes when the older system had no token there. The first ones are too short to be found, and
/// anybody could present the last.
const NO_TOKENS: [&str; 6] = ["", "null", "NULL", "None", "nil", "undefined"];

/// Reads an algorithm that can be imported, and a digest of it.
///
/// # Errors
/// 22004 when one of them is NULL, 22023 when one is not acceptable.
fn taken_over(algorithm: Option<Text>, digest: Option<Text>) -> Result<(Algorithm, Digest), Error> {
    let digest = arguments::given("digest", digest)?;
    let algorithm = arguments::given("algorithm", algorithm)?;
    let algorithm = str::from_utf8(algorithm.as_bytes())
        .ok()
        .and_then(Algorithm::named)
        .filter(|algorithm| algorithm.is_importable())
        .ok_or(DigestError::NoSuchAlgorithm)?;
    let digest =
        Digest::from_hex(algorithm, digest.as_bytes()).map_err(|why| DigestError::Malformed { algorithm, why })?;
    let is_of = |text: &&str| Digest::of(algorithm, text.as_bytes()).is_some_and(|of| of.matches(digest.as_bytes()));
    if NO_TOKENS.iter().any(is_of) { Err(DigestError::OfNothing.into()) } else { Ok((algorithm, digest)) }
}

/// Whether the hint is the token itself, which every list would then show.
fn is_token(hint: &Text, algorithm: Algorithm, digest: &Digest) -> bool {
    Digest::of(algorithm, hint.as_bytes()).is_some_and(|of_hint| of_hint.matches(digest.as_bytes()))
}

/// When the older system issued the token, as it is stored.
///
/// # Errors
/// 22023 for a moment in the future or beyond the calendar.
fn created(created_at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Error> {
    match created_at {
        None => Ok(now),
        Some(moment) if moment > now => Err(ImportError::CreatedLater.into()),
        Some(moment) if !moment.is_writable() => Err(LifetimeError::BeyondCalendar("created_at").into()),
        Some(moment) => Ok(moment),
    }
}
