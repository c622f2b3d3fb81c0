//! PostgreSQL's values: texts, arrays, documents, moments, rows and composites, and copies of them that outlive a call.

pub mod array;
pub mod clock;
pub mod composite;
pub mod detached_datum;
pub mod encoding;
pub mod json_object;
pub mod jsonb;
pub mod memory;
pub mod row;
pub mod scratch;
pub mod text;
pub mod varlena;
