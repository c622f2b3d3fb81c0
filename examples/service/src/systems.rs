//! The five products: the routes of each, and the scopes that each route requires.

mod palpabl;
mod parascope;
mod parsesphere;
mod permission_assist;
mod scoutprime;

use axum::Router;
use deadpool_postgres::Pool;

use crate::door::Door;
use crate::error::Error;
use crate::gateway;

pub const USAGE: &str =
    "usage: tokenauth-service palpabl|parascope|parsesphere|permission_assist|scoutprime, with DATABASE_URL and LISTEN";

/// One of the products.
pub struct System {
    pub routes: Router,
    /// The field for the error code in the `error_style` of its kinds.
    pub code: &'static str,
}

impl System {
    /// The product of this name, on the database of this pool.
    pub fn named(name: &str, pool: Pool) -> Option<Self> {
        let door = Door::new(pool);
        let (routes, code) = match name {
            "palpabl" => (palpabl::routes(&door), "error"),
            "parascope" => (parascope::routes(&door), "error"),
            "parsesphere" => (parsesphere::routes(&door), "error_code"),
            "permission_assist" => (permission_assist::routes(&door), "error"),
            "scoutprime" => (scoutprime::routes(&door), "error"),
            _ => return None,
        };
        let routes = routes
            .merge(gateway::routes(&door))
            .fallback(async || Error::not_found())
            .method_not_allowed_fallback(async || Error::method_not_allowed());
        Some(Self { routes, code })
    }
}
