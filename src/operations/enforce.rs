//! `noncompliant` and `enforce`: tokens issued before a rule of their kind was made, and what that rule makes of them.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::idle_tokens;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_PROSE};
use crate::catalog::death_notice;
use crate::catalog::event::Event;
use crate::catalog::kind;
use crate::catalog::noncompliance::{self, BeyondCeiling, Violation};
use crate::error::{Error, ErrorReport, KindError, RuleError};
use crate::model::kind::Kind;
use crate::model::rule::Rule;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::transaction::xact;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::text::Text;
use crate::usage::seen::Recent;

/// How many tokens are changed at once, with one event.
const BATCH: usize = 10_000;

/// Lists tokens that are alive and break a rule that their kind has today, once for each rule.
///
/// `no_expiry`: it does not expire and must; `lifetime`: it ends later than `max_lifetime` from now; `idle`: it was
/// neither issued nor used within `max_idle`; `name`: it has no name and must; `ceiling`: it was granted scopes beyond
/// the ceiling; `maximum`: its owner has more than `max_active_per_owner`, and it is one of the oldest. A rule that was
/// made or tightened after tokens were issued does not reach them by itself: `enforce` does. Added in 0.2.0.
///
/// # Arguments
/// - `kind`: of which kind; `'*'`: of any
///
/// # Returns
/// - `id`: the token
/// - `owner`: whose it is
/// - `kind`: its kind
/// - `rule`: the rule that it breaks
/// - `since`: when it came to break it; NULL: that is not known
/// - `hint`: what lists show of the token's text
///
/// # Errors
/// `22004` for a NULL kind, `42704` for an unknown one.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// UPDATE tokenauth.kind SET default_lifetime = '30 days', max_lifetime = '30 days' WHERE name = 'api';
/// SELECT owner, kind, rule, since FROM tokenauth.noncompliant('api');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn noncompliant(
    call: Call,
    kind: default!(Option<Text>, "'*'"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, Uuid),
            name!(owner, Text),
            name!(kind, Text),
            name!(rule, &'static str),
            name!(since, Option<Timestamp>),
            name!(hint, Option<Text>),
        ),
    >,
    ErrorReport,
> {
    let _owner = Caller::enter_to_look_back(call, "noncompliant")?.act_as_owner();
    let kind = Some(arguments::given("kind", kind)?).filter(|kind| kind.as_bytes() != b"*");
    if let Some(kind) = &kind {
        existing(kind)?;
    }
    let beyond = BeyondCeiling::find(kind.as_ref());
    // Apart from the others: whoever is idle still counts towards the maximum.
    let (alone, together): (Vec<Rule>, Vec<Rule>) = Rule::ALL.into_iter().partition(|rule| *rule == Rule::Maximum);
    let mut found = violations(kind.as_ref(), &together, &beyond);
    found.extend(violations(kind.as_ref(), &alone, &beyond));
    Ok(TableIterator::new(
        found
            .into_iter()
            .map(|Violation { id, owner, kind, rule, since, hint }| (id, owner, kind, rule.as_str(), since, hint)),
    ))
}

/// Applies rules of a kind to the tokens that break them; returns how many, of all rules together.
///
/// `no_expiry` and `lifetime` lower the expiry to `max_lifetime` from now, or else `default_lifetime`; `idle` and
/// `maximum` revoke; `ceiling` cuts the scopes that were granted. `idle` revokes nothing as long as it is not certain
/// that every use was counted for all of `max_idle`; a WARNING says what is missing. All in one transaction, which
/// holds up whoever issues tokens of the kind. Added in 0.2.0.
///
/// # Arguments
/// - `kind`: the kind
/// - `rules`: any of `no_expiry`, `lifetime`, `idle`, `ceiling`, `maximum`; see `noncompliant`
/// - `dry_run`: false does it; true, the default, only counts
///
/// # Errors
/// `22004` for a NULL kind, `dry_run` or rule, and where tokens must end and the kind does not say when; `22023` for no
/// rule, an unknown one, and `name`, which nobody can make up, and where the kind says a time beyond the year 9999;
/// `42501` for a role that may not make trusted calls and under an identity; `42704` for an unknown kind.
///
/// # Access
/// `admin`
///
/// # Example
/// ```sql
/// UPDATE tokenauth.kind SET default_lifetime = '30 days', max_lifetime = '30 days' WHERE name = 'api';
/// SELECT tokenauth.enforce('api', '{lifetime}');
/// SELECT tokenauth.enforce('api', '{lifetime}', reason => 'policy of 2026', dry_run => false);
/// SELECT tokenauth.enforce('api', '{lifetime}');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn enforce(
    call: Call,
    kind: Option<Text>,
    rules: Option<TextArray>,
    reason: default!(Option<Text>, "NULL"),
    dry_run: default!(Option<bool>, "true"),
) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let kind = arguments::given("kind", kind)?;
    let rules = enforceable(&arguments::given("rules", rules)?)?;
    let reason = arguments::masked("reason", reason, MOST_PROSE)?;
    let is_dry = arguments::given("dry_run", dry_run)?;
    let enforcement = Enforcement { kind: existing(&kind)?, reason, actor };
    let many = if is_dry { enforcement.count(&rules)? } else { enforcement.apply(&rules)? };
    Ok(i64::try_from(many).unwrap_or(i64::MAX))
}

/// The rules of these names, each once and in the order in which they are applied.
///
/// # Errors
/// 22004 for NULL, 22023 for no rule, one that does not exist, or one that can only be listed.
fn enforceable(names: &TextArray) -> Result<Vec<Rule>, Error> {
    let names = arguments::elements("rules", names)?;
    for name in &names {
        match Rule::parse(name) {
            None => return Err(RuleError::NoSuchRule.into()),
            Some(Rule::Name) => return Err(RuleError::OnlyListed("name").into()),
            Some(_) => {}
        }
    }
    if names.is_empty() {
        return Err(RuleError::NoRules.into());
    }
    Ok(Rule::ALL.into_iter().filter(|rule| names.contains(&rule.as_str().as_bytes())).collect())
}

fn existing(name: &Text) -> Result<Kind, KindError> {
    kind::find(name.as_bytes(), &LatestSnapshot::take()).ok_or_else(|| KindError::NotFound(name.shown()))
}

fn violations(kind: Option<&Text>, rules: &[Rule], beyond: &BeyondCeiling) -> Vec<Violation> {
    noncompliance::find(kind, rules, Recent::new(&LatestSnapshot::take()).all(), beyond)
}

/// The enforcement of rules of one kind.
struct Enforcement {
    kind: Kind,
    reason: Option<Text>,
    actor: Actor,
}

impl Enforcement {
    fn name(&self) -> &Text {
        &self.kind.name
    }

    /// How many tokens [`apply`](Self::apply) would change.
    fn count(&self, rules: &[Rule]) -> Result<usize, Error> {
        for rule in rules {
            self.end_by(*rule)?;
        }
        let is_certain = |rule: &Rule| *rule != Rule::Idle || idle_tokens::counted_since_or_warn(&self.kind).is_some();
        let rules: Vec<Rule> = rules.iter().copied().filter(is_certain).collect();
        Ok(violations(Some(self.name()), &rules, &BeyondCeiling::find(Some(self.name()))).len())
    }

    fn apply(&self, rules: &[Rule]) -> Result<usize, Error> {
        kind::lock_against_issue(Some(self.name()))?;
        let mut total = 0;
        for rule in rules.iter().copied() {
            let changed = match rule {
                Rule::NoExpiry | Rule::Lifetime => self.expire(rule)?,
                Rule::Ceiling => self.cut()?,
                Rule::Idle => self.revoke_idle()?,
                Rule::Maximum => self.revoke_beyond_maximum()?,
                Rule::Name => 0,
            };
            total += changed;
        }
        Ok(total)
    }

    /// When tokens are to end that break this rule; `None` if it is about something else.
    ///
    /// # Errors
    /// 22004 when the kind does not say, 22023 when it says a time beyond the year 9999.
    fn end_by(&self, rule: Rule) -> Result<Option<Timestamp>, RuleError> {
        if !matches!(rule, Rule::NoExpiry | Rule::Lifetime) {
            return Ok(None);
        }
        let now = Timestamp::now();
        // One that ends beyond the calendar bounds nothing.
        let lifetimes = [&self.kind.max_lifetime, &self.kind.default_lifetime];
        let end = lifetimes.into_iter().flatten().find_map(|lifetime| now.plus(lifetime));
        end.map(Some).ok_or_else(|| match self.kind.max_lifetime {
            None => RuleError::NoLifetime(self.name().shown()),
            Some(_) => RuleError::EndlessLifetime(self.name().shown()),
        })
    }

    fn expire(&self, rule: Rule) -> Result<usize, Error> {
        let Some(end) = self.end_by(rule)? else { return Ok(0) };
        xact::mark_narrowing();
        self.in_batches(rule, &BeyondCeiling::default(), |tokens| noncompliance::lower_expiry(tokens, end) as usize)
    }

    fn cut(&self) -> Result<usize, Error> {
        xact::mark_narrowing();
        let beyond = BeyondCeiling::find(Some(self.name()));
        self.in_batches(Rule::Ceiling, &beyond, |tokens| noncompliance::cut(tokens, self.name(), &beyond) as usize)
    }

    fn revoke_beyond_maximum(&self) -> Result<usize, Error> {
        xact::mark_death();
        let reason = self.reason.clone().unwrap_or_else(|| Rule::Maximum.as_str().into());
        let by = self.actor.recorded();
        self.in_batches(Rule::Maximum, &BeyondCeiling::default(), |tokens| {
            let died = noncompliance::revoke(tokens, &by, &reason);
            death_notice::many_died(|most| died.iter().copied().take(most as usize).collect());
            died.len()
        })
    }

    fn revoke_idle(&self) -> Result<usize, Error> {
        match idle_tokens::counted_since_or_warn(&self.kind) {
            Some(since) => idle_tokens::revoke_all(self.name(), since, self.reason.as_ref(), &self.actor),
            None => Ok(0),
        }
    }

    /// Changes all tokens that break a rule, and records an event for each batch.
    fn in_batches(
        &self,
        rule: Rule,
        beyond: &BeyondCeiling,
        change: impl Fn(&[Uuid]) -> usize,
    ) -> Result<usize, Error> {
        let mut tokens: Vec<Uuid> =
            violations(Some(self.name()), &[rule], beyond).into_iter().map(|violation| violation.id).collect();
        tokens.sort_unstable_by_key(|token| *token.as_bytes());
        let mut total = 0;
        for batch in tokens.chunks(BATCH) {
            let changed = change(batch);
            if changed > 0 {
                record(rule, self.name(), changed, self.reason.as_ref(), &self.actor)?;
            }
            total += changed;
        }
        Ok(total)
    }
}

/// Records that a rule was applied to so many tokens.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn record(rule: Rule, kind: &Text, tokens: usize, reason: Option<&Text>, actor: &Actor) -> Result<(), Error> {
    let after = JsonObject::new()
        .text("rule", Some(rule.as_str().as_bytes()))
        .integer("tokens", i64::try_from(tokens).ok())
        .text("reason", reason.map(Text::as_bytes));
    Event { event: "tokens.enforced", kind: Some(kind.clone()), after: Some(after.into()), ..Event::default() }
        .record(actor)
}
