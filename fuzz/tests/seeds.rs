//! What every target checks holds for what fuzzing begins with.

use tokenauth_fuzz::{TARGETS, seeds};

#[test]
fn every_property_holds_for_every_seed() {
    for (name, check) in TARGETS {
        let seeds = seeds::of(name);
        assert!(seeds.len() > 3, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            check(&seed);
            // And for what a writer that was interrupted leaves of it.
            (0..seed.len()).step_by(seed.len().div_ceil(64).max(1)).for_each(|end| check(&seed[..end]));
        }
    }
}
