//! Responses for errors other than a refused token: the database refuses something else, or cannot be reached.

use std::borrow::Cow;
use std::fmt::Display;

use axum::Json;
use axum::extract::rejection::{BytesRejection, FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deadpool_postgres::PoolError;
use serde_json::json;
use tracing::{info, info_span};
use uuid::Uuid;

use crate::door::route;

/// Identifies a response in the service's log and in the database's history.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// A failure as the client sees it.
#[derive(Clone)]
pub struct Error {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
}

impl Error {
    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message: Cow::Borrowed(message) }
    }

    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing")
    }

    pub const fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This cannot be done with it")
    }

    /// It is the service that took too long, not the client: 408 would have clients send the request once more at once.
    pub const fn too_slow() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "The request took too long")
    }

    pub fn invalid(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: "invalid_request", message: message.into() }
    }

    /// A fault of the service, whose details only the log gets.
    pub fn broken(fault: impl Display) -> Self {
        tracing::error!("{fault}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong")
    }

    /// The database cannot be asked, so nobody is let in.
    fn unavailable(fault: impl Display) -> Self {
        tracing::error!("{fault}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Please try again")
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        Self::unavailable(error)
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            return if error.is_closed() { Self::unavailable(error) } else { Self::broken(error) };
        };
        match told.code().code() {
            // The token has died since it was verified.
            "28000" => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Invalid or expired authentication token"),
            "42501" => Self::new(StatusCode::FORBIDDEN, "forbidden", "This token does not permit the request"),
            "42704" => Self::not_found(),
            // A key file that is missing or wrong concerns the operator, and its name no client.
            "55000" if told.hint().is_some_and(|hint| hint.contains("tokenauth.key_file")) => {
                Self::unavailable(told.message())
            }
            "55000" | "53400" => Self { status: StatusCode::CONFLICT, code: "conflict", message: text(told) },
            // statement_timeout
            "57014" => {
                tracing::error!("{}", told.message());
                Self::too_slow()
            }
            // After a failover, the server may still be a standby.
            "25006" | "40001" | "40P01" | "57P01" | "57P02" | "57P03" => Self::unavailable(told.message()),
            code if code.starts_with("23") => {
                Self::new(StatusCode::CONFLICT, "conflict", "This contradicts what is there already")
            }
            code if code.starts_with("22") => Self::invalid(StatusCode::BAD_REQUEST, text(told)),
            code => Self::broken(format_args!("{code} {}", told.message())),
        }
    }
}

fn text(error: &tokio_postgres::error::DbError) -> Cow<'static, str> {
    error.message().to_owned().into()
}

impl From<BytesRejection> for Error {
    fn from(rejection: BytesRejection) -> Self {
        Self::invalid(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        Self::invalid(rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for Error {
    fn from(rejection: FormRejection) -> Self {
        Self::invalid(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Error {
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}

impl IntoResponse for Error {
    /// Leaves the body to [`explain`], which knows its form.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The outermost layer: writes the bodies of errors as `error_response` does, with the error code in the field `code`.
///
/// Every answer can be found in the log: one that the door has not logged, since the request never came through it,
/// gets a correlation id and its line here.
pub async fn explain(State(code): State<&'static str>, request: Request, next: Next) -> Response {
    let route = route(&request);
    let mut response = next.run(request).await;
    let known = response.headers().get(CORRELATION_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let correlation_id = known.clone().unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    if known.is_none() {
        info_span!("request", %correlation_id).in_scope(|| info!("{route} {}", response.status().as_u16()));
        response.headers_mut().extend(HeaderValue::try_from(&correlation_id).ok().map(|id| (CORRELATION_ID, id)));
    }
    let Some(error) = response.extensions_mut().remove::<Error>() else {
        return response;
    };
    let body = json!({ code: error.code, "message": error.message, "correlationId": correlation_id });
    let hint = match error.status {
        StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Some((header::RETRY_AFTER, "1")),
        _ => None,
    };
    response.headers_mut().extend(hint.map(|(name, value)| (name, HeaderValue::from_static(value))));
    (response.into_parts().0, Json(body)).into_response()
}
