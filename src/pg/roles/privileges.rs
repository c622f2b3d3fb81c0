//! Who may execute our functions.
//!
//! PostgreSQL asks once for each expression, when the execution of its query begins. A PL/pgSQL function keeps its
//! expressions for the transaction, so one that is called again after SET ROLE goes on with what a stronger role was
//! allowed. Therefore each function asks again at each call; what was found is cached, so that asking costs a
//! nanosecond or two.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::authorization;
use super::extension::{Extension, raise_not_installed};
use super::role;
use crate::pg::function::call::Call;
use crate::pg::process::backend_local::backend_local;

/// What was found: this user may execute this function.
#[derive(Clone, Copy)]
struct Allowed {
    user: pg_sys::Oid,
    function: pg_sys::Oid,
    generation: u64,
}

/// How many are cached, a power of two: each takes the place of another with the same last bits.
const PLACES: usize = 64;

backend_local! {
    static GRANTED: [Cell<Allowed>; PLACES] = const {
        [const { Cell::new(Allowed { user: pg_sys::InvalidOid, function: pg_sys::InvalidOid, generation: 0 }) }; PLACES]
    };
    /// `put_principal`, with the generation in which it was found.
    static PUT_PRINCIPAL: Cell<Option<(u64, pg_sys::Oid)>> = const { Cell::new(None) };
}

/// Whether a role may make this call.
///
/// # Errors
/// Raises 55000 when the called function does not belong to the installed extension.
#[inline]
pub fn may_call(user: role::Id, call: &Call) -> bool {
    may_execute(user, call.function())
}

/// Whether a role was granted `manage`: that is, whether it may execute `put_principal`.
///
/// # Errors
/// Raises 55000 when there is no such function in the installed extension.
pub fn may_manage(user: role::Id) -> bool {
    const MARK: &CStr = c"put_principal";
    let generation = authorization::generation();
    let known = PUT_PRINCIPAL.get().filter(|(known, _)| *known == generation);
    let function = known.map(|(_, function)| function).unwrap_or_else(|| {
        let found = Extension::installed().function(MARK).unwrap_or_else(|| raise_not_installed());
        PUT_PRINCIPAL.set(Some((generation, found)));
        found
    });
    may_execute(user, function)
}

/// Whether a role may SELECT from this relation of ours.
///
/// # Errors
/// Raises 55000 when there is none of this name in the installed extension.
pub fn may_read(user: role::Id, relation: &CStr) -> bool {
    let relation = Extension::installed().relation(relation).unwrap_or_else(|| raise_not_installed());
    // SAFETY: look-ups in the system caches; the relation was just found.
    let answer = unsafe { pg_sys::pg_class_aclcheck(relation, user, pg_sys::AclMode::from(pg_sys::ACL_SELECT)) };
    answer == pg_sys::AclResult::ACLCHECK_OK
}

#[inline]
fn may_execute(user: pg_sys::Oid, function: pg_sys::Oid) -> bool {
    let generation = authorization::generation();
    let place = (user.to_u32().rotate_left(3) ^ function.to_u32()) as usize % PLACES;
    GRANTED.with(|granted| {
        let known = granted[place].get();
        known.user == user && known.function == function && known.generation == generation
            || look_up(&granted[place], Allowed { user, function, generation })
    })
}

#[cold]
fn look_up(place: &Cell<Allowed>, granted: Allowed) -> bool {
    if !Extension::installed().has_function(granted.function) {
        raise_not_installed();
    }
    let is_granted = is_granted(granted.user, granted.function);
    if is_granted {
        place.set(granted);
    }
    is_granted
}

fn is_granted(user: pg_sys::Oid, function: pg_sys::Oid) -> bool {
    let mode = pg_sys::AclMode::from(pg_sys::ACL_EXECUTE);
    // SAFETY: look-ups in the system caches; the function exists, since it is a member of the extension.
    #[cfg(feature = "pg15")]
    let answer = unsafe { pg_sys::pg_proc_aclcheck(function, user, mode) };
    // SAFETY: as above.
    #[cfg(not(feature = "pg15"))]
    let answer = unsafe { pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, function, user, mode) };
    answer == pg_sys::AclResult::ACLCHECK_OK
}
