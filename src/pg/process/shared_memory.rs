//! Memory that all processes of the server share, if the library is preloaded.
//!
//! It is requested while the postmaster loads the library, allocated before any other process exists, and inherited by
//! all. After a crash the postmaster allocates it anew, possibly at another address.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use pgrx::pg_guard;
use pgrx::pg_sys;

use crate::usage::slots::{Header, OverflowPage, SlotSet, Slots, layout};

/// Its address; null if the library is not preloaded.
static MEMORY: AtomicPtr<Header> = AtomicPtr::new(ptr::null_mut());
/// For how many slots sets and pages follow the header.
static CAPACITY: AtomicUsize = AtomicUsize::new(0);

/// What to call at its beginning and end.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// For how many slots there is to be room, once the settings have been read.
    pub capacity: fn() -> usize,
    /// Called in the postmaster when it has been allocated.
    pub begin: fn(Slots<'static>),
    /// Called in the postmaster after a clean stop.
    pub end: fn(Slots<'static>),
}

static HOOKS: std::sync::OnceLock<Hooks> = std::sync::OnceLock::new();
static PREVIOUS_REQUEST: std::sync::OnceLock<pg_sys::shmem_request_hook_type> = std::sync::OnceLock::new();
static PREVIOUS_STARTUP: std::sync::OnceLock<pg_sys::shmem_startup_hook_type> = std::sync::OnceLock::new();

/// The shared slots, if there are any.
#[inline]
pub fn slots() -> Option<Slots<'static>> {
    let header = MEMORY.load(Relaxed);
    if header.is_null() {
        return None;
    }
    // SAFETY: `start` below made it, with this layout, before this process existed; it outlives the process.
    Some(unsafe { borrow(header, CAPACITY.load(Relaxed)) })
}

/// Whether the postmaster is loading the library right now.
pub fn is_preloading() -> bool {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Requests the memory. Called once, from `_PG_init`, while the postmaster loads the library.
pub fn register(hooks: Hooks) {
    HOOKS.get_or_init(|| hooks);
    // SAFETY: hooks are chained, and set before the server calls them.
    unsafe {
        PREVIOUS_REQUEST.get_or_init(|| pg_sys::shmem_request_hook);
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP.get_or_init(|| pg_sys::shmem_startup_hook);
        pg_sys::shmem_startup_hook = Some(start);
    }
}

fn size(capacity: usize) -> usize {
    let (sets, pages) = layout(capacity);
    size_of::<Header>() + sets * size_of::<SlotSet>() + pages * size_of::<OverflowPage>()
}

/// # Safety
/// `header` must point to `size(capacity)` bytes, zeroed and since then used only as what is borrowed here.
unsafe fn borrow(header: *mut Header, capacity: usize) -> Slots<'static> {
    const { assert!(align_of::<Header>() >= align_of::<SlotSet>()) };
    const { assert!(align_of::<SlotSet>() >= align_of::<OverflowPage>()) };
    let (sets, pages) = layout(capacity);
    // SAFETY: guaranteed by the caller. All consist of atomics, for which all zeros are valid, and sizes are multiples
    // of alignments, of which each is at least that of what follows.
    unsafe {
        let first_set: *mut SlotSet = header.add(1).cast();
        let first_page: *mut OverflowPage = first_set.add(sets).cast();
        Slots::over(
            &*header,
            std::slice::from_raw_parts(first_set, sets),
            std::slice::from_raw_parts(first_page, pages),
        )
    }
}

fn capacity_asked() -> usize {
    HOOKS.get().map_or(0, |hooks| (hooks.capacity)())
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: the server calls it when it sizes its memory, after reading the settings.
    unsafe {
        if let Some(Some(previous)) = PREVIOUS_REQUEST.get() {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(size(capacity_asked()) + align_of::<Header>());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn start() {
    // SAFETY: only the postmaster calls it, before it has children. AddinShmemInitLock, which other libraries take
    // here, guards against processes that attach by themselves, which is how only servers for Windows work.
    unsafe {
        if let Some(Some(previous)) = PREVIOUS_STARTUP.get() {
            previous();
        }
        let mut found = false;
        let capacity = capacity_asked();
        let size = size(capacity) + align_of::<Header>();
        let memory: *mut u8 = pg_sys::ShmemInitStruct(c"tokenauth".as_ptr(), size, &mut found).cast();
        if found {
            return;
        }
        ptr::write_bytes(memory, 0, size);
        // The server aligns only to what it takes for a cache line.
        let header: *mut Header = memory.add(memory.align_offset(align_of::<Header>())).cast();
        CAPACITY.store(capacity, Relaxed);
        MEMORY.store(header, Relaxed);
        if let Some(hooks) = HOOKS.get() {
            (hooks.begin)(borrow(header, capacity));
        }
        pg_sys::on_shmem_exit(Some(end), pg_sys::Datum::null());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(code: c_int, _argument: pg_sys::Datum) {
    // SAFETY: reads this process's state. Children do not inherit the postmaster's callbacks.
    let is_child = unsafe { pg_sys::IsUnderPostmaster };
    // After a crash the memory cannot be trusted.
    if code == 0
        && !is_child
        && let (Some(hooks), Some(slots)) = (HOOKS.get(), slots())
    {
        (hooks.end)(slots);
    }
    MEMORY.store(ptr::null_mut(), Relaxed);
}

/// The same over memory of a test, which is never freed.
#[cfg(test)]
pub fn on_heap(capacity: usize) -> Slots<'static> {
    let layout = std::alloc::Layout::from_size_align(size(capacity), align_of::<Header>()).unwrap();
    // SAFETY: zeroed, of the size and alignment that `borrow` requires, and never freed.
    let slots = unsafe { borrow(std::alloc::alloc_zeroed(layout).cast(), capacity) };
    slots.begin([1; 16]);
    slots
}
