//! The text that Prometheus scrapes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What an exporter exposes.
#[derive(Default)]
pub struct Exposition {
    /// By name.
    pub help: BTreeMap<String, String>,
    pub kinds: BTreeMap<String, String>,
    /// By name and labels, of which each is written `label=value`.
    pub samples: BTreeMap<(String, BTreeSet<String>), f64>,
}

impl Exposition {
    /// Asks for it, at an address such as `127.0.0.1:9187`.
    pub fn scrape(address: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        // Of this version, an answer is not cut into chunks.
        write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
        if head.split(' ').nth(1) == Some("200") { Ok(Self::read(body)) } else { Err(io::Error::other(answer)) }
    }

    fn read(body: &str) -> Self {
        let mut exposition = Self::default();
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and a text");
                exposition.help.insert(name.to_owned(), help.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                exposition.kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some((sample, value)) = line.rsplit_once(' ') {
                let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
                let labels = labels.trim_end_matches('}').split("\",").map(|label| label.replace('"', ""));
                let labels = labels.filter(|label| !label.is_empty()).collect();
                exposition.samples.insert((name.to_owned(), labels), value.parse().expect("a number"));
            }
        }
        exposition
    }
}
