//! Points in time as PostgreSQL keeps them: microseconds since 2000-01-01 UTC.

use std::ffi::{CStr, CString, c_int};

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::{Datum, Interval};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, PgTryBuilder, direct_function_call, impl_sql_translatable, pg_sys};

// Declared here, without pgrx's guard, which costs more than the function: it cannot raise.
unsafe extern "C-unwind" {
    fn GetCurrentTimestamp() -> pg_sys::TimestampTz;
}

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// From 1970 to 2000.
const SECONDS_TO_2000: i64 = 946_684_800;
/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;
/// 0001-01-01 00:00:00 UTC.
const BEGIN_OF_1: i64 = -63_082_281_600_000_000;
/// 9999-12-31 23:59:59.999999 UTC.
const END_OF_9999: i64 = 252_455_615_999_999_999;

/// Longest text that is read as a moment or an interval.
const MOST_WRITTEN: usize = 255;

/// A `timestamptz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every other timestamp: SQL's way to say "never".
    pub const INFINITY: Timestamp = Timestamp(i64::MAX);

    /// Earlier than every other timestamp.
    pub const MINUS_INFINITY: Timestamp = Timestamp(i64::MIN);

    /// The clock's time, not the transaction's `now()`: an old transaction must not see an expired token as alive.
    pub fn now() -> Self {
        // SAFETY: reads the system clock.
        Timestamp(unsafe { GetCurrentTimestamp() })
    }

    /// Parses a text as the server does, if it begins with a digit and its year is writable; otherwise `None`.
    pub fn parse(text: &str) -> Option<Self> {
        // Refuses words such as "tomorrow" and "infinity". The server's error repeats what it cannot parse.
        if text.len() > MOST_WRITTEN || !text.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let text = CString::new(text).ok()?;
        let arguments =
            [Some(pg_sys::Datum::from(text.as_ptr())), pg_sys::InvalidOid.into_datum(), (-1_i32).into_datum()];
        PgTryBuilder::new(|| {
            // SAFETY: timestamptz_in takes a zero-terminated string, an oid that it ignores, and a type modifier. It
            // holds nothing that would have to be released when it raises.
            unsafe { direct_function_call(pg_sys::timestamptz_in, &arguments) }
        })
        .catch_others(|_| None)
        .execute()
        .filter(|moment: &Self| moment.is_writable())
    }

    /// When the current transaction began: SQL's `now()`.
    pub fn transaction_start() -> Self {
        // SAFETY: reads this backend's transaction state.
        Timestamp(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
    }

    /// Microseconds since 2000.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The moment this many microseconds after 2000 began; `None` for 0, which stands for no moment.
    pub fn of_micros(micros: i64) -> Option<Self> {
        (micros != 0).then_some(Timestamp(micros))
    }

    /// The moment so many seconds after 1970 began.
    pub const fn of_unix_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_sub(SECONDS_TO_2000).saturating_mul(SECOND))
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(SECOND) + SECONDS_TO_2000
    }

    /// Whether it lies in the years that every client, log and JSON library can write: 1 to 9999.
    pub fn is_writable(self) -> bool {
        (BEGIN_OF_1..=END_OF_9999).contains(&self.0)
    }

    /// This moment plus an interval, whose months and days count in UTC, so that the session's time zone does not
    /// matter; `None` beyond the year 9999.
    pub fn plus(self, interval: &Interval) -> Option<Self> {
        if !is_within_calendar(interval) {
            return None;
        }
        let args = [self.0.into_datum(), (*interval).into_datum()];
        // SAFETY: timestamp_pl_interval takes exactly these two, and a timestamp is the same 64 bits as a timestamptz.
        let sum: i64 = unsafe { direct_function_call(pg_sys::timestamp_pl_interval, &args) }?;
        (sum <= END_OF_9999).then_some(Timestamp(sum))
    }

    /// This moment minus an interval, counted as in [`plus`](Self::plus); `None` before the year 1.
    pub fn minus(self, interval: &Interval) -> Option<Self> {
        // The calendar extends further after 2000 than before it.
        if !is_within_calendar(interval) || about(interval)? > self.0.saturating_sub(BEGIN_OF_1) {
            return None;
        }
        let args = [self.0.into_datum(), (*interval).into_datum()];
        // SAFETY: timestamp_mi_interval takes exactly these two.
        let difference: i64 = unsafe { direct_function_call(pg_sys::timestamp_mi_interval, &args) }?;
        (difference >= BEGIN_OF_1).then_some(Timestamp(difference))
    }

    /// As messages show it: in ISO form, in the time zone of the session.
    pub fn shown(self) -> String {
        // SAFETY: the server writes a terminated string into a buffer of its own, which is copied at once.
        let text = unsafe { CStr::from_ptr(pg_sys::timestamptz_to_str(self.0)) };
        text.to_string_lossy().into_owned()
    }

    /// In ISO form, in UTC, whatever the session's settings.
    pub fn written(self) -> String {
        /// More than the longest form has, `MAXDATELEN` of `datetime.h`.
        const ROOM: usize = 129;
        const UTC: c_int = 0;
        let mut buffer = [0; ROOM];
        // SAFETY: the server writes a terminated string into the buffer, which has the room that it asks for.
        let text = unsafe {
            CStr::from_ptr(pg_sys::JsonEncodeDateTime(
                buffer.as_mut_ptr(),
                pg_sys::Datum::from(self.0),
                pg_sys::TIMESTAMPTZOID,
                &UTC,
            ))
        };
        text.to_string_lossy().into_owned()
    }

    /// The first moment of the next day in UTC.
    pub fn end_of_day(self) -> Self {
        Timestamp((self.0.div_euclid(DAY) + 1).saturating_mul(DAY))
    }

    /// Milliseconds since 1970, for uuid version 7.
    pub fn unix_millis(self) -> u64 {
        const UNIX_EPOCH: i64 = -946_684_800_000;
        u64::try_from(self.0.div_euclid(1000) - UNIX_EPOCH).unwrap_or_default()
    }

    /// How much of the current millisecond has passed, in 4096ths.
    pub fn fraction_of_milli(self) -> u16 {
        u16::try_from(self.0.rem_euclid(1000) * 4096 / 1000).unwrap_or_default()
    }

    /// Microseconds from `earlier` to this moment.
    pub fn micros_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl FromDatum for Timestamp {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        (!is_null).then(|| Timestamp(datum.value() as i64))
    }
}

impl IntoDatum for Timestamp {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(pg_sys::Datum::from(self.0))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TIMESTAMPTZOID
    }
}

impl_sql_translatable!(Timestamp, "timestamptz");

// SAFETY: a timestamptz is passed by value as its 64 bits.
unsafe impl<'fcx> ArgAbi<'fcx> for Timestamp {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Timestamp(0))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: `into_datum` returns the 64 bits of a timestamptz.
unsafe impl BoxRet for Timestamp {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0)) }
    }
}

/// Whether adding an interval can stay within the writable years. Checked before PostgreSQL adds, whose overflow error
/// has another SQLSTATE.
fn is_within_calendar(interval: &Interval) -> bool {
    about(interval).and_then(i64::checked_abs).is_some_and(|length| length <= END_OF_9999)
}

/// Its length in microseconds, with months of 31 days; `None` when it overflows.
fn about(interval: &Interval) -> Option<i64> {
    let (months, days, micros) = (i64::from(interval.months()), i64::from(interval.days()), interval.micros());
    months.checked_mul(31 * DAY)?.checked_add(days.checked_mul(DAY)?)?.checked_add(micros)
}

/// Parses a text as the server does; `None` when it is not an interval.
pub fn parse_interval(text: &CStr) -> Option<Interval> {
    // The server's error repeats what it cannot parse.
    if text.count_bytes() > MOST_WRITTEN {
        return None;
    }
    let arguments = [Some(pg_sys::Datum::from(text.as_ptr())), pg_sys::InvalidOid.into_datum(), (-1_i32).into_datum()];
    PgTryBuilder::new(|| {
        // SAFETY: interval_in takes a zero-terminated string, an oid that it ignores, and a type modifier. It holds
        // nothing that would have to be released when it raises.
        unsafe { direct_function_call(pg_sys::interval_in, &arguments) }
    })
    .catch_others(|_| None)
    .execute()
}

/// Whether an interval is longer than zero.
pub fn is_positive(interval: &Interval) -> bool {
    length(interval) > 0
}

/// Whether an interval is shorter than zero.
pub fn is_negative(interval: &Interval) -> bool {
    length(interval) < 0
}

/// Whether a part of an interval is negative: it may then be longer than zero from one day on and shorter from another.
pub fn has_negative_part(interval: &Interval) -> bool {
    interval.months() < 0 || interval.days() < 0 || interval.micros() < 0
}

/// Its length in microseconds, with months of 30 days; `i64::MAX` for anything longer.
pub fn micros(interval: &Interval) -> i64 {
    i64::try_from(length(interval)).unwrap_or(i64::MAX)
}

/// Its length in microseconds, with months of 30 days, as PostgreSQL compares intervals.
fn length(interval: &Interval) -> i128 {
    let days = i128::from(interval.months()) * 30 + i128::from(interval.days());
    days * i128::from(DAY) + i128::from(interval.micros())
}
