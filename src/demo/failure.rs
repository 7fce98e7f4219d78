//! Errors of the API server: code, reason and text of the real one, as a `Status` object.

use serde_json::{Value, json};

use super::object::Fields;
use super::resource::Kind;

/// A request that the API server answers with an error.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
    pub(crate) retry_after: Option<u32>,
    /// For an expired page: the token that goes on with what is there now.
    pub(crate) go_on: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
            retry_after: None,
            go_on: None,
        }
    }

    fn about(mut self, kind: Kind, name: &str) -> Self {
        let resource = kind.resource();
        self.details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            self.details.put("group", resource.group);
        }
        self
    }

    pub(crate) fn not_found(kind: Kind, name: &str) -> Self {
        let what = kind.qualified();
        Self::new(404, "NotFound", format!("{what} {name:?} not found")).about(kind, name)
    }

    /// The path names nothing that this server serves.
    pub(crate) fn no_such_path() -> Self {
        let mut failure = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        failure.details = json!({});
        failure
    }

    pub(crate) fn already_exists(kind: Kind, name: &str) -> Self {
        let what = kind.qualified();
        Self::new(
            409,
            "AlreadyExists",
            format!("{what} {name:?} already exists"),
        )
        .about(kind, name)
    }

    pub(crate) fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        let what = kind.qualified();
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {what} {name:?}: {why}"),
        )
        .about(kind, name)
    }

    pub(crate) fn modified(kind: Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(kind: Kind, name: &str, why: &str) -> Self {
        let what = kind.qualified();
        let message = if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} {name:?} is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).about(kind, name)
    }

    /// One or more fields that are not acceptable: `(field, reason, message)`.
    pub(crate) fn invalid(kind: Kind, name: &str, fields: &[(&str, &str, String)]) -> Self {
        let resource = kind.resource();
        let what = if resource.group.is_empty() {
            resource.kind.to_owned()
        } else {
            format!("{}.{}", resource.kind, resource.group)
        };
        let texts: Vec<String> = fields
            .iter()
            .map(|(field, _, message)| format!("{field}: {message}"))
            .collect();
        let all = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut failure = Self::new(422, "Invalid", format!("{what} {name:?} is invalid: {all}"));
        failure.details = json!({"name": name, "kind": resource.kind, "causes": fields
            .iter()
            .map(|(field, reason, message)| json!({"reason": reason, "message": message, "field": field}))
            .collect::<Vec<_>>()});
        if !resource.group.is_empty() {
            failure.details.put("group", resource.group);
        }
        failure
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status.put("reason", self.reason);
        }
        if let Some(token) = &self.go_on {
            status.put("metadata/continue", token.as_str());
        }
        if !self.details.is_null() {
            status.put("details", self.details.clone());
        }
        if let Some(after) = self.retry_after {
            status.put("details/retryAfterSeconds", after);
        }
        status
    }
}
