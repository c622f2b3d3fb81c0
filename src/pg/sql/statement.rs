//! Constant SQL, planned once per backend and run on the newest committed state.
//!
//! `SPI_execute` would use the transaction's snapshot: in REPEATABLE READ, an UPDATE would then miss a token that
//! another session has just issued, and a mass revocation would leave it alive. Statements here take a fresh snapshot.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_int, c_long};
use std::ptr;

use pgrx::{IntoDatum, pg_sys};

use super::planner::Planning;
use super::receiver::Receiver;
use super::rows::Rows;
use super::spi::Spi;
use crate::pg::process::fault;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::transaction::subtransaction::until_undisturbed;
use crate::pg::types::row::Row;

/// An argument of a statement: a datum with its type.
pub struct Argument {
    oid: pg_sys::Oid,
    datum: Option<pg_sys::Datum>,
}

impl Argument {
    /// An argument from any value that has an SQL type; `None` is NULL.
    pub fn of<T: IntoDatum>(value: T) -> Self {
        Argument { oid: T::type_oid(), datum: value.into_datum() }
    }

    pub(in crate::pg) fn of_datum(oid: pg_sys::Oid, datum: pg_sys::Datum) -> Self {
        Argument { oid, datum: Some(datum) }
    }

    pub(in crate::pg) fn oid(&self) -> pg_sys::Oid {
        self.oid
    }

    pub(super) fn datum(&self) -> Option<pg_sys::Datum> {
        self.datum
    }

    pub(in crate::pg) fn into_datum(self) -> Option<pg_sys::Datum> {
        self.datum
    }
}

/// The arguments of a statement, each of any type that has an SQL type.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => { &$crate::pg::sql::statement::fields![$($value),*] };
}
pub(crate) use arguments;

/// The fields of a composite value, as an array.
macro_rules! fields {
    ($($value:expr),* $(,)?) => { [$($crate::pg::sql::statement::Argument::of($value)),*] };
}
pub(crate) use fields;

/// The SQL of a moment in JSON, written in UTC whatever the time zone of the session.
macro_rules! utc {
    ($moment:literal) => {
        concat!("to_jsonb((", $moment, ") AT TIME ZONE 'UTC') #>> '{}' || '+00:00'")
    };
}
pub(crate) use utc;

/// One statement; its plan is kept for the life of the backend.
///
/// The text is constant and qualifies names of our schema; everything variable is passed as an argument.
pub struct Statement {
    sql: &'static str,
    planned: Planned,
    /// Whether it is run again, see [`repeated`](Self::repeated).
    is_repeated: bool,
    source: Cell<pg_sys::SPIPlanPtr>,
    types: RefCell<Vec<pg_sys::Oid>>,
}

/// How a statement is planned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Planned {
    /// As the planner sees fit.
    Freely,
    /// Every row is reached by an index, whatever the statistics said when the plan was made.
    ByKey,
    /// What is chosen is reached so once it is.
    Choosing,
    /// Each time that it runs, for its arguments.
    ForArguments,
    /// Each time that it runs, for the tables as they are then, and for several processes where that is faster.
    Anew,
}

// SAFETY: a backend has one thread; pgrx stops any other from calling the server.
unsafe impl Sync for Statement {}

impl Statement {
    /// A statement of this text, with `$1`, `$2`, … for the arguments.
    pub const fn new(sql: &'static str) -> Self {
        Self::planned(sql, Planned::Freely)
    }

    /// A statement that reads few rows of tables that may have many, each by an index; or goes so from rows in memory,
    /// few or many, to rows of our tables.
    pub const fn by_key(sql: &'static str) -> Self {
        Self::planned(sql, Planned::ByKey)
    }

    /// A statement that chooses rows of a whole table, and then goes from these to rows of others by an index.
    pub const fn choosing(sql: &'static str) -> Self {
        Self::planned(sql, Planned::Choosing)
    }

    /// A statement that looks for what it reads in a long array. Only of one that is known when it is planned the
    /// server makes a hash table.
    pub const fn looking_in_arrays(sql: &'static str) -> Self {
        Self::planned(sql, Planned::ForArguments)
    }

    /// A statement that reads whole tables.
    pub const fn of_all(sql: &'static str) -> Self {
        Self::planned(sql, Planned::Anew)
    }

    const fn planned(sql: &'static str, planned: Planned) -> Self {
        let types = RefCell::new(Vec::new());
        Statement { sql, planned, is_repeated: false, source: Cell::new(ptr::null_mut()), types }
    }

    /// For a statement that changes or locks rows which others may change meanwhile: where REPEATABLE READ ends it with
    /// 40001 for that, it runs again, on what has been committed since. Costs a subtransaction there, so it is not for
    /// what runs once for each of many rows.
    pub const fn repeated(mut self) -> Self {
        self.is_repeated = true;
        self
    }

    fn undisturbed<T>(&self, mut run: impl FnMut() -> T) -> T {
        if self.is_repeated { until_undisturbed(run) } else { run() }
    }

    /// Runs it and returns how many rows it wrote or found.
    pub fn run(&self, arguments: &[Argument]) -> u64 {
        self.undisturbed(|| self.execute(&Spi::connect(), arguments, 0))
    }

    /// As [`run`](Self::run), for a statement that reads `rows` by their names.
    pub fn run_over(&self, rows: &[&Rows], arguments: &[Argument]) -> u64 {
        self.undisturbed(|| self.execute(&Spi::with(rows), arguments, 0))
    }

    /// As [`first`](Self::first), for a statement that reads `rows` by their name.
    pub fn first_over<T>(&self, rows: &Rows, arguments: &[Argument], read: impl FnOnce(&Row) -> T) -> Option<T> {
        self.first_with(&[rows], arguments, read)
    }

    /// As [`all`](Self::all), for a statement that reads `rows` by their name.
    pub fn all_over<T>(&self, rows: &Rows, arguments: &[Argument], read: impl FnMut(&Row) -> T) -> Vec<T> {
        self.all_with(&[rows], arguments, read)
    }

    /// Runs a SELECT that reads `over` by their names, and adds its rows to others of the same columns, one by one, so
    /// that however many they are, they take no memory beyond `work_mem`.
    pub fn add_to(&self, into: &mut Rows, over: &[&Rows], arguments: &[Argument]) {
        let _planning = Planning::comparing_sets();
        self.send(&Spi::with(over), &LatestSnapshot::of_now(), arguments, &mut |row| {
            into.put_row(row);
            true
        });
    }

    /// Runs a SELECT by a snapshot and passes its rows to `take` one by one.
    pub fn each(&self, snapshot: &LatestSnapshot, arguments: &[Argument], mut take: impl FnMut(&Row)) {
        self.send(&Spi::connect(), snapshot, arguments, &mut |row| {
            take(row);
            true
        });
    }

    /// Runs it in an SPI connection and passes its rows to `take`, until that answers no.
    fn send(&self, spi: &Spi, snapshot: &LatestSnapshot, arguments: &[Argument], take: &mut dyn FnMut(&Row) -> bool) {
        let source = self.source(arguments);
        let _choices = self.plan(spi, source);
        let mut receiver = Receiver::new(take);
        // SAFETY: the arguments have the types for which the statement was planned. The snapshot stays registered and
        // active while the plan runs, and the receiver in place; "read-only" makes SPI use that snapshot.
        let answer = unsafe {
            pg_sys::PushActiveSnapshot(snapshot.as_ptr());
            let options = pg_sys::SPIExecuteOptions {
                params: parameters(arguments),
                read_only: true,
                must_return_tuples: true,
                dest: receiver.as_ptr(),
                ..Default::default()
            };
            let answer = pg_sys::SPI_execute_plan_extended(source, &options);
            fault::step();
            pg_sys::PopActiveSnapshot();
            answer
        };
        assert!(answer >= 0, "could not run a statement (SPI answered {answer})");
    }

    /// Runs it and reads the first row.
    pub fn first<T>(&self, arguments: &[Argument], read: impl FnOnce(&Row) -> T) -> Option<T> {
        self.first_with(&[], arguments, read)
    }

    /// Runs it and reads every row.
    pub fn all<T>(&self, arguments: &[Argument], read: impl FnMut(&Row) -> T) -> Vec<T> {
        self.all_with(&[], arguments, read)
    }

    fn first_with<T>(&self, rows: &[&Rows], arguments: &[Argument], read: impl FnOnce(&Row) -> T) -> Option<T> {
        let mut read = Some(read);
        self.undisturbed(|| {
            let spi = Spi::with(rows);
            self.execute(&spi, arguments, 1);
            spi.row(0).zip(read.take()).map(|(row, read)| read(&row))
        })
    }

    fn all_with<T>(&self, rows: &[&Rows], arguments: &[Argument], mut read: impl FnMut(&Row) -> T) -> Vec<T> {
        self.undisturbed(|| {
            let spi = Spi::with(rows);
            let found = self.execute(&spi, arguments, 0);
            (0..found).filter_map(|index| spi.row(index)).map(|row| read(&row)).collect()
        })
    }

    /// Runs it and copies the first column of the first row, of a by-reference type, into the caller's memory context.
    pub(in crate::pg) fn first_datum(&self, arguments: &[Argument]) -> Option<pg_sys::Datum> {
        let spi = Spi::connect();
        self.execute(&spi, arguments, 1);
        let (tuple, descriptor) = spi.tuple(0)?;
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong together; SPI_datumTransfer copies into the context that was current when
        // the connection was opened.
        let value = unsafe {
            let value = pg_sys::SPI_getbinval(tuple, descriptor, 1, &mut is_null);
            if is_null { value } else { pg_sys::SPI_datumTransfer(value, false, -1) }
        };
        (!is_null).then_some(value)
    }

    fn execute(&self, spi: &Spi, arguments: &[Argument], most: c_long) -> u64 {
        let source = self.source(arguments);
        let _choices = self.plan(spi, source);
        spi.execute(source, arguments, most)
    }

    /// Makes the plan, if it is kept and there is none yet, and returns the choices that are to hold while it runs.
    fn plan(&self, spi: &Spi, source: pg_sys::SPIPlanPtr) -> Option<Planning> {
        let choices = match self.planned {
            Planned::Freely => return None,
            Planned::ForArguments => return Planning::as_asked(),
            Planned::Anew => return Some(Planning::reading_all()),
            Planned::ByKey => Planning::joining_ours(),
            Planned::Choosing => Planning::choosing_ours(),
        };
        spi.plan(source, choices);
        Planning::as_asked()
    }

    /// It as analysed, which is kept, and its plans with it.
    fn source(&self, arguments: &[Argument]) -> pg_sys::SPIPlanPtr {
        let options = match self.planned {
            Planned::Freely => 0,
            Planned::ByKey | Planned::Choosing => pg_sys::CURSOR_OPT_GENERIC_PLAN,
            Planned::ForArguments => pg_sys::CURSOR_OPT_CUSTOM_PLAN,
            // Arguments, among which are long arrays, stay out of the plan, which other processes are sent as text.
            Planned::Anew => {
                return self.prepare(arguments, pg_sys::CURSOR_OPT_PARALLEL_OK | pg_sys::CURSOR_OPT_GENERIC_PLAN);
            }
        };
        let types = || arguments.iter().map(|argument| argument.oid);
        let is_known = !self.source.get().is_null() && self.types.borrow().iter().copied().eq(types());
        if !is_known {
            self.forget();
            let source = self.prepare(arguments, options);
            // SAFETY: it was just analysed; kept, it survives the connection and the transaction.
            unsafe { pg_sys::SPI_keepplan(source) };
            self.types.replace(types().collect());
            self.source.set(source);
        }
        self.source.get()
    }

    /// Analyses it in an SPI connection, with which the result ends unless it is kept.
    fn prepare(&self, arguments: &[Argument], options: u32) -> pg_sys::SPIPlanPtr {
        let sql = CString::new(self.sql).expect("a statement has no zero byte");
        let mut types: Vec<pg_sys::Oid> = arguments.iter().map(|argument| argument.oid).collect();
        let count = c_int::try_from(types.len()).expect("a statement has few arguments");
        // SAFETY: called inside an SPI connection; text and types are copied. It raises on bad SQL.
        let source = unsafe { pg_sys::SPI_prepare_cursor(sql.as_ptr(), count, types.as_mut_ptr(), options as c_int) };
        assert!(!source.is_null(), "could not analyse a statement");
        source
    }

    /// Frees what was analysed, whose argument types no longer fit: a row type of ours has a new oid after DROP and
    /// CREATE EXTENSION. PostgreSQL itself replans for any other change.
    fn forget(&self) {
        let source = self.source.replace(ptr::null_mut());
        if !source.is_null() {
            // SAFETY: it was kept, and nothing refers to it any more.
            unsafe { pg_sys::SPI_freeplan(source) };
        }
    }
}

/// Runs a statement that is not kept, with `$1`, `$2`, … for the arguments, and returns how many rows it wrote; names
/// in it must already be quoted.
pub(in crate::pg) fn run_once(sql: &CStr, arguments: &[Argument]) -> u64 {
    let spi = Spi::connect();
    let mut types: Vec<pg_sys::Oid> = arguments.iter().map(|argument| argument.oid).collect();
    let count = c_int::try_from(types.len()).expect("a statement has few arguments");
    // SAFETY: called inside an SPI connection, with which the plan ends; text and types are copied. It raises on bad
    // SQL.
    let plan = unsafe { pg_sys::SPI_prepare(sql.as_ptr(), count, types.as_mut_ptr()) };
    assert!(!plan.is_null(), "could not plan a statement");
    spi.execute(plan, arguments, 0)
}

/// Arguments in the form in which plans take them, palloc'd.
fn parameters(arguments: &[Argument]) -> pg_sys::ParamListInfo {
    let count = c_int::try_from(arguments.len()).expect("a statement has few arguments");
    // SAFETY: makeParamList makes room for `count` parameters.
    unsafe {
        let list = pg_sys::makeParamList(count);
        for (parameter, argument) in (*list).params.as_mut_slice(arguments.len()).iter_mut().zip(arguments) {
            *parameter = pg_sys::ParamExternData {
                value: argument.datum.unwrap_or(pg_sys::Datum::null()),
                isnull: argument.datum.is_none(),
                pflags: pg_sys::PARAM_FLAG_CONST as u16,
                ptype: argument.oid,
            };
        }
        list
    }
}

/// Runs a command that takes no parameters, such as GRANT; names in it must already be quoted.
pub fn run_command(command: impl AsRef<[u8]>) {
    let command = CString::new(command.as_ref()).expect("a command has no zero byte");
    let _spi = Spi::connect();
    let snapshot = LatestSnapshot::take();
    // SAFETY: inside an SPI connection; raises when the command fails, and then the abort pops the snapshot, which SPI
    // needs where no client's statement has set one, as in a worker.
    let answer = unsafe {
        pg_sys::PushActiveSnapshot(snapshot.as_ptr());
        let answer = pg_sys::SPI_execute(command.as_ptr(), false, 0);
        pg_sys::PopActiveSnapshot();
        answer
    };
    assert!(answer >= 0, "could not run a command (SPI answered {answer})");
}
