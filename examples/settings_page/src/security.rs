//! What holds for every request: where forms may come from, and what browsers may do with answers.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::App;
use crate::failure::Failure;

/// Nothing but what the program itself serves, no script or style inside a page, forms only to here, in no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// `same-origin`, not `no-referrer`, for which browsers send `Origin: null` with a form.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
];

/// Refuses a form that another site has made the browser send, and adds the headers to every answer.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = if is_from_here(request.method(), request.headers(), &app.origin) {
        next.run(request).await
    } else {
        Failure::Forbidden.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether a request changes nothing, or comes from a page of this origin. Beside `SameSite`, which takes another port
/// or subdomain for the same site. Every browser names the origin of a form; what does not is no browser.
fn is_from_here(method: &Method, headers: &HeaderMap, origin: &str) -> bool {
    method.is_safe() || headers.get(header::ORIGIN).is_some_and(|sent| sent.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, Method, header};

    use super::is_from_here;

    #[test]
    fn only_reading_is_allowed_from_elsewhere() {
        let here = "https://example.test";
        let allowed = |method: Method, origin: Option<&'static str>| {
            let headers = origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin)));
            is_from_here(&method, &HeaderMap::from_iter(headers), here)
        };
        assert!(allowed(Method::GET, Some("https://evil.test")) && allowed(Method::GET, None));
        assert!(allowed(Method::POST, Some(here)));
        for origin in ["https://evil.test", "http://example.test", "https://example.test:8443", "null"] {
            assert!(!allowed(Method::POST, Some(origin)), "{origin}");
        }
        assert!(!allowed(Method::POST, None) && !allowed(Method::DELETE, None));
    }
}
