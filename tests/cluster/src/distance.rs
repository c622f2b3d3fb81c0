//! Another region, on this machine: a proxy through which everything arrives a fixed time later, however much is under
//! way, and whose line can be cut.
//!
//! It listens on a Unix socket as servers do here: on a TCP port, every user of the machine could become superuser of
//! the server behind it.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::Server;

/// The longest piece that is passed on at once.
const PIECE: usize = 16 << 10;

/// How many pieces may be under way in one direction. A sender waits when there are more, as it would for a window.
const UNDER_WAY: usize = 4096;

/// A line between a socket here and one that is far away. It ends with the value, and its connections with it.
pub struct Distance {
    socket: PathBuf,
    port: u16,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

/// What its connections share.
struct Line {
    one_way: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    has_ended: bool,
    /// Both ends of each connection.
    ends: Vec<UnixStream>,
}

/// Bytes, and when they arrive; none at the end.
struct Piece {
    arrives: Instant,
    bytes: Vec<u8>,
}

impl Distance {
    /// Another socket of the server, from which it takes this time there and back. The port is the socket's name.
    #[must_use]
    pub fn to(server: &Server, port: u16, round_trip: Duration) -> Self {
        let socket = |port| server.file(&format!(".s.PGSQL.{port}"));
        let mut distance = Self::between(&socket(port), &socket(5432), round_trip);
        distance.port = port;
        distance
    }

    /// Lets whoever connects to the one socket reach the other.
    #[must_use]
    pub fn between(here: &Path, there: &Path, round_trip: Duration) -> Self {
        let listener = UnixListener::bind(here).unwrap_or_else(|error| panic!("{}: {error}", here.display()));
        // Who may come near is decided by the directory; servers run as another user than a test that root runs.
        fs::set_permissions(here, Permissions::from_mode(0o777)).unwrap();
        let line = Arc::new(Line { one_way: round_trip / 2, state: Mutex::default(), changed: Condvar::new() });
        let (accepted, there) = (Arc::clone(&line), there.to_owned());
        let accepting = spawn(move || accepted.accept(&listener, &there));
        Self { socket: here.to_owned(), port: 0, line, accepting: Some(accepting) }
    }

    /// Adds the port to how programs connect to the server itself.
    #[must_use]
    pub fn connection_string(&self, to_the_server: &str) -> String {
        format!("{to_the_server} port={}", self.port)
    }

    /// From now on nothing arrives, and nobody is told.
    pub fn cut(&self) {
        self.line.change(|state| state.is_cut = true);
    }

    /// What was under way when the line was cut arrives, and what was sent since.
    pub fn mend(&self) {
        self.line.change(|state| state.is_cut = false);
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.line.change(|state| {
            state.has_ended = true;
            for end in state.ends.drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
        // Wakes whoever waits for the next connection.
        if UnixStream::connect(&self.socket).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ = accepting.join();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

impl Line {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &UnixListener, there: &Path) {
        for near in listener.incoming() {
            let Ok(near) = near else { continue };
            // A server that is not there ends the connection.
            let connected = UnixStream::connect(there).and_then(|far| self.connect(&near, &far));
            if connected.is_err() {
                let _ = near.shutdown(Shutdown::Both);
            }
            if self.state.lock().unwrap().has_ended {
                return;
            }
        }
    }

    fn connect(self: &Arc<Self>, near: &UnixStream, far: &UnixStream) -> io::Result<()> {
        for (from, to) in [(near, far), (far, near)] {
            let (from, to) = (from.try_clone()?, to.try_clone()?);
            let (send, receive) = sync_channel(UNDER_WAY);
            let (sender, receiver) = (Arc::clone(self), Arc::clone(self));
            spawn(move || sender.send(from, &send));
            spawn(move || receiver.deliver(to, &receive));
        }
        let ends = [near.try_clone()?, far.try_clone()?];
        self.change(|state| {
            for end in ends {
                if state.has_ended {
                    let _ = end.shutdown(Shutdown::Both);
                }
                state.ends.push(end);
            }
        });
        Ok(())
    }

    /// Reads until the end, which is a piece as well.
    fn send(&self, mut from: UnixStream, way: &SyncSender<Piece>) {
        let mut buffer = vec![0; PIECE];
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            let piece = Piece { arrives: Instant::now() + self.one_way, bytes: buffer[..length].to_vec() };
            if way.send(piece).is_err() || length == 0 {
                return;
            }
        }
    }

    fn deliver(&self, mut to: UnixStream, way: &Receiver<Piece>) {
        for piece in way {
            sleep(piece.arrives.saturating_duration_since(Instant::now()));
            let state = self.changed.wait_while(self.state.lock().unwrap(), |state| state.is_cut && !state.has_ended);
            drop(state.unwrap());
            if piece.bytes.is_empty() || to.write_all(&piece.bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(60);

    /// A line to a server that sends back what it gets, and a connection over it.
    fn echo(directory: &Path) -> (Distance, UnixStream) {
        let [here, there] = ["here", "there"].map(|name| directory.join(name));
        let listener = UnixListener::bind(&there).unwrap();
        spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            io::copy(&mut client.try_clone().unwrap(), &mut client).unwrap();
            let _ = client.shutdown(Shutdown::Write);
        });
        let distance = Distance::between(&here, &there, ROUND_TRIP);
        let client = UnixStream::connect(&here).unwrap();
        (distance, client)
    }

    /// A directory of this name, empty, and removed at the end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tokenauth-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn everything_arrives_in_order_and_no_earlier_than_it_takes() {
        let directory = Directory::new("order");
        let (_distance, mut client) = echo(&directory.0);
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        let (start, mut writer, whole) = (Instant::now(), client.try_clone().unwrap(), sent.clone());
        let writing = spawn(move || {
            writer.write_all(&whole).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut first = [0];
        client.read_exact(&mut first).unwrap();
        assert!(start.elapsed() >= ROUND_TRIP, "{:?}", start.elapsed());
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        writing.join().unwrap();
        assert!([&first, rest.as_slice()].concat() == sent, "{} bytes of {}", rest.len() + 1, sent.len());
    }

    #[test]
    fn nothing_arrives_over_a_line_that_is_cut_and_all_of_it_later() {
        let directory = Directory::new("cut");
        let (distance, mut client) = echo(&directory.0);
        distance.cut();
        client.write_all(b"hello").unwrap();
        client.set_read_timeout(Some(ROUND_TRIP * 3)).unwrap();
        let mut answer = [0; 5];
        let waited = client.read(&mut answer).unwrap_err();
        assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&waited.kind()), "{waited}");
        distance.mend();
        client.set_read_timeout(None).unwrap();
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
    }

    #[test]
    fn connections_end_with_the_line() {
        let directory = Directory::new("end");
        let (distance, mut client) = echo(&directory.0);
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        distance.cut();
        drop(distance);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert!(UnixStream::connect(directory.0.join("here")).is_err());
    }
}
