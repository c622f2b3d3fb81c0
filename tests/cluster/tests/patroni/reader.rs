//! A reader of the cluster: it subscribes to whoever is the primary, by a slot that every member keeps.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use postgres::Client;
use tokenauth_cluster::{FAST, Server, bin_directory, example, major, wait_within};

use super::cluster::{Cluster, PATIENCE};
use super::member::DATABASE;

/// Its `tokenauth.max_staleness`.
pub const BOUND: Duration = Duration::from_secs(8);

/// What its server logs when it believes no beat any more.
const STOPPED: &str = "WARNING:  reader lacks changes of its primary";

pub struct Reader {
    server: Server,
    /// How often its server has logged that it stopped, so far.
    stopped: Cell<usize>,
}

impl Reader {
    /// Lets the members keep its slot, and subscribes.
    pub fn start(cluster: &Cluster) -> Self {
        let publish = "SELECT tokenauth.make_publication()";
        cluster.primary().connect(DATABASE).batch_execute(publish).unwrap();
        cluster.edit(&format!("{}/slots.yaml", folder()));
        let bound = format!("tokenauth.max_staleness = '{} s'", BOUND.as_secs());
        let settings = [
            "shared_preload_libraries = tokenauth",
            "wal_level = logical",
            "wal_retrieve_retry_interval = 500ms",
            &bound,
        ];
        let server = Server::start(&[FAST, &settings].concat());
        server.create_database(DATABASE, "");
        server.psql(DATABASE, "CREATE EXTENSION tokenauth; ALTER DATABASE app SET tokenauth.reader = on;");
        let reader = Self { server, stopped: Cell::new(0) };
        if is_before_17() {
            let slot = "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = 'reader'";
            wait_within(PATIENCE, "Patroni to make the slot", || is_so(&mut cluster.primary().connect(DATABASE), slot));
        }
        reader.run("subscribe.sql", cluster);
        Self::wait_until_slots_are_kept(cluster);
        assert!(!reader.follow(cluster), "it cannot know more than the only primary");
        reader
    }

    /// Connects as superuser.
    pub fn connect(&self) -> Client {
        self.server.connect(DATABASE)
    }

    /// Returns when it has applied what the primary has written just now; whether its administrator had to copy
    /// everything anew, since it knew more than the member that was promoted.
    pub fn follow(&self, cluster: &Cluster) -> bool {
        let must_copy = !self.has_applied_or_stopped(cluster);
        if must_copy {
            assert!(is_before_17(), "synchronized_standby_slots prevents that");
            self.run("copy_anew.sql", cluster);
            self.run("subscribe.sql", cluster);
            self.stopped.set(self.times_stopped());
            assert!(self.has_applied_or_stopped(cluster));
        }
        must_copy
    }

    /// Waits for either; whether it has applied.
    fn has_applied_or_stopped(&self, cluster: &Cluster) -> bool {
        let mut client = self.connect();
        let mut on_primary = cluster.primary().connect(DATABASE);
        // A beat that comes later comes after everything until now; and with the first of a new primary it stops.
        let now: String = on_primary.query_one("SELECT clock_timestamp()::text", &[]).unwrap().get(0);
        let applied = format!("SELECT at >= '{now}' FROM tokenauth.heartbeat");
        let copying = "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'";
        let mut has_stopped = false;
        wait_within(PATIENCE, "the reader to apply", || {
            has_stopped = self.times_stopped() > self.stopped.get();
            has_stopped || is_so(&mut client, copying) && is_so(&mut client, &applied)
        });
        !has_stopped
    }

    fn times_stopped(&self) -> usize {
        self.server.log_text().matches(STOPPED).count()
    }

    /// Returns when every standby keeps its slot; Patroni restarts those to which it has copied it.
    pub fn wait_until_slots_are_kept(cluster: &Cluster) {
        let kept = if is_before_17() {
            "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = 'reader'"
        } else {
            "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = 'reader' AND synced AND NOT temporary"
        };
        wait_within(PATIENCE, "every member to keep the slot", || {
            std::thread::sleep(Duration::from_millis(200));
            cluster.standbys().all(|standby| {
                standby.config().connect(postgres::NoTls).is_ok_and(|mut client| is_so(&mut client, kept))
            })
        });
    }

    /// Brings the uses that it has counted into the primary's tables; of how many tokens.
    pub fn hand_over_its_uses(&self, cluster: &Cluster) -> i64 {
        let batch = self.connect().query_one("SELECT tokenauth.usage_export()::text", &[]).unwrap();
        let Some(batch) = batch.get::<_, Option<String>>(0) else { return 0 };
        let mut on_primary = cluster.primary().connect(DATABASE);
        on_primary.query_one("SELECT tokenauth.usage_import($1::text::jsonb)", &[&batch]).unwrap().get(0)
    }

    fn run(&self, file: &str, cluster: &Cluster) {
        let script = fs::read_to_string(example("patroni").join(folder()).join(file)).unwrap();
        let connection = cluster.connection_string();
        self.server.psql(DATABASE, &format!("\\set primary '{connection}'\n{script}"));
    }
}

/// The files for this version.
fn folder() -> &'static str {
    if is_before_17() { "before_17" } else { "from_17" }
}

fn is_before_17() -> bool {
    major(bin_directory()) < 17
}

fn is_so(client: &mut Client, query: &str) -> bool {
    client.query_opt(query, &[]).is_ok_and(|row| row.is_some_and(|row| row.get(0)))
}
