//! `make_publication` publishes what readers need and nothing that they write themselves; what is not so, `doctor`
//! tells.

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, verdict};
use tokenauth_cluster::wait_until;

use super::{findings, one, primary, publisher, reader, subscription, unsubscribed, verdict_or_error, wait_for_copies};

fn published(client: &mut Client, name: &str) -> String {
    let sql = "SELECT coalesce(string_agg(schemaname || '.' || tablename, ' ' ORDER BY schemaname, tablename), '')
                 FROM pg_publication_tables WHERE pubname = $1";
    client.query_one(sql, &[&name]).unwrap().get(0)
}

#[test]
fn every_table_of_the_extension_is_published_or_kept() {
    let server = publisher(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let returned: Vec<String> = one(&mut client, "SELECT tokenauth.make_publication()");
    assert_eq!(returned.join(" "), published(&mut client, "tokenauth"));
    let kept: String = one(
        &mut client,
        "SELECT string_agg(c.relname, ' ' ORDER BY c.relname)
           FROM pg_class c
          WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind = 'r'
            AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prrelid = c.oid)",
    );
    assert_eq!(
        kept,
        "announced as_issued binding counting erased erased_id event signal usage usage_copy usage_hourly"
    );
    for never in ["usage ", "event", "announced"] {
        assert!(!published(&mut client, "tokenauth").contains(&format!("tokenauth.{never}")), "{never}");
    }
}

#[test]
fn a_publication_that_has_gone_astray_is_told_and_made_anew() {
    let server = publisher(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("SELECT tokenauth.make_publication('it''s')").unwrap();
    let whole = published(&mut client, "it's");
    wait_until("a beat", || findings(&mut client).is_empty());

    for (astray, told) in [
        (
            r#"ALTER PUBLICATION "it's" ADD TABLE tokenauth.usage, tokenauth.usage_hourly"#,
            "publishes usage, usage_hourly, which",
        ),
        (r#"ALTER PUBLICATION "it's" DROP TABLE tokenauth.member, tokenauth.key"#, "does not publish key, member"),
        (r#"ALTER PUBLICATION "it's" SET (publish = 'insert')"#, "does not publish every change"),
        (r#"ALTER PUBLICATION "it's" SET TABLE tokenauth.token WHERE (revoked_at IS NULL)"#, "in part"),
        (r#"ALTER PUBLICATION "it's" ADD TABLES IN SCHEMA tokenauth"#, "publishes announced, as_issued"),
    ] {
        client.batch_execute(astray).unwrap();
        let said = findings(&mut client);
        assert!(said.contains(told), "{astray}: {said}");
        client.batch_execute("SELECT tokenauth.make_publication('it''s')").unwrap();
        assert_eq!(published(&mut client, "it's"), whole, "{astray}");
        wait_until("a beat", || findings(&mut client).is_empty());
    }
    client.batch_execute("SELECT tokenauth.make_publication('it''s')").unwrap();
    assert_eq!(findings(&mut client), "", "what is as it should be stays so");

    client.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").unwrap();
    let said = findings(&mut client);
    assert!(said.contains("publication everything: publishes announced, as_issued, binding, counting"), "{said}");
    let refused = client.batch_execute("SELECT tokenauth.make_publication('everything')").unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{refused:?}");

    // Only the owner of the extension makes one.
    client.batch_execute("CREATE ROLE app; SELECT tokenauth.grant_access('app', 'admin'); SET ROLE app").unwrap();
    let refused = client.batch_execute("SELECT tokenauth.make_publication()").unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused:?}");
}

/// Whoever subscribes to tables of the application has none of ours.
#[test]
fn a_publication_of_the_application_is_left_as_it_is() {
    let server = publisher(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("CREATE SCHEMA shop; CREATE TABLE mine (id int PRIMARY KEY)").unwrap();
    for (made, others) in [
        ("CREATE PUBLICATION app FOR TABLE mine WITH (publish = 'insert')", "mine"),
        ("CREATE PUBLICATION app FOR TABLE mine, tokenauth.kind", "mine"),
        ("CREATE PUBLICATION app FOR TABLES IN SCHEMA shop, public", "schema public, schema shop"),
    ] {
        client.batch_execute(made).unwrap();
        let before = described(&mut client);
        let refused = client.batch_execute("SELECT tokenauth.make_publication('app')").unwrap_err();
        let refused = refused.as_db_error().expect("the server refuses");
        assert_eq!(refused.code(), &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{refused:?}");
        assert!(refused.detail().is_some_and(|detail| detail.ends_with(&format!("{others}."))), "{refused:?}");
        assert_eq!(described(&mut client), before, "{made}");
        client.batch_execute("DROP PUBLICATION app").unwrap();
    }
}

/// What publications publish, and which changes.
fn described(client: &mut Client) -> String {
    one(
        client,
        "SELECT concat_ws(' ', p, (SELECT string_agg(r::text, ' ' ORDER BY r.oid) FROM pg_publication_rel r),
                          (SELECT string_agg(s::text, ' ' ORDER BY s.oid) FROM pg_publication_namespace s))
           FROM pg_publication p",
    )
}

#[test]
fn doctor_names_subscriptions_that_are_not_as_readers_need_them() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (server, mut on_reader) = unsubscribed();
    let said = findings(&mut on_reader);
    assert!(said.contains("tokenauth.reader: is on, and no subscription brings the primary's tables"), "{said}");

    let carelessly = subscription(&primary, "careless").replace("synchronous_commit = on", "synchronous_commit = off");
    on_reader.batch_execute(&carelessly).unwrap();
    wait_for_copies(&mut on_reader);
    on_reader.batch_execute("ALTER DATABASE postgres RESET tokenauth.reader").unwrap();
    let mut session = server.connect("postgres");
    let said = findings(&mut session);
    assert!(
        said.contains("subscription careless: brings tables of the extension to a database that is no reader"),
        "{said}"
    );
    assert!(said.contains("subscription careless: has synchronous_commit off"), "{said}");
    session.batch_execute("ALTER SUBSCRIPTION careless SET (synchronous_commit = on)").unwrap();
    session.batch_execute("ALTER DATABASE postgres SET tokenauth.reader = on").unwrap();
    let mut session = server.connect("postgres");
    wait_until("doctor to find nothing", || findings(&mut session).is_empty());
    assert_eq!(verdict(&mut session, &issued.token), "valid");

    // Something that cannot be applied stops it: here a column that the reader does not have, as of a later release.
    on_primary.batch_execute("ALTER TABLE tokenauth.token ADD COLUMN later int").unwrap();
    let killed = issue(&mut on_primary, "user:1");
    wait_until("doctor to find it", || {
        let said = findings(&mut session);
        said.contains("no beat of the primary has arrived for") || said.contains("does not run")
    });
    session.batch_execute("SET tokenauth.max_staleness = '5s'").unwrap();
    wait_until("the reader to refuse", || verdict_or_error(&mut session, &issued.token) == "55000");
    // Once it has the column too, it goes on where it had stopped.
    session.batch_execute("ALTER TABLE tokenauth.token ADD COLUMN later int").unwrap();
    wait_until("the reader to go on", || verdict_or_error(&mut session, &killed.token) == "valid");
}

/// What arrives by one subscription tells nothing of what arrives by another: such a reader has no age, and refuses.
#[test]
fn doctor_names_tables_that_do_not_follow_by_one_subscription() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    on_primary.batch_execute("CREATE PUBLICATION twice FOR TABLE tokenauth.token, tokenauth.kind").unwrap();
    let (_server, mut on_reader) = reader(&primary, "reader");
    on_reader.batch_execute("SET tokenauth.max_staleness = '6s'").unwrap();
    wait_until("the reader to verify", || verdict_or_error(&mut on_reader, &issued.token) == "valid");
    let of_two = subscription(&primary, "other")
        .replace("PUBLICATION tokenauth", "PUBLICATION twice")
        .replace("synchronous_commit = on", "synchronous_commit = on, copy_data = off");
    on_reader.batch_execute(&of_two).unwrap();
    wait_until("the reader to refuse", || verdict_or_error(&mut on_reader, &issued.token) == "55000");
    let said = findings(&mut on_reader);
    for expected in [
        "subscription other: does not bring change, derived_death, heartbeat, import, key, mass_death, member, ",
        "tokenauth.kind: is brought by other and reader",
        "tokenauth.token: is brought by other and reader",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    on_reader.batch_execute("DROP SUBSCRIPTION other").unwrap();
    wait_until("the reader to verify", || verdict_or_error(&mut on_reader, &issued.token) == "valid");
    wait_until("doctor to find nothing", || findings(&mut on_reader).is_empty());
}

/// A reader of the release before has no table of beats: it cannot subscribe until it is updated, and then does.
#[test]
fn a_reader_of_an_earlier_release_is_told_to_be_updated_first() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (reader, mut on_reader) = unsubscribed();
    on_reader.batch_execute("DROP EXTENSION tokenauth; CREATE EXTENSION tokenauth VERSION '0.1.0'").unwrap();
    let refused = on_reader.batch_execute(&subscription(&primary, "reader")).unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::UNDEFINED_TABLE), "{refused:?}");
    on_reader.batch_execute("ALTER EXTENSION tokenauth UPDATE").unwrap();
    on_reader.batch_execute(&subscription(&primary, "reader")).unwrap();
    wait_for_copies(&mut on_reader);
    assert_eq!(verdict(&mut reader.connect("postgres"), &issued.token), "valid");
}

/// A bound table that is replicated to a reader as well: its principals come from the primary, and are not made again.
#[test]
fn a_bound_table_on_a_reader_makes_no_principals_of_its_own() {
    const TABLE: &str = "CREATE TABLE users (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
                         SELECT tokenauth.bind_principals('users', 'customer', 'id::text', active => 'is_active')";
    let (primary, mut on_primary) = primary(&[]);
    on_primary.batch_execute(TABLE).unwrap();
    on_primary
        .batch_execute(
            "UPDATE tokenauth.kind SET owner_types = '{user,customer}'; CREATE PUBLICATION app FOR TABLE users",
        )
        .unwrap();
    let (server, mut on_reader) = reader(&primary, "reader");
    on_reader.batch_execute(&format!("SET tokenauth.reader = off; {TABLE}; RESET tokenauth.reader")).unwrap();
    on_reader
        .batch_execute(&subscription(&primary, "app").replace("PUBLICATION tokenauth", "PUBLICATION app"))
        .unwrap();
    wait_for_copies(&mut on_reader);
    on_primary.batch_execute("INSERT INTO users VALUES (1), (2)").unwrap();
    let issued = issue(&mut on_primary, "customer:1");
    primary.wait_for_subscribers();
    assert_eq!(verdict(&mut on_reader, &issued.token), "valid");
    on_primary.batch_execute("UPDATE users SET is_active = false; DELETE FROM users WHERE id = 2").unwrap();
    primary.wait_for_subscribers();
    assert_eq!(verdict(&mut on_reader, &issued.token), "revoked");
    let both = "SELECT count(*) FROM tokenauth.mass_death";
    assert_eq!(one::<i64>(&mut on_reader, both), one::<i64>(&mut on_primary, both));
    assert_eq!(one::<i64>(&mut on_reader, "SELECT count(*) FROM tokenauth.events"), 1, "that of the binding");
    let refused = on_reader.batch_execute("DELETE FROM users").unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION), "{refused:?}");
    let said = findings(&mut server.connect("postgres"));
    assert!(said.contains("users: is bound on a reader"), "{said}");
}
