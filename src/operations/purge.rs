//! `purge`: removes old rows that are dead.
//!
//! Each call is one transaction and removes a bounded number of rows; callers repeat it until it returns 0. It waits
//! for nobody, locks nothing that is alive, and kills nothing: whatever it removes stopped working long before.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::derived_death;
use crate::catalog::erased;
use crate::catalog::event::Event;
use crate::catalog::event::append_only::{PURGED, Unlocked};
use crate::catalog::id;
use crate::catalog::retention;
use crate::error::{Error, ErrorReport};
use crate::pg::function::call::Call;
use crate::pg::report::message;
use crate::pg::sql::statement::{Statement, arguments, utc};
use crate::pg::types::clock::Timestamp;
use crate::settings;
use crate::usage::hours;

/// The most rows that one call removes: about a second of work.
const MOST: i64 = 100_000;

/// Removes what has been dead for longer than this, at most 100,000 rows at a time; returns how many.
///
/// These are tokens that died or expired that long ago, with their usage; tombstones of principals without tokens;
/// events; hourly usage; revocations of derived tokens that ended that long ago. It also wipes the sealed texts of
/// tokens killed by mass deaths, however recent.
///
/// Call it until it returns 0, each time in a transaction of its own (`SELECT tokenauth.purge('1 year') \watch 1`);
/// only rows that others have locked are left then. A NOTICE says when a call has come to its bound. A removed token is
/// `unknown` to verification and to `import`, and is no longer among the revocations that can be exported: keep tokens
/// longer than any backup that may be restored.
///
/// # Arguments
/// - `keep`: for how long to keep what is dead
///
/// # Errors
/// `22004` for NULL, `22023` for a negative interval, `42501` for a role that may not make trusted calls.
///
/// # Access
/// `admin`
///
/// # Example
/// ```sql
/// SELECT tokenauth.purge(keep => '1 year');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn purge(call: Call, keep: Option<Interval>) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let keep = arguments::duration("keep", keep)?;
    let removed = remove(&keep, &actor)?;
    if removed >= MOST {
        message::notice("there may be more to remove: call purge() again, in another transaction".into());
    }
    Ok(removed)
}

/// Purges as the setting `tokenauth.retention` says, as the owner of our tables; does nothing when it is not set. A
/// database's worker calls this until it returns 0, each time in a new transaction.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn by_retention() -> Result<i64, Error> {
    let Some(keep) = settings::retention() else {
        return Ok(0);
    };
    let worker = Caller::of_trigger();
    let _owner = worker.act_as_owner();
    remove(&keep, &Actor::itself(worker))
}

/// How many rows of each sort were removed.
#[derive(Default)]
struct Removed {
    tokens: i64,
    texts: i64,
    mass_deaths: i64,
    principals: i64,
    events: i64,
    hours: i64,
    children: i64,
}

impl Removed {
    fn total(&self) -> i64 {
        self.tokens + self.texts + self.mass_deaths + self.principals + self.events + self.hours + self.children
    }

    fn room(&self) -> i64 {
        MOST - self.total()
    }
}

fn remove(keep: &Interval, actor: &Actor) -> Result<i64, Error> {
    let before = Timestamp::now().minus(keep).unwrap_or(Timestamp::MINUS_INFINITY);
    let first_id = id::first(before);
    // Events before the tokens whose rows they are shown with. Then tokens, mass deaths and tombstones: each can go
    // only after the ones before.
    let unlocked = Unlocked::new();
    let mut removed =
        Removed { events: retention::remove_events(before, first_id, MOST, &unlocked), ..Removed::default() };
    removed.tokens = retention::remove_tokens(before, removed.room());
    if removed.tokens > 0 {
        erased::forget_removed();
    }
    removed.texts = retention::wipe_sealed(removed.room());
    removed.mass_deaths = retention::remove_mass_deaths(before, removed.room());
    removed.principals = retention::remove_tombstones(before, removed.room());
    removed.hours = hours::remove(before, removed.room()).cast_signed();
    removed.children = derived_death::remove(before, removed.room());
    if removed.total() > 0 {
        retention::remove_records(before, first_id, &unlocked);
        record(&removed, before, actor)?;
    }
    Ok(removed.total())
}

fn record(removed: &Removed, before: Timestamp, actor: &Actor) -> Result<(), Error> {
    static DESCRIBE: Statement = Statement::new(concat!(
        "SELECT jsonb_strip_nulls(jsonb_build_object('before', ",
        utc!("nullif($1, '-infinity')"),
        ",
                    'tokens', nullif($2, 0), 'texts', nullif($3, 0), 'mass_deaths', nullif($4, 0),
                    'principals', nullif($5, 0), 'events', nullif($6, 0), 'hours', nullif($7, 0),
                    'derived_deaths', nullif($8, 0)))",
    ));
    let Removed { tokens, texts, mass_deaths, principals, events, hours, children } = *removed;
    let after = DESCRIBE
        .first(arguments![before, tokens, texts, mass_deaths, principals, events, hours, children], |row| {
            row.required(1)
        });
    Event { event: PURGED, after, ..Event::default() }.record(actor)
}
