//! Rows of the view `tokenauth.tokens` a page at a time: newest first, by id, from the last row of the page before.
//!
//! A page costs what it reads: its rows, and those that the filters pass over. Whose tokens an actor may see is worked
//! out before, so that each statement walks one index in the order of its answer and stops at the end of the page.

use pgrx::Uuid;

use crate::pg::sql::statement::{Argument, Statement, fields};
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;

/// Whose tokens are listed, and of which kinds.
pub enum Listed {
    /// Of everybody these kinds, or any kind if `None`; and of each owner the kind at the same place.
    Everybody { kinds: Option<Vec<Text>>, also: KindsOfOwners },
    /// Of one owner these kinds, or any kind if `None`.
    Owner { owner: Text, kinds: Option<Vec<Text>> },
    /// Of each owner the kind at the same place.
    Owners(KindsOfOwners),
}

/// Owners, and at the same place a kind; the same owner may be there several times.
#[derive(Default)]
pub struct KindsOfOwners {
    pub owners: Vec<Text>,
    pub kinds: Vec<Text>,
}

/// Which of them, and how many.
pub struct Page {
    /// Their status, if it matters.
    pub status: Option<Text>,
    /// The id of the last row of the page before.
    pub after: Option<Uuid>,
    /// How many rows; all of them if `None`.
    pub size: Option<i64>,
}

/// `$1` is the last id of the page before, `$2` a status, `$3` the size; each may be NULL.
macro_rules! page {
    ($whose:literal) => {
        concat!(
            "SELECT t.*
               FROM tokenauth.tokens t
              WHERE t.id < coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                AND (t.status = $2 OR $2 IS NULL)
                -- The status tells that as well, but only once the owner is known.
                AND ($2 IS DISTINCT FROM 'expired' OR t.expires_at <= clock_timestamp())
                AND ($2 IS DISTINCT FROM 'not_yet_valid' OR t.not_before > clock_timestamp())
                AND ",
            $whose,
            " ORDER BY t.id DESC
              LIMIT $3"
        )
    };
}

/// Of everybody the kinds `$4`, or any for NULL, and of each owner in `$5` the kind at the same place in `$6`: by id.
macro_rules! of_everybody {
    () => {
        page!(
            "($4::text[] IS NULL OR t.kind = ANY ($4)
              OR (t.owner, t.kind) IN (SELECT * FROM unnest($5::text[], $6::text[])))"
        )
    };
}

/// Of the owner `$4` the kinds `$5`, or any for NULL: by owner and id.
macro_rules! of_owner {
    () => {
        page!("t.owner = $4 AND ($5::text[] IS NULL OR t.kind = ANY ($5))")
    };
}

/// Of each owner in `$4` the kind at the same place in `$5`: by owner and id, the pages of all of them merged.
macro_rules! of_owners {
    () => {
        concat!(
            "SELECT t.*
               FROM (SELECT DISTINCT owner FROM unnest($4::text[]) o (owner)) o
              CROSS JOIN LATERAL (",
            page!(
                "t.owner = o.owner COLLATE \"C\"
                 AND (t.owner, t.kind) IN (SELECT * FROM unnest($4::text[], $5::text[]))"
            ),
            ") t
              ORDER BY t.id DESC
              LIMIT $3"
        )
    };
}

/// The same in any status, where only the rows of the merged page are looked at closer.
macro_rules! of_owners_in_any_status {
    () => {
        "SELECT t.*
           FROM (SELECT k.id
                   FROM (SELECT DISTINCT owner FROM unnest($4::text[]) o (owner)) o
                  CROSS JOIN LATERAL (
                        SELECT k.id
                          FROM tokenauth.token k
                         WHERE k.id < coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND $2::text IS NULL
                           AND k.deleted_at IS NULL
                           AND k.owner = o.owner COLLATE \"C\"
                           AND (k.owner, k.kind) IN (SELECT * FROM unnest($4::text[], $5::text[]))
                         ORDER BY k.id DESC
                         LIMIT $3) k
                  ORDER BY k.id DESC
                  LIMIT $3) k
           JOIN tokenauth.tokens t ON t.id = k.id
          ORDER BY t.id DESC"
    };
}

impl Page {
    /// The statement that reads the page, and its arguments.
    pub fn of(self, listed: Listed) -> (&'static Statement, Vec<Argument>) {
        static OF_EVERYBODY: Statement = Statement::paged(of_everybody!());
        static OF_OWNER: Statement = Statement::paged(of_owner!());
        static OF_OWNERS: Statement = Statement::paged(of_owners!());
        static OF_OWNERS_IN_ANY_STATUS: Statement = Statement::paged(of_owners_in_any_status!());
        // All rows are read otherwise than a few.
        static ALL_OF_EVERYBODY: Statement = Statement::new(of_everybody!());
        static ALL_OF_OWNER: Statement = Statement::new(of_owner!());
        static ALL_OF_OWNERS: Statement = Statement::new(of_owners!());
        let (is_all, is_in_any_status) = (self.size.is_none(), self.status.is_none());
        let array = |texts: Vec<Text>| texts.into_iter().collect::<TextArray>();
        let mut arguments: Vec<Argument> = fields![self.after, self.status, self.size].into();
        let statement = match listed {
            Listed::Everybody { kinds, also } => {
                arguments.extend(fields![kinds.map(array), array(also.owners), array(also.kinds)]);
                if is_all { &ALL_OF_EVERYBODY } else { &OF_EVERYBODY }
            }
            Listed::Owner { owner, kinds } => {
                arguments.extend(fields![owner, kinds.map(array)]);
                if is_all { &ALL_OF_OWNER } else { &OF_OWNER }
            }
            Listed::Owners(KindsOfOwners { owners, kinds }) => {
                arguments.extend(fields![array(owners), array(kinds)]);
                match (is_all, is_in_any_status) {
                    (true, _) => &ALL_OF_OWNERS,
                    (false, true) => &OF_OWNERS_IN_ANY_STATUS,
                    (false, false) => &OF_OWNERS,
                }
            }
        };
        (statement, arguments)
    }
}
