//! The document as it is written: the form of its JSON. Without server and SQL, so that it is fuzzed by itself.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub version: u32,
    #[serde(rename = "since")]
    _since: Option<String>,
    #[serde(rename = "until")]
    _until: Option<String>,
    #[serde(default)]
    pub more: bool,
    #[serde(default)]
    pub reasons: Vec<String>,
    #[serde(default)]
    pub tokens: Vec<WrittenToken>,
    #[serde(default)]
    pub owners: Vec<WrittenOwner>,
    #[serde(default)]
    pub disabled: Vec<WrittenMoment>,
    #[serde(default)]
    pub expiries: Vec<WrittenMoment>,
    #[serde(default)]
    pub inactive: Vec<WrittenInactive>,
    #[serde(default)]
    pub derived: Vec<WrittenChild>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenToken {
    pub id: String,
    pub at: String,
    pub by: String,
    pub reason: Option<Reason>,
    #[serde(default)]
    pub deleted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOwner {
    pub owner: String,
    pub at: String,
    pub by: String,
    pub reason: Option<Reason>,
    pub covers: WrittenCovers,
}

/// A reason, or its place in the list of reasons.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Reason {
    Text(String),
    Listed(usize),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum WrittenCovers {
    All,
    Revocable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenMoment {
    pub id: String,
    pub at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenInactive {
    pub principal: String,
    pub reason: Option<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenChild {
    pub digest: String,
    pub id: String,
    pub at: String,
    pub expires_at: String,
}

impl Reason {
    /// Its text, given the list; `None` for a place that the list does not have.
    pub fn among<'a>(&'a self, listed: &'a [String]) -> Option<&'a str> {
        match self {
            Reason::Text(text) => Some(text),
            Reason::Listed(place) => listed.get(*place).map(String::as_str),
        }
    }
}
