//! What copies of the primary's tables are not for, and when they cannot be relied on.

use std::time::Duration;

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, invalid, unready};

/// It cannot be done on this copy, or with this publication.
#[derive(Debug)]
pub enum ReplicationError {
    /// A reader is to write what it follows.
    OnReader,
    /// This function tells of what is not published to readers.
    NotPublished(&'static str),
    /// A copy is further behind its primary than `tokenauth.max_staleness` allows.
    Behind { who: Follower, known: Known, most: Duration },
    /// A reader has applied what the primary that it follows now does not have: places in the WAL of a timeline.
    AnotherPast { was: i32, applied: u64, left: Option<u64> },
    /// The name cannot be that of a publication.
    PublicationName,
    /// A publication of this name publishes every table.
    PublishesAll(String),
    /// A publication of this name publishes tables that are not the extension's.
    PublishesOthers { name: String, others: String },
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
            Self::AnotherPast { was, applied, left } => another_past(*was, *applied, *left),
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

fn another_past(was: i32, applied: u64, left: Option<u64>) -> ErrorParts {
    let place = |at: u64| format!("{:X}/{:X}", at >> 32, at & 0xFFFF_FFFF);
    let has = match left {
        Some(left) => format!("the new primary has gone on from {}", place(left)),
        None => "the new primary was never on it".to_owned(),
    };
    unready("the primary that this reader follows now does not have all that the reader has applied")
        .detail(format!(
            "Of timeline {was} everything before {} was applied, and {has}: what it has written at the places in \
             between is not known here.",
            place(applied)
        ))
        .hint("Empty the tables that are published here, and let a new subscription copy them.")
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
