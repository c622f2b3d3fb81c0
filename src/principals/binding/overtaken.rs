//! Tells when the rows that a trigger is given may not be what its table says any more.
//!
//! AFTER triggers fire once their statement has written all its rows. By then another trigger, or a function that the
//! statement calls, may have written the table again; our trigger has fired for that already, nested within, and what
//! it was given is newer. Then the table has to be asked. Commands within a transaction are numbered, so it is enough
//! to remember the last one for which we have fired.

use std::cell::RefCell;

use pgrx::pg_sys;

use crate::model::bound_to::BoundTo;
use crate::pg::function::trigger::{Fired, Firing};
use crate::pg::process::backend_local::backend_local;
use crate::pg::transaction::xact;

backend_local! {
    static LAST: RefCell<Vec<Last>> = const { RefCell::new(Vec::new()) };
}

/// The newest command of a transaction for which we have fired on a table.
struct Last {
    transaction: u64,
    table: pg_sys::Oid,
    to: BoundTo,
    command: u32,
    /// The last kind of change for which a statement trigger has fired.
    operation: Option<Operation>,
}

/// What a statement does to rows, in the order in which the images of one statement agree with its outcome: no
/// statement changes a row again that it has written itself. So a row that it has inserted is there, whatever was said
/// before, and of a row that it has deleted another may have taken the id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Delete,
    Update,
    Insert,
}

impl Operation {
    fn of(what: &Fired) -> Option<Self> {
        match what {
            Fired::Delete(_) => Some(Operation::Delete),
            Fired::Update { .. } => Some(Operation::Update),
            Fired::Insert(_) => Some(Operation::Insert),
            Fired::TruncateBegins | Fired::Truncated => None,
        }
    }
}

/// Whether a later command has fired a trigger since this one: an expression may have written the table.
pub fn has_fired_since(firing: &Firing, table: pg_sys::Oid, to: &BoundTo) -> bool {
    let transaction = xact::ended();
    let is_later = |last: &Last| {
        let is_same = last.transaction == transaction && last.table == table && last.to == *to;
        is_same && firing.command.is_some_and(|command| last.command > command)
    };
    LAST.with_borrow(|all| all.iter().any(is_later))
}

/// Whether the table may say something else by now than the rows of this firing, and records that it has fired. `table`
/// is the one that is bound, of which the trigger's may be a partition.
pub fn is_overtaken(firing: &Firing, table: pg_sys::Oid, to: &BoundTo) -> bool {
    let Some(command) = firing.command else {
        return true;
    };
    let operation = Operation::of(&firing.what).filter(|_| !firing.is_row);
    let transaction = xact::ended();
    LAST.with_borrow_mut(|all| {
        all.retain(|last| last.transaction == transaction);
        let Some(last) = all.iter_mut().find(|last| last.table == table && last.to == *to) else {
            all.push(Last { transaction, table, to: to.clone(), command, operation });
            return false;
        };
        if command > last.command {
            last.command = command;
            last.operation = operation;
            return false;
        }
        // Row triggers of one statement are given its rows in the order in which it has written them.
        let is_in_order = command == last.command && (firing.is_row || operation > last.operation);
        last.operation = last.operation.max(operation);
        !is_in_order
    })
}
