//! Memory that every process of the server shares, where the library is preloaded.
//!
//! It is asked for while the postmaster loads the library, made before any other process exists, and inherited by each.
//! After a crash the postmaster makes it anew, maybe elsewhere.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use pgrx::pg_guard;
use pgrx::pg_sys;

use crate::settings;
use crate::usage::slots::{Header, Set, Slots, WAYS};

/// Where it lies; null: the library is not preloaded.
static MEMORY: AtomicPtr<Header> = AtomicPtr::new(ptr::null_mut());
/// How many sets follow the header.
static SETS: AtomicUsize = AtomicUsize::new(0);

/// What happens to it.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// When it was made, in the postmaster.
    pub begin: fn(Slots<'static>),
    /// When the server has come to a clean end.
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
    // SAFETY: made by `start` below, of this layout, before this process was; it lives as long as the process.
    Some(unsafe { borrow(header, SETS.load(Relaxed)) })
}

/// Whether the postmaster is loading the library right now.
pub fn is_preloading() -> bool {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Asks for the memory, once, from `_PG_init`, while the postmaster loads the library.
pub fn register(hooks: Hooks) {
    HOOKS.get_or_init(|| hooks);
    // SAFETY: hooks are chained, and set before the server looks at them.
    unsafe {
        PREVIOUS_REQUEST.get_or_init(|| pg_sys::shmem_request_hook);
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP.get_or_init(|| pg_sys::shmem_startup_hook);
        pg_sys::shmem_startup_hook = Some(start);
    }
}

fn sets() -> usize {
    settings::usage_slots().div_ceil(WAYS)
}

fn size() -> usize {
    size_of::<Header>() + sets() * size_of::<Set>() + align_of::<Header>()
}

/// # Safety
/// At `header` there must be one, followed by this many sets, made of zeros and used only so.
unsafe fn borrow(header: *mut Header, sets: usize) -> Slots<'static> {
    // SAFETY: by the caller's word. Header and sets consist of atomics, for which all zeros is a value, and the size of a
    // header is a multiple of its alignment, which is that of a set.
    unsafe { Slots::over(&*header, std::slice::from_raw_parts(header.add(1).cast(), sets)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: called by the server when it sizes its memory, after the settings were read.
    unsafe {
        if let Some(Some(previous)) = PREVIOUS_REQUEST.get() {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(size());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn start() {
    // SAFETY: called by the postmaster alone, before it has children: AddinShmemInitLock, which other libraries take here,
    // guards against processes that attach by themselves, and servers that build so are for Windows only.
    unsafe {
        if let Some(Some(previous)) = PREVIOUS_STARTUP.get() {
            previous();
        }
        let mut found = false;
        let memory: *mut u8 = pg_sys::ShmemInitStruct(c"tokenauth".as_ptr(), size(), &mut found).cast();
        if found {
            return;
        }
        ptr::write_bytes(memory, 0, size());
        // The server aligns to a line of memory of its own idea.
        let header: *mut Header = memory.add(memory.align_offset(align_of::<Header>())).cast();
        SETS.store(sets(), Relaxed);
        MEMORY.store(header, Relaxed);
        if let Some(hooks) = HOOKS.get() {
            (hooks.begin)(borrow(header, sets()));
        }
        pg_sys::on_shmem_exit(Some(end), pg_sys::Datum::null());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(code: c_int, _argument: pg_sys::Datum) {
    // SAFETY: reads this process's state. Children have forgotten the callbacks of the postmaster.
    let is_child = unsafe { pg_sys::IsUnderPostmaster };
    // After a crash the memory is not to be trusted.
    if code == 0
        && !is_child
        && let (Some(hooks), Some(slots)) = (HOOKS.get(), slots())
    {
        (hooks.end)(slots);
    }
    MEMORY.store(ptr::null_mut(), Relaxed);
}

/// The same over memory of the test's own, which is never given back.
#[cfg(test)]
pub fn on_heap(capacity: usize) -> Slots<'static> {
    let sets = capacity.div_ceil(WAYS);
    let size = size_of::<Header>() + sets * size_of::<Set>();
    let layout = std::alloc::Layout::from_size_align(size, align_of::<Header>()).unwrap();
    // SAFETY: zeros, of the size and alignment that `borrow` asks for, never freed.
    let slots = unsafe { borrow(std::alloc::alloc_zeroed(layout).cast(), sets) };
    slots.begin([1; 16]);
    slots
}
