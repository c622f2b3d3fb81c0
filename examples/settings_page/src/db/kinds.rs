//! Kinds of tokens, and which of them somebody may create for whom.

use tokio_postgres::Row;

use super::{Database, FromRow};
use crate::failure::Failure;

/// What the policy of a kind means for a form.
#[expect(clippy::struct_excessive_bools, reason = "so many columns of the table are")]
#[derive(Clone)]
pub struct Kind {
    pub name: String,
    pub description: String,
    pub owner_types: Vec<String>,
    /// Whether its tokens have scopes of their own.
    pub chooses_scopes: bool,
    pub name_required: bool,
    /// Whether the text of a token can be shown again.
    pub reveals: bool,
    /// The lifetime of a token for which none is chosen, in words.
    pub default_lifetime: Option<String>,
    /// The longest lifetime in whole days.
    pub max_days: Option<i64>,
    pub may_never_expire: bool,
    /// How long a rotated token may go on working, in whole hours.
    pub max_grace_hours: i64,
}

impl FromRow for Kind {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            owner_types: row.try_get("owner_types")?,
            chooses_scopes: row.try_get("chooses_scopes")?,
            name_required: row.try_get("name_required")?,
            reveals: row.try_get("reveal")?,
            default_lifetime: row.try_get("default_lifetime")?,
            max_days: row.try_get("max_days")?,
            may_never_expire: row.try_get("may_never_expire")?,
            max_grace_hours: row.try_get("max_grace_hours")?,
        })
    }
}

const KINDS: &str = "
    SELECT name, coalesce(description, name) AS description, owner_types,
           permission_mode IN ('intersect', 'snapshot') AS chooses_scopes, name_required, reveal,
           default_lifetime::text AS default_lifetime,
           floor(extract(epoch FROM max_lifetime) / 86400)::bigint AS max_days,
           max_lifetime IS NULL AND NOT lifetime_required AS may_never_expire,
           floor(extract(epoch FROM max_grace) / 3600)::bigint AS max_grace_hours
      FROM tokenauth.kind";

/// A kind that somebody may create a token of, and for whom.
pub struct Offer {
    pub kind: Kind,
    /// The principal that the token would act for.
    pub owner: String,
    pub owner_name: String,
    /// What the token may be granted.
    pub scopes: Vec<String>,
}

/// The owners that a person can choose from, each with the kinds of tokens that this type of principal can own. Which
/// of them this actor may issue, and with which scopes, is what `grantable` answers.
const OFFERS: &str = "
    SELECT owner.principal, owner.name, kind.name AS kind, granted.scopes
      FROM (SELECT 1, 'user:' || id, name FROM person WHERE 'user:' || id = $1
            UNION ALL
            SELECT 2, 'org:' || o.id, o.name
              FROM organisation o JOIN membership m ON m.organisation_id = o.id
             WHERE 'user:' || m.person_id = $1
            UNION ALL
            SELECT 3, 'integration:' || id, name FROM integration) AS owner (place, principal, name)
      JOIN unnest($2::text[], $3::text[]) AS kind (name, owner_type)
        ON kind.owner_type = split_part(owner.principal, ':', 1)
     CROSS JOIN LATERAL tokenauth.grantable(kind.name, owner.principal, actor => $1) AS granted (scopes)
     WHERE granted.scopes IS NOT NULL
     ORDER BY owner.place, owner.name, kind.name";

struct OfferRow {
    kind: String,
    owner: String,
    owner_name: String,
    scopes: Vec<String>,
}

impl FromRow for OfferRow {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            kind: row.try_get("kind")?,
            owner: row.try_get("principal")?,
            owner_name: row.try_get("name")?,
            scopes: row.try_get("scopes")?,
        })
    }
}

struct Scopes(Option<Vec<String>>);

impl FromRow for Scopes {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self(row.try_get(0)?))
    }
}

impl Database {
    /// The policies, which the role of the page cannot read.
    pub async fn kinds(&self) -> Result<Vec<Kind>, Failure> {
        self.observer.rows(&format!("{KINDS} ORDER BY name"), &[]).await
    }

    /// The policy of one kind.
    pub async fn kind(&self, name: &str) -> Result<Kind, Failure> {
        self.observer.one(&format!("{KINDS} WHERE name = $1"), &[&name]).await
    }

    /// What this principal may create now.
    pub async fn offers(&self, actor: &str) -> Result<Vec<Offer>, Failure> {
        let kinds = self.kinds().await?;
        let owned = || kinds.iter().flat_map(|kind| kind.owner_types.iter().map(move |owner_type| (kind, owner_type)));
        let names: Vec<&str> = owned().map(|(kind, _)| kind.name.as_str()).collect();
        let types: Vec<&str> = owned().map(|(_, owner_type)| owner_type.as_str()).collect();
        let rows: Vec<OfferRow> = self.page.rows(OFFERS, &[&actor, &names, &types]).await?;
        let mut offers = Vec::new();
        for OfferRow { kind, owner, owner_name, scopes } in rows {
            if let Some(kind) = kinds.iter().find(|known| known.name == kind) {
                offers.push(Offer { kind: kind.clone(), owner, owner_name, scopes });
            }
        }
        Ok(offers)
    }

    /// The scopes that this principal could grant to a token of this owner now; none when it may grant nothing.
    pub async fn grantable(&self, actor: &str, kind: &str, owner: &str) -> Result<Vec<String>, Failure> {
        let scopes: Scopes =
            self.page.one("SELECT tokenauth.grantable($2, $3, actor => $1)", &[&actor, &kind, &owner]).await?;
        Ok(scopes.0.unwrap_or_default())
    }
}
