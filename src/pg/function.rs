//! How our functions are called, and how they answer: calls, trigger calls, results row by row.

pub mod answer;
pub mod call;
pub mod trigger;
