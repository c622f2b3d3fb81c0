//! What is checked of each input, a file for each sort of text.

pub mod batch;
pub mod derived;
pub mod documents;
pub mod headers;
pub mod key_file;
pub mod leak_report;
pub mod masking;
pub mod policy;
pub mod snapshot;
pub mod token;
