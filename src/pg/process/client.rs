//! The client that this process serves.

use std::cell::OnceCell;

use pgrx::pg_sys;

use crate::pg::process::backend_local::backend_local;
use crate::pg::types::text::Text;

backend_local! {
    static ADDRESS: OnceCell<Option<Text>> = const { OnceCell::new() };
}

/// Its address, as `host(inet_client_addr())` shows it; none over a Unix socket, and in a worker.
pub fn address() -> Option<Text> {
    ADDRESS.with(|address| {
        address
            .get_or_init(|| {
                // SAFETY: both take what is given here, the second an inet, and return NULL or a datum that is copied.
                unsafe {
                    let client = pgrx::direct_function_call_as_datum(pg_sys::inet_client_addr, &[])?;
                    pgrx::direct_function_call(pg_sys::network_host, &[Some(client)])
                }
            })
            .clone()
    })
}
