//! When connections, locks or shared memory run out, verification answers right or fails, and a revocation that cannot
//! be carried out raises. What strangers present takes no memory and no place of anybody's.
//!
//! With `TOKENAUTH_SOAK`, ten million tokens of strangers are presented, and what each costs is printed.

use std::fs;

use postgres::error::SqlState;
use postgres::{Client, NoTls};
use tokenauth_cluster::contract::{issue, prepare, revoke, serve, verdict};
use tokenauth_cluster::{FAST, Random, Server, memory, rounds, wait_until};

#[test]
fn without_a_free_connection_sessions_and_workers_go_on() {
    let preloaded = ["shared_preload_libraries = tokenauth", "tokenauth.usage_flush_interval = 1"];
    let few = ["max_connections = 8", "superuser_reserved_connections = 0"];
    let (server, mut client, issued) = serve(&[FAST, &preloaded, &few].concat());
    let connection = server.connection_string("postgres");
    let mut others: Vec<Client> = Vec::new();
    let refused = loop {
        match Client::connect(&connection, NoTls) {
            Ok(client) => others.push(client),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{refused:?}");
    assert!(others.len() < 8);
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    let written = "SELECT request_count = 1 FROM tokenauth.usage";
    wait_until("the use to be written", || client.query_one(written, &[]).unwrap().get(0));
    assert!(revoke(&mut client, &issued));
    for other in &mut others {
        assert_eq!(verdict(other, &issued.token), "revoked");
    }
}

#[test]
fn without_room_for_a_lock_nothing_is_revoked_in_words_only() {
    let few = ["max_connections = 10", "max_locks_per_transaction = 10", "max_prepared_transactions = 0"];
    let (server, mut client, issued) = serve(&[FAST, &few].concat());
    let mut greedy = server.connect("postgres");
    // It keeps what it got until it was refused.
    let take = "DO $$
        DECLARE number integer := 0;
        BEGIN
            LOOP
                PERFORM pg_advisory_lock(number);
                number := number + 1;
            END LOOP;
        EXCEPTION WHEN out_of_memory THEN NULL;
        END $$";
    let full = Some(&SqlState::OUT_OF_MEMORY);
    let (mut refused, mut answered, mut deaths) = (0, 0, Vec::new());
    for round in 0..4 {
        let owners = [1, 2, 3].map(|number| {
            let owner = format!("user:{round}-{number}");
            client.execute("SELECT tokenauth.put_principal($1)", &[&owner]).unwrap();
            let issued = issue(&mut client, &owner);
            (owner, issued)
        });
        // Nobody can connect either.
        let (mut new, killers) = (server.connect("postgres"), [1, 2, 3].map(|_| server.connect("postgres")));
        greedy.batch_execute(take).unwrap();
        // A session that has verified, and one that has to look everything up.
        for client in [&mut client, &mut new] {
            for sql in [
                "SELECT verdict FROM tokenauth.verify($1)",
                "SELECT tokenauth.authenticate($1)",
                "SELECT tokenauth.introspect($1) ->> 'active'",
            ] {
                match client.query_one(sql, &[&issued.token]) {
                    Ok(row) => {
                        let answer: &str = row.get(0);
                        assert!(["valid", "user:1", "true"].contains(&answer), "{sql}: {answer}");
                        answered += 1;
                    }
                    Err(error) => assert_eq!(error.code(), full, "{sql}: {error:?}"),
                }
            }
        }
        let calls = ["revoke('$id')", "deactivate('$owner')", "revoke_all('$owner')"];
        for ((death, owner), mut killer) in calls.iter().zip(&owners).zip(killers) {
            let sql = death.replace("$id", &owner.1.id).replace("$owner", &owner.0);
            let dead = match killer.batch_execute(&format!("SELECT tokenauth.{sql}")) {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(error.code(), full, "{death}: {error:?}");
                    refused += 1;
                    false
                }
            };
            deaths.push((owner.1.token.clone(), if dead { "revoked" } else { "valid" }));
        }
        greedy.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
        for (token, expected) in &deaths {
            assert_eq!(verdict(&mut client, token), *expected);
        }
    }
    println!("{refused} of {} revocations refused, {answered} of 24 verifications answered", deaths.len());
    assert!(refused > 0, "there was room for every revocation");
    assert!(revoke(&mut client, &issued));
    assert_eq!(verdict(&mut client, &issued.token), "revoked");
}

/// Texts that look like tokens of this prefix and are nobody's: their checksums are right.
fn strangers(prefix: &str, random: &mut Random, number: u32) -> Vec<String> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..number)
        .map(|_| {
            // A lookup is a number of 64 bits, and so less than 'LygHa16AHYG'.
            let mut text = format!("{prefix}{}", random.below(10));
            text.extend((0..42).map(|_| char::from(DIGITS[random.index(62)])));
            let mut checksum = crc32(text.as_bytes());
            let mut digits = [b'0'; 6];
            for digit in digits.iter_mut().rev() {
                *digit = DIGITS[checksum as usize % 62];
                checksum /= 62;
            }
            text.extend(digits.map(char::from));
            text
        })
        .collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// Presents these texts in one statement, and returns how many got this verdict.
fn present(client: &mut Client, texts: &[String], verdict: &str) -> i64 {
    let sql = "SELECT count(*) FROM unnest($1::text[]) AS t (text), LATERAL tokenauth.verify(t.text) v
                WHERE v.verdict = $2";
    client.query_one(sql, &[&texts, &verdict]).unwrap().get(0)
}

/// How often the index of lookups was looked into.
fn probes(client: &mut Client) -> i64 {
    let sql = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'token_lookup_key'";
    client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    client.query_one(sql, &[]).unwrap().get(0)
}

/// The processor time that a process has taken, in seconds.
fn processor_time(process: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    // In hundredths: in user mode and in the kernel.
    [11, 12].iter().map(|field| fields[*field].parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

#[test]
fn tokens_of_strangers_take_no_memory_and_nobody_s_place() {
    const STEP: u32 = 5_000;
    let few =
        ["shared_preload_libraries = tokenauth", "tokenauth.usage_slots = 8", "tokenauth.usage_flush_interval = 1h"];
    let server = Server::start(&[FAST, &few].concat());
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client
        .batch_execute(
            "INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval) VALUES ('slow', 'slow_', 1, '1 day')",
        )
        .unwrap();
    let row = client.query_one("SELECT token FROM tokenauth.issue('slow', 'user:1')", &[]).unwrap();
    let (slow, used): (String, _) = (row.get(0), issue(&mut client, "user:1"));
    assert_eq!([&slow, &used.token].map(|token| verdict(&mut client, token)), ["valid", "valid"]);
    let mut stranger = server.connect("postgres");
    let backend: i32 = stranger.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let mut random = Random::new(2);
    let mut time = |of: &str, verdict: &str, stranger: &mut Client| {
        let mut texts = strangers("key_", &mut random, STEP);
        if of == "wrong checksums" {
            for text in &mut texts {
                let last = if text.ends_with('0') { "1" } else { "0" };
                text.replace_range(text.len() - 1.., last);
            }
        }
        let begun = processor_time(backend);
        assert_eq!(present(stranger, &texts, verdict), i64::from(STEP), "{of}");
        processor_time(backend) - begun
    };
    // So that what the first statements load is there.
    time("right checksums", "unknown", &mut stranger);
    // Another session's reach the statistics when it gets to it.
    probes(&mut client);
    let (private, probes_before) = (memory(backend, "RssAnon"), probes(&mut stranger));

    // What has a wrong checksum is not looked for.
    let steps = rounds(10, 200);
    let taken: f64 = (0..steps).map(|_| time("wrong checksums", "malformed", &mut stranger)).sum();
    assert_eq!(probes(&mut stranger), probes_before);
    println!("a wrong checksum: {:.2} µs", taken * 1e6 / f64::from(steps * STEP));

    let steps = rounds(30, 2_000);
    let taken: f64 = (0..steps).map(|_| time("right checksums", "unknown", &mut stranger)).sum();
    assert_eq!(probes(&mut stranger), probes_before + i64::from(steps * STEP));
    println!("a right one of nobody's token: {:.2} µs", taken * 1e6 / f64::from(steps * STEP));
    let grown = memory(backend, "RssAnon").saturating_sub(private);
    println!("{} tokens of strangers: the session has grown by {} kB", steps * STEP, grown / 1024);
    assert!(grown < 8 << 20, "{grown} bytes");

    assert_eq!(verdict(&mut client, &slow), "rate_limited", "the rate is remembered");
    let counts = "SELECT request_count FROM tokenauth.tokens WHERE id = $1::text::uuid";
    assert_eq!(client.query_one(counts, &[&used.id]).unwrap().get::<_, i64>(0), 1, "and so is the use");
}

/// Only the owner and superusers can lock these tables like that; where DDL of theirs waits or runs, what a session
/// remembers is answered all the same, and anybody else waits no longer than he wants to.
#[test]
fn a_table_that_is_locked_against_all_delays_nobody_who_remembers_and_admits_nobody() {
    let (server, mut client, issued) = serve(FAST);
    let new = issue(&mut client, "user:1");
    let mut hot = server.connect("postgres");
    for _ in 0..4 {
        assert_eq!(verdict(&mut hot, &issued.token), "valid");
    }
    hot.batch_execute("SET lock_timeout = 50").unwrap();
    let tables = client
        .query(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'tokenauth'::regnamespace",
            &[],
        )
        .unwrap();
    let mut cold_waits = Vec::new();
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        client.batch_execute(&format!("BEGIN; LOCK TABLE {table}")).unwrap();
        assert_eq!(verdict(&mut hot, &issued.token), "valid", "{table}");
        let mut cold = server.connect("postgres");
        cold.batch_execute("SET lock_timeout = 50").unwrap();
        match cold.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&new.token]) {
            Ok(row) => assert_eq!(row.get::<_, &str>(0), "valid", "{table}"),
            Err(error) => {
                assert_eq!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE), "{table}: {error:?}");
                cold_waits.push(table);
            }
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
    assert_eq!(cold_waits, ["tokenauth.kind", "tokenauth.principal", "tokenauth.token"]);

    // What is granted to others lets nobody lock anything but kinds, and these only with the access `admin`.
    client.batch_execute("CREATE ROLE someone; SELECT tokenauth.grant_access('someone', 'observe')").unwrap();
    for (access, may) in [("manage", false), ("admin", true)] {
        client.batch_execute(&format!("SELECT tokenauth.grant_access('someone', '{access}')")).unwrap();
        let mut someone = server.connect("postgres");
        someone.batch_execute("SET SESSION AUTHORIZATION someone").unwrap();
        for table in tables.iter().map(|row| row.get::<_, String>(0)) {
            let mode = if may { "ACCESS EXCLUSIVE" } else { "ROW EXCLUSIVE" };
            let locked = someone.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN {mode} MODE"));
            assert_eq!(locked.is_ok(), may && table == "tokenauth.kind", "{access}: {table}: {locked:?}");
            someone.batch_execute("ROLLBACK").unwrap();
        }
    }
}
