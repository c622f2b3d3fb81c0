//! What a document names of principals that have been erased here since it was made: nothing of it is written back.

use std::collections::{HashMap, HashSet};

use super::Written;
use crate::catalog::erased;
use crate::pg::types::encoding;
use crate::pg::types::text::Text;

/// Those among the names of a document that were erased.
#[derive(Default)]
pub struct Forgotten {
    /// Whoever has killed something, and whether it was erased.
    principals: HashMap<String, bool>,
    /// Tokens whose owner was erased.
    tokens: HashSet<[u8; 16]>,
}

impl Forgotten {
    /// Looks for the names of this document; usually nobody was erased.
    pub fn among(written: &Written) -> Self {
        if !erased::may_be_ids() {
            return Forgotten::default();
        }
        let mut principals = HashMap::new();
        let killers = written.tokens.iter().map(|token| &token.by).chain(written.owners.iter().map(|owner| &owner.by));
        for by in killers {
            if !principals.contains_key(by) {
                principals.insert(by.clone(), erased::is_id(&Text::from(encoding::from_utf8(by))));
            }
        }
        let tokens: Vec<[u8; 16]> =
            written.tokens.iter().filter_map(|token| super::token(&token.id)).map(|id| *id.as_bytes()).collect();
        Forgotten { principals, tokens: erased::among(tokens.iter()) }
    }

    /// Whoever has killed something, unless it was erased.
    pub fn remembered<'a>(&self, by: &'a str) -> Option<&'a str> {
        Some(by).filter(|by| self.principals.get(*by) != Some(&true))
    }

    /// Whether the owner of this token was erased, and so why it died.
    pub fn has_owner_of(&self, token: &pgrx::Uuid) -> bool {
        self.tokens.contains(token.as_bytes())
    }
}
