//! Tokens as the person who is signed in may see and change them. The database decides what that is: each call names
//! the actor, and a token that the actor may not see does not exist (42704).

use std::fmt;

use tokio_postgres::Row;
use uuid::Uuid;

use super::{Database, FromRow};
use crate::failure::Failure;

/// A point in time in UTC, as `YYYY-MM-DD HH:MM:SS.ffffff`, which sorts as time does.
#[derive(Clone, PartialEq, PartialOrd)]
pub struct Moment(String);

impl fmt::Display for Moment {
    /// To the minute.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..16).unwrap_or(&self.0))
    }
}

/// A row of `tokenauth.tokens`.
pub struct Token {
    pub id: Uuid,
    pub status: String,
    pub hint: String,
    pub owner: String,
    pub name: String,
    pub kind: String,
    pub description: String,
    pub created: Moment,
    pub created_by: String,
    pub expires: Option<Moment>,
    /// Whether it works, but will not for much longer.
    pub expires_soon: bool,
    pub last_used: Option<Moment>,
    pub request_count: i64,
    pub denied_count: i64,
    /// What it was granted; `None` for kinds whose tokens have no scopes of their own.
    pub scopes: Option<Vec<String>>,
    pub networks: Vec<String>,
    pub revoked: Option<Moment>,
    pub revoked_by: Option<String>,
    pub revoke_reason: Option<String>,
    pub rotated_from: Option<Uuid>,
}

/// The columns of [`Token`].
pub(super) const COLUMNS: &str = "
    id, status, hint, owner, coalesce(name, '') AS name, kind, coalesce(description, '') AS description,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS created, created_by,
    to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS expires,
    coalesce(status = 'active' AND expires_at < now() + interval '7 days', false) AS expires_soon,
    to_char(last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS last_used,
    request_count, denied_count, scopes, coalesce(networks, '{}')::text[] AS networks,
    to_char(revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS revoked, revoked_by, revoke_reason,
    rotated_from";

impl FromRow for Token {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let moment = |column| Ok::<_, tokio_postgres::Error>(row.try_get::<_, Option<String>>(column)?.map(Moment));
        Ok(Self {
            id: row.try_get("id")?,
            status: row.try_get("status")?,
            hint: row.try_get("hint")?,
            owner: row.try_get("owner")?,
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            description: row.try_get("description")?,
            created: Moment(row.try_get("created")?),
            created_by: row.try_get("created_by")?,
            expires: moment("expires")?,
            expires_soon: row.try_get("expires_soon")?,
            last_used: moment("last_used")?,
            request_count: row.try_get("request_count")?,
            denied_count: row.try_get("denied_count")?,
            scopes: row.try_get("scopes")?,
            networks: row.try_get("networks")?,
            revoked: moment("revoked")?,
            revoked_by: row.try_get("revoked_by")?,
            revoke_reason: row.try_get("revoke_reason")?,
            rotated_from: row.try_get("rotated_from")?,
        })
    }
}

impl Token {
    /// What a person calls it.
    pub fn title(&self) -> &str {
        [&self.name, &self.description].into_iter().find(|text| !text.is_empty()).unwrap_or(&self.hint)
    }

    /// Its status in words.
    pub fn status_in_words(&self) -> &str {
        match &*self.status {
            "active" => "Active",
            "disabled" => "Disabled",
            "not_yet_valid" => "Not valid yet",
            "expired" => "Expired",
            "revoked" => "Revoked",
            "suspended" => "Suspended: account deactivated",
            other => other,
        }
    }

    /// Whether it works or may work again, so that there is something to edit, rotate or revoke.
    pub fn is_alive(&self) -> bool {
        !matches!(&*self.status, "revoked" | "expired")
    }
}

/// Which tokens a list shows.
pub struct Filter {
    /// A principal, or `*`.
    pub owner: String,
    /// A status, or `*`.
    pub status: String,
    /// The last token of the page before.
    pub after: Option<Uuid>,
}

/// When a token is to stop working.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// As it is; of a new token, as its kind says.
    Unchanged,
    /// So many days from now.
    Days(u32),
    Never,
}

impl Expiry {
    /// The arguments `expires_in`, and whether `expires_at` is infinity.
    fn arguments(self) -> (Option<String>, bool) {
        match self {
            Self::Unchanged => (None, false),
            Self::Days(days) => (Some(format!("{days} days")), false),
            Self::Never => (None, true),
        }
    }
}

/// A token to create. What is `None` is left to the kind.
pub struct NewToken<'a> {
    pub kind: &'a str,
    pub owner: &'a str,
    pub name: Option<&'a str>,
    pub description: Option<&'a str>,
    /// `None`: all that the owner holds.
    pub scopes: Option<Vec<String>>,
    pub expiry: Expiry,
    pub networks: Option<Vec<String>>,
}

/// What is to become different. What is `None` stays as it is.
pub struct Changes<'a> {
    pub name: Option<&'a str>,
    pub description: Option<&'a str>,
    pub scopes: Option<Vec<String>>,
    pub expiry: Expiry,
    /// Empty: from anywhere.
    pub networks: Option<Vec<String>>,
}

/// A token with its text, which is not kept anywhere. Nothing here can print it by accident: it has no `Debug`.
pub struct Created {
    pub text: String,
    pub id: Uuid,
}

impl FromRow for Created {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { text: row.try_get("token")?, id: row.try_get("id")? })
    }
}

/// A token and its successor.
pub struct Rotation {
    pub old: Token,
    pub new: Token,
}

impl Rotation {
    /// Whether somebody has used the old one since there is a new one.
    pub fn old_is_in_use(&self) -> bool {
        self.old.is_alive() && self.old.last_used.as_ref().is_some_and(|used| *used > self.new.created)
    }
}

struct Text(String);

impl FromRow for Text {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self(row.try_get(0)?))
    }
}

impl Database {
    /// A page of at most `size` tokens, newest first, and the `after` of the page behind it, if there is one.
    pub async fn list(&self, actor: &str, filter: &Filter, size: usize) -> Result<(Vec<Token>, Option<Uuid>), Failure> {
        let statement = format!(
            "SELECT {COLUMNS}
               FROM tokenauth.list(actor => $1, owner => $2, status => $3, page_size => $4, after => $5)"
        );
        let Filter { owner, status, after } = filter;
        // One more than is shown tells whether there is another page.
        let most = i32::try_from(size + 1).unwrap_or(i32::MAX);
        Ok(cut(self.page.rows(&statement, &[&actor, owner, status, &most, after]).await?, size))
    }

    /// One token.
    pub async fn token(&self, actor: &str, id: Uuid) -> Result<Token, Failure> {
        let statement = format!("SELECT {COLUMNS} FROM tokenauth.describe($2, actor => $1)");
        self.page.one(&statement, &[&actor, &id]).await
    }

    /// Several tokens, in the order of their ids; if the actor may not see one of them, none.
    pub async fn tokens(&self, actor: &str, ids: &[Uuid]) -> Result<Vec<Token>, Failure> {
        let statement = format!(
            "SELECT {COLUMNS}
               FROM unnest($2::uuid[]) AS chosen (one) CROSS JOIN LATERAL tokenauth.describe(one, actor => $1)
              ORDER BY id"
        );
        self.page.rows(&statement, &[&actor, &ids]).await
    }

    /// Creates a token.
    pub async fn issue(&self, actor: &str, new: &NewToken<'_>) -> Result<Created, Failure> {
        let (expires_in, never) = new.expiry.arguments();
        self.page
            .one(
                "SELECT token, id
                   FROM tokenauth.issue($2, $3, name => $4, description => $5, scopes => $6,
                            expires_in => $7::text::interval,
                            expires_at => CASE WHEN $8 THEN timestamptz 'infinity' END,
                            networks => $9, actor => $1)",
                &[
                    &actor,
                    &new.kind,
                    &new.owner,
                    &new.name,
                    &new.description,
                    &new.scopes,
                    &expires_in,
                    &never,
                    &new.networks,
                ],
            )
            .await
    }

    /// Changes a token; its text stays the same.
    pub async fn edit(&self, actor: &str, id: Uuid, changes: &Changes<'_>) -> Result<(), Failure> {
        let (expires_in, never) = changes.expiry.arguments();
        self.page
            .ask(
                "SELECT FROM tokenauth.edit($2, name => $3, description => $4, scopes => $5,
                            expires_in => $6::text::interval,
                            expires_at => CASE WHEN $7 THEN timestamptz 'infinity' END,
                            networks => $8, actor => $1)",
                &[
                    &actor,
                    &id,
                    &changes.name,
                    &changes.description,
                    &changes.scopes,
                    &expires_in,
                    &never,
                    &changes.networks,
                ],
            )
            .await?;
        Ok(())
    }

    /// Creates a successor; the token itself works for so many more hours.
    pub async fn rotate(&self, actor: &str, id: Uuid, grace_hours: i32) -> Result<Created, Failure> {
        self.page
            .one(
                "SELECT token, id FROM tokenauth.rotate($2, grace => make_interval(hours => $3), actor => $1)",
                &[&actor, &id, &grace_hours],
            )
            .await
    }

    /// The rotation that a token is part of: as the new one or, if it was not rotated from another, as the old one.
    ///
    /// `rotation_status` takes no actor, so the role of the page cannot ask it. A successor has the same kind and
    /// owner, so it is looked for among those.
    pub async fn rotation(&self, actor: &str, token: &Token) -> Result<Option<Rotation>, Failure> {
        let successor = format!(
            "SELECT {COLUMNS} FROM tokenauth.list(actor => $1, owner => $2, kind => $3) WHERE rotated_from = $4"
        );
        let successor = self.page.first(&successor, &[&actor, &token.owner, &token.kind, &token.id]).await?;
        let (old, new) = match (successor, token.rotated_from) {
            (Some(new), _) => (self.token(actor, token.id).await?, new),
            (None, Some(old)) => match self.token(actor, old).await {
                Ok(old) => (old, self.token(actor, token.id).await?),
                // It was removed from the list.
                Err(Failure::NotFound) => return Ok(None),
                Err(other) => return Err(other),
            },
            (None, None) => return Ok(None),
        };
        Ok(Some(Rotation { old, new }))
    }

    /// Revokes these tokens, all or none.
    pub async fn revoke(&self, actor: &str, ids: &[Uuid], reason: Option<&str>) -> Result<(), Failure> {
        self.page
            .ask(
                "SELECT count(tokenauth.revoke(id, reason => $3, actor => $1)) FROM unnest($2::uuid[]) AS id",
                &[&actor, &ids, &reason],
            )
            .await?;
        Ok(())
    }

    /// Revokes these tokens and takes them off every list, all or none.
    pub async fn delete(&self, actor: &str, ids: &[Uuid]) -> Result<(), Failure> {
        self.page
            .ask("SELECT count(tokenauth.delete(id, actor => $1)) FROM unnest($2::uuid[]) AS id", &[&actor, &ids])
            .await?;
        Ok(())
    }

    /// The text of a token whose kind keeps it sealed.
    pub async fn reveal(&self, actor: &str, id: Uuid) -> Result<String, Failure> {
        let text: Text = self.page.one("SELECT tokenauth.reveal($2, actor => $1)", &[&actor, &id]).await?;
        Ok(text.0)
    }
}

/// The first `size` tokens, and the id of the last of them if there were more.
pub(super) fn cut(mut tokens: Vec<Token>, size: usize) -> (Vec<Token>, Option<Uuid>) {
    let is_all = tokens.len() <= size;
    tokens.truncate(size);
    let last = tokens.last().filter(|_| !is_all).map(|token| token.id);
    (tokens, last)
}
