//! Index scans that are held open between the calls of one statement.
//!
//! A statement that verifies thousands of tokens would spend much of its time on opening and locking the same tables
//! and indexes, and on setting up scans of them. So from the second look-up on they are held, for as long as the
//! resource owner lasts under which they were looked up: that of the statement, or of the subtransaction in which it
//! runs. When that is released, at the end of the statement or by an abort, all that is held goes too. A statement of
//! an application that joined the tables would hold them as long.
//!
//! What is held belongs to a resource owner of our own, which is released nowhere else and as if after an error:
//! whatever state a scan is in, nothing is left of it.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use super::index_key::IndexKey;
use super::index_scan::UniqueIndex;
use super::index_step;
use super::index_walk::{OpenIndex, WHOLE};
use super::invalidation;
use super::snapshot::LatestSnapshot;
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::fault;
use crate::pg::types::row::Row;

type Owner = pg_sys::ResourceOwner;

backend_local! {
    /// The resource owner under which something was looked up last, while it exists.
    static LAST: Cell<Owner> = const { Cell::new(ptr::null_mut()) };
    /// The resource owner for which scans are held.
    static HOLDER: Cell<Owner> = const { Cell::new(ptr::null_mut()) };
    /// What is held for it.
    static HELD: Cell<Option<Held>> = const { Cell::new(None) };
    /// The scans; none while one of them is used, nor after an error in that.
    static SCANS: RefCell<Option<Vec<Scan>>> = const { RefCell::new(None) };
}

#[derive(Clone, Copy)]
struct Held {
    /// Our own resource owner, to which locks, relations and pinned pages belong.
    owner: Owner,
    /// The memory of the scans.
    memory: pg_sys::MemoryContext,
    /// The generation of names in which tables and indexes were opened.
    names: u64,
}

struct Scan {
    of: *const UniqueIndex,
    /// Closed with everything else.
    _opened: ManuallyDrop<OpenIndex>,
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
}

impl UniqueIndex {
    /// As [`find`](Self::find), for what one statement may look up again and again.
    ///
    /// # Errors
    /// As `find`.
    pub fn find_often<T>(
        &'static self,
        key: IndexKey<'_>,
        snapshot: &LatestSnapshot,
        read: impl FnOnce(&Row) -> T,
    ) -> Option<T> {
        let Some((held, mut scans)) = lend() else {
            return self.find(key, snapshot, read);
        };
        let known = scans.iter().position(|scan| ptr::eq(scan.of, self));
        let place = known.unwrap_or_else(|| {
            scans.push(held.within(|| Scan::open(self, snapshot)));
            scans.len() - 1
        });
        let scan = &scans[place];
        // Made of the call's memory: what is held lasts for as long as the statement.
        let condition = key.equals(self.column() as pg_sys::AttrNumber);
        let found = held.within(|| scan.move_to(condition, snapshot)).then(|| {
            // SAFETY: the slot holds the row until it is cleared.
            read(&unsafe { Row::of_slot(scan.slot) })
        });
        held.within(|| scan.leave());
        SCANS.set(Some(scans));
        found
    }
}

/// What is held for this statement, if it has looked something up before and no look-up is under way.
fn lend() -> Option<(Held, Vec<Scan>)> {
    if HELD.get().is_some() && SCANS.with_borrow(Option::is_none) {
        return None;
    }
    // SAFETY: reads this backend's state.
    let current = unsafe { pg_sys::CurrentResourceOwner };
    if HOLDER.get() != current {
        if LAST.replace(current) != current {
            return None;
        }
        release();
        hold(current);
    }
    let scans = SCANS.take()?;
    match HELD.get().filter(|held| held.names == invalidation::names()) {
        Some(held) => Some((held, scans)),
        None => {
            release();
            hold(current);
            HELD.get().zip(SCANS.take())
        }
    }
}

/// Begins to hold scans for a resource owner.
fn hold(holder: Owner) {
    // SAFETY: both last until `release`. The owner has no parent, with which it would be released, and told of as a
    // leak where that is the end of a statement.
    let held = unsafe {
        Held {
            memory: pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"tokenauth scans".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            ),
            owner: pg_sys::ResourceOwnerCreate(ptr::null_mut(), c"tokenauth scans".as_ptr()),
            names: invalidation::names(),
        }
    };
    HELD.set(Some(held));
    SCANS.set(Some(Vec::new()));
    HOLDER.set(holder);
}

/// Gives back all that is held.
fn release() {
    HOLDER.set(ptr::null_mut());
    SCANS.take();
    let Some(Held { owner, memory, .. }) = HELD.take() else { return };
    // SAFETY: nobody else knows them. As after an error, an owner releases whatever it has; locks, which it would leave
    // to a parent, are released by themselves.
    unsafe {
        let former = pg_sys::CurrentResourceOwner;
        pg_sys::CurrentResourceOwner = owner;
        pg_sys::LockReleaseCurrentOwner(ptr::null_mut(), 0);
        pg_sys::CurrentResourceOwner = former;
        for phase in [
            pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_BEFORE_LOCKS,
            pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_AFTER_LOCKS,
        ] {
            pg_sys::ResourceOwnerRelease(owner, phase, false, false);
        }
        pg_sys::ResourceOwnerDelete(owner);
        pg_sys::MemoryContextDelete(memory);
    }
}

impl Held {
    /// Does something of which the resources and the memory last as long as what is held.
    fn within<T>(self, act: impl FnOnce() -> T) -> T {
        let _within = Within::begin(self);
        fault::step();
        act()
    }
}

/// While it lives, resources and memory are taken for what is held.
struct Within {
    owner: Owner,
    memory: pg_sys::MemoryContext,
}

impl Within {
    fn begin(held: Held) -> Self {
        // SAFETY: what is held outlives this.
        unsafe {
            let owner = pg_sys::CurrentResourceOwner;
            pg_sys::CurrentResourceOwner = held.owner;
            Within { owner, memory: pg_sys::MemoryContextSwitchTo(held.memory) }
        }
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        // Also while an error unwinds.
        // SAFETY: both were current before, and guards nest.
        unsafe {
            pg_sys::CurrentResourceOwner = self.owner;
            pg_sys::MemoryContextSwitchTo(self.memory);
        }
    }
}

impl Scan {
    /// To be called within what is held, as all below.
    fn open(of: &'static UniqueIndex, snapshot: &LatestSnapshot) -> Self {
        let opened = ManuallyDrop::new(of.index().open_to_walk());
        // SAFETY: the scan is never used after what is held was released, and with each use gets the snapshot of that.
        unsafe {
            let scan = opened.begin(snapshot.as_ptr(), 1);
            let slot = opened.slot();
            Scan { of, _opened: opened, scan, slot }
        }
    }

    /// Moves to the row that meets the condition, as the snapshot shows it, takes it apart, and returns whether there
    /// is one. Backward, for the newest comes first (see `index_scan.rs`).
    fn move_to(&self, condition: pg_sys::ScanKeyData, snapshot: &LatestSnapshot) -> bool {
        const NEWEST: pg_sys::ScanDirection::Type = pg_sys::ScanDirection::BackwardScanDirection;
        // SAFETY: the scan is open, and the slot of its table's form; what the condition refers to lasts for the call.
        unsafe {
            (*self.scan).xs_snapshot = snapshot.as_ptr();
            index_step::find(self.scan, &mut [condition], NEWEST, self.slot, WHOLE)
        }
    }

    /// Gives back the pages of the row, which VACUUM or a standby may wait for.
    fn leave(&self) {
        // SAFETY: the scan is open; between two rows it has no page of the table. What is called directly is what the
        // server's own inline function calls, and only releases a page.
        unsafe {
            pg_sys::ExecClearTuple(self.slot);
            let fetch = (*self.scan).xs_heapfetch;
            if let Some(reset) = (*(*(*fetch).rel).rd_tableam).index_fetch_reset {
                reset(fetch);
            }
        }
    }
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    // SAFETY: the callback is a static function that lives as long as the backend.
    unsafe { pg_sys::RegisterResourceReleaseCallback(Some(released), ptr::null_mut()) };
}

/// Called in each phase of the release of each resource owner, which is current meanwhile.
unsafe extern "C-unwind" fn released(
    phase: pg_sys::ResourceReleasePhase::Type,
    _is_commit: bool,
    _is_top: bool,
    argument: *mut c_void,
) {
    // SAFETY: reads this backend's state.
    let owner = unsafe { pg_sys::CurrentResourceOwner };
    if phase == pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_BEFORE_LOCKS && owner == LAST.get() {
        LAST.set(ptr::null_mut());
    }
    if owner == HOLDER.get() && !owner.is_null() {
        // SAFETY: as above.
        unsafe { release_held(argument) };
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn release_held(_argument: *mut c_void) {
    release();
}
