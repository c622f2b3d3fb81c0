//! Roles: who is logged in, who calls, and their names.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, impl_sql_translatable, pg_sys};

use crate::pg::types::text::Text;

/// A role.
pub type Id = pg_sys::Oid;

// Declared here, without pgrx's guard, which costs more than the functions: they return a variable and cannot raise.
unsafe extern "C-unwind" {
    fn GetUserId() -> pg_sys::Oid;
    fn GetSessionUserId() -> pg_sys::Oid;
}

/// The effective user: SQL calls it `current_user`.
#[inline]
pub fn effective() -> Id {
    // SAFETY: reads this backend's state.
    unsafe { GetUserId() }
}

/// The role that logged in, or that SET SESSION AUTHORIZATION has replaced it with.
pub fn session() -> Id {
    // SAFETY: reads this backend's state.
    unsafe { GetSessionUserId() }
}

/// The name of a role; its number when it has been dropped meanwhile.
pub fn name(role: Id) -> Text {
    // SAFETY: the name is palloc'd and copied, or null.
    let name = unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
    };
    name.map_or_else(|| Text::from(role.to_u32().to_string().as_str()), Text::from)
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
