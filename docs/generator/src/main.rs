//! Reads the functions that the extension has in SQL, with their descriptions, from `src/`, and writes what is made of
//! them. The doc comment above a function is the only place where it is described: the first paragraph is its COMMENT,
//! and the sections `# Arguments`, `# Returns`, `# Errors`, `# Access` and `# Example` are what their names say. An
//! argument that means the same everywhere is described once, in `src/arguments.rs`.
//!
//! With `--check` it writes nothing and fails if a file is not what it would write.

mod description;
mod files;
mod function;
mod markdown;
mod reference;
mod sql_type;

use std::process::ExitCode;
use std::{env, fs};

use function::functions;

fn main() -> ExitCode {
    let root = env::current_dir().expect("there is a current directory");
    let functions = functions(&root);
    let check = env::args().any(|argument| argument == "--check");
    let mut stale = Vec::new();
    for (path, content) in files::made_of(&functions, &root) {
        let path = root.join(path);
        if fs::read_to_string(&path).is_ok_and(|present| present == content) {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            fs::write(&path, content).unwrap_or_else(|error| panic!("could not write {}: {error}", path.display()));
            println!("{}", path.display());
        }
    }
    for path in &stale {
        eprintln!("{path} is not what the descriptions of the functions say");
    }
    if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
