//! The services in `examples/service` and `examples/postgraphile`, called with curl as the documents of
//! five products do.
//!
//! Each command is written as in the document; only host and token are filled in. Where a document describes something
//! without a command, there is one in the same style.

mod faults;
mod gateway;
mod palpabl;
mod parascope;
mod parsesphere;
mod permission_assist;
mod postgraphile;
mod product;
mod scoutprime;
