//! The view `tokenauth.metrics`, and `examples/monitoring`, which reads it: exporters are run and scraped over HTTP,
//! and what is not run is read.

mod exporters;
mod exposition;
mod files;
mod listed;
mod metrics;
