//! A token that nobody has used for longer than the `max_idle` of its kind dies in the worker's round, and none does
//! while it is not certain that nobody has: whatever may have hidden a use, all live.

use postgres::Client;
use tokenauth_cluster::contract::{
    Issued, age_beyond_max_idle, await_round, count_for_longer, issue, prepare, verdict,
};
use tokenauth_cluster::{Server, wait_until};

use crate::{one, server};

/// A server whose counting has been complete for a hundred days, with tokens of a kind with a `max_idle` of ninety: one
/// that was used lately, and one that nobody has used.
struct Setting {
    server: Server,
    used: Issued,
    idle: Issued,
}

impl Setting {
    fn new() -> Self {
        let server = server(&[]);
        let mut client = server.connect("postgres");
        prepare(&mut client);
        let [used, idle] = [(); 2].map(|()| issue(&mut client, "user:1"));
        assert_eq!(verdict(&mut client, &used.token), "valid");
        age_beyond_max_idle(&mut client);
        assert_eq!(enforceable(&mut client), 0, "counting has begun just now");
        count_for_longer(&mut client);
        Setting { server, used, idle }
    }

    /// Restarts the server, whose first round is at once.
    fn restart(&mut self) -> Client {
        self.server.restart();
        let mut client = self.server.connect("postgres");
        await_round(&mut client, "the one after the restart");
        client
    }

    /// Checks that every token lives after a restart, and that `doctor` says why.
    fn assert_all_live(&mut self, because: &str) {
        let mut client = self.restart();
        let found: Option<String> =
            one(&mut client, "SELECT string_agg(finding, '; ') FROM tokenauth.doctor() WHERE object = 'kind key'");
        let found = found.unwrap_or_default();
        assert!(found.contains(because), "{because}: {found}");
        assert_eq!(enforced(&mut client), 0, "{because}");
        assert_eq!(
            [&self.used, &self.idle].map(|issued| verdict(&mut client, &issued.token)),
            ["valid", "valid"],
            "{because}"
        );
    }
}

fn enforceable(client: &mut Client) -> i64 {
    one(client, "SELECT tokenauth.enforce('key', '{idle}')")
}

fn enforced(client: &mut Client) -> i64 {
    one(client, "SELECT tokenauth.enforce('key', '{idle}', dry_run => false)")
}

#[test]
fn a_token_that_nobody_has_used_dies_in_the_round_and_one_that_was_used_does_not() {
    let mut setting = Setting::new();
    assert_eq!(enforceable(&mut setting.server.connect("postgres")), 1);
    let mut client = setting.restart();
    let row = client
        .query_one(
            "SELECT status, revoke_reason, revoked_by LIKE 'role:%' FROM tokenauth.tokens WHERE id = $1::text::uuid",
            &[&setting.idle.id],
        )
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("revoked", "idle", true));
    assert_eq!(verdict(&mut client, &setting.idle.token), "revoked");
    assert_eq!(verdict(&mut client, &setting.used.token), "valid");
    let event: String = one(
        &mut client,
        "SELECT string_agg(concat_ws(' ', event, kind, after), '; ') FROM tokenauth.events WHERE event =
            'tokens.enforced'",
    );
    assert_eq!(event, r#"tokens.enforced key {"rule": "idle", "tokens": 1}"#);
    assert_eq!(enforceable(&mut client), 0);
}

#[test]
fn a_use_that_only_memory_knows_keeps_a_token_alive() {
    let setting = Setting::new();
    let mut client = setting.server.connect("postgres");
    setting.server.reconfigure(&["tokenauth.usage_flush_interval = 1h"]);
    assert_eq!(enforceable(&mut client), 1);
    assert_eq!(verdict(&mut client, &setting.idle.token), "valid");
    assert_eq!((enforceable(&mut client), enforced(&mut client)), (0, 0));
    assert_eq!(verdict(&mut client, &setting.idle.token), "valid");
}

#[test]
fn nobody_dies_after_uses_that_were_not_counted() {
    let mut setting = Setting::new();
    let mut client = setting.server.connect("postgres");
    client.batch_execute("SET tokenauth.usage_tracking = off").unwrap();
    assert_eq!(verdict(&mut client, &setting.idle.token), "valid");
    client.batch_execute("RESET tokenauth.usage_tracking").unwrap();
    assert_eq!(enforced(&mut client), 0);
    setting.assert_all_live("every use is known since");
}

#[test]
fn nobody_dies_after_an_outage_of_more_than_two_hours() {
    let mut setting = Setting::new();
    setting
        .server
        .connect("postgres")
        .batch_execute("UPDATE tokenauth.counting SET until = until - interval '3 hours'")
        .unwrap();
    setting.assert_all_live("every use is known since");
}

#[test]
fn nobody_dies_after_a_crash() {
    let mut setting = Setting::new();
    setting.server.kill();
    setting.server.start_again();
    // The server knows of the database from the first use on.
    let mut client = setting.server.connect("postgres");
    assert_eq!(verdict(&mut client, &setting.used.token), "valid");
    await_round(&mut client, "the one after the crash");
    drop(client);
    setting.assert_all_live("every use is known since");
}

#[test]
fn nobody_dies_after_a_crash_that_follows_a_clean_stop() {
    let mut setting = Setting::new();
    let mut client = setting.server.connect("postgres");
    // The file of the stop stays as long as what is in it has not been written to tables.
    setting.server.reconfigure(&["tokenauth.usage_flush_interval = 1h"]);
    assert_eq!(verdict(&mut client, &setting.used.token), "valid");
    setting.server.restart();
    let mut client = setting.server.connect("postgres");
    assert_eq!(enforceable(&mut client), 1, "counting goes on");
    assert_eq!(verdict(&mut client, &setting.idle.token), "valid");
    setting.server.kill();
    setting.server.start_again();
    let mut client = setting.server.connect("postgres");
    assert_eq!((enforceable(&mut client), enforced(&mut client)), (0, 0), "its use was lost");
}

#[test]
fn nobody_dies_while_the_usage_of_a_copy_is_unread() {
    let mut setting = Setting::new();
    let mut client = setting.server.connect("postgres");
    client
        .batch_execute("INSERT INTO tokenauth.usage_copy VALUES (gen_random_uuid(), now() - interval '2 days')")
        .unwrap();
    setting.assert_all_live("the usage of 1 copies was not brought in for a day");
    let mut client = setting.server.connect("postgres");
    client.batch_execute("UPDATE tokenauth.usage_copy SET until = now()").unwrap();
    assert_eq!(enforced(&mut client), 0, "they were used a moment ago");
}

#[test]
fn nobody_dies_in_a_restored_dump_however_old() {
    let setting = Setting::new();
    let dump = setting.server.dump("postgres", &["--format=custom"]);
    setting.server.create_database("restored", "TEMPLATE template0");
    setting.server.restore("restored", &dump);
    let mut restored = setting.server.connect("restored");
    assert_eq!(verdict(&mut restored, &setting.used.token), "valid");
    await_round(&mut restored, "the first in the restored database");
    assert_eq!((enforceable(&mut restored), enforced(&mut restored)), (0, 0));
    assert_eq!(verdict(&mut restored, &setting.idle.token), "valid");

    // As by CREATE DATABASE … TEMPLATE, which copies the note too.
    setting
        .server
        .connect("template1")
        .batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'")
        .unwrap();
    wait_until("the copy", || {
        setting.server.connect("template1").batch_execute("CREATE DATABASE copied TEMPLATE postgres").is_ok()
    });
    let mut copied = setting.server.connect("copied");
    assert_eq!(verdict(&mut copied, &setting.used.token), "valid");
    await_round(&mut copied, "the first in the copy");
    assert_eq!((enforceable(&mut copied), enforced(&mut copied)), (0, 0));
}

#[test]
fn nobody_dies_among_tokens_that_were_restored_alone() {
    let setting = Setting::new();
    let mut client = setting.server.connect("postgres");
    assert_eq!(enforceable(&mut client), 1);
    client
        .batch_execute(
            "CREATE TEMPORARY TABLE dumped AS SELECT * FROM tokenauth.token;
             DELETE FROM tokenauth.token;
             INSERT INTO tokenauth.token SELECT * FROM dumped",
        )
        .unwrap();
    assert_eq!((enforceable(&mut client), enforced(&mut client)), (0, 0));
    assert_eq!(verdict(&mut client, &setting.idle.token), "valid");
}
