//! What copies of the primary's tables are not for, and when they cannot be relied on.

use std::fmt;
use std::time::Duration;

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, invalid, unready};
use crate::pg::process::wal::shown;

/// It cannot be done on this copy, or with this publication.
#[derive(Debug)]
pub enum ReplicationError {
    /// A reader is to write what it follows.
    OnReader,
    /// This function tells of what is not published to readers.
    NotPublished(&'static str),
    /// A copy is further behind its primary than `tokenauth.max_staleness` allows.
    Behind { who: Follower, known: Known, most: Duration },
    /// A reader lacks something that its primary has changed; the sentence says why.
    Gap(String),
    /// The name cannot be that of a publication.
    PublicationName,
    /// A publication of this name publishes every table.
    PublishesAll(String),
    /// A publication of this name publishes tables that are not the extension's.
    PublishesOthers { name: String, others: String },
}

/// Why a reader lacks something that its primary has changed. Stored with the reader's last beat, as a sentence.
#[derive(Debug)]
pub enum Gap {
    /// It has applied more of a timeline than the primary has that it follows now: places in the WAL of that.
    Past { was: i32, applied: u64, left: Option<u64> },
    /// The primary is another cluster now.
    Cluster,
    /// A beat does not follow the one that came before it.
    Beat,
    /// Of so many transactions that a beat counts, which changed what is verified, fewer were applied.
    Changes { told: i64, applied: i64 },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Past { was, applied, left } => {
                write!(f, "Of timeline {was} everything before {} was applied, and the new primary ", shown(*applied))?;
                match left {
                    Some(left) => write!(f, "has gone on from {}", shown(*left))?,
                    None => write!(f, "was never on it")?,
                }
                write!(f, ": what it has written at the places in between is not known here.")
            }
            Self::Cluster => write!(f, "The primary is another cluster than before, with a WAL of its own."),
            Self::Beat => write!(
                f,
                "Beats of the primary are missing: this database or the primary was put back to an earlier state, or \
                 transactions were skipped."
            ),
            Self::Changes { told, applied } => write!(
                f,
                "Of {told} transactions that have changed what is verified, {applied} were applied: this database was \
                 put back to an earlier state, or transactions were skipped."
            ),
        }
    }
}

/// What verifies here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follower {
    Standby,
    Reader,
}

/// What is known of a copy that is behind.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// Nothing has arrived.
    Nothing,
    /// Tables of ours are still being copied.
    Copying,
    /// Not all tables come by the subscription that brings the beats.
    Partly,
    /// The newest that has arrived is so old.
    Old(Duration),
    /// It is ahead of this server's clock by so much.
    Ahead(Duration),
}

impl ReplicationError {
    /// Its message and its DETAIL, for those who are told instead of stopped.
    pub fn why(&self) -> String {
        let ErrorParts { message, detail, .. } = self.parts();
        let detail = detail.unwrap_or_default();
        format!("this {message}. {}", detail.trim_end_matches('.'))
    }

    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::OnReader => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
                "cannot change tokens, kinds or principals on a reader",
            )
            .detail(
                "The setting tokenauth.reader is on in this database: it verifies what the primary issues and kills.",
            )
            .hint("Ask the primary."),
            Self::NotPublished(function) => unready(format!("a reader does not know what {function}() tells"))
                .detail("It has no events, and only such uses of tokens as it has counted itself.")
                .hint("Ask the primary."),
            Self::Behind { who, known, most } => behind(*who, *known, *most),
            Self::Gap(why) => unready("reader lacks changes of its primary").detail(why.clone()).hint(
                "Ask the primary. Empty the tables that are published here, and let a new subscription copy them.",
            ),
            Self::PublicationName => {
                invalid("name of a publication must have 1 to 63 bytes").hint("Leave it out for \"tokenauth\".")
            }
            Self::PublishesAll(name) => unready(format!("publication \"{name}\" publishes all tables"))
                .detail("Readers stop at the first change of a table that they write themselves.")
                .hint("Choose another name, or drop it."),
            Self::PublishesOthers { name, others } => {
                unready(format!("publication \"{name}\" publishes tables that are not of the extension"))
                    .detail(format!("These are: {others}."))
                    .hint("Choose another name; whoever subscribes to this one may have no such tables.")
            }
        }
    }
}

fn behind(who: Follower, known: Known, most: Duration) -> ErrorParts {
    let (name, newest) = match who {
        Follower::Standby => ("standby", "last transaction replayed"),
        Follower::Reader => ("reader", "newest beat of the primary"),
    };
    let known = match (known, who) {
        (Known::Nothing, Follower::Standby) => {
            "No transaction has been replayed since the server was started".to_owned()
        }
        (Known::Nothing, Follower::Reader) => "No beat of the primary has arrived".to_owned(),
        (Known::Copying, _) => "The subscription is still copying tables".to_owned(),
        (Known::Partly, _) => "Not all tables follow by the subscription that brings the primary's beats".to_owned(),
        (Known::Old(age), Follower::Standby) => format!("The {newest} was committed {} ms ago", age.as_millis()),
        (Known::Old(age), Follower::Reader) => format!("The {newest} is {} ms old", age.as_millis()),
        (Known::Ahead(by), _) => format!("The {newest} is {} ms ahead of this server's clock", by.as_millis()),
    };
    unready(format!("{name} is too far behind its primary to verify tokens"))
        .detail(format!("{known}; tokenauth.max_staleness allows {} ms.", most.as_millis()))
        .hint(match who {
            Follower::Standby => {
                "Ask the primary, or try again when replay has caught up. \
                 On an idle primary, tokenauth.heartbeat must be on."
            }
            Follower::Reader => "Ask the primary, or try again later; tokenauth.doctor() tells what is wrong here.",
        })
}
