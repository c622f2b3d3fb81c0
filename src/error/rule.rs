//! What is wrong with the enforcement of a kind's rules.

use super::parts::{ErrorParts, absent, invalid, unready};

/// A rule cannot be enforced.
#[derive(Debug)]
pub enum RuleError {
    /// No rule is given.
    NoRules,
    /// No kind has the rule.
    NoSuchRule,
    /// Nobody but the application can make up what the rule asks for.
    OnlyListed(&'static str),
    /// Tokens must end, and the kind does not say when.
    NoLifetime(String),
    /// As before, since what it says is beyond the calendar.
    EndlessLifetime(String),
    /// Tokens are not revoked for want of use, since their uses may not be known.
    HeldBack { kind: String, because: String },
}

const RULES: &str = "Rules are no_expiry, lifetime, idle, ceiling and maximum.";

impl RuleError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NoRules => invalid("rules must not be empty").hint(RULES),
            Self::NoSuchRule => invalid("rule does not exist").hint(RULES),
            Self::OnlyListed(rule) => invalid(format!("rule \"{rule}\" cannot be enforced"))
                .hint("Use tokenauth.edit() to name the tokens that tokenauth.noncompliant() lists, or revoke them."),
            Self::NoLifetime(kind) => {
                absent(format!("token kind \"{kind}\" has neither max_lifetime nor default_lifetime"))
                    .hint("Set one of them: it says when the tokens are to expire.")
            }
            Self::EndlessLifetime(kind) => {
                invalid(format!("max_lifetime of token kind \"{kind}\" ends beyond the year 9999"))
                    .hint("Set it, or default_lifetime, to a shorter time: it says when the tokens are to expire.")
            }
            Self::HeldBack { kind, because } => {
                unready(format!("no token of kind \"{kind}\" is revoked for want of use"))
                    .detail(format!("Not every use in the time of max_idle is known: {because}."))
                    .hint(
                        "Preload tokenauth, leave tokenauth.usage_tracking on, and bring in the usage of every copy \
                         each day; once it was so for all of max_idle, tokens are revoked.",
                    )
            }
        }
    }
}
