//! All settings: why each has its default, what the server is told of it, and how it is read.

#![forbid(unsafe_code)]

mod definition;

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::datum::Interval;
use pgrx::guc::{GucFlags, GucSetting};
use pgrx::prelude::*;

use crate::model::error_style::ErrorStyle;
use crate::pg::process::{settings, shared_memory};
use crate::pg::transaction::xact::Awaited;
use crate::pg::types::clock::parse_interval;
use definition::{SetBy, Setting, Variable};

/// `tokenauth.usage_tracking`. On: "when was it last used?" is the first question about any list of tokens.
static USAGE_TRACKING: GucSetting<bool> = GucSetting::<bool>::new(true);

/// `tokenauth.usage_slots`. 65,536 tokens take some 25 MB.
static USAGE_SLOTS: GucSetting<i32> = GucSetting::<i32>::new(65_536);

/// `tokenauth.usage_flush_interval`, in seconds: the most that a crash can lose.
static USAGE_FLUSH_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(10);

/// `tokenauth.cache_size`, in kilobytes. 4 MB hold some ten thousand tokens; a hundred backends take at most 400 MB.
static CACHE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(4096);

/// `tokenauth.max_staleness`, in milliseconds. 0, off: on an idle primary that writes no beats nothing commits, and its
/// standbys would look stale.
static MAX_STALENESS: GucSetting<i32> = GucSetting::<i32>::new(0);

/// `tokenauth.reader`. Off: whoever has the tables writes them.
static READER: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.heartbeat`. Off: it writes to an idle server, and a database with a publication of ours does so anyway.
static HEARTBEAT: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.death_commit`. `on`: to wait until standbys have applied a death takes longer, and concerns only those
/// that verify.
static DEATH_COMMIT: GucSetting<DeathCommit> = GucSetting::<DeathCommit>::new(DeathCommit::on);

/// `tokenauth.key_file`. None: a key at a well-known default place would protect nothing. Without a key file, digests
/// have no pepper and no token can be revealed.
static KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.fence_file`. None: where it must be, so that a restored server finds it and a backup does not contain it,
/// is known only to whoever runs the server.
static FENCE_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.mask_logs`. Off: it changes what the server logs and what clients see of errors, and finds only whole
/// tokens. Certainty is in `verify_digest`.
static MASK_LOGS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.notify`. Off: transactions that notify commit one after the other, across all databases.
static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.retention`. None: nothing is removed unasked.
static RETENTION: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.hourly_retention`. 90 days: more than `unusual_activity` compares with.
static HOURLY_RETENTION: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"90 days"));

/// `tokenauth.default_error_style`. `uniform`: it reveals the least to a stranger.
static DEFAULT_ERROR_STYLE: GucSetting<Style> = GucSetting::<Style>::new(Style::uniform);

/// `tokenauth.require_actor`. Off: the application vouches for what it calls. On, for roles that always act for a user,
/// a forgotten transaction is an error instead of a trusted call.
static REQUIRE_ACTOR: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.request_header`. None: `Authorization` and `X-API-Key` are where clients put a token.
static REQUEST_HEADER: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.client_header`. None: whoever can reach the server can write any header.
static CLIENT_HEADER: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.client_proxies`. 1: the address that the proxy in front of the application has appended.
static CLIENT_PROXIES: GucSetting<i32> = GucSetting::<i32>::new(1);

/// `tokenauth.allow_anonymous`. Off: where policies are forgotten, a request without a token reads nothing.
static ALLOW_ANONYMOUS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// The prefix of every setting.
const PREFIX: &CStr = c"tokenauth";

/// The values of `tokenauth.default_error_style`, spelled as in SQL.
#[derive(Clone, Copy, PostgresGucEnum)]
#[expect(non_camel_case_types, reason = "the variants' names are the setting's values")]
enum Style {
    uniform,
    coded,
    problem,
}

/// The values of `tokenauth.death_commit`, spelled as those of `synchronous_commit`.
#[derive(Clone, Copy, PostgresGucEnum)]
#[expect(non_camel_case_types, reason = "the variants' names are the setting's values")]
enum DeathCommit {
    on,
    remote_apply,
}

static SETTINGS: [Setting; 20] = [
    Setting {
        name: c"tokenauth.usage_tracking",
        short: c"Records when and how often tokens are used.",
        long: c"Off, verification writes nothing at all.",
        set_by: SetBy::Superusers,
        value: Variable::Switch(&USAGE_TRACKING),
    },
    Setting {
        name: c"tokenauth.usage_slots",
        short: c"Sets for how many tokens usage is kept in shared memory.",
        long: c"The tokens used longest ago give their places to others.",
        set_by: SetBy::Start,
        value: Variable::Number { kept: &USAGE_SLOTS, least: 8, most: 16 * 1024 * 1024, unit: GucFlags::empty() },
    },
    Setting {
        name: c"tokenauth.usage_flush_interval",
        short: c"Sets how often usage is written from shared memory to tables.",
        long: c"A crash loses at most what was used in this time.",
        set_by: SetBy::Reload,
        value: Variable::Number { kept: &USAGE_FLUSH_INTERVAL, least: 1, most: 3600, unit: GucFlags::UNIT_S },
    },
    Setting {
        name: c"tokenauth.cache_size",
        short: c"Sets how much each backend remembers of tokens and principals.",
        long: c"0 remembers nothing: every verification reads the tables.",
        set_by: SetBy::Superusers,
        value: Variable::Number { kept: &CACHE_SIZE, least: 0, most: 1024 * 1024, unit: GucFlags::UNIT_KB },
    },
    Setting {
        name: c"tokenauth.max_staleness",
        short: c"Sets how far a standby or a reader may be behind its primary and still verify tokens.",
        long: c"Counted from the primary's newest beat, on a standby also from the last commit replayed; \
                beyond it, verification raises an error. 0 sets no limit.",
        set_by: SetBy::Superusers,
        value: Variable::Number { kept: &MAX_STALENESS, least: 0, most: i32::MAX, unit: GucFlags::UNIT_MS },
    },
    Setting {
        name: c"tokenauth.reader",
        short: c"Makes the database a reader, which verifies tokens that are issued and killed on another server.",
        long: c"Its tables follow the primary's by a subscription; what would change them is refused.",
        set_by: SetBy::Superusers,
        value: Variable::Switch(&READER),
    },
    Setting {
        name: c"tokenauth.heartbeat",
        short: c"Writes a row every two seconds, by which copies can tell how old they are.",
        long: c"For physical standbys; where there is a publication for readers, it is written anyway. \
                Needs the library preloaded.",
        set_by: SetBy::Superusers,
        value: Variable::Switch(&HEARTBEAT),
    },
    Setting {
        name: c"tokenauth.death_commit",
        short: c"Sets the least synchronous_commit of a transaction that kills tokens or narrows what they may do.",
        long: c"remote_apply waits until synchronous standbys have applied it, so that they refuse as well; \
                what the session has set is raised, never lowered.",
        set_by: SetBy::Superusers,
        value: Variable::DeathCommit(&DEATH_COMMIT),
    },
    Setting {
        name: c"tokenauth.key_file",
        short: c"Sets the file with the keys that digests and sealed tokens are made with.",
        long: c"An absolute path outside the data directory, mode 0600; \
                read when a key is needed and after each reload.",
        set_by: SetBy::Reload,
        value: Variable::KeyFile(&KEY_FILE),
    },
    Setting {
        name: c"tokenauth.fence_file",
        short: c"Sets the file by which a server that has come back older than it was notices that.",
        long: c"An absolute path outside the data directory, mode 0600; written once a minute. \
                Such a server verifies nothing before tokenauth.accept_restore().",
        set_by: SetBy::Reload,
        value: Variable::Path(&FENCE_FILE),
    },
    Setting {
        name: c"tokenauth.mask_logs",
        short: c"Hides the tokens in what is written to the server's log.",
        long: c"Best effort, in processes that have loaded the library: add it to shared_preload_libraries.",
        set_by: SetBy::Superusers,
        value: Variable::LogMasking(&MASK_LOGS),
    },
    Setting {
        name: c"tokenauth.notify",
        short: c"Tells listeners on the channel \"tokenauth\" which tokens have died or are about to expire.",
        long: c"Nothing is told while the server's queue of notifications is half full.",
        set_by: SetBy::Superusers,
        value: Variable::Switch(&NOTIFY),
    },
    Setting {
        name: c"tokenauth.retention",
        short: c"Sets how long dead tokens, tombstones and events are kept.",
        long: c"An interval, such as \"1 year\". Empty keeps them; \
                otherwise the worker of a database purges what is older.",
        set_by: SetBy::Superusers,
        value: Variable::Interval(&RETENTION),
    },
    Setting {
        name: c"tokenauth.hourly_retention",
        short: c"Sets how long usage_hourly is kept.",
        long: c"An interval, by default \"90 days\"; after seven days, the hours of a day are one row. \
                0 keeps none, empty keeps all.",
        set_by: SetBy::Superusers,
        value: Variable::Interval(&HOURLY_RETENTION),
    },
    Setting {
        name: c"tokenauth.default_error_style",
        short: c"Sets the body of error responses where no kind is known.",
        long: c"As the column error_style of tokenauth.kind does where one is.",
        set_by: SetBy::Anybody,
        value: Variable::Style(&DEFAULT_ERROR_STYLE),
    },
    Setting {
        name: c"tokenauth.require_actor",
        short: c"Refuses calls about tokens that name no actor, in transactions that nobody has authenticated.",
        long: c"For roles that only ever act for users; without it such a call is the application's own trusted call.",
        set_by: SetBy::Superusers,
        value: Variable::Switch(&REQUIRE_ACTOR),
    },
    Setting {
        name: c"tokenauth.request_header",
        short: c"Sets the only header of a request in which tokenauth.pre_request() looks for a token.",
        long: c"Empty, it looks in Authorization and X-API-Key; \
                for requests whose Authorization carries something else.",
        set_by: SetBy::Anybody,
        value: Variable::HeaderName(&REQUEST_HEADER),
    },
    Setting {
        name: c"tokenauth.client_header",
        short: c"Sets the header of a request in which proxies write the address of the client.",
        long: c"Read where the caller gives no address; empty, none is known. \
                Name it only if a proxy always sets or extends it.",
        set_by: SetBy::Superusers,
        value: Variable::HeaderName(&CLIENT_HEADER),
    },
    Setting {
        name: c"tokenauth.client_proxies",
        short: c"Sets which element of that header, counted from its end, is the address of the client.",
        long: c"The number of proxies that extend it: what comes before was written by the client itself.",
        set_by: SetBy::Superusers,
        value: Variable::Number { kept: &CLIENT_PROXIES, least: 1, most: 64, unit: GucFlags::empty() },
    },
    Setting {
        name: c"tokenauth.allow_anonymous",
        short: c"Lets tokenauth.pre_request() pass requests without any token, as nobody.",
        long: c"Off, it refuses them. A token that is not accepted is refused in either case.",
        set_by: SetBy::Superusers,
        value: Variable::Switch(&ALLOW_ANONYMOUS),
    },
];

/// Defines the settings, once, from `_PG_init`.
pub fn define(look_at_key_file: fn(&CStr)) {
    // Once the server runs, PostgreSQL takes no more settings of its start.
    let is_possible = |setting: &&Setting| setting.set_by != SetBy::Start || shared_memory::is_preloading();
    for setting in SETTINGS.iter().filter(is_possible) {
        setting.define(look_at_key_file);
    }
    settings::reserve(PREFIX);
}

/// Whether uses are recorded.
pub fn usage_tracking() -> bool {
    settings::current(&USAGE_TRACKING)
}

/// The number of tokens for which shared memory has room.
pub fn usage_slots() -> usize {
    usize::try_from(USAGE_SLOTS.get()).unwrap_or_default()
}

/// How often usage is written to tables.
pub fn usage_flush_interval() -> Duration {
    Duration::from_secs(u64::try_from(USAGE_FLUSH_INTERVAL.get()).unwrap_or(1))
}

/// The path of the key file, if there is one.
pub fn key_file() -> Option<CString> {
    KEY_FILE.get().filter(|path| !path.is_empty())
}

/// The path of the fence file, if there is one.
pub fn fence_file() -> Option<CString> {
    FENCE_FILE.get().filter(|path| !path.is_empty())
}

/// Whether listeners are notified of deaths and expiries.
pub fn notify() -> bool {
    NOTIFY.get()
}

/// Whether a call about tokens must name its actor where nobody is authenticated.
pub fn require_actor() -> bool {
    REQUIRE_ACTOR.get()
}

/// How long dead tokens and old events are kept; `None`: for ever.
pub fn retention() -> Option<Interval> {
    parse_interval(&RETENTION.get()?)
}

/// How long hourly usage is kept; `None`: for ever.
pub fn hourly_retention() -> Option<Interval> {
    parse_interval(&HOURLY_RETENTION.get()?)
}

/// The number of bytes that a backend may use for its caches; 0: it caches nothing.
pub fn cache_size() -> usize {
    usize::try_from(settings::current(&CACHE_SIZE)).unwrap_or_default() * 1024
}

/// How far behind its primary a copy may verify tokens; `None`: however far.
pub fn max_staleness() -> Option<Duration> {
    u64::try_from(settings::current(&MAX_STALENESS)).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// Whether this database is a reader: its tables are written by its subscription alone.
pub fn reader() -> bool {
    settings::current(&READER)
}

/// Whether beats are written although there is no publication.
pub fn heartbeat() -> bool {
    HEARTBEAT.get()
}

/// What the commit of a death waits for on synchronous standbys.
pub fn death_commit() -> Awaited {
    match DEATH_COMMIT.get() {
        DeathCommit::on => Awaited::Flush,
        DeathCommit::remote_apply => Awaited::Apply,
    }
}

/// The only header in which `pre_request` looks for a token; `None`: where clients usually put one.
pub fn request_header() -> Option<Vec<u8>> {
    given(&REQUEST_HEADER)
}

/// The header with the address of the client, if there is one.
pub fn client_header() -> Option<Vec<u8>> {
    given(&CLIENT_HEADER)
}

fn given(name: &GucSetting<Option<CString>>) -> Option<Vec<u8>> {
    name.get().map(CString::into_bytes).filter(|name| !name.is_empty())
}

/// Which element of that header, counted from its end, is the address.
pub fn client_proxies() -> usize {
    usize::try_from(CLIENT_PROXIES.get()).unwrap_or(1)
}

/// Whether a request without a token is one of nobody, and not refused.
pub fn allow_anonymous() -> bool {
    ALLOW_ANONYMOUS.get()
}

/// The headers of the request that PostgREST is serving, JSON from its setting `request.headers`; empty for any other
/// caller.
pub fn request_headers() -> Vec<u8> {
    settings::value(c"request.headers").unwrap_or_default()
}

/// The style of error responses where no kind is known.
pub fn default_error_style() -> ErrorStyle {
    match DEFAULT_ERROR_STYLE.get() {
        Style::uniform => ErrorStyle::Uniform,
        Style::coded => ErrorStyle::Coded,
        Style::problem => ErrorStyle::Problem,
    }
}
