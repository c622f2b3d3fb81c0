//! When the file of a table or an index of ours is damaged, the answer is right, the token is refused, or the call
//! fails with a coded error. What is dead is never valid, nothing grants more than it did, a revocation that is
//! reported is one, and the server stays up.
//!
//! Relations are those of the catalog, so that none is forgotten, with what they keep out of line. Each damage is
//! done to a copy of the database, before anybody has read from that. With `TOKENAUTH_SOAK` every relation gets every
//! damage; otherwise those that verification does not read get one each, and the others some.

mod damage;
mod world;

use damage::{BYTES, PAGES};
use tokenauth_cluster::rounds;
use world::World;

/// What verification reads.
const READ: [&str; 11] = [
    "token",
    "token_lookup_key",
    "principal",
    "principal_pkey",
    "kind",
    "kind_pkey",
    "import",
    "import_pkey",
    "key_pkey",
    "derived_death",
    "derived_death_pkey",
];

#[test]
fn no_damaged_page_makes_a_dead_token_valid_or_a_server_crash() {
    let long = rounds(0, 1) == 1;
    for (checksums, damages) in [(false, PAGES), (true, BYTES)] {
        let mut world = World::prepare(checksums);
        let (mut done, mut right, mut refused) = (0, 0, 0);
        for (number, relation) in world.relations().iter().enumerate() {
            for (turn, damage) in damages.iter().enumerate() {
                let is_read = READ.contains(&relation.name.as_str());
                let is_turn = |of: usize| turn % of == number % of;
                let is_chosen = match (is_read, checksums) {
                    (true, false) => true,
                    (true, true) => is_turn(3),
                    (false, false) => is_turn(damages.len()),
                    (false, true) => false,
                };
                if (long || is_chosen) && world.damage(relation, damage) {
                    let what = format!("{} of {}, {}", relation.name, relation.table, damage.name);
                    let answers = world.expect_closed(&what);
                    done += 1;
                    right += answers.right;
                    refused += answers.refused;
                }
            }
        }
        println!("checksums {checksums}: {done} damages, {right} answers right, {refused} refused");
        assert!(refused > done, "so little was refused that the damage cannot have been seen");
        assert!(!world.server.log_text().contains("terminated by signal"), "a process crashed");
    }
}
