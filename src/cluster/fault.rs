//! What went wrong between wsdash and a cluster, as one sentence with the next step.
//!
//! A [`Fault`] is all that leaves the `cluster` module: kube, hyper and rustls errors are
//! classified here and dropped, because their texts carry credentials, whole response bodies and
//! escape sequences. A fault has no source for the same reason. Nothing here does I/O.

mod classify;
mod redact;

use std::fmt;
use std::time::Duration;

use crate::cluster::access::Rule;

/// Why a call failed, as far as callers branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FaultKind {
    /// No kubeconfig was found and this is no pod of a cluster.
    MissingKubeconfig,
    /// A kubeconfig, or a file that it names, cannot be read or makes no sense.
    BrokenKubeconfig,
    UnknownContext,
    /// The flags contradict each other.
    BadTarget,
    PluginFailed,
    PluginTimeout,
    /// The credential plugin needs a terminal that it may not have now.
    PluginPrompt,
    /// The proxy refused, or its address makes no sense.
    Proxy,
    Dns,
    Refused,
    /// No route, or no answer to the connection attempt.
    Unreachable,
    /// The connection broke while in use.
    Disconnected,
    /// Connected, but no answer in time.
    Timeout,
    /// The server's certificate is signed by nobody that the kubeconfig trusts.
    WrongCa,
    Tls,
    /// 401: the credentials are expired, revoked or wrong.
    Unauthorized,
    /// 403: see [`Fault::rule`].
    Forbidden,
    NotFound,
    Conflict,
    /// 410: the resource version is too old.
    Gone,
    /// The server or an admission check rejects the content of the request.
    Invalid,
    TooManyRequests,
    /// 429 of an eviction: a disruption budget allows none.
    Budget,
    ServerError,
    /// The answer is not what the API promises.
    Garbage,
    /// Something on the way does not let a websocket through.
    NoWebsocket,
    /// The container does not have the command that was to run.
    NoCommand,
    Other,
}

impl FaultKind {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Dns
                | Self::Refused
                | Self::Unreachable
                | Self::Disconnected
                | Self::Timeout
                | Self::TooManyRequests
                | Self::ServerError
                | Self::PluginTimeout
                | Self::Proxy
        )
    }

    /// Stable name for JSON and logs, such as `wrong-ca`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What went wrong and what to do about it. Never contains a secret; see the module's promise.
///
/// `Display` is one sentence: what happened, a semicolon, the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// What happened, without a full stop.
    pub sentence: String,
    /// The next step, without a full stop.
    pub next: String,
    /// The right that is missing, when a 403 names one.
    pub rule: Option<Box<Rule>>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault in own words; `sentence` and `next` must not contain foreign text.
    pub fn new(kind: FaultKind, sentence: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
            next: next.into(),
            rule: None,
            retry_after: None,
        }
    }

    /// Classifies what a call of kube returned; `what` names the call and its object, such as
    /// `listing pods in coditect-app`.
    pub fn of(error: &kube::Error, what: &str) -> Self {
        classify::kube_error(error).during(what)
    }

    /// Classifies an error below kube: sockets, TLS, websockets, files.
    pub fn of_error(error: &(dyn std::error::Error + 'static), what: &str) -> Self {
        classify::chain(error).during(what)
    }

    /// A status that the API server sent instead of an answer, or at the end of an exec.
    pub fn of_status(status: &kube::core::Status, what: &str) -> Self {
        classify::status(status).during(what)
    }

    /// The answer did not come within `limit`.
    pub fn timeout(what: &str, limit: Duration) -> Self {
        Self::new(
            FaultKind::Timeout,
            format!("no answer within {}", seconds(limit)),
            "the server or the network is slow or hangs: try again, or raise --request-timeout",
        )
        .during(what)
    }

    /// The same fault, said of `what`.
    #[must_use]
    pub fn during(mut self, what: &str) -> Self {
        if !what.is_empty() {
            self.sentence = format!("{what}: {}", self.sentence);
        }
        self
    }

    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    pub fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        if self.next.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.next)
    }
}

impl std::error::Error for Fault {}

/// Awaits `call` for at most `limit` and says every failure as a fault of `what`.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| Fault::of(&error, what)),
        Err(_elapsed) => Err(Fault::timeout(what, limit)),
    }
}

/// Foreign text made safe to show: one line, no secrets, no control characters.
pub fn safe_line(text: &str) -> String {
    redact::line(text)
}

/// As [`safe_line`], and without any of `secrets`.
pub fn safe_line_without(text: &str, secrets: &[String]) -> String {
    redact::line_without(text, secrets)
}

/// `30 s`, `0.5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
