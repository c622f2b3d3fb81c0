//! Roles: who is logged in, who calls, and their names.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, impl_sql_translatable, pg_sys};

use super::text::Text;

/// The name of the role that logged in: events record it, whoever the function runs as.
pub fn session() -> Text {
    // SAFETY: the session's role exists for as long as the session does; the name is palloc'd and copied.
    let name = unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(session_id(), false)) };
    Text::from(name.to_bytes().to_vec())
}

/// A role.
pub type Id = pg_sys::Oid;

/// The role that logged in, or that SET SESSION AUTHORIZATION has replaced it with.
pub fn session_id() -> Id {
    // SAFETY: reads this backend's state.
    unsafe { pg_sys::GetSessionUserId() }
}

/// The role that calls, outside of all SECURITY DEFINER functions.
pub fn outer() -> Id {
    // SAFETY: reads this backend's state.
    unsafe { pg_sys::GetOuterUserId() }
}

/// Whether a role is a superuser.
pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up.
    unsafe { pg_sys::superuser_arg(role) }
}

/// Whether CREATE EXTENSION or ALTER EXTENSION is running a script.
pub fn is_creating_extension() -> bool {
    // SAFETY: reads this backend's state.
    unsafe { pg_sys::creating_extension }
}

/// A `regrole` argument.
pub struct Role(pg_sys::Oid);

impl Role {
    /// Its name as an identifier in SQL.
    pub fn quoted_name(&self) -> String {
        // SAFETY: raises when the role has just been dropped; both names are palloc'd or static, and copied.
        let name = unsafe { CStr::from_ptr(pg_sys::quote_identifier(pg_sys::GetUserNameFromId(self.0, false))) };
        name.to_string_lossy().into_owned()
    }
}

impl FromDatum for Role {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller vouches for a regrole, which is an oid.
        unsafe { pg_sys::Oid::from_polymorphic_datum(datum, is_null, oid) }.map(Role)
    }
}

impl_sql_translatable!(Role, "regrole");

// SAFETY: a regrole argument is unboxed by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for Role {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Role(pg_sys::InvalidOid))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}
