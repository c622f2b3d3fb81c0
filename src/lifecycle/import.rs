//! `import`: takes over a token of an older system, of which only a digest is known.

use std::cell::RefCell;
use std::rc::Rc;

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
use crate::keys::{self, NamedKey};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::process::backend_local::backend_local;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::token::{Digest, ForeignAlgorithm, ImportKey, Secret};

/// Takes over a token of an older system by its digest, so that its holder can go on using it.
///
/// A text of fewer than 8 or more than 512 bytes is never accepted. An import is judged like `issue`: it grants only
/// what the owner holds, and any expiry is in the future.
///
/// # Arguments
/// - `digest`: in hexadecimal
/// - `algorithm`: `sha256` or `sha512` of the whole text that the holder presents; `sha512-of-hex` of the bytes that it
///   spells in hexadecimal; `sha256-after-bar` of what follows its first `|`; under the `import` key `<id>` of the key
///   file, `hmac-sha256:<id>` of the whole text or `hmac-sha256-after-dot:<id>` of what follows its first `.`
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
/// imported before; `55000` for a key that is not in the key file, or is another there, and for an algorithm that the
/// tables of a database that is not updated do not know.
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
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner_for_rows();
    let kind = arguments::given("kind", kind)?;
    let owner = PrincipalName::given("owner", owner)?;
    let taken_over = TakenOver::read(algorithm, digest)?;
    let name = arguments::for_people("name", name, MOST_NAME)?.filter(|name| !name.is_empty());
    let hint = arguments::for_people("hint", hint, MOST_NAME)?.filter(|hint| !hint.is_empty());
    // Every list would show it, whole or without what goes before the part that is hashed.
    if let Some(hint) = hint.as_ref().map(Text::as_bytes)
        && (taken_over.is_of(&Secret::Part(hint))
            || taken_over
                .algorithm
                .secret(hint)
                .is_some_and(|secret| secret.bytes() != hint && taken_over.is_of(&secret)))
    {
        Err(ImportError::HintIsToken)?;
    }
    let TakenOver { algorithm, digest, .. } = taken_over;
    let chosen = scopes.map(|scopes| arguments::kept_scopes("scopes", &scopes)).transpose()?;
    let metadata = arguments::metadata(metadata)?.filter(|metadata| !metadata.is_empty_object());
    let asked = Expiry::asked(None, expires_at)?;

    let admission = Admission::new(&actor, &kind, &owner, name.as_ref(), &asked)?;
    let created_at = created(created_at, admission.now)?;
    admission.admits(None)?;
    let grant = admission.grant(&owner, chosen, None)?;
    let settings = Settings { name, metadata, ..Settings::default() };
    let new = New { settings, created_at, ..admission.token(&owner, &actor, grant)? };
    let credential = StoredCredential {
        lookup: algorithm.lookup(&digest),
        digest: &digest,
        algorithm: &algorithm.name(),
        // Only SHA-256 digests can be peppered, and the lookup shows 64 bits of the plain digest anyway.
        pepper: None,
        hint,
        // The text is not known, so it can be neither revealed nor derived from.
        sealed: None,
        derive_key: None,
    };
    Imports::admit(&algorithm).map_err(Error::from)?;
    if !new.insert(credential, "token.imported", admission.now)? {
        Err(DigestError::Known)?;
    }
    Imports::expect(&algorithm);
    Ok(new.id)
}

/// What a migration hashes when the older system had no token there. The first ones are too short to be found, and
/// anybody could present the last.
const NO_TOKENS: [&str; 6] = ["", "null", "NULL", "None", "nil", "undefined"];

backend_local! {
    /// Their digests by the last algorithm that needs no key: a migration would compute them for each token.
    static NOTHING: RefCell<Option<(ForeignAlgorithm, Vec<Digest>)>> = const { RefCell::new(None) };
}

/// What is taken over of a token.
struct TakenOver {
    algorithm: ForeignAlgorithm,
    /// The key that it needs.
    key: Option<Rc<NamedKey<ImportKey>>>,
    digest: Digest,
}

impl TakenOver {
    /// Reads an algorithm and a digest of it.
    ///
    /// # Errors
    /// 22004 when one of them is NULL, 22023 when one is not acceptable, 55000 without the key.
    fn read(algorithm: Option<Text>, digest: Option<Text>) -> Result<Self, Error> {
        let digest = arguments::given("digest", digest)?;
        let algorithm = arguments::given("algorithm", algorithm)?;
        let name = str::from_utf8(algorithm.as_bytes()).ok();
        let algorithm = name.and_then(ForeignAlgorithm::named).ok_or(DigestError::NoSuchAlgorithm)?;
        let digest = match Digest::from_hex(algorithm.digest_len(), digest.as_bytes()) {
            Ok(digest) => digest,
            Err(why) => return Err(DigestError::Malformed { algorithm, why }.into()),
        };
        let key = algorithm.key().map(keys::of_import).transpose()?;
        let taken_over = TakenOver { algorithm, key, digest };
        if taken_over.is_of_nothing() { Err(DigestError::OfNothing.into()) } else { Ok(taken_over) }
    }

    /// Whether the digest is that of a text which is no token.
    fn is_of_nothing(&self) -> bool {
        if self.key.is_some() {
            return NO_TOKENS.iter().any(|text| self.is_of(&Secret::Part(text.as_bytes())));
        }
        NOTHING.with_borrow_mut(|known| {
            let known = match known {
                Some((algorithm, digests)) if *algorithm == self.algorithm => digests,
                _ => {
                    let digest = |text: &&str| self.algorithm.digest(&Secret::Part(text.as_bytes()), None);
                    let digests = NO_TOKENS.iter().filter_map(digest).collect();
                    &mut known.insert((self.algorithm.clone(), digests)).1
                }
            };
            known.iter().any(|digest| digest.matches(self.digest.as_bytes()))
        })
    }

    /// Whether the digest is that of this part of a text.
    fn is_of(&self, secret: &Secret<'_>) -> bool {
        let of_secret = self.algorithm.digest(secret, self.key.as_deref().map(|key| &key.key));
        of_secret.is_some_and(|of_secret| of_secret.matches(self.digest.as_bytes()))
    }
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
