//! Trigger functions.
//!
//! pgrx's own `#[pg_trigger]` turns every refusal into a panic, and so into XX000; here a trigger function is an ordinary
//! one that takes a [`TriggerCall`] and answers a [`TriggerAnswer`], and its errors keep their SQLSTATE.

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::probe::Indexed;
use super::row::Row;
use super::statement::Argument;

/// What a trigger function is told: the event and the rows.
pub struct TriggerCall(*mut pg_sys::TriggerData);

/// What a row trigger is about; `None` for a statement trigger.
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

    /// The whole row, as a statement's argument of the table's row type.
    pub fn argument(&self) -> Argument {
        // SAFETY: as above; the datum is a palloc'd copy.
        unsafe {
            let datum = pg_sys::heap_copy_tuple_as_datum(self.tuple, (*self.relation).rd_att);
            Argument::of_datum((*(*self.relation).rd_rel).reltype, datum)
        }
    }
}

impl TriggerCall {
    /// Whether it is about rows that were not there before.
    pub fn is_insert(&self) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null.
        unsafe { self.0.as_ref() }
            .is_some_and(|data| data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_INSERT)
    }

    /// Whether it is about this table.
    pub fn is_on(&self, table: &Indexed) -> bool {
        // SAFETY: `self.0` is the trigger manager's, or null; the trigger's relation is open.
        unsafe {
            self.0
                .as_ref()
                .is_some_and(|data| (*data.tg_relation).rd_id == table.table_oid())
        }
    }

    /// The change, if the function is called as a row trigger of this table.
    pub fn row_change(&self, table: &Indexed) -> Option<RowChange> {
        // SAFETY: `self.0` is the trigger manager's, or null.
        let data = unsafe { self.0.as_ref() }?;
        if !self.is_on(table) || data.tg_event & pg_sys::TRIGGER_EVENT_ROW == 0 {
            return None;
        }
        let tuple = |tuple| TriggerTuple {
            tuple,
            relation: data.tg_relation,
        };
        match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Some(RowChange::Insert(tuple(data.tg_trigtuple))),
            pg_sys::TRIGGER_EVENT_UPDATE => Some(RowChange::Update {
                old: tuple(data.tg_trigtuple),
                new: tuple(data.tg_newtuple),
            }),
            pg_sys::TRIGGER_EVENT_DELETE => Some(RowChange::Delete(tuple(data.tg_trigtuple))),
            _ => None,
        }
    }
}

/// The answer of a trigger function.
pub struct TriggerAnswer(pg_sys::HeapTuple);

impl TriggerAnswer {
    /// Of an AFTER trigger, whose answer nobody reads.
    pub fn nothing() -> Self {
        TriggerAnswer(std::ptr::null_mut())
    }

    /// Goes on with the row as it is.
    pub fn proceed(change: RowChange) -> Self {
        match change {
            RowChange::Insert(row) | RowChange::Delete(row) | RowChange::Update { new: row, .. } => {
                TriggerAnswer(row.tuple)
            }
        }
    }
}

// SAFETY: never an SQL argument: the call itself carries it.
unsafe impl SqlTranslatable for TriggerCall {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(TriggerCall);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

// SAFETY: the fcinfo of a call made by the trigger manager has the trigger's data as its context; any other is null here.
unsafe impl<'fcx> ArgAbi<'fcx> for TriggerCall {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the virtual argument is the fcinfo itself, valid during the call.
        unsafe {
            let call = pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg);
            let context: *mut pg_sys::Node = (*call).context;
            let is_trigger = !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_TriggerData;
            TriggerCall(if is_trigger {
                context.cast()
            } else {
                std::ptr::null_mut()
            })
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
