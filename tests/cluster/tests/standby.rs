//! A hot standby verifies, and follows its primary.

use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server};

#[test]
fn a_standby_verifies_and_refuses_what_the_primary_revoked_once_that_is_replayed() {
    let primary = Server::start(FAST);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let (kept, killed) = (issue(&mut on_primary, "user:1"), issue(&mut on_primary, "user:1"));

    let standby = primary.standby();
    standby.catch_up_with(&primary);
    // The session of before the revocation, with whatever it has cached, must see it too.
    let mut on_standby = standby.connect("postgres");
    assert_eq!(verdict(&mut on_standby, &kept.token), "valid");
    assert_eq!(verdict(&mut on_standby, &killed.token), "valid");

    assert!(revoke(&mut on_primary, &killed));
    standby.catch_up_with(&primary);
    assert_eq!(verdict(&mut on_standby, &killed.token), "revoked");
    assert_eq!(verdict(&mut on_standby, &kept.token), "valid");
}

#[test]
fn a_standby_issues_and_revokes_nothing() {
    let primary = Server::start(FAST);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");

    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    for statement in ["SELECT tokenauth.issue('key', 'user:1')", &format!("SELECT tokenauth.revoke('{}')", issued.id)] {
        let error = on_standby.batch_execute(statement).expect_err(statement);
        assert_eq!(error.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION), "{statement}: {error}");
    }
    assert_eq!(verdict(&mut on_standby, &issued.token), "valid");
}
