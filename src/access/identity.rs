//! Who the current transaction is authenticated as: what row security policies ask.
//!
//! The identity is private memory of the backend. Only `authenticate` and `sign_in` with a token can set it, no setting
//! stands in for it, and it ends with its transaction, so it is safe behind a pooler. A transaction has at most one
//! identity: a failed attempt, or one to change it, closes the transaction for identities.

mod authenticate;
mod getters;
mod pre_request;
mod state;

pub use state::{Identity, Standing, listen, standing};
