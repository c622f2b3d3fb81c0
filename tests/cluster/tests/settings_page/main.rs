//! The settings page in `examples/settings_page`: its forms by plain HTTP, as browsers without scripts send them and as
//! somebody else would, and the whole in a browser.

mod accessibility;
mod browser;
mod demo;
mod errors;
mod lists;
mod others;
mod protection;
mod visitor;
mod webdriver;
