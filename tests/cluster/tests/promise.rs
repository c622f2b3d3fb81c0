//! The promise of ARCHITECTURE.md against a model: random schedules of one session that kills, narrows and rolls back,
//! and of verifiers in every isolation level whose transactions stay open. Each answer is compared with the model's.
//!
//! With `TOKENAUTH_SOAK` there are more schedules.

use postgres::Client;
use tokenauth_cluster::{FAST, Random, Server, rounds};

/// The model of an owner and its two tokens: one dies when the owner is deactivated, the other is suspended.
#[derive(Clone)]
struct Owner {
    active: bool,
    dropped: bool,
    may_write: bool,
    tokens: [Token; 2],
}

#[derive(Clone, Copy)]
struct Token {
    revoked: bool,
    disabled: bool,
}

impl Owner {
    fn fresh() -> Self {
        let token = Token { revoked: false, disabled: false };
        Owner { active: true, dropped: false, may_write: true, tokens: [token; 2] }
    }

    /// The verdict on the token with `require => '{write}'`.
    fn verdict(&self, token: usize) -> &'static str {
        let Token { revoked, disabled } = self.tokens[token];
        match () {
            () if revoked => "revoked",
            () if disabled => "disabled",
            () if !self.active => "owner_inactive",
            () if !self.may_write => "insufficient_scope",
            () => "valid",
        }
    }

    fn inactive(&mut self) {
        if self.active {
            self.active = false;
            self.tokens[0].revoked = true;
        }
    }

    fn all_die(&mut self) {
        for token in &mut self.tokens {
            token.revoked = true;
        }
    }

    /// Applies the call of this number to the token, and returns its statement; `None` when it would be refused.
    fn call(&mut self, call: u64, token: usize) -> Option<&'static str> {
        let dead = self.tokens[token].revoked;
        match call {
            0 => {
                self.tokens[token].revoked = true;
                Some("SELECT tokenauth.revoke('$id')")
            }
            1 => {
                self.tokens[token].disabled |= !dead;
                Some("SELECT tokenauth.disable('$id')")
            }
            2 if !dead && self.active && self.may_write => {
                self.tokens[token].disabled = false;
                Some("SELECT tokenauth.enable('$id')")
            }
            3 if !self.dropped => {
                self.inactive();
                Some("SELECT tokenauth.deactivate('$owner')")
            }
            4 | 5 if !self.dropped => {
                self.active = true;
                Some("SELECT tokenauth.activate('$owner')")
            }
            6 if !self.dropped => {
                self.all_die();
                Some("SELECT tokenauth.revoke_all(owner => '$owner')")
            }
            7 => {
                self.tokens[1].revoked = true;
                (!self.dropped).then_some("SELECT tokenauth.revoke_all(owner => '$owner', kind => 'seat')")
            }
            8 if !self.dropped => {
                self.may_write = false;
                Some("SELECT tokenauth.put_principal('$owner', permissions => '{read}')")
            }
            9 | 10 if !self.dropped => {
                self.may_write = true;
                Some("SELECT tokenauth.put_principal('$owner', permissions => '{read,write}')")
            }
            11 if !self.dropped => {
                self.inactive();
                Some("SELECT tokenauth.put_principal('$owner', active => false)")
            }
            12 if !self.dropped => {
                self.all_die();
                (self.active, self.dropped, self.may_write) = (false, true, false);
                Some("SELECT tokenauth.drop_principal('$owner')")
            }
            13 if self.dropped => {
                (self.active, self.dropped, self.may_write) = (true, false, true);
                Some("SELECT tokenauth.put_principal('$owner', permissions => '{read,write}')")
            }
            14 => {
                self.tokens[token].revoked = true;
                Some("SELECT tokenauth.revoke_presented('$token')")
            }
            _ => None,
        }
    }
}

const LEVELS: [&str; 5] = [
    "READ COMMITTED",
    "READ COMMITTED, READ ONLY",
    "REPEATABLE READ",
    "SERIALIZABLE",
    "SERIALIZABLE, READ ONLY, DEFERRABLE",
];

fn verdict(client: &mut Client, token: &str) -> String {
    client.query_one("SELECT verdict FROM tokenauth.verify($1, require => '{write}')", &[&token]).unwrap().get(0)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one schedule, told step by step")]
fn every_verification_answers_from_what_is_committed_and_from_its_own_transaction() {
    // Nothing in this test may have to wait.
    let mut settings = FAST.to_vec();
    settings.push("statement_timeout = 180s");
    let server = Server::start(&settings);
    let mut killer = server.connect("postgres");
    killer
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix, owner_inactive)
             VALUES ('key', 'key_', 'revoke'), ('seat', 'seat_', 'suspend')",
        )
        .unwrap();
    let mut verifiers: Vec<Client> = LEVELS.iter().map(|_| server.connect("postgres")).collect();

    for schedule in 0..rounds(200, 1_000) {
        let mut random = Random::new(u64::from(schedule));
        let owner = format!("user:{schedule}");
        killer.execute("SELECT tokenauth.put_principal($1, permissions => '{read,write}')", &[&owner]).unwrap();
        let tokens: Vec<(String, String)> = ["key", "seat"]
            .iter()
            .map(|kind| {
                let row =
                    killer.query_one("SELECT token, id::text FROM tokenauth.issue($1, $2)", &[kind, &owner]).unwrap();
                (row.get(0), row.get(1))
            })
            .collect();
        // The first state is what is committed, the last what the killer sees; those between belong to its savepoints.
        let mut states = vec![Owner::fresh()];
        let mut open = [false; LEVELS.len()];
        let mut story = Vec::new();

        for _ in 0..40 {
            let choice = random.below(100);
            let token = random.index(2);
            let step = match choice {
                0..40 => {
                    let mut after = states.last().unwrap().clone();
                    match after.call(random.below(15), token) {
                        None => continue,
                        Some(call) => {
                            *states.last_mut().unwrap() = after;
                            call.replace("$owner", &owner)
                                .replace("$id", &tokens[token].1)
                                .replace("$token", &tokens[token].0)
                        }
                    }
                }
                40..50 if states.len() == 1 => {
                    states.push(states[0].clone());
                    format!("BEGIN ISOLATION LEVEL {}", random.pick(&[LEVELS[0], LEVELS[2], LEVELS[3]]))
                }
                40..50 => {
                    states.push(states.last().unwrap().clone());
                    format!("SAVEPOINT s{}", states.len())
                }
                50..56 if states.len() > 2 => {
                    // To any of the savepoints, which remains.
                    let kept = 3 + random.index(states.len() - 2);
                    states.truncate(kept);
                    states[kept - 1] = states[kept - 2].clone();
                    format!("ROLLBACK TO s{kept}")
                }
                56..60 if states.len() > 2 => {
                    let last = states.pop().unwrap();
                    let name = format!("RELEASE s{}", states.len() + 1);
                    *states.last_mut().unwrap() = last;
                    name
                }
                60..66 if states.len() > 1 => {
                    states = vec![states.pop().unwrap()];
                    "COMMIT".to_owned()
                }
                66..70 if states.len() > 1 => {
                    states.truncate(1);
                    "ROLLBACK".to_owned()
                }
                70..75 => {
                    // A verifier's transaction begins, with a snapshot, or ends.
                    let which = random.index(LEVELS.len());
                    let command = if open[which] {
                        "COMMIT".to_owned()
                    } else if which == 4 && (states.len() > 1 || open[3]) {
                        // DEFERRABLE would wait for other SERIALIZABLE transactions to end before it begins.
                        continue;
                    } else {
                        format!("BEGIN ISOLATION LEVEL {}; SELECT count(*) FROM tokenauth.token", LEVELS[which])
                    };
                    open[which] = !open[which];
                    verifiers[which]
                        .batch_execute(&command)
                        .unwrap_or_else(|error| panic!("schedule {schedule}, {}: {error}: {story:#?}", LEVELS[which]));
                    story.push(format!("{}: {command}", LEVELS[which]));
                    continue;
                }
                _ => String::new(),
            };
            if !step.is_empty() {
                // A failure must not print the text of the token.
                story.push(step.replace(&tokens[token].0, "$token"));
                killer.batch_execute(&step).unwrap_or_else(|error| panic!("schedule {schedule}: {error}: {story:#?}"));
            }
            for (index, (text, _)) in tokens.iter().enumerate() {
                let own = verdict(&mut killer, text);
                let expected = states.last().unwrap().verdict(index);
                assert_eq!(own, expected, "schedule {schedule}, token {index}, the killer: {story:#?}");
                for (client, level) in verifiers.iter_mut().zip(LEVELS) {
                    let seen = verdict(client, text);
                    let expected = states[0].verdict(index);
                    assert_eq!(seen, expected, "schedule {schedule}, token {index}, {level}: {story:#?}");
                }
            }
        }
        if states.len() > 1 {
            killer.batch_execute("ROLLBACK").unwrap();
        }
        for (client, _) in verifiers.iter_mut().zip(open).filter(|(_, open)| *open) {
            client.batch_execute("COMMIT").unwrap();
        }
    }
}
