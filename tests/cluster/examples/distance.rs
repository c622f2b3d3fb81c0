//! `distance HERE THERE MILLISECONDS`: whoever connects to the socket HERE reaches the one THERE, which takes so long
//! there and back, until this program ends. Used by scripts/bench-readers.

use std::path::Path;
use std::time::Duration;
use std::{env, thread};

use tokenauth_cluster::Distance;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [here, there, millis] = arguments.as_slice() else { panic!("usage: distance HERE THERE MILLISECONDS") };
    let round_trip = Duration::from_millis(millis.parse().expect("milliseconds are a number"));
    let _line = Distance::between(Path::new(here), Path::new(there), round_trip);
    loop {
        thread::park();
    }
}
