//! The `WWW-Authenticate` header of a refusal, as RFC 6750 section 3 writes it.
//!
//! A challenge tells a client that presenting another token, or any token, could help; otherwise there is none. It
//! consists of fixed words and well-formed scopes, so nothing needs escaping and no caller can inject a header.

use crate::model::scope::Scopes;
use crate::model::verdict::Verdict;

/// Longest `scope` parameter in bytes; a longer one is left out. 256 scopes can take 66 kB, and nginx by default allows
/// 4 kB for all headers of a response together.
const MAX_SCOPE_LENGTH: usize = 1024;

/// The challenge for a verdict; only `insufficient_scope` lists the missing scopes.
pub(super) fn challenge(verdict: Verdict, missing: &Scopes) -> Option<String> {
    let error = match verdict {
        // Section 3.1: no error code when nothing was presented. But some parameter must follow.
        Verdict::Missing => return Some(r#"Bearer realm="api""#.into()),
        Verdict::Ambiguous => "invalid_request",
        Verdict::InsufficientScope => return Some(insufficient_scope(missing)),
        verdict if verdict.http_status() == 401 => "invalid_token",
        _ => return None,
    };
    Some(format!(r#"Bearer error="{error}""#))
}

fn insufficient_scope(missing: &Scopes) -> String {
    let error = r#"Bearer error="insufficient_scope""#;
    let scope = missing.iter().collect::<Vec<_>>().join(" ");
    if (1..=MAX_SCOPE_LENGTH).contains(&scope.len()) { format!(r#"{error}, scope="{scope}""#) } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[String]) -> Scopes {
        Scopes::parse(texts.iter().map(String::as_bytes)).unwrap()
    }

    fn told(verdict: Verdict) -> Option<String> {
        challenge(verdict, &scopes(&["sites:*".into(), "devices:write".into()]))
    }

    #[test]
    fn an_error_is_named_only_when_a_token_was_presented() {
        assert_eq!(told(Verdict::Missing).unwrap(), r#"Bearer realm="api""#);
        assert_eq!(told(Verdict::Malformed).unwrap(), r#"Bearer error="invalid_token""#);
        assert_eq!(told(Verdict::Ambiguous).unwrap(), r#"Bearer error="invalid_request""#);
    }

    #[test]
    fn missing_scopes_are_told_in_the_form_of_rfc_6749() {
        assert_eq!(
            told(Verdict::InsufficientScope).unwrap(),
            r#"Bearer error="insufficient_scope", scope="devices:write sites:*""#
        );
    }

    #[test]
    fn missing_scopes_that_are_none_or_would_burst_the_header_are_left_out() {
        let many: Vec<String> = (0..256).map(|number| format!("scope:{number}")).collect();
        for missing in [Scopes::nothing(), scopes(&many)] {
            assert_eq!(
                challenge(Verdict::InsufficientScope, &missing).unwrap(),
                r#"Bearer error="insufficient_scope""#
            );
        }
    }

    #[test]
    fn where_no_other_token_could_help_there_is_no_challenge() {
        for verdict in Verdict::ALL {
            let useless = matches!(
                verdict,
                Verdict::OwnerInactive | Verdict::NetworkDenied | Verdict::RateLimited | Verdict::Valid
            );
            assert_eq!(told(verdict).is_none(), useless, "{verdict}");
        }
    }
}
