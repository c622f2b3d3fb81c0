//! What README.md and the pages below docs/ show is so. Each block of code runs as it stands, or is found in a file
//! that another test runs; a block of which neither can be said fails. What a block of SQL answers is compared with the
//! block of text behind it. Every link leads somewhere, and no line is too long to read.

mod code;
mod facts;
mod links;
mod pages;
mod settings;
