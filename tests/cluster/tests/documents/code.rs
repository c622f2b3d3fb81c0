//! Blocks of code, page by page: SQL runs in psql, shell in bash, settings are set, and excerpts of programs are looked
//! for in the examples, which tests of their own run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tokenauth_cluster::blocks::{Block, blocks};
use tokenauth_cluster::{FAST, Psql, REVOCATION_LOG, Server, has_library};

use super::pages::{Page, page, pages, repository};

/// The page whose first block all others go on from, as it says itself.
const BEGINNING: &str = "docs/guide/README.md";

/// Made of the descriptions of the functions, with examples that the regression test `reference` runs.
const GENERATED: &str = "docs/reference/functions.md";

/// Does what a page says that an administrator does as root.
const DEMONSTRATION: &str = "packaging/debian/demonstrate";

/// How SQL begins that another server is asked.
const ELSEWHERE: [&str; 2] = ["-- On the reader:", "-- On another server:"];

/// How pages name the database, the key file, the fence file, a standby, and the server that the page is about to
/// another one.
const DATABASE: &str = "app";
const KEY_FILE: &str = "/etc/postgresql/tokenauth.keys";
const FENCE_FILE: &str = "/var/lib/postgresql/tokenauth.fence";
const STANDBY: &str = "host=standby dbname=app";
const PRIMARY: &str = "host=primary dbname=app";

#[test]
fn every_block_of_code_is_as_it_should_be() {
    let shared = server();
    let mut faults = String::new();
    for page in pages().iter().filter(|page| page.path != Path::new(GENERATED)) {
        let blocks = blocks(&page.text);
        // Settings and standbys are nobody else's.
        let is_alone = blocks
            .iter()
            .any(|block| block.language == "ini" || [STANDBY, PRIMARY].iter().any(|other| block.code.contains(other)));
        if is_alone {
            faults += &Reader::of(page, &server()).read(&blocks);
        } else {
            faults += &Reader::of(page, &shared).read(&blocks);
            tidy(&shared);
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn what_an_application_adds_for_its_framework_is_what_the_examples_add() {
    for block in blocks_of("examples/frameworks/README.md") {
        find(&block).unwrap_or_else(|fault| panic!("line {}: {fault}", block.line));
    }
}

fn server() -> Server {
    Server::start(&[FAST, &["shared_preload_libraries = tokenauth", "wal_level = logical"]].concat())
}

/// Removes what a page has left behind.
fn tidy(server: &Server) {
    let mut client = server.connect("postgres");
    client.batch_execute(&format!("DROP DATABASE {DATABASE} WITH (FORCE)")).unwrap();
    let roles = "SELECT rolname::text FROM pg_roles WHERE rolname <> 'postgres' AND NOT starts_with(rolname, 'pg_')";
    for row in client.query(roles, &[]).unwrap() {
        client.batch_execute(&format!("DROP ROLE {}", row.get::<_, String>(0))).unwrap();
    }
}

/// Does what a page says, in a database of its own.
struct Reader<'a> {
    page: &'a Page,
    server: &'a Server,
    standby: Option<Server>,
    /// Servers that follow this one, and have what they follow until the page ends.
    followers: Vec<Server>,
    psql: Psql,
    /// What is not as the page says.
    faults: String,
}

impl<'a> Reader<'a> {
    fn of(page: &'a Page, server: &'a Server) -> Self {
        server.create_database(DATABASE, "");
        let psql = Psql::start(server, DATABASE);
        Self { page, server, standby: None, followers: Vec::new(), psql, faults: String::new() }
    }

    /// What is not as the page says.
    fn read(mut self, blocks: &[Block]) -> String {
        if self.page.path.starts_with("docs") && self.page.path != Path::new(BEGINNING) {
            let beginning = blocks_of(BEGINNING).into_iter().find(|block| block.language == "sql");
            let beginning = beginning.expect("it begins with SQL");
            self.psql.answer(&beginning.code).unwrap_or_else(|said| panic!("{BEGINNING}: {said}"));
        }
        for (at, block) in blocks.iter().enumerate() {
            let answer = blocks.get(at + 1).filter(|next| next.language == "text" && next.follows);
            let place = format!("{}:{}", self.page.path.display(), block.line);
            eprintln!("{place}");
            let done = match block.language.as_str() {
                "sql" => self.query(block, answer),
                "sh" => self.run(block, answer),
                "ini" => self.configure(block),
                "python" | "js" | "ruby" | "rust" | "yaml" => find(block),
                "console" => self.is_demonstrated(),
                "text" if at > 0 && block.follows && ["sql", "sh"].contains(&blocks[at - 1].language.as_str()) => {
                    Ok(())
                }
                "text" => Err("it follows no code whose answer it could be".to_owned()),
                other => Err(format!("its language is not known here: {other:?}")),
            };
            if let Err(fault) = done {
                let _ = writeln!(self.faults, "{place}: {fault}");
            }
        }
        self.faults
    }

    /// What an application sends has a parameter, the token, which psql has as a variable.
    fn query(&mut self, block: &Block, answer: Option<&Block>) -> Result<(), String> {
        if !has_extensions(&block.code) {
            return Ok(());
        }
        let sql = self.substituted(&block.code).replace("$1", ":'token'");
        if ELSEWHERE.iter().any(|other| sql.starts_with(other)) {
            let other = server();
            other.create_database(DATABASE, "");
            let said = Psql::start(&other, DATABASE).answer(&sql);
            self.followers.push(other);
            return said.map(drop);
        }
        let said = match answer {
            Some(answer) if answer.code.contains("ERROR:  ") => self.psql.answer_with_errors(&sql),
            _ => self.psql.answer(&sql),
        };
        let said = said.map_err(|said| {
            // What comes later on the page has a session again, if not the variables that were set.
            self.psql = Psql::start(self.server, DATABASE);
            format!("psql has stopped:\n{said}")
        })?;
        answer.map_or(Ok(()), |answer| compare(&said, &answer.code))
    }

    /// Runs as the server's user, for which `psql` and `pg_dump` find the database. `make` would build the extension
    /// once more: of it, only that it knows what it shall make is checked.
    fn run(&mut self, block: &Block, answer: Option<&Block>) -> Result<(), String> {
        let makefile = fs::read_to_string(repository().join("Makefile")).unwrap();
        let (made, run): (Vec<&str>, Vec<&str>) =
            block.code.lines().partition(|line| line.split_whitespace().any(|word| word == "make"));
        for line in made {
            let target = line.split_once("make ").and_then(|(_, rest)| rest.split_whitespace().next());
            if !target.is_some_and(|target| makefile.contains(&format!("\n{target}:"))) {
                return Err(format!("the Makefile does not know how to do {line:?}"));
            }
        }
        let script = self.substituted(&run.join("\n"));
        if script.contains("revocation-log") {
            self.server.install_revocation_log();
        }
        let said = self.server.shell(DATABASE, &script);
        answer.map_or(Ok(()), |answer| compare(&said, &answer.code))
    }

    /// Settings must be known and take these values. A session sees those that can change while the server runs.
    fn configure(&mut self, block: &Block) -> Result<(), String> {
        let code = self.substituted(&block.code);
        let lines: Vec<&str> = code.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let mut client = self.server.connect(DATABASE);
        client.batch_execute("LOAD 'tokenauth'").unwrap();
        for line in &lines {
            let (name, value) = line.split_once('=').ok_or_else(|| format!("{line:?} sets nothing"))?;
            let value = value.split(" #").next().expect("there is a first part");
            client
                .batch_execute(&format!("ALTER SYSTEM SET {name} = {value}"))
                .and_then(|()| client.batch_execute(&format!("ALTER SYSTEM RESET {name}")))
                .map_err(|error| format!("{line:?}: {error:?}"))?;
        }
        self.server.reconfigure(&lines);
        Ok(())
    }

    /// What an administrator types as root changes the machine; it is tried in a system of its own, from the page.
    fn is_demonstrated(&self) -> Result<(), String> {
        let by = repository().join(DEMONSTRATION);
        let page = self.page.path.file_name().and_then(|name| name.to_str()).expect("it has a name");
        let is_there =
            fs::read_to_string(&by).is_ok_and(|script| script.contains(page) && script.contains("```console"));
        if is_there { Ok(()) } else { Err(format!("{DEMONSTRATION} does not try it")) }
    }

    fn substituted(&mut self, code: &str) -> String {
        if code.contains(STANDBY) && self.standby.is_none() {
            self.standby = Some(self.server.standby());
        }
        let standby = self.standby.as_ref().map(|standby| {
            standby.catch_up_with(self.server);
            standby.connection_string(DATABASE)
        });
        code.replace(KEY_FILE, &self.server.file("tokenauth.keys").display().to_string())
            .replace(FENCE_FILE, &self.server.file("tokenauth.fence").display().to_string())
            .replace(REVOCATION_LOG, &self.server.file("deaths").display().to_string())
            .replace(STANDBY, &standby.unwrap_or_default())
            .replace(PRIMARY, &self.server.connection_string(DATABASE))
    }
}

/// Whether the extensions that the SQL creates are here; a minimal build of PostgreSQL has none.
fn has_extensions(sql: &str) -> bool {
    let created = sql.lines().filter_map(|line| line.strip_prefix("CREATE EXTENSION ")?.strip_suffix(';'));
    created.filter(|name| !name.contains("tokenauth")).all(has_library)
}

/// It must be a part of an example in its language, but for what all of its lines are indented by.
fn find(block: &Block) -> Result<(), String> {
    let extension = match block.language.as_str() {
        "python" => "py",
        "ruby" => "rb",
        "rust" => "rs",
        other => other,
    };
    let wanted = without_indentation(&block.code);
    let mut files = Vec::new();
    files_of(&repository().join("examples"), extension, &mut files);
    let is_there = files.iter().any(|file| {
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        lines.windows(block.code.lines().count()).any(|part| without_indentation(&part.join("\n")) == wanted)
    });
    if is_there { Ok(()) } else { Err("it is not a part of any example".to_owned()) }
}

fn blocks_of(path: &str) -> Vec<Block> {
    blocks(&page(path).text)
}

/// Compares line by line, where a run of blanks, or of dashes below a heading, is as good as any other: widths of
/// columns depend on names of roles and on values. `…` stands for anything.
fn compare(said: &str, shown: &str) -> Result<(), String> {
    let said = without_void(said);
    let lines = |text: &str| -> Vec<String> { text.lines().map(squeezed).filter(|line| !line.is_empty()).collect() };
    let (said_lines, shown_lines) = (lines(&said), lines(shown));
    let is_equal = said_lines.len() == shown_lines.len()
        && said_lines.iter().zip(&shown_lines).all(|(said, shown)| matches(said, shown));
    if is_equal { Ok(()) } else { Err(format!("the answer is\n{said}\nand not\n{shown}")) }
}

/// Leaves out the answers of functions that return nothing: a heading, and a row with a blank.
fn without_void(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let is_void = |at: usize| {
        let row = |of: usize| at.checked_sub(of).and_then(|begin| lines.get(begin + 2)).is_some_and(|row| *row == " ");
        row(0) || at > 0 && row(1) || at > 1 && row(2)
    };
    let kept = lines.iter().enumerate().filter(|(at, _)| !is_void(*at));
    kept.map(|(_, line)| (*line).to_owned() + "\n").collect()
}

fn squeezed(line: &str) -> String {
    let mut squeezed = String::new();
    for c in line.trim().chars() {
        if !(squeezed.ends_with(c) && (c == ' ' || c == '-')) {
            squeezed.push(c);
        }
    }
    squeezed
}

/// Whether the line is what is shown, in which `…` stands for anything.
fn matches(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().expect("there is a first part");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn without_indentation(code: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let least = code.lines().filter(|line| !line.trim().is_empty()).map(depth).min().unwrap_or_default();
    code.lines().map(|line| line.get(least..).unwrap_or_default().trim_end().to_owned() + "\n").collect()
}

fn files_of(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What others wrote is no example of ours.
            if !path.ends_with("node_modules") {
                files_of(&path, extension, files);
            }
        } else if path.extension().is_some_and(|its| its == extension) {
            files.push(path);
        }
    }
}
