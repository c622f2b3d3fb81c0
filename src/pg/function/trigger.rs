//! Trigger functions.
//!
//! pgrx's own `#[pg_trigger]` turns every refusal into a panic, and so into XX000. Here a trigger function is an
//! ordinary function that takes a [`TriggerCall`] and returns a [`TriggerAnswer`], and its errors keep their SQLSTATE.

use std::ffi::{CStr, c_int};

use pgrx::IntoDatum;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use crate::pg::process::fault;
use crate::pg::roles::extension::Extension;
use crate::pg::scan::index_scan::{Index, UniqueIndex};
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::Argument;
use crate::pg::types::memory::copied;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// The call of a trigger function: its event and rows.
pub struct TriggerCall(*mut pg_sys::TriggerData);

/// The change a row trigger fires for.
pub enum RowChange {
    /// INSERT of this row.
    Insert(TriggerTuple),
    /// UPDATE from one row to another.
    Update { old: TriggerTuple, new: TriggerTuple },
    /// DELETE of this row.
    Delete(TriggerTuple),
}

/// One row of the trigger's table.
pub struct TriggerTuple {
    tuple: pg_sys::HeapTuple,
    relation: pg_sys::Relation,
}

impl TriggerTuple {
    /// Its columns.
    pub fn row(&self) -> Row {
        // SAFETY: tuple and descriptor belong together and live as long as the call.
        unsafe { Row::new(self.tuple, (*self.relation).rd_att) }
    }

    /// The whole row as an argument of a statement, of the table's row type.
    pub fn argument(&self) -> Argument {
        // SAFETY: as above; the datum is a palloc'd copy.
        unsafe {
            let datum = pg_sys::heap_copy_tuple_as_datum(self.tuple, (*self.relation).rd_att);
            Argument::of_datum((*(*self.relation).rd_rel).reltype, datum)
        }
    }

    /// A copy with this value in a column.
    pub fn with<T: IntoDatum>(&self, column: usize, value: T) -> Self {
        self.modified(&[column], &[value.into_datum()])
    }

    /// A copy with NULL in these columns.
    pub fn without<const N: usize>(&self, columns: &[usize; N]) -> Self {
        self.modified(columns, &[None; N])
    }

    fn modified<const N: usize>(&self, columns: &[usize; N], values: &[Option<pg_sys::Datum>; N]) -> Self {
        let mut columns = columns.map(|column| column as c_int);
        let mut datums = values.map(|value| value.unwrap_or(pg_sys::Datum::null()));
        let mut nulls = values.map(|value| value.is_none());
        // SAFETY: tuple and descriptor belong together, the arrays have N entries, which are of the types of columns
        // that the table has, else it raises; the copy is palloc'd.
        let tuple = unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                self.tuple,
                (*self.relation).rd_att,
                N as c_int,
                columns.as_mut_ptr(),
                datums.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        };
        TriggerTuple { tuple, relation: self.relation }
    }
}

impl TriggerCall {
    /// Whether it fires for rows: after one has changed, or before all are removed by TRUNCATE.
    pub fn is_of_rows(&self) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        unsafe { self.0.as_ref() }.is_some_and(|data| {
            data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0
                || data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE
        })
    }

    /// Whether it fires after what happened, and not before.
    pub fn is_after(&self) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        unsafe { self.0.as_ref() }
            .is_some_and(|data| data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER)
    }

    /// Whether it fires for INSERT or COPY.
    pub fn is_insert(&self) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        unsafe { self.0.as_ref() }
            .is_some_and(|data| data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_INSERT)
    }

    /// Whether it fires for UPDATE.
    pub fn is_update(&self) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        unsafe { self.0.as_ref() }
            .is_some_and(|data| data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_UPDATE)
    }

    /// Whether it fires for DELETE, which does not include TRUNCATE.
    pub fn is_delete(&self) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        unsafe { self.0.as_ref() }
            .is_some_and(|data| data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_DELETE)
    }

    /// Whether it fires for a TRUNCATE of this table.
    pub fn is_truncate(&self, table: &UniqueIndex) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        let is_truncate = unsafe { self.0.as_ref() }
            .is_some_and(|data| data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE);
        is_truncate && self.is_on(table.index())
    }

    /// Whether it fires on this table.
    pub fn is_on(&self, table: &Index) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null; the trigger's relation is open.
        unsafe { self.0.as_ref().is_some_and(|data| (*data.tg_relation).rd_id == table.table_oid()) }
    }

    /// The change, if the function is called as a row trigger on this table.
    pub fn row_change(&self, table: &UniqueIndex) -> Option<RowChange> {
        // SAFETY: `self.0` is the trigger manager's, or null.
        let data = unsafe { self.0.as_ref() }?;
        if !self.is_on(table.index()) || data.tg_event & pg_sys::TRIGGER_EVENT_ROW == 0 {
            return None;
        }
        let tuple = |tuple| TriggerTuple { tuple, relation: data.tg_relation };
        match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Some(RowChange::Insert(tuple(data.tg_trigtuple))),
            pg_sys::TRIGGER_EVENT_UPDATE => {
                Some(RowChange::Update { old: tuple(data.tg_trigtuple), new: tuple(data.tg_newtuple) })
            }
            pg_sys::TRIGGER_EVENT_DELETE => Some(RowChange::Delete(tuple(data.tg_trigtuple))),
            _ => None,
        }
    }
}

/// The call of a trigger on a table of the application.
pub struct Firing {
    pub trigger: pg_sys::Oid,
    /// The table it is on.
    pub table: pg_sys::Oid,
    /// The arguments given in CREATE TRIGGER.
    pub arguments: Vec<Text>,
    /// What happened.
    pub what: Fired,
    /// When the rows were written: they are as the command of this number left them, or one that it caused. `None` for
    /// a deferrable trigger, which may fire long after that.
    pub command: Option<u32>,
    /// Whether it is a row trigger, which fires for each row in the order in which rows were written.
    pub is_row: bool,
}

/// What happened to a table of the application: to one row, or to all rows that a statement wrote.
pub enum Fired {
    /// INSERT of these rows.
    Insert(Rows),
    /// UPDATE from some rows to others, in the same order.
    Update { old: Rows, new: Rows },
    /// DELETE of these rows.
    Delete(Rows),
    /// TRUNCATE is about to empty the table.
    TruncateBegins,
    /// TRUNCATE has emptied the table.
    Truncated,
}

impl TriggerCall {
    /// What happened, with the rows under the given name. `None` for a BEFORE or INSTEAD OF trigger other than on
    /// TRUNCATE, for a statement trigger without transition tables, and for a call that does not come from a trigger.
    pub fn firing(&self, name: &'static CStr) -> Option<Firing> {
        // SAFETY: `self.0` is the trigger manager's, or null; relation and trigger are open during the call.
        let (data, trigger, table) = unsafe {
            let data = self.0.as_ref()?;
            (data, &*data.tg_trigger, (*data.tg_relation).rd_id)
        };
        let is_after = data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER;
        let is_row = data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0;
        let rows = |tuple: pg_sys::HeapTuple, store: *mut pg_sys::Tuplestorestate| {
            let given = if is_row { !tuple.is_null() } else { !store.is_null() };
            // SAFETY: both are the trigger manager's, of this table, and live as long as the call.
            (is_after && given).then(|| unsafe {
                if is_row { Rows::of_tuple(name, table, tuple) } else { Rows::of_transition(name, table, store) }
            })
        };
        let what = match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Fired::Insert(rows(data.tg_trigtuple, data.tg_newtable)?),
            pg_sys::TRIGGER_EVENT_DELETE => Fired::Delete(rows(data.tg_trigtuple, data.tg_oldtable)?),
            pg_sys::TRIGGER_EVENT_UPDATE => Fired::Update {
                old: rows(data.tg_trigtuple, data.tg_oldtable)?,
                new: rows(data.tg_newtuple, data.tg_newtable)?,
            },
            _ if is_after => Fired::Truncated,
            _ => Fired::TruncateBegins,
        };
        // SAFETY: `tgargs` has `tgnargs` zero-terminated strings, which are copied.
        let arguments = (0..usize::try_from(trigger.tgnargs).unwrap_or_default())
            .map(|index| unsafe { CStr::from_ptr(*trigger.tgargs.add(index)) })
            .map(|argument| Text::from(copied(argument.to_bytes())))
            .collect();
        // SAFETY: reads this backend's state. Immediate triggers fire while the snapshot of their statement is active.
        let command = unsafe {
            (!trigger.tgdeferrable && pg_sys::ActiveSnapshotSet()).then(|| (*pg_sys::GetActiveSnapshot()).curcid)
        };
        Some(Firing { trigger: trigger.tgoid, table, arguments, what, command, is_row })
    }
}

/// The result of a trigger function.
pub struct TriggerAnswer(pg_sys::HeapTuple);

impl TriggerAnswer {
    /// The result of an AFTER trigger, which the server ignores; of a BEFORE trigger, that the row stays as it is.
    pub fn nothing() -> Self {
        TriggerAnswer(std::ptr::null_mut())
    }

    /// Proceeds with this row instead.
    pub fn replace(row: TriggerTuple) -> Self {
        TriggerAnswer(row.tuple)
    }

    /// Proceeds with the row as it is.
    pub fn proceed(change: RowChange) -> Self {
        match change {
            RowChange::Insert(row) | RowChange::Delete(row) | RowChange::Update { new: row, .. } => {
                TriggerAnswer(row.tuple)
            }
        }
    }
}

// SAFETY: it never appears as an SQL argument: the call itself carries it.
unsafe impl SqlTranslatable for TriggerCall {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(TriggerCall);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

// SAFETY: the fcinfo of a call made by the trigger manager has the trigger's data as its context; any other is null
// here.
unsafe impl<'fcx> ArgAbi<'fcx> for TriggerCall {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        Extension::refuse_newer();
        fault::step();
        // SAFETY: the virtual argument is the fcinfo itself, valid during the call.
        unsafe {
            let call = pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg);
            let context: *mut pg_sys::Node = (*call).context;
            let is_trigger = !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_TriggerData;
            TriggerCall(if is_trigger { context.cast() } else { std::ptr::null_mut() })
        }
    }

    fn is_virtual_arg() -> bool {
        true
    }
}

pgrx::impl_sql_translatable!(TriggerAnswer, "trigger");

// SAFETY: the trigger protocol: a tuple pointer, and isnull never set.
unsafe impl BoxRet for TriggerAnswer {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the tuple is the trigger manager's own.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0)) }
    }
}
