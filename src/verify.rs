//! The hot path: parse, checksum, one index probe, digest, verdict; no SQL, no planner, no privileges.
//!
//! Every call reads the newest committed state, whatever the isolation level of its caller: once a revocation has
//! committed, no verification that starts later answers with what was taken away. It never waits for a row lock, and
//! writes nothing but the usage of the token (see `usage.rs`). `verify/cache.rs` says what is cached between
//! calls, and why that cannot break the promise.

#![forbid(unsafe_code)]

pub mod accepted;
mod answer;
mod cache;
pub mod covers;
mod derive;
pub mod derived;
pub mod explain;
pub mod http;
mod identify;
mod imported;
mod introspect;
mod presented;
mod resolved;
mod staleness;

use std::cell::Cell;
use std::ops::RangeInclusive;

use pgrx::prelude::*;

use crate::arguments;
use crate::arguments::caller::{Caller, refuse_other_node};
use crate::catalog::import::Imports;
use crate::error::{DigestError, Error, ErrorReport};
use crate::fence;
use crate::model::network::ClientAddress;
use crate::model::scope::Scopes;
use crate::model::verdict::Verdict;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::Verification;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::{PresentedText, Text};
use crate::settings;
use crate::token::derived::DerivedText;
use crate::token::{Digest, ForeignAlgorithm, Lookup, Presented, PublicPart};
use crate::usage;
use accepted::Accepted;
pub use answer::{Outcome, Refused, Shown, described};
use cache::derived::Answer;
pub use identify::{Killable, identify, identify_token, may_be_imported};
use imported::find_import;
pub use presented::Request;

/// Verifies a token, with the scopes it must grant and the address of the client.
///
/// Never raises for a bad token: the verdict says what is wrong. Call it in FROM: `(tokenauth.verify($1)).*` would run
/// it once for each column.
///
/// # Arguments
/// - `token`: the text that was presented
///
/// # Errors
/// `22004` for a NULL `require`, `22023` for a malformed `require`, whatever the token; `55000` when the token's
/// digest is, or could be, under a key that is not in the key file, on a standby or reader that is too
/// far behind, or on a fenced server.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT verdict, owner, scopes FROM tokenauth.verify(:'token', require => '{devices:read}');
/// SELECT verdict, http_status, detail FROM tokenauth.verify(:'token', require => '{reports:read}');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn verify(
    call: Call,
    token: Option<PresentedText>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let question = Question::new(require, client)?;
    Ok(question.ask(Claim::of_argument(token.as_ref()))?.answer()?)
}

/// Verifies a token by its SHA-256, so that its text never reaches the server.
///
/// Everything else is as in `verify`.
///
/// # Errors
/// As `verify`; also `22023` for a digest of any length but 32 bytes or, without a lookup, 64.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT left(:'token', length('acme_') + 11) AS lookup,
///        sha256(convert_to(:'token', 'UTF8')) AS digest \gset
/// SELECT verdict, owner FROM tokenauth.verify_digest(:'lookup', :'digest');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn verify_digest(
    call: Call,
    lookup: Option<Text>,
    digest: Option<&[u8]>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let question = Question::new(require, client)?;
    Ok(question.ask(Claim::of_digest(lookup.as_ref().map(Text::as_bytes), digest)?)?.answer()?)
}

/// Verifies the token in the headers of an HTTP request.
///
/// It is found in `Authorization: Bearer …` or `X-API-Key`, or in the header that `header` names; in `Authorization`
/// also under `Token`, `ApiKey`, `Api-Key` and `Key`, or as user or password of `Basic`, where a text that is no token
/// counts as none. Where `client` is left out, the address is taken from the header that `tokenauth.client_header`
/// names. Everything else is as in `verify`.
///
/// # Errors
/// As `verify`.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT verdict, owner FROM tokenauth.verify_request(jsonb_build_object('X-API-Key', :'token'));
/// SELECT verdict, http_status FROM tokenauth.verify_request('{"Authorization": "Bearer nonsense"}');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn verify_request(
    call: Call,
    headers: Option<Jsonb>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
    header: default!(Option<Text>, "NULL"),
) -> Result<Verification, ErrorReport> {
    Caller::enter(call)?;
    let question = Question::new(require, client)?;
    Ok(question.ask_of(&Request::of_arguments(headers.as_ref(), header.as_ref()))?.answer()?)
}

/// What was presented.
pub enum Claim<'a> {
    /// Something that is judged without reading a table.
    Bad(Verdict),
    /// A token to be found by its lookup, whose digest is compared.
    /// Its text is known unless only the digest was presented.
    Token { lookup: Lookup, digest: Digest, text: Option<&'a [u8]> },
    /// A text that looks like one derived from a token.
    Child(&'a [u8]),
    /// A text that is not of our form: nothing, unless an older system issued it and its digest was imported.
    Foreign(&'a [u8]),
}

/// The length of a text that may be of an older system: shorter ones could be guessed, longer ones are never hashed.
const FOREIGN: RangeInclusive<usize> = 8..=512;

impl<'a> Claim<'a> {
    /// The claim of an argument; `None` is NULL.
    pub fn of_argument(token: Option<&'a PresentedText<'_>>) -> Self {
        token.map_or(Claim::Bad(Verdict::Missing), Claim::of_presented)
    }

    /// The claim of what a caller presents. A text that is too long to be a token is not looked at.
    pub fn of_presented(token: &'a PresentedText<'_>) -> Self {
        token.bytes().map_or(Claim::Bad(Verdict::Malformed), Claim::of_text)
    }

    /// The claim of a text.
    pub fn of_text(text: &'a [u8]) -> Self {
        match Presented::parse(text) {
            Ok(token) => Claim::Token { lookup: token.lookup(), digest: token.digest(), text: Some(text) },
            Err(_) if DerivedText::may_be(text) => Claim::Child(text),
            Err(_) if FOREIGN.contains(&text.len()) => Claim::Foreign(text),
            Err(_) => Claim::Bad(Verdict::Malformed),
        }
    }

    /// The claim of a digest and the public part of its token; `None` is NULL.
    ///
    /// # Errors
    /// 22023 for a digest of the wrong length.
    pub fn of_digest(lookup: Option<&[u8]>, digest: Option<&[u8]>) -> Result<Self, Error> {
        let Some(digest) = digest else {
            return Ok(Claim::Bad(Verdict::Missing));
        };
        let digest = Digest::from_bytes(digest).map_err(|_| DigestError::Length)?;
        if lookup.is_some() && digest.as_bytes().len() != ForeignAlgorithm::Sha256.digest_len() {
            return Err(DigestError::TooLong.into());
        }
        Ok(match lookup.map(PublicPart::parse) {
            None => Claim::Token { lookup: Lookup::of_digest(&digest), digest, text: None },
            Some(Ok(public)) => Claim::Token { lookup: public.lookup(), digest, text: None },
            Some(Err(_)) => Claim::Bad(Verdict::Malformed),
        })
    }
}

/// What is asked of a token: the scopes it must grant, and to which client.
pub struct Question {
    require: Scopes,
    client: ClientAddress,
    purpose: Purpose,
    /// When it was asked, where the clock had to be read before there was a token to judge by it: on a copy.
    asked_at: Cell<Option<Timestamp>>,
}

/// What a token is verified for, and so what of it must be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A verification: what its answer shows.
    Answer,
    /// An identity: nothing beyond what makes it acceptable.
    Identity,
    /// An introspection: what only the token's row says.
    Introspection,
}

impl Question {
    /// A question to be answered with a verification.
    ///
    /// # Errors
    /// 22004 for a NULL `require`, 22023 for a malformed one.
    pub fn new(require: Option<TextArray>, client: Option<Text>) -> Result<Self, Error> {
        let require = arguments::given("require", require)?;
        let require = if require.is_empty() { Scopes::nothing() } else { arguments::scopes("require", &require)? };
        let client = ClientAddress::read(client.as_ref().map(Text::as_bytes));
        Ok(Question { require, client, purpose: Purpose::Answer, asked_at: Cell::new(None) })
    }

    /// A question without scopes or client.
    pub fn bare() -> Self {
        Question {
            require: Scopes::nothing(),
            client: ClientAddress::NotGiven,
            purpose: Purpose::Answer,
            asked_at: Cell::new(None),
        }
    }

    /// The same question, asked to authenticate the transaction: no verification is returned.
    pub fn for_an_identity(self) -> Self {
        Question { purpose: Purpose::Identity, ..self }
    }

    /// The same question, asked to introspect the token.
    pub fn for_an_introspection(self) -> Self {
        Question { purpose: Purpose::Introspection, ..self }
    }

    /// The moment by which a cached token is judged: that by which the copy was, so that the clock is read once.
    #[inline]
    fn moment(&self) -> Timestamp {
        self.asked_at.take().unwrap_or_else(Timestamp::now)
    }

    /// Whether a cached token can be answered for without its row. A verification needs its cached answer.
    fn is_answered_by(&self, known: &Accepted) -> bool {
        match self.purpose {
            Purpose::Answer => known.cached_answer.is_taken(),
            Purpose::Identity => true,
            Purpose::Introspection => false,
        }
    }

    /// Whether what was read to answer it is worth caching. An introspection would put what it has read in the place of
    /// what answers verifications.
    fn fills_caches(&self) -> bool {
        self.purpose != Purpose::Introspection
    }

    /// Judges what was presented, and counts the use.
    ///
    /// # Errors
    /// 55000 when the token's digest has a pepper that is not in the key file, or this server is a standby or reader
    /// that is too far behind, or is fenced; 25000 in a session that another node of Citus has opened.
    pub fn ask(&self, claim: Claim<'_>) -> Result<Outcome, Error> {
        refuse_other_node()?;
        fence::refuse_when_fenced()?;
        if let Some(most) = settings::max_staleness() {
            self.asked_at.set(staleness::refuse_when_behind(most)?);
        }
        let verdict = match claim {
            Claim::Bad(verdict) => verdict,
            Claim::Token { lookup, digest, text } => match cache::ask(lookup, &digest, self)? {
                Some(outcome) => return Ok(outcome),
                None => match self.ask_imports(&cache::imports(), Some(&digest), text)? {
                    Some(outcome) => return Ok(outcome),
                    None => Verdict::Unknown,
                },
            },
            Claim::Child(text) => match cache::derived::ask(text, self)? {
                Answer::Judged(outcome) => return Ok(outcome),
                Answer::Unknown => Verdict::Unknown,
                Answer::Malformed => match self.ask_foreign(text)? {
                    Ok(outcome) => return Ok(outcome),
                    Err(verdict) => verdict,
                },
            },
            Claim::Foreign(text) => match self.ask_foreign(text)? {
                Ok(outcome) => return Ok(outcome),
                Err(verdict) => verdict,
            },
        };
        Ok(Outcome::without_token(verdict, usage::count_without_token(verdict, self.client.known())))
    }

    /// Asks for the imported token with this text, which is not of our form, or else says what the text is.
    #[cold]
    fn ask_foreign(&self, text: &[u8]) -> Result<Result<Outcome, Verdict>, Error> {
        let imports = cache::imports();
        if imports.are_none() || !FOREIGN.contains(&text.len()) {
            return Ok(Err(Verdict::Malformed));
        }
        Ok(self.ask_imports(&imports, None, Some(text))?.ok_or(Verdict::Unknown))
    }

    /// Asks for the imported token that was presented, if there is one. A token of another database of ours, of which
    /// the digest was imported, has our form but is not found by its lookup here.
    #[cold]
    fn ask_imports(
        &self,
        imports: &Imports,
        digest: Option<&Digest>,
        text: Option<&[u8]>,
    ) -> Result<Option<Outcome>, Error> {
        find_import(imports, digest, text, |lookup, digest| cache::ask(lookup, digest, self))
    }
}
