//! The life of a token, one verb a file. `handing_out` has what they share: whatever hands out, widens or revives a
//! token is judged alike.

#![forbid(unsafe_code)]

pub mod describe;
pub mod disable;
pub mod edit;
pub mod grantable;
pub mod handing_out;
pub mod import;
pub mod issue;
pub mod lifetime;
pub mod list;
pub mod reseal;
pub mod reveal;
pub mod revoke;
pub mod revoke_all;
pub mod rotate;
mod shown;
