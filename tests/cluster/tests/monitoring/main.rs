//! The view `tokenauth.metrics`.

mod listed;
mod metrics;
