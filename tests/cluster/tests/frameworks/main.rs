//! The files of `examples/frameworks`, each in an application that serves the same routes: whatever the framework, one
//! statement lets a request in, and the next request on its connection begins as nobody.

mod application;
mod claims;

use std::path::Path;
use std::process::Command;

use tokenauth_cluster::{built, example, installed, prepared};

use application::Application;

#[test]
fn fastapi() {
    if let Some(mut python) = python("fastapi", "FastAPI") {
        python.arg(example("frameworks/fastapi/app.py"));
        let mut application = Application::start(python);
        claims::prove(&mut application);
        claims::a_handler_that_has_ended_works_for_nobody(&mut application);
    }
}

#[test]
fn django() {
    if let Some(mut python) = python("django", "Django") {
        let folder = example("frameworks/django");
        python.args(["-m", "gunicorn", "--config", "gunicorn.conf.py", "app"]).current_dir(folder);
        claims::prove(&mut Application::start(python));
    }
}

#[test]
fn express() {
    if installed("Express", "examples/frameworks/express/node_modules") {
        let mut node = Command::new(prepared("node"));
        node.arg(example("frameworks/express/app.js"));
        claims::prove(&mut Application::start(node));
    }
}

#[test]
fn axum() {
    claims::prove(&mut Application::start(Command::new(built("frameworks/axum", "cluster").join("tokenauth-axum"))));
}

/// The Python that has the packages of this framework.
fn python(folder: &str, framework: &str) -> Option<Command> {
    let folder = Path::new("target/frameworks").join(folder);
    installed(framework, folder.to_str()?).then(|| {
        let mut python = Command::new(example("..").join(folder).join("bin/python"));
        // What it compiles would be left beside the examples.
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python
    })
}
