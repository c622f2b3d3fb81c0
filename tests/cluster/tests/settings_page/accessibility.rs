//! What axe-core says about a page.

use std::fs;

use serde_json::Value;
use tokenauth_cluster::example;

use crate::webdriver::Browser;

/// Asserts that axe-core finds nothing against WCAG 2.2 A and AA, or its own best practices, in the page that is open.
#[track_caller]
pub fn assert_accessible(browser: &Browser) {
    let axe = example("settings_page/accessibility/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(&axe)
        .unwrap_or_else(|error| panic!("{}: {error}; 'make setup-tests' installs it", axe.display()));
    browser.run(&axe);
    let found = browser.run_to_end(
        "const done = arguments[arguments.length - 1];
         axe.run().then(found => done({checks: found.passes.length, violations: found.violations.map(violation =>
             violation.id + ': ' + violation.nodes.map(node => node.html).join(' | '))}),
             error => done({checks: 0, violations: [String(error)]}))",
    );
    let none: &[Value] = &[];
    assert_eq!(found["violations"].as_array().map(Vec::as_slice), Some(none), "{}", browser.path());
    assert!(found["checks"].as_u64() > Some(10), "{found}");
}

/// Asserts that nothing sticks out of the window to the right.
#[track_caller]
pub fn assert_fits(browser: &Browser) {
    let sizes = browser.run("return [document.documentElement.scrollWidth, innerWidth]");
    assert!(sizes[0].as_u64() <= sizes[1].as_u64(), "{} is {sizes} wide", browser.path());
}
