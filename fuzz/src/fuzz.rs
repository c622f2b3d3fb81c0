//! Gives what libFuzzer makes up to the target that `TOKENAUTH_TARGET` names.
#![no_main]

use std::sync::OnceLock;

static CHECK: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("TOKENAUTH_TARGET").expect("TOKENAUTH_TARGET names a target");
        let check = tokenauth_fuzz::target(&name).unwrap_or_else(|| panic!("there is no target {name}"));
        CHECK.set(check).expect("it is set once");
    },
    |input: &[u8]| CHECK.get().expect("it was set")(input)
);
