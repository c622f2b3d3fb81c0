//! Writes the seeds of a target into a directory, a file each: `seeds TARGET DIRECTORY`. Without arguments it tells
//! what targets there are.

use std::fs;
use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next() else {
        tokenauth_fuzz::TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let directory = PathBuf::from(arguments.next().expect("usage: seeds [TARGET DIRECTORY]"));
    fs::create_dir_all(&directory).expect("the directory can be made");
    for (number, seed) in tokenauth_fuzz::seeds::of(&target).iter().enumerate() {
        fs::write(directory.join(format!("seed-{number:03}")), seed).expect("a seed can be written");
    }
}
