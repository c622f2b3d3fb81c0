//! Rows of the view `tokenauth.tokens`, made without a statement for a page of them. They are what the view shows: a
//! regression test compares the two for every state that a token can be in.

use pgrx::Uuid;

use crate::catalog::kind::Ages;
use crate::catalog::mass_death::{self, Deaths};
use crate::catalog::principal::{Life, LifePaths, Lives};
use crate::catalog::token::{self, column};
use crate::model::token_state::{Status, TokenState};
use crate::pg::scan::index_walk::OpenIndex;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::row::{Row, Value};
use crate::pg::types::text::Text;
use crate::usage::seen::Seen;
use crate::usage::tables;

/// What the rows are made of, beside tokens, open for reading.
pub struct Sources {
    principals: LifePaths,
    usage: OpenIndex,
    deaths: OpenIndex,
}

impl Sources {
    /// For tokens in this status; `None`: in any.
    pub fn open(status: Option<Status>) -> Self {
        Sources {
            principals: LifePaths::open(matches!(status, Some(Status::Revoked | Status::Suspended))),
            usage: tables::BY_TOKEN.index().open_to_walk(),
            deaths: mass_death::BY_OWNER.open_to_walk(),
        }
    }
}

/// Shows tokens as they are by one snapshot and at one moment.
pub struct Shown<'a> {
    lives: Lives<'a>,
    usage: Seen<'a>,
    deaths: Deaths<'a>,
    ages: Ages<'a>,
    now: Timestamp,
}

/// How a token is.
pub struct Standing {
    pub status: Status,
    state: TokenState,
    owner: Life,
}

impl<'a> Shown<'a> {
    pub fn new(sources: &'a Sources, snapshot: &'a LatestSnapshot) -> Self {
        Shown {
            lives: Lives::new(&sources.principals, snapshot),
            usage: Seen::new(&sources.usage, snapshot),
            deaths: Deaths::new(&sources.deaths, snapshot),
            ages: Ages::new(snapshot),
            now: Timestamp::now(),
        }
    }

    /// What the token's row and its kind say of its life.
    pub fn state(&mut self, row: &Row) -> TokenState {
        token::state(row).of_kind(self.ages.of(row.bytes(column::KIND).unwrap_or_default()))
    }

    /// Whether the token of a row may have this status. That is to be asked of many tokens, and so answered without
    /// their owners' rows where it can be.
    pub fn may_be(&mut self, status: Status, state: &TokenState, row: &Row) -> bool {
        let owner = || row.bytes(column::OWNER).unwrap_or_default();
        state.may_be(status, self.now) && (!state.is_for_its_owner(status) || self.lives.may_stop(owner()))
    }

    /// How the token of a row is; `None` without an owner, when the view does not show it.
    pub fn standing(&mut self, state: &TokenState, row: &Row) -> Option<Standing> {
        let owner = self.lives.of(row.bytes(column::OWNER)?)?;
        Some(Standing { status: state.status(&owner.state, self.now), state: *state, owner })
    }

    /// The fields of its row in the view, in their order; they last as long as `row` and until the next call.
    pub fn fields(&mut self, row: &Row, standing: &Standing) -> [Value; 22] {
        let used = self.usage.of(row.required::<Uuid>(column::ID));
        let [revoked_at, revoked_by, revoke_reason] = self.death(row, standing);
        [
            Value::of(Text::from(standing.status.as_str())),
            row.value(column::HINT),
            row.value(column::OWNER),
            row.value(column::NAME),
            row.value(column::KIND),
            Value::of(standing.state.ends_at),
            Value::of(used.last_used_at),
            Value::of(used.requests),
            Value::of(used.denials),
            row.value(column::CREATED_AT),
            row.value(column::CREATED_BY),
            row.value(column::DESCRIPTION),
            Value::of(row.bytes(column::SCOPES).map(token::shown_scopes)),
            row.value(column::DATA_SCOPES),
            row.value(column::NOT_BEFORE),
            row.value(column::NETWORKS),
            revoked_at,
            revoked_by,
            revoke_reason,
            row.value(column::ROTATED_FROM),
            row.value(column::METADATA),
            row.value(column::ID),
        ]
    }

    /// When, by whom and why it died: of several deaths, by the first.
    fn death(&mut self, row: &Row, standing: &Standing) -> [Value; 3] {
        let TokenState { owner_epoch, dies_with_owner, .. } = standing.state;
        let own: Option<Timestamp> = row.optional(column::REVOKED_AT);
        // Nearly every token is of its owner's epoch, and so no mass death has killed it.
        if standing.owner.epoch > owner_epoch
            && let owner = row.bytes(column::OWNER).unwrap_or_default()
            && let Some(death) = self.deaths.first(owner, owner_epoch, dies_with_owner)
            && own.is_none_or(|own| death.required::<Timestamp>(mass_death::column::AT) < own)
        {
            return [mass_death::column::AT, mass_death::column::BY, mass_death::column::REASON]
                .map(|column| death.value(column));
        }
        [column::REVOKED_AT, column::REVOKED_BY, column::REVOKE_REASON].map(|column| row.value(column))
    }
}
