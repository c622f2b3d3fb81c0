//! Who the current transaction is authenticated as: what policies of row security ask.
//!
//! The identity is private memory of the backend. No SQL can set it but `authenticate` and `sign_in` with a token, no
//! setting stands in for it, and it ends with its transaction, so that it is safe behind a pooler. There is one identity
//! for a transaction: whatever fails or tries to change it closes the transaction for identities.

mod authenticate;
mod getters;
mod pre_request;
mod state;

pub use state::{Identity, Standing, listen, standing};
