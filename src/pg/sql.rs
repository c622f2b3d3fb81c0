//! SQL: constant statements of ours, queries over expressions of others, and their rows.

pub mod expression;
pub mod parts;
pub mod planner;
pub mod query;
pub mod receiver;
pub mod rows;
mod spi;
pub mod statement;
pub mod table_size;
pub mod template;
