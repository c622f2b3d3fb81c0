//! `explain`: why a token is accepted or refused, check by check, in sentences a DBA can act on.

use pgrx::Uuid;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog;
use crate::catalog::derived_death;
use crate::catalog::principal::Principal;
use crate::catalog::token;
use crate::catalog::token::Token;
use crate::catalog::token::life::is_killed_by;
use crate::error::{Error, ErrorReport, KindError, PrincipalError, TokenError};
use crate::fence;
use crate::model::kind::{Kind, PermissionMode};
use crate::model::network::{ClientAddress, Network};
use crate::model::scope::{Scope, Scopes};
use crate::model::token_state::{has_begun, has_ended};
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::encoding;
use crate::pg::types::row::Row;
use crate::pg::types::text::{PresentedText, Text};
use crate::settings;
use crate::usage::{self, RetryAfter};
use crate::verify;
use crate::verify::derived::{self, Child, IdentifiedChild};
use crate::verify::staleness;

/// Shows why a token is accepted or refused, check by check.
///
/// The checks stand in the order of verification. Those after the first failed one, which alone decides the verdict,
/// are shown as well. On a standby or reader with `tokenauth.max_staleness` the first is whether it is recent enough:
/// if not, it does not verify, and the others tell only what it knows so far. On a server that is fenced, that comes
/// before: it verifies nothing.
///
/// # Arguments
/// - `token_or_id`: the text of a token; a uuid is read as the id of one
///
/// # Returns
/// - `step`: what is checked
/// - `passed`: whether it is as it should be
/// - `reason`: why, in a sentence
///
/// # Errors
/// `22004` for a NULL token or `require`, `22023` for a malformed `require`, `42704` for an unknown id.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT step, passed, reason FROM tokenauth.explain(:'id', '{reports:read}') WHERE NOT passed;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn explain(
    call: Call,
    token_or_id: Option<PresentedText>,
    require: default!(Option<TextArray>, "'{}'"),
    client: default!(Option<Text>, "NULL"),
) -> Result<TableIterator<'static, (name!(step, Text), name!(passed, bool), name!(reason, Text))>, ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    let given = arguments::given("token_or_id", token_or_id)?;
    let require = arguments::scopes("require", &arguments::given("require", require)?)?;
    let mut report = Report::default();
    let client = ClientAddress::read(client.as_ref().map(Text::as_bytes));
    report.fence();
    report.copy();
    if let Some(child) = report.identify_child(&given)? {
        if let Some(child) = child {
            report.examine(child.parent, Some(&child), &require, client)?;
        }
    } else if let Some(id) = report.identify(&given)? {
        report.examine(id, None, &require, client)?;
    }
    Ok(TableIterator::new(report.0))
}

/// The checks made so far.
#[derive(Default)]
struct Report(Vec<(Text, bool, Text)>);

impl Report {
    fn add(&mut self, step: &'static str, passed: bool, reason: String) {
        self.0.push((step.into(), passed, encoding::from_utf8(&reason).into()));
    }

    /// Reports that the server is fenced, if it is.
    fn fence(&mut self) {
        if let Err(fenced) = fence::refuse_when_fenced() {
            self.add("fence", false, Error::from(fenced).whole());
        }
    }

    /// Reports whether this copy of the primary is recent enough to verify at all, where there is a bound.
    fn copy(&mut self) {
        let Some(most) = settings::max_staleness().filter(|_| staleness::is_copy()) else { return };
        match staleness::refuse_when_behind(most) {
            Ok(_) => self.add("copy", true, "it is as recent as tokenauth.max_staleness asks for".into()),
            Err(behind) => self.add("copy", false, behind.why()),
        }
    }

    fn identify(&mut self, given: &PresentedText<'_>) -> Result<Option<Uuid>, Error> {
        if let Some(id) = given.bytes().and_then(read_id) {
            token::find(id).ok_or(TokenError::NotFound(id))?;
            return Ok(Some(id));
        }
        let form = given.bytes().map(crate::token::Presented::parse);
        let found = verify::identify(given)?;
        match form {
            Some(Ok(_)) => self.add("form", true, "the text has the form of a token and its checksum matches".into()),
            Some(Err(_)) if found.is_some() => self.add("form", true, "the text is of another system's form".into()),
            Some(Err(why)) => self.add("form", false, format!("the text is no token: {why}")),
            None => self.add("form", false, "the text is too long to be a token".into()),
        }
        match (found, form.and_then(Result::ok)) {
            (Some(id), Some(text)) if token::has_lookup(id, text.lookup()) => {
                self.add("known", true, "its digest is that of a token issued here".into());
            }
            (Some(_), _) => self.add("known", true, "its digest is that of a token imported here".into()),
            (None, Some(_)) => self.add("known", false, "no token issued here has its digest".into()),
            (None, None) if verify::may_be_imported(given) => {
                self.add("known", false, "no imported token has its digest".into());
            }
            (None, None) => {}
        }
        Ok(found)
    }

    /// `None` if the text does not have the form of a derived token, and without one inside if it is that of none here.
    fn identify_child(&mut self, given: &PresentedText<'_>) -> Result<Option<Option<IdentifiedChild>>, Error> {
        let Some(text) = given.bytes().filter(|text| Child::parse(text).is_ok()) else {
            return Ok(None);
        };
        self.add("form", true, "the text has the form of a derived token".into());
        let child = derived::identify(text)?;
        match &child {
            Some(child) => {
                self.add("known", true, format!("it was derived from token {:-x}, whose checks follow", child.parent))
            }
            None => self.add(
                "known",
                false,
                "no token here has signed it: there is none with its lookup, or its kind is not derivable, or was \
                 not when the token was issued, or the signature is another's"
                    .into(),
            ),
        }
        Ok(Some(child))
    }

    fn examine(
        &mut self,
        id: Uuid,
        child: Option<&IdentifiedChild>,
        require: &Scopes,
        client: ClientAddress,
    ) -> Result<(), Error> {
        let snapshot = LatestSnapshot::take();
        let now = Timestamp::now();
        let token = token::find(id).ok_or(TokenError::NotFound(id))?;
        let owner = catalog::principal::find(token.owner.as_bytes(), &snapshot)
            .ok_or_else(|| PrincipalError::NotFound(token.owner.shown()))?;
        let kind = catalog::kind::find(token.kind.as_bytes(), &snapshot)
            .ok_or_else(|| KindError::NotFound(token.kind.shown()))?;

        self.death(&token, &owner, now);
        self.add(
            "enabled",
            !token.state.disabled,
            if token.state.disabled { "it is disabled; enable() ends that" } else { "it is not disabled" }.into(),
        );
        self.times(&token, now);
        self.owner(&token, &owner, now);
        self.network(id, client)?;
        if let Some(child) = child {
            self.child(child, &kind, client, now);
        }
        self.rate(id, &kind, now);
        for scope in require.each() {
            self.scope(scope, &kind, &token, &owner);
            let is_left = child.is_none_or(|child| child.narrowing.grants(scope));
            if !is_left {
                self.add("derived: scope", false, format!("scope {scope} is not among those that it was derived for"));
            }
        }
        Ok(())
    }

    /// Reports what a derived token adds to the checks of the one that it was derived from.
    fn child(&mut self, child: &IdentifiedChild, kind: &Kind, client: ClientAddress, now: Timestamp) {
        let narrowing = &child.narrowing;
        let is_killed = derived_death::is_recorded(&child.digest, &LatestSnapshot::take());
        let alive = if is_killed { "it was revoked by itself" } else { "it was not revoked by itself" };
        self.add("derived: alive", !is_killed, alive.into());
        let has_begun = has_begun(Some(narrowing.begin()), now);
        let begun =
            if has_begun { "it has begun".into() } else { format!("it begins in {}", span(narrowing.start(), now)) };
        self.add("derived: begun", has_begun, begun);
        let is_over = has_ended(Some(narrowing.end()), now);
        let ends = if is_over { ago(narrowing.end(), now) } else { format!("in {}", span(narrowing.end(), now)) };
        self.add("derived: not expired", !is_over, format!("{} {ends}", if is_over { "it ended" } else { "it ends" }));
        let is_too_long = narrowing.is_too_long_for(kind);
        let lasts = span(narrowing.end(), narrowing.start());
        let lasts = if is_too_long {
            format!("it lasts {lasts}, longer than max_derived_lifetime of kind {}", kind.name.shown())
        } else {
            format!("it lasts {lasts}")
        };
        self.add("derived: lifetime", !is_too_long, lasts);
        if narrowing.networks().is_some() {
            let is_inside = narrowing.admits(client.known());
            let inside = if is_inside { "the client is in its networks" } else { "the client is not in its networks" };
            self.add("derived: network", is_inside, inside.into());
        }
    }

    fn death(&mut self, token: &Token, owner: &Principal, now: Timestamp) {
        static ALONE: Statement =
            Statement::new("SELECT revoked_at, revoked_by, revoke_reason FROM tokenauth.token WHERE id = $1");
        static WITH_OTHERS: Statement = Statement::new(concat!(
            "SELECT m.at, m.by, m.reason, m.covers = 'all'
               FROM tokenauth.token t JOIN tokenauth.mass_death m ON ",
            is_killed_by!(),
            " WHERE t.id = $1
              ORDER BY m.epoch
              LIMIT 1",
        ));
        let reason = if !token.state.is_dead(&owner.state) {
            return self.add("alive", true, "it was never revoked, nor were all tokens of its owner since".into());
        } else if token.state.deleted {
            "it was deleted".into()
        } else if token.state.revoked {
            let how = ALONE.first(arguments![token.id], |row| how(row, now)).unwrap_or_default();
            format!("it was revoked {how}")
        } else {
            let name = token.owner.shown();
            match WITH_OTHERS.first(arguments![token.id], |row| (how(row, now), row.required(4))) {
                Some((how, true)) => format!("all tokens of owner {name} were revoked {how}"),
                Some((how, false)) => {
                    format!("owner {name} was deactivated {how}; that revoked it for good, whatever the owner is now")
                }
                None => format!("it died with owner {name}"),
            }
        };
        self.add("alive", false, reason);
    }

    fn times(&mut self, token: &Token, now: Timestamp) {
        match token.state.not_before {
            Some(start) if !has_begun(Some(start), now) => {
                self.add("begun", false, format!("it begins to work in {}", span(start, now)))
            }
            _ => self.add("begun", true, "it has begun to work".into()),
        }
        let by = if token.state.ends_at == token.extent.expires_at { "" } else { ", by the max_age of its kind" };
        match token.state.ends_at {
            None => self.add("not expired", true, "it does not expire".into()),
            Some(end) if has_ended(Some(end), now) => {
                self.add("not expired", false, format!("it expired {}{by}", ago(end, now)))
            }
            Some(end) => self.add("not expired", true, format!("it expires in {}{by}", span(end, now))),
        }
    }

    fn owner(&mut self, token: &Token, owner: &Principal, now: Timestamp) {
        static SINCE: Statement = Statement::new(
            "SELECT at, by, reason FROM tokenauth.mass_death WHERE owner = $1 ORDER BY epoch DESC LIMIT 1",
        );
        let name = token.owner.shown();
        let reason = match (owner.state.dropped, owner.state.active) {
            (true, _) => format!("owner {name} was dropped"),
            (false, true) => return self.add("owner active", true, format!("owner {name} is active")),
            (false, false) => match SINCE.first(arguments![token.owner.clone()], |row| how(row, now)) {
                Some(how) => format!("owner {name} was deactivated {how}"),
                None => format!("owner {name} is inactive"),
            },
        };
        self.add("owner active", false, reason);
    }

    fn network(&mut self, id: Uuid, client: ClientAddress) -> Result<(), Error> {
        let Some(networks) = token::settings(id)?.networks else {
            self.add("network", true, "it may be used from anywhere".into());
            return Ok(());
        };
        let listed: Vec<String> = networks.stored().map(encoding::shown).collect();
        let listed = listed.join(", ");
        let (passed, reason) = match client {
            ClientAddress::NotGiven => (false, format!("it is bound to {listed}, and no client address was given")),
            ClientAddress::Unreadable => {
                (false, format!("it is bound to {listed}, and the client address cannot be read"))
            }
            ClientAddress::Known(client) => {
                let mut networks = networks.stored().filter_map(|network| Network::parse(network).ok());
                match networks.find(|network| network.contains(client)) {
                    Some(network) => (true, format!("client {client} is in {network}")),
                    None => (false, format!("client {client} is outside {listed}")),
                }
            }
        };
        self.add("network", passed, reason);
        Ok(())
    }

    /// Reports whether the rate admits a request; asking does not use any of it up.
    fn rate(&mut self, id: Uuid, kind: &Kind, now: Timestamp) {
        let Some(rate) = kind.rate else { return };
        match usage::would_admit(id, rate, now) {
            Ok(()) => self.add("rate", true, "it was not used too often on this server".into()),
            Err(RetryAfter { seconds }) => {
                self.add(
                    "rate",
                    false,
                    format!("it was used too often on this server; try again in {seconds} seconds"),
                );
            }
        }
    }

    fn scope(&mut self, scope: &Scope, kind: &Kind, token: &Token, owner: &Principal) {
        let is_chosen = kind.permission_mode.is_chosen();
        let needs_owner = matches!(kind.permission_mode, PermissionMode::Live | PermissionMode::Intersect);
        let lacks = if kind.ceiling.as_ref().is_some_and(|ceiling| !ceiling.covers(scope)) {
            Some(format!("is beyond the ceiling of kind {}", kind.name.shown()))
        } else if is_chosen && !token.extent.grant.scopes.as_ref().is_some_and(|granted| granted.covers(scope)) {
            Some("is not among the scopes granted; edit() can add it".into())
        } else if needs_owner && !owner.permissions.covers(scope) {
            Some(format!("is not among the permissions of owner {}", token.owner.shown()))
        } else {
            None
        };
        match lacks {
            None => self.add("scope", true, format!("scope {scope} is granted")),
            Some(lacks) => self.add("scope", false, format!("scope {scope} {lacks}")),
        }
    }
}

/// When, by whom and why, read from the first three columns.
fn how(row: &Row, now: Timestamp) -> String {
    let by = row.optional::<Text>(2).map_or(String::new(), |by| format!(" by {}", by.shown()));
    let reason = row.optional::<Text>(3).map_or(String::new(), |reason| format!(": {}", reason.shown()));
    format!("{}{by}{reason}", ago(row.required(1), now))
}

/// Reads a text as an id, if it is one.
fn read_id(text: &[u8]) -> Option<Uuid> {
    let id = uuid::Uuid::try_parse_ascii(text).ok()?;
    Some(Uuid::from_bytes(id.into_bytes()))
}

fn ago(moment: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now, moment))
}

/// The time between two moments in the largest unit of which it has at least two.
fn span(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.micros_since(earlier) / 1_000_000;
    [("day", 86_400), ("hour", 3600), ("minute", 60)]
        .into_iter()
        .find(|(_, unit)| seconds >= 2 * unit)
        .map_or_else(|| format!("{seconds} seconds"), |(name, unit)| format!("{} {name}s", seconds / unit))
}
