//! All settings: why each has its default, and how it is read.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::datum::Interval;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;

use crate::model::error_style::ErrorStyle;
use crate::pg::process::shared_memory;
use crate::pg::types::clock::parse_interval;

/// `tokenauth.usage_tracking`. On: "when was it last used?" is the first question about any list of tokens.
static USAGE_TRACKING: GucSetting<bool> = GucSetting::<bool>::new(true);

/// `tokenauth.usage_slots`. 65,536 tokens take some 25 MB.
static USAGE_SLOTS: GucSetting<i32> = GucSetting::<i32>::new(65_536);

/// `tokenauth.usage_flush_interval`, in seconds: the most that a crash can lose.
static USAGE_FLUSH_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(10);

/// `tokenauth.default_error_style`. `uniform`: it reveals the least to a stranger.
static DEFAULT_ERROR_STYLE: GucSetting<Style> = GucSetting::<Style>::new(Style::uniform);

/// `tokenauth.cache_size`, in kilobytes. 4 MB hold some ten thousand tokens; a hundred backends take at most 400 MB.
static CACHE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(4096);

/// `tokenauth.key_file`. None: a key at a well-known default place would protect nothing. Without a key file, digests
/// have no pepper and no token can be revealed.
static KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.mask_logs`. Off: it changes what the server logs and what clients see of errors, and finds only whole
/// tokens. Certainty is in `verify_digest`.
static MASK_LOGS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.notify`. Off: transactions that notify commit one after the other, across all databases.
static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `tokenauth.retention`. None: nothing is removed unasked.
static RETENTION: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `tokenauth.max_staleness`, in milliseconds. 0, off: on an idle primary nothing commits, and its standbys would
/// look stale.
static MAX_STALENESS: GucSetting<i32> = GucSetting::<i32>::new(0);

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

/// The values of `tokenauth.default_error_style`, spelled as in SQL.
#[derive(Clone, Copy, PostgresGucEnum)]
#[expect(non_camel_case_types, reason = "the variants' names are the setting's values")]
enum Style {
    uniform,
    coded,
    problem,
}

/// Defines the settings, once, from `_PG_init`.
pub fn define(look_at_key_file: fn(&CStr)) {
    GucRegistry::define_bool_guc(
        c"tokenauth.usage_tracking",
        c"Records when and how often tokens are used.",
        c"Off, verification writes nothing at all.",
        &USAGE_TRACKING,
        GucContext::Suset,
        GucFlags::default(),
    );
    if shared_memory::is_preloading() {
        GucRegistry::define_int_guc(
            c"tokenauth.usage_slots",
            c"Sets for how many tokens usage is kept in shared memory.",
            c"The tokens used longest ago give their places to others.",
            &USAGE_SLOTS,
            8,
            16 * 1024 * 1024,
            GucContext::Postmaster,
            GucFlags::default(),
        );
    }
    GucRegistry::define_int_guc(
        c"tokenauth.usage_flush_interval",
        c"Sets how often usage is written from shared memory to tables.",
        c"A crash loses at most what was used in this time.",
        &USAGE_FLUSH_INTERVAL,
        1,
        3600,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"tokenauth.cache_size",
        c"Sets how much each backend remembers of tokens and principals.",
        c"0 remembers nothing: every verification reads the tables.",
        &CACHE_SIZE,
        0,
        1024 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"tokenauth.max_staleness",
        c"Sets how far a standby may be behind its primary and still verify tokens.",
        c"Counted from the commit of the last transaction replayed; beyond it, verification raises an error. \
          0 sets no limit.",
        &MAX_STALENESS,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_bool_guc(
        c"tokenauth.require_actor",
        c"Refuses calls about tokens that name no actor, in transactions that nobody has authenticated.",
        c"For roles that only ever act for users; without it such a call is the application's own trusted call.",
        &REQUIRE_ACTOR,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"tokenauth.default_error_style",
        c"Sets the body of error responses where no kind is known.",
        c"As the column error_style of tokenauth.kind does where one is.",
        &DEFAULT_ERROR_STYLE,
        GucContext::Userset,
        GucFlags::default(),
    );
    crate::pg::process::settings::define_name(
        c"tokenauth.request_header",
        c"Sets the only header of a request in which tokenauth.pre_request() looks for a token.",
        c"Empty, it looks in Authorization and X-API-Key; for requests whose Authorization carries something else.",
        &REQUEST_HEADER,
        GucContext::Userset,
    );
    crate::pg::process::settings::define_name(
        c"tokenauth.client_header",
        c"Sets the header of a request in which proxies write the address of the client.",
        c"Read where the caller gives no address; empty, none is known. \
          Name it only if a proxy always sets or extends it.",
        &CLIENT_HEADER,
        GucContext::Suset,
    );
    GucRegistry::define_int_guc(
        c"tokenauth.client_proxies",
        c"Sets which element of that header, counted from its end, is the address of the client.",
        c"The number of proxies that extend it: what comes before was written by the client itself.",
        &CLIENT_PROXIES,
        1,
        64,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"tokenauth.allow_anonymous",
        c"Lets tokenauth.pre_request() pass requests without any token, as nobody.",
        c"Off, it refuses them. A token that is not accepted is refused in either case.",
        &ALLOW_ANONYMOUS,
        GucContext::Suset,
        GucFlags::default(),
    );
    crate::pg::process::settings::define_file(
        c"tokenauth.key_file",
        c"Sets the file with the keys that digests and sealed tokens are made with.",
        c"An absolute path outside the data directory, mode 0600; read when a key is needed and after each reload.",
        &KEY_FILE,
        look_at_key_file,
    );
    crate::pg::process::log_hook::define_setting(
        c"tokenauth.mask_logs",
        c"Hides the tokens in what is written to the server's log.",
        c"Best effort, in processes that have loaded the library: add it to shared_preload_libraries.",
        &MASK_LOGS,
    );
    GucRegistry::define_bool_guc(
        c"tokenauth.notify",
        c"Tells listeners on the channel \"tokenauth\" which tokens have died or are about to expire.",
        c"Nothing is told while the server's queue of notifications is half full.",
        &NOTIFY,
        GucContext::Suset,
        GucFlags::default(),
    );
    crate::pg::process::settings::define_interval(
        c"tokenauth.retention",
        c"Sets how long dead tokens, tombstones and events are kept.",
        c"An interval, such as \"1 year\". Empty keeps them; otherwise the worker of a database purges what is older.",
        &RETENTION,
    );
    crate::pg::process::settings::reserve(PREFIX);
}

/// The prefix of every setting.
const PREFIX: &CStr = c"tokenauth";

/// Whether uses are recorded.
pub fn usage_tracking() -> bool {
    USAGE_TRACKING.get()
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

/// The number of bytes that a backend may use to remember; 0: it remembers nothing.
pub fn cache_size() -> usize {
    usize::try_from(CACHE_SIZE.get()).unwrap_or_default() * 1024
}

/// How far behind its primary a standby may verify tokens; `None`: however far.
pub fn max_staleness() -> Option<Duration> {
    u64::try_from(MAX_STALENESS.get()).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
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
    crate::pg::process::settings::value(c"request.headers").unwrap_or_default()
}

/// The style of error responses where no kind is known.
pub fn default_error_style() -> ErrorStyle {
    match DEFAULT_ERROR_STYLE.get() {
        Style::uniform => ErrorStyle::Uniform,
        Style::coded => ErrorStyle::Coded,
        Style::problem => ErrorStyle::Problem,
    }
}
