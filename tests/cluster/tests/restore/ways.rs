//! Ways to come back: a base backup, a copy, a point in time, pgBackRest. In each the server is fenced, and opened as
//! the page about restores says; what died stays dead.

use std::path::PathBuf;

use tokenauth_cluster::contract::{Issued, issue, revoke};
use tokenauth_cluster::{Server, has_program, is_of_debian, wait_until};

use super::{FENCE, assert_open, fence_file, follow_the_runbook, guarded, is_fenced, refused, verdicts};

/// A server with a WAL archive, and backups of it from before what died.
struct Original {
    server: Server,
    /// A base backup.
    base: Server,
    /// Its data directory, as it was when it was stopped.
    cold: Server,
    alive: Issued,
    /// What died after the backups: revoked, disabled, and of a deactivated owner.
    dead: [Issued; 3],
    newer: Issued,
    /// Where the deaths are kept.
    kept: PathBuf,
}

impl Original {
    fn start(archive: impl FnOnce(&mut Server), back_up: impl FnOnce(&Server)) -> Self {
        let (mut server, mut client) =
            guarded(&["archive_mode = on", "archive_command = 'mkdir -p ../archive && cp %p ../archive/%f'"]);
        archive(&mut server);
        client.batch_execute("SELECT tokenauth.put_principal('user:2')").unwrap();
        let [alive, revoked, disabled] = [(); 3].map(|()| issue(&mut client, "user:1"));
        let of_the_gone = issue(&mut client, "user:2");
        drop(client);
        server.stop();
        let cold = server.cold_copy();
        server.start_again();
        let base = server.base_backup();
        back_up(&server);

        let mut client = server.connect("postgres");
        let newer = issue(&mut client, "user:1");
        client.batch_execute("SELECT pg_create_restore_point('before'); SELECT pg_switch_wal()").unwrap();
        assert!(revoke(&mut client, &revoked));
        let more = format!("SELECT tokenauth.disable('{}'), tokenauth.deactivate('user:2')", disabled.id);
        client.batch_execute(&more).unwrap();
        let kept = server.keep_deaths("postgres");
        let archived = "SELECT last_archived_wal >= pg_walfile_name($1::text::pg_lsn) FROM pg_stat_archiver";
        let switched: String = client.query_one("SELECT pg_switch_wal()::text", &[]).unwrap().get(0);
        wait_until("the archive", || {
            client.query_one(archived, &[&switched]).unwrap().get::<_, Option<bool>>(0).unwrap_or(false)
        });
        drop(client);
        server.stop();
        Self { server, base, cold, alive, dead: [revoked, disabled, of_the_gone], newer, kept }
    }

    fn recovery(&self, settings: &[&str]) -> Vec<String> {
        let archive = format!("restore_command = 'cp {}/%f %p'", self.server.file("archive").display());
        let kept = ["archive_mode = off".to_owned(), archive];
        kept.into_iter().chain(settings.iter().map(|setting| (*setting).to_owned())).collect()
    }

    /// A copy of the base backup that recovers with these settings.
    fn recovering(&self, settings: &[&str]) -> Server {
        let mut copy = self.base.cold_copy();
        let settings = self.recovery(settings);
        copy.recover_at_start(&settings.iter().map(String::as_str).collect::<Vec<_>>());
        copy
    }

    /// Starts a copy where it finds the fence file, goes through the page with it, and returns it.
    fn bring_back(&self, mut copy: Server, way: &str, newer: &str) -> Server {
        copy.take_file(&self.server, FENCE);
        copy.configure_while_stopped(&[&fence_file(&copy), "archive_mode = off"]);
        copy.start_again();
        wait_until("recovery to end", || {
            !copy.connect("postgres").query_one("SELECT pg_is_in_recovery()", &[]).unwrap().get::<_, bool>(0)
        });
        let mut client = copy.connect("postgres");
        for token in [&self.alive, &self.dead[0]] {
            assert!(is_fenced(&mut client, &format!("SELECT tokenauth.verify('{}')", token.token)), "{way}");
        }
        assert!(is_fenced(&mut client, "SELECT tokenauth.issue('key', 'user:1')"), "{way}");
        let status = "SELECT count(*) FROM tokenauth.tokens WHERE status = 'active'";
        let alive: i64 = client.query_one(status, &[]).unwrap().get(0);
        assert!(alive >= 4, "{way}: {alive}, as it has come back");

        let said = follow_the_runbook(&copy, &self.kept);
        let words = said.split_whitespace().filter(|word| !word.starts_with('-')).collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("fence | {}", super::FENCED)), "{way}: {said}");
        assert!(words.ends_with("was_fenced t findings 0"), "{way}: {said}");
        assert_eq!(
            verdicts(
                &copy,
                [&self.alive, &self.dead[0], &self.dead[1], &self.dead[2], &self.newer].map(|it| &*it.token)
            ),
            ["valid", "revoked", "disabled", "revoked", newer],
            "{way}"
        );
        let mut client = copy.connect("postgres");
        let issued = issue(&mut client, "user:1");
        let event = "SELECT count(*) FROM tokenauth.events WHERE event = 'restore.accepted'";
        assert_eq!(client.query_one(event, &[]).unwrap().get::<_, i64>(0), 1, "{way}");
        drop(client);
        let before = copy.log_text().len();
        copy.kill();
        copy.start_again();
        assert_eq!(verdicts(&copy, [&issued.token]), ["valid"], "{way}: after a crash");
        assert!(!copy.log_text()[before..].contains(super::FENCED), "{way}");
        copy
    }
}

#[test]
fn backups_copies_and_points_in_time_are_fenced_and_opened_as_the_page_says() {
    let original = Original::start(|_| (), |_| ());
    original.bring_back(original.base.cold_copy(), "a base backup", "unknown");
    original.bring_back(original.cold.cold_copy(), "a cold copy", "unknown");
    let to_a_point = ["recovery_target_name = 'before'", "recovery_target_action = promote"];
    let restored = original.bring_back(original.recovering(&to_a_point), "a point in time", "valid");

    // Restored once more, it has gone on from an earlier point than what is its file by now.
    let mut twice = original.recovering(&["recovery_target = 'immediate'", "recovery_target_action = promote"]);
    twice.take_file(&restored, FENCE);
    twice.configure_while_stopped(&[&fence_file(&twice)]);
    twice.start_again();
    let verify = format!("SELECT tokenauth.verify('{}')", original.alive.token);
    assert!(is_fenced(&mut twice.connect("postgres"), &verify));

    // At a point in time where it is looked at, before it is decided whether to go on.
    let mut standing = original.recovering(&["recovery_target_name = 'before'"]);
    standing.take_file(&original.server, FENCE);
    standing.configure_while_stopped(&[&fence_file(&standing)]);
    standing.start_again();
    let mut client = standing.connect("postgres");
    assert!(is_fenced(&mut client, &verify), "in recovery");
    assert!(refused(&mut client, "SELECT tokenauth.accept_restore()").starts_with("25006 "));
    client.batch_execute("SELECT pg_promote()").unwrap();
    assert!(is_fenced(&mut client, &verify), "promoted");

    // Whatever has all of it may come back anywhere.
    let mut whole = original.server.cold_copy();
    whole.take_file(&original.server, FENCE);
    whole.configure_while_stopped(&[&fence_file(&whole)]);
    whole.start_again();
    assert_open(&whole, &original.alive.token, "a copy of all");

    without_a_fence_file_the_dead_are_alive_until_they_are_imported(&original);
    a_copy_that_knows_of_no_death_kills_all_of_its_tokens(&original);
}

fn without_a_fence_file_the_dead_are_alive_until_they_are_imported(original: &Original) {
    let mut copy = original.base.cold_copy();
    copy.configure_while_stopped(&["tokenauth.fence_file = ''", "archive_mode = off"]);
    copy.start_again();
    let tokens = [&original.alive, &original.dead[0], &original.dead[1], &original.dead[2]].map(|it| &*it.token);
    assert_eq!(verdicts(&copy, tokens), ["valid"; 4]);
    follow_the_runbook(&copy, &original.kept);
    assert_eq!(verdicts(&copy, tokens), ["valid", "revoked", "disabled", "revoked"]);
}

/// With nothing exported, all tokens of the copy are killed, in the transaction that opens it.
fn a_copy_that_knows_of_no_death_kills_all_of_its_tokens(original: &Original) {
    let mut copy = original.base.cold_copy();
    copy.take_file(&original.server, FENCE);
    copy.configure_while_stopped(&[&fence_file(&copy), "archive_mode = off"]);
    copy.start_again();
    let mut client = copy.connect("postgres");
    let kill = "SELECT tokenauth.revoke_all(issued_before => now(), reason => 'restored')";
    assert!(is_fenced(&mut client, kill));
    client.batch_execute(&format!("BEGIN; SELECT tokenauth.accept_restore(); {kill}; COMMIT")).unwrap();
    let tokens = [&original.alive, &original.dead[0], &original.dead[1], &original.dead[2]].map(|it| &*it.token);
    assert_eq!(verdicts(&copy, tokens), ["revoked"; 4]);
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdicts(&copy, [&issued.token]), ["valid"]);
}

/// What pgBackRest has backed up, it restores to a point in time by its own archive.
#[test]
fn pgbackrest_restores_a_server_that_is_fenced() {
    // Debian's knows Debian's PostgreSQL; with others, the archive of the test above is what there is.
    if !is_of_debian() || !has_program("pgbackrest") {
        return;
    }
    let command =
        |server: &Server| format!("pgbackrest --config={} --stanza=demo", server.file("pgbackrest.conf").display());
    let original = Original::start(
        |server| {
            let place = server.file("").display().to_string();
            let place = place.trim_end_matches('/');
            let configuration = format!(
                "[global]\nrepo1-path={place}/repository\nlog-path={place}/logs\nlock-path={place}/locks\n\
                 spool-path={place}/spool\nlog-level-console=warn\nlog-level-file=off\n\
                 start-fast=y\ncompress-type=none\n\
                 [demo]\npg1-path={place}/data\npg1-socket-path={place}\npg1-user=postgres\n"
            );
            server.write_file("pgbackrest.conf", &configuration, 0o600);
            server.reconfigure(&[&format!("archive_command = '{} archive-push %p'", command(server))]);
            assert_eq!(server.shell("postgres", &format!("{} stanza-create", command(server))), "");
        },
        |server| assert_eq!(server.shell("postgres", &format!("{} backup --type=full", command(server))), ""),
    );
    let copy = original.server.copy(|data| {
        let restore = format!(
            "mkdir -m 700 {0} && {1} --pg1-path={0} --type=name --target=before --target-action=promote restore",
            data.display(),
            command(&original.server)
        );
        assert_eq!(original.server.shell("postgres", &restore), "");
    });
    original.bring_back(copy, "pgBackRest", "valid");
}
