//! Prints how many nanoseconds of processor time one `verify_strict` takes, of as many different signatures by as many
//! keys as the argument says: what the first sight of a derived token cannot be cheaper than.

use std::{env, fs};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// The processor time of this process so far, in nanoseconds.
fn processor_time() -> u64 {
    let schedstat = fs::read_to_string("/proc/self/schedstat").expect("Linux has it");
    schedstat.split(' ').next().and_then(|time| time.parse().ok()).expect("it begins with the time")
}

fn main() {
    let count: u32 = env::args().nth(1).and_then(|count| count.parse().ok()).expect("the number of signatures");
    let signed: Vec<(VerifyingKey, String, Signature)> = (0..count)
        .map(|number| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            let key = SigningKey::from_bytes(&seed);
            // About as long as what a child signs.
            let text = format!("bench_{number:011}.{}", "e".repeat(60));
            let signature = key.sign(text.as_bytes());
            (key.verifying_key(), text, signature)
        })
        .collect();
    let before = processor_time();
    for (key, text, signature) in &signed {
        assert!(key.verify_strict(text.as_bytes(), signature).is_ok());
    }
    println!("{}", (processor_time() - before) / u64::from(count));
}
