//! Children of tokens: judged by the rows of their parents, and cached once their signature was checked.
//!
//! A signature takes some thirty times as long as all the rest, so a child that was accepted is cached like a token,
//! with its own digest, and comes from the rows of its parent. One that was not accepted is never stored, so that a
//! flood of forged ones evicts nothing. Whoever revokes a single child tells its parent's row, and that there are such
//! deaths.

use std::rc::Rc;

use super::{cached, effective_alone, find_kind, find_owner, judged, kind_of, known, owner, recalled, settled};
use crate::catalog::derived_death;
use crate::error::{Error, KeyError};
use crate::keys;
use crate::pg::scan::invalidation;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::token::Digest;
use crate::token::derived::DerivedText;
use crate::usage;
use crate::verify::Question;
use crate::verify::answer::Outcome;
use crate::verify::cache::sources::Sources;
use crate::verify::derived::Child;
use crate::verify::resolved::{Resolved, TokenRow};

/// What is said of a text that looks like a child.
pub enum Answer {
    /// It does not have the form of one.
    Malformed,
    /// No token has such a child. Nothing is told of the token whose lookup it has.
    Unknown,
    /// It is a child, and was judged.
    Judged(Outcome),
}

/// Answers a question about the child with this text.
///
/// # Errors
/// 55000 when the parent's pepper is missing, or the key file has another key under its id.
pub fn ask(text: &[u8], question: &Question) -> Result<Answer, Error> {
    let Some(generation) = super::generation() else {
        return ask_uncached(text, &Digest::sha256(text), question);
    };
    // Looked for by its signature, which is there already: what is cached of it arrives while its digest is computed.
    let key = DerivedText::number(text);
    let known = known(key, generation);
    if let Some(known) = &known {
        known.prefetch();
    }
    let digest = Digest::sha256(text);
    if let Some(known) = &known
        && let Some(outcome) = recalled::<true>(Rc::clone(known), &digest, question)
    {
        return Ok(Answer::Judged(outcome));
    }
    let Ok(child) = Child::parse(text) else { return Ok(Answer::Malformed) };
    // Its signature was checked, and since then none of the rows has changed that say by which key.
    let proved = known.is_some_and(|known| known.is_child(&digest)).then_some(generation);
    let (resolved, generation) = settled(generation, |snapshot, generation| {
        read(&child, &digest, snapshot, Some(generation), proved == Some(generation))
    });
    Ok(resolved?.map_or(Answer::Unknown, |resolved| {
        Answer::Judged(judged(resolved, key, child.lookup(), question, generation))
    }))
}

#[cold]
fn ask_uncached(text: &[u8], digest: &Digest, question: &Question) -> Result<Answer, Error> {
    let Ok(child) = Child::parse(text) else { return Ok(Answer::Malformed) };
    let (resolved, _) = settled(invalidation::generation(), |snapshot, _| read(&child, digest, snapshot, None, false));
    Ok(resolved?.map_or(Answer::Unknown, |resolved| Answer::Judged(resolved.judge(question, effective_alone))))
}

/// Reads the parent of a child with its owner and kind, narrowed to what the child leaves of it; `None` if the child is
/// none of that token. Its signature is checked unless that `is_proved`.
fn read(
    child: &Child<'_>,
    digest: &Digest,
    snapshot: &LatestSnapshot,
    generation: Option<u64>,
    is_proved: bool,
) -> Result<Option<Resolved>, KeyError> {
    let pepper = |id: &[u8]| match generation {
        None => keys::named(id, snapshot),
        Some(generation) => super::pepper(id, snapshot, generation),
    };
    let Some((token, key)) = TokenRow::find_parent(child.lookup(), digest, snapshot, pepper)? else {
        return Ok(None);
    };
    let kind = match generation {
        None => find_kind(&token.kind, snapshot).map(Rc::new),
        Some(generation) => kind_of(&token.kind, snapshot, generation),
    };
    let Some(kind) = kind.filter(|kind| child.is_of(kind)) else {
        return Ok(None);
    };
    if !is_proved && !child.is_signed_by(key) {
        return Ok(None);
    }
    usage::prefetch(token.id, false);
    let owner = match generation {
        None => find_owner(&token.owner, snapshot),
        Some(generation) => owner(&token.owner, snapshot, generation),
    };
    let is_killed = are_there_deaths(generation) && derived_death::is_recorded(digest, snapshot);
    Ok(owner.map(|owner| Resolved::new(token, owner, kind).narrowed(child.narrowing(), is_killed)))
}

/// Whether any child was revoked by itself: while none was, children are not looked for among those.
fn are_there_deaths(generation: Option<u64>) -> bool {
    let Some(generation) = generation else {
        return derived_death::are_there();
    };
    let found: Result<bool, ()> = cached(
        generation,
        |cache| {
            let (sources, are_there) = cache.derived_deaths.as_ref()?;
            sources.are_unchanged(generation).then_some(*are_there)
        },
        || Ok(derived_death::are_there()),
        |cache, are_there| {
            let sources = Sources::new([derived_death::any()], generation);
            cache.derived_deaths = Some((sources, *are_there));
        },
    );
    found.unwrap_or(true)
}
