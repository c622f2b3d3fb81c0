//! A session of psql that is spoken to in turns, so that what it answers to each part of a script is known.

use std::io::{BufRead as _, BufReader, PipeReader, Write as _, pipe};
use std::process::{Child, ChildStdin, Stdio};

use crate::Server;
use crate::installation::program;

/// What psql is told to say when it has answered.
const ANSWERED: &str = "-- answered --";

/// A session. It ends with the value.
pub struct Psql {
    process: Child,
    input: ChildStdin,
    output: BufReader<PipeReader>,
}

impl Psql {
    /// Connects as superuser. Results have no line with the number of rows, and errors no context.
    #[must_use]
    pub fn start(server: &Server, database: &str) -> Self {
        // One pipe, so that errors and results come in the order of the statements.
        let (output, its_output) = pipe().unwrap();
        let mut process = program("psql")
            .args(["--no-psqlrc", "--quiet", "--set=SHOW_CONTEXT=never", "--pset=footer=off", "--dbname"])
            .arg(server.connection_string(database))
            .stdin(Stdio::piped())
            .stdout(its_output.try_clone().unwrap())
            .stderr(its_output)
            .spawn()
            .expect("psql can be run");
        let input = process.stdin.take().expect("its input is a pipe");
        Self { process, input, output: BufReader::new(output) }
    }

    /// What psql says to these lines.
    ///
    /// # Errors
    /// What it has said before it stopped at an error.
    pub fn answer(&mut self, lines: &str) -> Result<String, String> {
        self.say(&format!("\\set ON_ERROR_STOP on\n{lines}"))
    }

    /// As [`answer`](Self::answer), for lines among which are some that raise an error.
    ///
    /// # Errors
    /// What it has said before it stopped nevertheless, as it does without a server.
    pub fn answer_with_errors(&mut self, lines: &str) -> Result<String, String> {
        self.say(&format!("\\set ON_ERROR_STOP off\n{lines}"))
    }

    fn say(&mut self, lines: &str) -> Result<String, String> {
        // A psql that has stopped closes the pipe; what it has said last tells more than the error of writing to it.
        let _ = writeln!(self.input, "{lines}\n\\echo '{ANSWERED}'").and_then(|()| self.input.flush());
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return Err(answer);
            }
            if line.trim_end() == ANSWERED {
                return Ok(answer);
            }
            answer += &line;
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
