//! Where the bits of a token come from: the operating system, for each backend anew, or there is no token.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Server, finish, rounds};

#[test]
fn backends_of_one_postmaster_draw_different_tokens() {
    let (backends, tokens) = (rounds(40, 200), rounds(100, 1000));
    let preloaded = ["shared_preload_libraries = 'tokenauth'", "max_connections = 250"];
    let server = Server::start(&[FAST, &preloaded].concat());
    prepare(&mut server.connect("postgres"));
    let drawn: Vec<String> = thread::scope(|scope| {
        let sessions: Vec<_> = (0..backends)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.connect("postgres");
                    let sql = "SELECT i.token FROM generate_series(1, $1::int) n,
                                      LATERAL tokenauth.issue('key', 'user:1', name => n::text) i";
                    let rows = client.query(sql, &[&i32::try_from(tokens).expect("it is small")]).unwrap();
                    rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
                })
            })
            .collect();
        sessions.into_iter().flat_map(|session| session.join().unwrap()).collect()
    });
    assert_eq!(drawn.len(), usize::try_from(backends * tokens).expect("it is small"));
    // The lookup, and the first digits of the secret: what two generators in the same state begin with.
    for part in [4..15, 15..26] {
        let distinct: HashSet<&str> = drawn.iter().map(|token| &token[part.clone()]).collect();
        assert_eq!(distinct.len(), drawn.len());
    }
}

/// Stands before the system's `getrandom`, and fails while there is a file.
const FAILING: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <sys/types.h>
    #include <unistd.h>
    ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
    {
        if (access(FILE_OF_FAILURE, F_OK) == 0) {
            errno = EIO;
            return -1;
        }
        return ((ssize_t (*)(void *, size_t, unsigned int)) dlsym(RTLD_NEXT, "getrandom"))(buffer, length, flags);
    }
"#;

#[test]
fn without_random_bytes_nothing_is_issued() {
    let mut server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    drop(client);
    server.stop();
    server.write_file("getrandom.c", FAILING, 0o644);
    let (source, library, failure) = (server.file("getrandom.c"), server.file("getrandom.so"), server.file("fails"));
    let quoted = format!("-DFILE_OF_FAILURE=\"{}\"", failure.display());
    finish(Command::new("cc").args(["-shared", "-fPIC", &quoted, "-o"]).arg(&library).arg(&source).arg("-ldl"));
    make_readable(&library);
    server.start_in(&[("LD_PRELOAD", library.to_str().expect("a path of ASCII characters"))]);

    let mut client = server.connect("postgres");
    let before = issue(&mut client, "user:1");
    fs::write(&failure, "").unwrap();
    for call in
        ["SELECT tokenauth.issue('key', 'user:1')".to_owned(), format!("SELECT tokenauth.rotate('{}')", before.id)]
    {
        let error = client.batch_execute(&call).expect_err("there are no random bytes");
        assert_eq!(error.code().map(postgres::error::SqlState::code), Some("58030"), "{call}: {error:?}");
    }
    let count = "SELECT count(*) FROM tokenauth.token";
    assert_eq!(client.query_one(count, &[]).unwrap().get::<_, i64>(0), 1);
    fs::remove_file(&failure).unwrap();
    issue(&mut client, "user:1");
    assert_eq!(client.query_one(count, &[]).unwrap().get::<_, i64>(0), 2);
}

fn make_readable(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}
