//! From an error chain or a `Status` to a [`Fault`].
//!
//! Only own words and redacted server messages go into the result; the `Display` of kube, hyper
//! and plugin errors is never used.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use kube::client::{AuthError, UpgradeConnectionError};
use kube::config::KubeconfigError;
use kube::core::Status;

use super::{Fault, FaultKind, redact};
use crate::cluster::access::Rule;

/// Error chains are a handful deep; a `source` that cycles must not hang the program.
const DEEPEST: usize = 24;

const LOG_IN: &str = "log in again with the tool that issued the credentials, then reconnect";
const CHECK_SERVER: &str =
    "check that the server is up and that the address in the kubeconfig is right";
const CHECK_NETWORK: &str = "check the network or VPN, then try again";
const CHECK_KUBECONFIG: &str = "correct the kubeconfig";

pub(super) fn kube_error(error: &kube::Error) -> Fault {
    match error {
        kube::Error::Api(status) => self::status(status),
        kube::Error::SerdeError(_)
        | kube::Error::FromUtf8(_)
        | kube::Error::LinesCodecMaxLineLengthExceeded => garbage(),
        kube::Error::Auth(error) => auth(error),
        kube::Error::UpgradeConnection(error) => upgrade(error),
        kube::Error::ProxyProtocolUnsupported { .. }
        | kube::Error::ProxyProtocolDisabled { .. } => Fault::new(
            FaultKind::Proxy,
            "the proxy address has a scheme that is not supported",
            "use http://, https:// or socks5:// in proxy-url or HTTPS_PROXY",
        ),
        kube::Error::InferKubeconfig(error) => kubeconfig(error),
        kube::Error::RustlsTls(_) => Fault::new(
            FaultKind::BrokenKubeconfig,
            "a certificate or key of the kubeconfig cannot be used for TLS",
            "correct certificate-authority, client-certificate and client-key in the kubeconfig",
        ),
        kube::Error::HttpError(_) | kube::Error::BuildRequest(_) => Fault::new(
            FaultKind::Invalid,
            "a name or value cannot be put into a request",
            "remove control characters and blanks from names, users and groups",
        ),
        other => chain(other),
    }
}

/// The first error of the chain that says something, else `Other`.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> Fault {
    let mut next = Some(error);
    for _ in 0..DEEPEST {
        let Some(error) = next else { break };
        if let Some(fault) = link(error) {
            return fault;
        }
        // io::Error hides the error that it wraps from `source`
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Fault::new(
        FaultKind::Other,
        "the request failed for a reason that is not known",
        "try again; the log has nothing more to protect credentials",
    )
}

fn link(error: &(dyn StdError + 'static)) -> Option<Fault> {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    if let Some(error) = error.downcast_ref::<Box<Fault>>() {
        return Some((**error).clone());
    }
    if let Some(status) = error.downcast_ref::<Status>() {
        return Some(self::status(status));
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    if let Some(error) = error.downcast_ref::<AuthError>() {
        return Some(auth(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return io_error(error);
    }
    // these types are private, so only their fixed words can be told apart
    let words = error.to_string();
    if words == "dns error" {
        return Some(Fault::new(
            FaultKind::Dns,
            "the name of the server cannot be resolved",
            CHECK_NETWORK,
        ));
    }
    if words.starts_with("tunnel error") {
        // a tunnel that never reached the proxy has the reason further down
        return (!words.contains("failed to create underlying connection")).then(|| proxy(&words));
    }
    if words.starts_with("SOCKS error") {
        return Some(proxy(&words));
    }
    if words.contains("unexpected EOF during chunk")
        || words.contains("connection closed before message completed")
        || words.contains("connection was not ready")
        || words.contains("operation was canceled")
    {
        return Some(disconnected());
    }
    if words.starts_with("invalid HTTP") || words.contains("invalid chunk") {
        return Some(garbage());
    }
    None
}

/// A `Status` of the API server.
pub(super) fn status(status: &Status) -> Fault {
    let message = redact::line(&status.message);
    // kube makes a status of any error page; its text is HTML or a proxy's, not the server's
    let is_foreign = status.reason == "Failed to parse error data";
    let said = |fallback: &str| {
        if message.is_empty() || is_foreign {
            fallback.to_owned()
        } else {
            message.clone()
        }
    };
    let mut fault = match (status.code, status.reason.as_str()) {
        (401, _) | (_, "Unauthorized") => Fault::new(
            FaultKind::Unauthorized,
            "the server does not accept the credentials (expired, revoked or wrong)",
            LOG_IN,
        ),
        (403, _) | (_, "Forbidden") => return forbidden(&message),
        (404, _) | (_, "NotFound") => Fault::new(
            FaultKind::NotFound,
            said("not found"),
            "it may have been deleted, or the server does not have this API",
        ),
        (409, _) | (_, "Conflict" | "AlreadyExists") => Fault::new(
            FaultKind::Conflict,
            said("somebody changed it in between"),
            "look at it again and decide anew",
        ),
        (410, _) | (_, "Gone" | "Expired") => Fault::new(
            FaultKind::Gone,
            said("the resource version is too old"),
            "list again",
        ),
        (429, _) | (_, "TooManyRequests") if is_of_budget(status) => Fault::new(
            FaultKind::Budget,
            said_by_budget(status).unwrap_or(message),
            "mend the pods that are not healthy first; the budget is not passed by",
        ),
        (429, _) | (_, "TooManyRequests") => Fault::new(
            FaultKind::TooManyRequests,
            said("too many requests"),
            "wait, then try again",
        ),
        (504 | 408, _) | (_, "Timeout" | "ServerTimeout") => Fault::new(
            FaultKind::Timeout,
            said("the server ran out of time"),
            "try again",
        ),
        (407, _) => proxy("407"),
        (500..=599, _) => Fault::new(
            FaultKind::ServerError,
            said(&format!("the server answered {}", status.code)),
            "try again; if it persists, look at the API server",
        ),
        (300..=399, _) => garbage(),
        _ => Fault::new(
            FaultKind::Invalid,
            said(&format!("the server rejects the request ({})", status.code)),
            "correct the request",
        ),
    };
    fault.retry_after = status
        .details
        .as_ref()
        .filter(|details| details.retry_after_seconds > 0)
        .map(|details| Duration::from_secs(u64::from(details.retry_after_seconds)));
    fault
}

const BUDGET: &str = "DisruptionBudget";

/// Whether a 429 is the word of a disruption budget. With a time to wait it is none: the server
/// has not counted the budget yet (kubernetes `pkg/registry/core/pod/storage/eviction.go`).
fn is_of_budget(status: &Status) -> bool {
    let details = status.details.as_ref();
    let waits = details.is_some_and(|details| details.retry_after_seconds > 0);
    let is_cause = details.is_some_and(|d| d.causes.iter().any(|cause| cause.reason == BUDGET));
    !waits && (is_cause || status.message.contains("disruption budget"))
}

/// Which budget, and how far it is from allowing one.
fn said_by_budget(status: &Status) -> Option<String> {
    let causes = &status.details.as_ref()?.causes;
    let cause = causes.iter().find(|cause| cause.reason == BUDGET)?;
    let says = redact::line(cause.message.trim_end_matches('.'));
    (!says.is_empty()).then_some(says)
}

fn forbidden(message: &str) -> Fault {
    let Some(rule) = Rule::from_denial(message) else {
        // admission, quota, pod security, an expired impersonation: the message is the reason
        let reason = if message.is_empty() {
            "the server forbids it"
        } else {
            message
        };
        return Fault::new(
            FaultKind::Forbidden,
            reason,
            "change what the message names, or ask who administers the cluster",
        );
    };
    let mut fault = Fault::new(
        FaultKind::Forbidden,
        format!("no right to {rule}"),
        format!("ask who administers the cluster for the right to {rule}"),
    );
    fault.rule = Some(Box::new(rule));
    fault
}

pub(super) fn kubeconfig(error: &KubeconfigError) -> Fault {
    let broken =
        |sentence: String| Fault::new(FaultKind::BrokenKubeconfig, sentence, CHECK_KUBECONFIG);
    match error {
        KubeconfigError::FindPath => Fault::new(
            FaultKind::MissingKubeconfig,
            "no kubeconfig was found",
            "set KUBECONFIG or pass --kubeconfig",
        ),
        KubeconfigError::ReadConfig(error, path) => broken(format!(
            "{} cannot be read ({})",
            path.display(),
            error.kind()
        )),
        KubeconfigError::Parse(error) => broken(match error.location() {
            Some(at) => format!(
                "line {}, column {} is not what a kubeconfig has there",
                at.line(),
                at.column()
            ),
            None => "the kubeconfig is not valid YAML".to_owned(),
        }),
        KubeconfigError::LoadClientCertificate(_) => {
            broken("the client certificate of the user cannot be read".to_owned())
        }
        KubeconfigError::LoadClientKey(_) => {
            broken("the client key of the user cannot be read".to_owned())
        }
        KubeconfigError::LoadCertificateAuthority(_) | KubeconfigError::ParseCertificates(_) => {
            broken("the certificate authority of the cluster cannot be read".to_owned())
        }
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            broken("the documents of the kubeconfig are of different kinds".to_owned())
        }
        _ => broken("the kubeconfig is incomplete".to_owned()),
    }
}

fn auth(error: &AuthError) -> Fault {
    match error {
        AuthError::ReadTokenFile(error, path) => Fault::new(
            FaultKind::BrokenKubeconfig,
            format!(
                "token file {} cannot be read ({})",
                path.display(),
                error.kind()
            ),
            "correct tokenFile in the kubeconfig",
        ),
        AuthError::InvalidBearerToken(_) | AuthError::InvalidBasicAuth(_) => Fault::new(
            FaultKind::BrokenKubeconfig,
            "the credentials of the user contain characters that cannot be sent",
            "remove line breaks and blanks from the token or password in the kubeconfig",
        ),
        _ => Fault::new(
            FaultKind::PluginFailed,
            "no credentials could be obtained",
            LOG_IN,
        ),
    }
}

fn upgrade(error: &UpgradeConnectionError) -> Fault {
    match error {
        UpgradeConnectionError::GetPendingUpgrade(_) => disconnected(),
        _ => Fault::new(
            FaultKind::NoWebsocket,
            "the server, or a proxy before it, does not open a websocket",
            "let the proxy pass `Upgrade: websocket`, or connect without it",
        ),
    }
}

fn io_error(error: &io::Error) -> Option<Fault> {
    use io::ErrorKind as Kind;
    let fault = match error.kind() {
        Kind::ConnectionRefused => Fault::new(
            FaultKind::Refused,
            "the connection is refused, nothing listens there",
            CHECK_SERVER,
        ),
        Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable => Fault::new(
            FaultKind::Unreachable,
            "there is no route to the server",
            CHECK_NETWORK,
        ),
        // only connecting has a time limit at this level
        Kind::TimedOut => Fault::new(
            FaultKind::Unreachable,
            "the server does not answer the connection attempt",
            CHECK_NETWORK,
        ),
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => disconnected(),
        _ => return None,
    };
    Some(fault)
}

fn tls(error: &rustls::Error) -> Fault {
    use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};
    let tls = |sentence: &str, next: &str| Fault::new(FaultKind::Tls, sentence, next);
    match error {
        Error::InvalidCertificate(
            Certificate::UnknownIssuer
            | Certificate::BadSignature
            | Certificate::UnhandledCriticalExtension,
        ) => Fault::new(
            FaultKind::WrongCa,
            "the certificate of the server is not signed by the authority that the kubeconfig trusts",
            "make sure that this is the right server, then renew certificate-authority in the kubeconfig",
        ),
        Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            tls(
                "the certificate of the server has expired",
                "have it renewed, and check the clock of this computer",
            )
        }
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => tls(
            "the certificate of the server is for another name",
            "correct the server address, or set tls-server-name in the kubeconfig",
        ),
        Error::InvalidCertificate(_) => tls(
            "the certificate of the server is not valid",
            "have it renewed, and check the clock of this computer",
        ),
        Error::InvalidMessage(_) => tls(
            "the server does not speak TLS",
            "correct the server address: http:// or another port",
        ),
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => Fault::new(
            FaultKind::Unauthorized,
            "the server does not accept the client certificate (expired, revoked or wrong)",
            LOG_IN,
        ),
        _ => tls(
            "no TLS connection could be agreed on",
            "check that the address is a Kubernetes API server",
        ),
    }
}

fn proxy(words: &str) -> Fault {
    if words.contains("407") || words.contains("authorization required") {
        return Fault::new(
            FaultKind::Proxy,
            "the proxy wants credentials or refuses the given ones",
            "put user and password into proxy-url or HTTPS_PROXY",
        );
    }
    Fault::new(
        FaultKind::Proxy,
        "the proxy does not open a connection to the server",
        "check proxy-url and HTTPS_PROXY, or name the server in NO_PROXY",
    )
}

fn disconnected() -> Fault {
    Fault::new(FaultKind::Disconnected, "the connection broke", "try again")
}

fn garbage() -> Fault {
    Fault::new(
        FaultKind::Garbage,
        "the answer is not what a Kubernetes API server sends",
        "check the server address, and for a proxy or login page in between",
    )
}
