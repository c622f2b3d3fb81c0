//! Memory for what is made of one row and not needed for the next.

use pgrx::pg_sys;

/// Memory for one row after the other, a child of the current context, with which it goes.
pub(in crate::pg) fn row_memory() -> pg_sys::MemoryContext {
    // SAFETY: raises when there is no memory.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"tokenauth row".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// Where the server allocates until dropped.
pub struct Scratch {
    context: pg_sys::MemoryContext,
    former: pg_sys::MemoryContext,
}

impl Scratch {
    /// Begins to allocate apart.
    pub fn enter() -> Self {
        let context = row_memory();
        // SAFETY: made above.
        let former = unsafe { pg_sys::MemoryContextSwitchTo(context) };
        Scratch { context, former }
    }

    /// Gives back what was allocated so far, of which nothing is used any more.
    pub fn clear(&self) {
        // SAFETY: made by `enter`, deleted only on drop.
        unsafe { pg_sys::MemoryContextReset(self.context) };
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After an error the abort frees it.
        if !std::thread::panicking() {
            // SAFETY: guards nest; the former context is the parent, and so still there.
            unsafe {
                pg_sys::MemoryContextSwitchTo(self.former);
                pg_sys::MemoryContextDelete(self.context);
            }
        }
    }
}
