//! Variables that each backend has for itself.
//!
//! A backend is a process with one thread, so they are plain statics. As `thread_local!` each access would be a call,
//! since a shared library that is loaded later finds its thread's storage by `__tls_get_addr` only, and a verification
//! looks at a dozen of them.

use std::cell::{LazyCell, RefCell};

/// A variable of this backend, made by [`backend_local!`]; used like a `LocalKey`.
pub struct BackendLocal<T>(T);

// SAFETY: only the one thread of a backend runs code of this library. It starts no other, and PostgreSQL's functions,
// which nearly all of it calls, may be called by that one only. A process that is forked has a copy of its own.
unsafe impl<T> Sync for BackendLocal<T> {}

impl<T> std::ops::Deref for BackendLocal<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> BackendLocal<T> {
    /// For [`backend_local!`] only.
    pub const fn new(value: T) -> Self {
        BackendLocal(value)
    }

    /// Calls the function with the value.
    #[inline]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.0)
    }
}

/// A cell whose value is borrowed, there from the start or made when it is first asked for.
pub trait Borrowable {
    type Value;

    fn cell(&self) -> &RefCell<Self::Value>;
}

impl<T> Borrowable for RefCell<T> {
    type Value = T;

    #[inline]
    fn cell(&self) -> &RefCell<T> {
        self
    }
}

impl<T> Borrowable for LazyCell<RefCell<T>> {
    type Value = T;

    #[inline]
    fn cell(&self) -> &RefCell<T> {
        self
    }
}

/// As of a `LocalKey`.
impl<C: Borrowable> BackendLocal<C> {
    /// Calls the function with the borrowed value.
    #[inline]
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&C::Value) -> R) -> R {
        f(&self.0.cell().borrow())
    }

    /// Calls the function with the mutably borrowed value.
    #[inline]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut C::Value) -> R) -> R {
        f(&mut self.0.cell().borrow_mut())
    }

    /// Replaces the value.
    pub fn set(&'static self, value: C::Value) {
        self.0.cell().replace(value);
    }
}

/// Declares variables as `thread_local!` does, with one value in each backend. Unit tests run in many threads of one
/// process: there it is `thread_local!`.
macro_rules! backend_local {
    () => {};
    ($(#[$attribute:meta])* static $name:ident: $type:ty = const $value:block; $($rest:tt)*) => {
        #[cfg(not(test))]
        $(#[$attribute])*
        static $name: $crate::pg::process::backend_local::BackendLocal<$type> =
            $crate::pg::process::backend_local::BackendLocal::new($value);
        #[cfg(test)]
        thread_local! {
            $(#[$attribute])*
            static $name: $type = const $value;
        }
        $crate::pg::process::backend_local::backend_local! { $($rest)* }
    };
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr; $($rest:tt)*) => {
        #[cfg(not(test))]
        $(#[$attribute])*
        static $name: $crate::pg::process::backend_local::BackendLocal<std::cell::LazyCell<$type>> =
            $crate::pg::process::backend_local::BackendLocal::new(std::cell::LazyCell::new(|| $value));
        #[cfg(test)]
        thread_local! {
            $(#[$attribute])*
            static $name: $type = $value;
        }
        $crate::pg::process::backend_local::backend_local! { $($rest)* }
    };
}
pub(crate) use backend_local;
