//! The services under `tests/examples/service` and `tests/examples/postgraphile`, asked with curl as the documents of five products ask theirs.
//!
//! Each command stands here as the document has it; only host and token are put in. Where a document has no command for
//! what it says, there is one in its manner.

mod faults;
mod palpabl;
mod parascope;
mod parsesphere;
mod permission_assist;
mod postgraphile;
mod product;
mod scoutprime;
