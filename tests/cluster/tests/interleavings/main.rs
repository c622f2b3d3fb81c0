//! Random walks of one writer and two verifiers against a model of what is committed and of what the writer sees. The
//! writer issues, changes and kills tokens and changes owner and kind, in transactions with savepoints. After each
//! step, every session is asked about every token four times, so that it answers from memory whenever it may. A single
//! stale answer is a failure, which prints seed and history.

mod world;

use tokenauth_cluster::{By, FAST, Random, Server, Verifier, rounds};
use world::{Token, World};

/// A walk: the sessions, what they should see, and the steps so far.
struct Walk {
    seed: u32,
    writer: Verifier,
    verifiers: [Verifier; 2],
    open: [bool; 2],
    /// The first state is what is committed, the last what the writer sees; between them, what it would see after
    /// ROLLBACK TO.
    worlds: Vec<World>,
    /// Every token ever issued, also when the issue was rolled back.
    issued: Vec<Token>,
    history: Vec<String>,
}

/// How each verifier begins a transaction that stays open.
const BEGIN: [&str; 2] = ["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"];

impl Walk {
    fn named(&self, text: &str) -> String {
        text.replace("$owner", &format!("user:{}", self.seed))
            .replace("$key", &format!("key{}", self.seed))
            .replace("$seat", &format!("seat{}", self.seed))
    }

    fn told(&self) -> String {
        format!("seed {}: {:#?}", self.seed, self.history)
    }

    fn execute(&mut self, sql: &str) {
        let sql = self.named(sql);
        self.history.push(sql.clone());
        self.writer.client.batch_execute(&sql).unwrap_or_else(|error| panic!("{error:?}: {}", self.told()));
    }

    fn issue(&mut self, sql: &str) {
        let sql = self.named(sql);
        let row = self.writer.client.query_one(&sql, &[]).unwrap_or_else(|error| panic!("{error:?}: {}", self.told()));
        self.history.push(sql);
        let token = self.worlds.last_mut().and_then(|world| world.tokens.last_mut()).unwrap();
        (token.text, token.id) = (row.get(0), row.get(1));
        self.issued.push(token.clone());
    }

    /// Begins or ends the transaction of a verifier.
    fn toggle(&mut self, random: &mut Random) {
        let which = random.index(2);
        self.open[which] = !self.open[which];
        let sql = if self.open[which] { BEGIN[which] } else { "COMMIT" };
        self.history.push(format!("verifier {which}: {sql}"));
        self.verifiers[which].client.batch_execute(sql).unwrap();
    }

    fn step(&mut self, random: &mut Random) {
        let depth = self.worlds.len();
        match random.below(20) {
            0 | 1 if depth == 1 => {
                self.worlds.push(self.worlds[0].clone());
                let begin = ["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"];
                self.execute(begin[random.index(2)]);
            }
            0 | 1 => {
                self.worlds.push(self.worlds[depth - 1].clone());
                self.execute(&format!("SAVEPOINT s{}", depth + 1));
            }
            2 if depth > 2 => {
                // To any of the savepoints, which remains.
                let kept = 3 + random.index(depth - 2);
                self.worlds.truncate(kept);
                self.worlds[kept - 1] = self.worlds[kept - 2].clone();
                self.execute(&format!("ROLLBACK TO s{kept}"));
            }
            3 if depth > 1 => {
                self.worlds = self.worlds.split_off(depth - 1);
                self.execute("COMMIT");
            }
            4 if depth > 1 => {
                self.worlds.truncate(1);
                self.execute("ROLLBACK");
            }
            5 | 6 => self.toggle(random),
            7..10 => {
                if let Some(sql) = self.worlds[depth - 1].issue(random) {
                    self.issue(&sql);
                }
            }
            _ => {
                if let Some(sql) = self.worlds[depth - 1].change(random) {
                    self.execute(&sql);
                }
            }
        }
    }

    /// Asks every session about every token ever issued.
    fn check(&mut self) {
        const TIMES: usize = 4;
        let owner = self.named("$owner");
        let right = |world: &World| -> Vec<String> {
            let of = |id: &str| world.tokens.iter().find(|token| token.id == id);
            let answer = |token: &Token| match of(&token.id) {
                Some(token) => world.answer(token).replace("$owner", &owner),
                None => "verdict unknown".to_owned(),
            };
            (0..TIMES).flat_map(|_| self.issued.iter().map(answer)).collect()
        };
        let (committed, own) = (right(&self.worlds[0]), right(&self.worlds[self.worlds.len() - 1]));
        let texts: Vec<&str> = self.issued.iter().map(|token| token.text.as_str()).collect();
        let texts = texts.repeat(TIMES);
        for (verifier, right) in
            self.verifiers.iter_mut().map(|verifier| (verifier, &committed)).chain([(&mut self.writer, &own)])
        {
            let answers = verifier.ask_each(&texts);
            assert!(
                answers == *right,
                "{:?} is told {answers:#?}, right is {right:#?}: seed {}: {:#?}",
                verifier.name,
                self.seed,
                self.history
            );
        }
    }
}

#[test]
fn no_interleaving_of_a_writer_and_two_verifiers_makes_an_answer_stale() {
    let mut settings = FAST.to_vec();
    settings.push("statement_timeout = 180s");
    let server = Server::start(&settings);
    server.connect("postgres").batch_execute("CREATE EXTENSION tokenauth").unwrap();
    let mut walk = Walk {
        seed: 0,
        writer: Verifier::connect(&server, "", By::Text),
        verifiers: [Verifier::connect(&server, "", By::Digest), Verifier::connect(&server, "", By::Text)],
        open: [false; 2],
        worlds: Vec::new(),
        issued: Vec::new(),
        history: Vec::new(),
    };
    for seed in 0..rounds(200, 5_000) {
        let mut random = Random::new(seed.into());
        walk.seed = seed;
        walk.worlds = vec![World::new()];
        (walk.issued, walk.history) = (Vec::new(), Vec::new());
        walk.execute(
            "INSERT INTO tokenauth.kind (name, prefix, permission_mode, owner_inactive)
             VALUES ('$key', '$key_', 'intersect', 'revoke'), ('$seat', '$seat_', 'live', 'suspend');
             SELECT tokenauth.put_principal('$owner', '{a,b,c}', '{}')",
        );
        for _ in 0..30 {
            walk.step(&mut random);
            walk.check();
        }
        if walk.worlds.len() > 1 {
            walk.execute("ROLLBACK");
        }
    }
}
