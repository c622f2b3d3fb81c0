//! A cluster of three members, and what becomes of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use postgres::Config;
use serde_json::Value;
use tokenauth_cluster::{Orphans, as_server, finish, http, temporary_directory, wait_within};

use super::etcd::Etcd;
use super::member::{DATABASE, Member};
use super::partner::Programs;

/// The names of its members.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// Longer than any fail over or copy takes, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// It ends with the value, and leaves nothing behind.
pub struct Cluster {
    pub members: [Member; 3],
    programs: Programs,
    /// Ends after the members.
    _etcd: Etcd,
    directory: Directory,
    /// Servers are started by programs that leave them alone.
    _orphans: Orphans,
}

impl Cluster {
    /// Starts it, with a database for the application, and returns when a standby is synchronous.
    pub fn start(programs: &Programs) -> Self {
        let orphans = Orphans::adopt();
        let directory = Directory(temporary_directory());
        let etcd = Etcd::start(&programs.etcd, &directory.0);
        let password = random_password();
        let members = NAMES.map(|name| Member::new(name, NAMES, &directory.0, &etcd.address, &password));
        let mut cluster = Self { members, programs: programs.clone(), _etcd: etcd, directory, _orphans: orphans };
        // Alone, it becomes the primary, which the others copy.
        cluster.members[0].start(&cluster.programs);
        wait_within(PATIENCE, "the first member to lead", || cluster.leader().is_some());
        cluster.members[1].start(&cluster.programs);
        cluster.members[2].start(&cluster.programs);
        let mut postgres = cluster.primary().connect("postgres");
        postgres.batch_execute(&format!("CREATE DATABASE {DATABASE}")).unwrap();
        cluster.wait_until_whole();
        cluster
    }

    /// The member that leads.
    pub fn primary(&self) -> &Member {
        self.leader().expect("somebody leads")
    }

    /// The others.
    pub fn standbys(&self) -> impl Iterator<Item = &Member> {
        let leader = self.primary().name;
        self.members.iter().filter(move |member| member.name != leader)
    }

    /// Where applications find the primary, whoever it is.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.user("postgres").dbname(DATABASE);
        for member in &self.members {
            member.add_to(&mut config);
        }
        config
    }

    /// The same, as libpq takes it.
    pub fn connection_string(&self) -> String {
        let (hosts, ports): (Vec<_>, Vec<_>) = self.members.iter().map(Member::place).unzip();
        let (hosts, ports) = (hosts.join(","), ports.join(","));
        format!("host={hosts} port={ports} user=postgres dbname={DATABASE} target_session_attrs=read-write")
    }

    /// Kills the primary and its Patroni.
    pub fn kill_primary(&mut self) {
        let leader = self.primary().name;
        self.members.iter_mut().find(|member| member.name == leader).expect("it is one of them").kill();
    }

    /// Lets the primary and a synchronous standby change places.
    pub fn switch_over(&self) {
        finish(self.patronictl().args(["switchover", "--force", "--leader", self.primary().name, "tokens"]));
    }

    /// Changes what all members share, by a file of the example.
    pub fn edit(&self, file: &str) {
        let file = tokenauth_cluster::example("patroni").join(file);
        let here = self.directory.0.join("edit.yaml");
        fs::copy(file, &here).unwrap();
        finish(self.patronictl().args(["edit-config", "--quiet", "--force", "--apply"]).arg(here).arg("tokens"));
    }

    /// Starts those that were killed, and returns when the cluster is whole again.
    pub fn heal(&mut self) {
        for member in self.members.iter_mut().filter(|member| !member.is_running()) {
            member.start(&self.programs);
        }
        self.wait_until_whole();
    }

    /// Returns when every member follows the primary or is it, and one is synchronous.
    pub fn wait_until_whole(&self) {
        let mut seen = Vec::new();
        wait_within(PATIENCE, "every member to follow the primary", || {
            // Not more often: Patroni works while it answers.
            std::thread::sleep(Duration::from_millis(200));
            seen = self.seen();
            let has = |member: &Value, what: &str, value: &str| member[what] == value;
            seen.len() == NAMES.len()
                && seen.iter().any(|member| has(member, "role", "leader") && has(member, "state", "running"))
                && seen.iter().any(|member| has(member, "role", "sync_standby"))
                && seen.iter().all(|member| has(member, "role", "leader") || has(member, "state", "streaming"))
                && seen.iter().all(|member| member["timeline"] == seen[0]["timeline"])
        });
    }

    fn leader(&self) -> Option<&Member> {
        let seen = self.seen();
        let leader = seen.iter().find(|member| member["role"] == "leader" && member["state"] == "running")?;
        self.members.iter().find(|member| leader["name"] == member.name)
    }

    /// What those that run say of all.
    fn seen(&self) -> Vec<Value> {
        let running = self.members.iter().filter(|member| member.is_running());
        let answers = running.filter_map(|member| http::try_to_send(&member.rest, "GET", "/cluster", &[], "").ok());
        let mut told = answers.filter_map(|answer| serde_json::from_str::<Value>(&answer.body).ok());
        told.find_map(|told| told["members"].as_array().cloned()).unwrap_or_default()
    }

    /// As an administrator would use it on a member that runs.
    fn patronictl(&self) -> Command {
        let member = self.members.iter().find(|member| member.is_running()).expect("one of them runs");
        let mut command = as_server(&self.programs.patronictl);
        command.arg("--config-file").arg(member.configuration());
        command
    }
}

/// Removed with the value.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Their servers listen at addresses of the machine, where others may be as well.
fn random_password() -> String {
    use std::fmt::Write as _;
    use std::io::Read as _;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
