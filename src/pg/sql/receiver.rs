//! Where the executor sends the rows of a result one by one, so that they are never all in memory.

use std::ffi::c_int;
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use crate::pg::types::row::Row;
use crate::pg::types::scratch::row_memory;

/// The destination to which the executor sends rows.
#[repr(C)]
pub(in crate::pg) struct Receiver<'a> {
    base: pg_sys::DestReceiver,
    /// Memory palloc'd for a row lives here until the next row.
    scratch: pg_sys::MemoryContext,
    take: &'a mut dyn FnMut(&Row) -> bool,
}

impl<'a> Receiver<'a> {
    /// Passes each row to `take`, until it answers no. To be made inside the SPI connection in which it is used.
    pub(in crate::pg) fn new(take: &'a mut dyn FnMut(&Row) -> bool) -> Self {
        let base = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start),
            rShutdown: Some(ignore),
            rDestroy: Some(ignore),
            mydest: pg_sys::CommandDest::DestNone,
        };
        // A child of SPI's context, so it ends with the connection.
        let scratch = row_memory();
        Receiver { base, scratch, take }
    }

    /// As the executor knows it; valid while this receiver stays where it is.
    pub(in crate::pg) fn as_ptr(&mut self) -> *mut pg_sys::DestReceiver {
        ptr::from_mut(self).cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, receiver: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: the executor passes back what `as_ptr` gave it, and a slot that is valid during this call.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver>();
        pg_sys::MemoryContextReset(receiver.scratch);
        let caller = pg_sys::MemoryContextSwitchTo(receiver.scratch);
        let goes_on = (receiver.take)(&Row::of_slot(slot));
        pg_sys::MemoryContextSwitchTo(caller);
        goes_on
    }
}

unsafe extern "C-unwind" fn start(_receiver: *mut pg_sys::DestReceiver, _operation: c_int, _form: pg_sys::TupleDesc) {}

unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}
