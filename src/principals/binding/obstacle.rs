//! What keeps a table from being bound, and, when it came later, the triggers from seeing every change.

use crate::error::literal;

/// Something about a table because of which triggers miss changes of its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// Neither an ordinary nor a partitioned table.
    Kind,
    /// A table of the extension.
    Ours,
    /// A temporary table.
    Temporary,
    /// An unlogged table.
    Unlogged,
    /// A partition.
    Partition,
    /// A table that inherits from another.
    Child,
    /// A table from which others inherit.
    Parent,
    /// A partitioned table with a foreign partition.
    ForeignPartition,
    /// A partitioned table with an unlogged partition.
    UnloggedPartition,
    /// A table of Citus.
    Citus,
}

impl Obstacle {
    /// By its name in the catalog query of a table.
    pub fn parse(name: &[u8]) -> Self {
        match name {
            b"ours" => Obstacle::Ours,
            b"temporary" => Obstacle::Temporary,
            b"unlogged" => Obstacle::Unlogged,
            b"partition" => Obstacle::Partition,
            b"child" => Obstacle::Child,
            b"parent" => Obstacle::Parent,
            b"foreign partition" => Obstacle::ForeignPartition,
            b"unlogged partition" => Obstacle::UnloggedPartition,
            _ => Obstacle::Kind,
        }
    }

    /// Why such a table cannot be bound, as a DETAIL.
    pub fn why(self) -> &'static str {
        match self {
            Obstacle::Kind => "Only ordinary and partitioned tables have the triggers that are needed.",
            Obstacle::Ours => "It belongs to the extension itself.",
            Obstacle::Temporary => "Temporary tables are seen by one session only.",
            Obstacle::Unlogged => "A crash empties unlogged tables, and no trigger tells of it.",
            Obstacle::Partition => "It is a partition; bind the partitioned table.",
            Obstacle::Child | Obstacle::Parent => {
                "Rows of tables that inherit from one another are written past each other's triggers."
            }
            Obstacle::ForeignPartition => {
                "One of its partitions is a foreign table, whose rows change without triggers."
            }
            Obstacle::UnloggedPartition => "A crash empties its unlogged partition, and no trigger tells of it.",
            Obstacle::Citus => "Citus keeps its rows in tables on other nodes, where tokens are not.",
        }
    }

    /// What is wrong with a table that is bound nevertheless, as a finding of `doctor()`.
    pub fn finding(self) -> &'static str {
        match self {
            Obstacle::Kind => "is not a table any more",
            Obstacle::Ours => "belongs to the extension now",
            Obstacle::Temporary => "is temporary now",
            Obstacle::Unlogged => "is unlogged now: a crash empties it, and no trigger tells of it",
            Obstacle::Partition => {
                "is a partition now: what is written through the partitioned table passes by its triggers"
            }
            Obstacle::Child => "inherits from another table now: what is written through that passes by its triggers",
            Obstacle::Parent => "has tables that inherit from it now: what is written to them passes by its triggers",
            Obstacle::ForeignPartition => "has a foreign table as a partition now, whose rows change without triggers",
            Obstacle::UnloggedPartition => {
                "has an unlogged partition now: a crash empties it, and no trigger tells of it"
            }
            Obstacle::Citus => "was distributed by Citus: its rows are in tables on other nodes, where tokens are not",
        }
    }

    /// What to do about it, given the name of the table.
    pub fn hint(self, table: &str) -> String {
        let sync = format!("tokenauth.sync_principals({})", literal(table));
        let unbind = format!("tokenauth.unbind_principals({})", literal(table));
        match self {
            Obstacle::Kind | Obstacle::Ours | Obstacle::Temporary => format!("Use {unbind}."),
            Obstacle::Unlogged => format!("Use ALTER TABLE {table} SET LOGGED, then {sync}."),
            Obstacle::Partition => format!("Use {unbind} and bind the partitioned table instead."),
            Obstacle::Child | Obstacle::Parent => {
                format!("End the inheritance with NO INHERIT, then use {sync}. Or use {unbind}.")
            }
            Obstacle::ForeignPartition => format!("Detach that partition, then use {sync}. Or use {unbind}."),
            Obstacle::UnloggedPartition => format!("Use SET LOGGED for that partition, then {sync}."),
            Obstacle::Citus => format!("Use undistribute_table({}), then {sync}. Or use {unbind}.", literal(table)),
        }
    }

    /// Whether row triggers see every change nevertheless, also of rows written through another table.
    pub fn spares_row_triggers(self) -> bool {
        matches!(self, Obstacle::Partition | Obstacle::Child)
    }
}
