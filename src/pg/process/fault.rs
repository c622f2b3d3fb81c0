//! Lets a test stop a call at each of its steps. A step is where a wrapper of this room has just taken something from
//! the server, or given something to it: a user, a snapshot, a relation, a lock, a row that is written.
//!
//! Only libraries that were built with the feature `faults` have this, and no package is: elsewhere a step is nothing.
//! `SET tokenauth.fault = 'panic 7'` makes the seventh step from then on panic, as a bug would there; `'cancel 7'`
//! cancels the statement there, and `'wait 7'` waits until somebody does. It happens once. `SHOW tokenauth.fault` tells
//! how many steps there were since.

/// A step.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn step() {}

/// Defines the setting, once, from `_PG_init`.
#[cfg(not(feature = "faults"))]
pub fn define() {}

#[cfg(feature = "faults")]
pub use injected::{define, step};

#[cfg(feature = "faults")]
mod injected {
    use std::cell::{Cell, RefCell};
    use std::ffi::{CStr, CString, c_char, c_void};

    use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
    use pgrx::{pg_guard, pg_sys};

    use crate::pg::process::backend_local::backend_local;

    static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

    /// What happens at a step.
    #[derive(Clone, Copy)]
    enum Fault {
        Panic,
        Cancel,
        Wait,
    }

    backend_local! {
        /// How many steps there were since the setting was assigned.
        static PASSED: Cell<u64> = const { Cell::new(0) };
        /// What is to happen, and at which of them.
        static PLANNED: Cell<Option<(Fault, u64)>> = const { Cell::new(None) };
        /// The number as it was shown last, zero-terminated.
        static SHOWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    pub fn step() {
        let passed = PASSED.get() + 1;
        PASSED.set(passed);
        if let Some((fault, _)) = PLANNED.get().filter(|(_, at)| *at == passed) {
            PLANNED.set(None);
            match fault {
                Fault::Panic => panic!("a fault was asked for"),
                Fault::Cancel => cancel(),
                Fault::Wait => wait(),
            }
        }
    }

    fn cancel() {
        // SAFETY: as the handler of SIGINT.
        unsafe {
            pg_sys::QueryCancelPending = 1;
            pg_sys::InterruptPending = 1;
        }
        pgrx::check_for_interrupts!();
    }

    fn wait() -> ! {
        loop {
            // SAFETY: waits for this process's own latch, which an interrupt sets.
            unsafe {
                let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
                pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, 1_000, pg_sys::PG_WAIT_EXTENSION);
                pg_sys::ResetLatch(pg_sys::MyLatch);
            }
            pgrx::check_for_interrupts!();
        }
    }

    pub fn define() {
        // SAFETY: the hooks are static, guarded functions that keep nothing of their arguments.
        unsafe {
            GucRegistry::define_string_guc_with_hooks(
                c"tokenauth.fault",
                c"Makes a step of the code fail or wait, for tests.",
                c"\"panic N\", \"cancel N\" or \"wait N\"; shows how many steps there were since it was set.",
                &FAULT,
                GucContext::Userset,
                // Views of all settings, which tests compare, are the same without it.
                GucFlags::NO_SHOW_ALL,
                None,
                Some(assigned),
                Some(shown),
            );
        }
    }

    #[pg_guard]
    unsafe extern "C-unwind" fn assigned(value: *const c_char, _extra: *mut c_void) {
        // SAFETY: the setting's new value is NULL or a string that lives while it is being assigned.
        let text = if value.is_null() { "" } else { unsafe { CStr::from_ptr(value) }.to_str().unwrap_or_default() };
        let planned = text.split_once(' ').and_then(|(fault, at)| {
            let fault = match fault {
                "panic" => Fault::Panic,
                "cancel" => Fault::Cancel,
                "wait" => Fault::Wait,
                _ => return None,
            };
            Some((fault, at.parse().ok()?))
        });
        PASSED.set(0);
        PLANNED.set(planned);
    }

    #[pg_guard]
    unsafe extern "C-unwind" fn shown() -> *const c_char {
        SHOWN.set(format!("{}\0", PASSED.get()).into_bytes());
        SHOWN.with_borrow(|number| number.as_ptr().cast())
    }
}
