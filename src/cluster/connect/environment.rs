//! The part of the process environment that decides where and how to connect, as a value: tests
//! give their own, and nothing else in `connect` looks around.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use rustix::system::uname;

/// See the module. An unset variable and an empty one are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KUBECONFIG`: a list of paths.
    pub kubeconfig: Option<OsString>,
    pub home: Option<PathBuf>,
    pub https_proxy: Option<String>,
    pub http_proxy: Option<String>,
    pub no_proxy: Option<String>,
    /// Whether this process runs in a pod that can reach its API server.
    pub is_pod: bool,
    /// Login name and host, for the audit log of the server.
    pub user: String,
    pub host: String,
}

impl Environment {
    pub fn of_process() -> Self {
        let text = |names: [&str; 2]| {
            names
                .into_iter()
                .find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()))
        };
        Self {
            kubeconfig: env::var_os("KUBECONFIG").filter(|value| !value.is_empty()),
            home: env::home_dir(),
            https_proxy: text(["HTTPS_PROXY", "https_proxy"]),
            // the upper-case form is not trusted in programs that a web server starts; this is none
            http_proxy: text(["HTTP_PROXY", "http_proxy"]),
            no_proxy: text(["NO_PROXY", "no_proxy"]),
            is_pod: env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && env::var_os("KUBERNETES_SERVICE_PORT").is_some(),
            user: text(["USER", "LOGNAME"]).unwrap_or_default(),
            host: uname().nodename().to_string_lossy().into_owned(),
        }
    }

    /// `ann@desk`, for what is recorded of an action.
    pub fn person(&self) -> String {
        let or_unknown = |text: &str| {
            if text.is_empty() {
                "unknown".to_owned()
            } else {
                text.to_owned()
            }
        };
        format!("{}@{}", or_unknown(&self.user), or_unknown(&self.host))
    }

    /// `wsdash/0.1.0 (ann@desk; run=7f3a)`.
    pub fn user_agent(&self, run: &str) -> String {
        let plain = |text: &str| -> String {
            text.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                        c
                    } else {
                        '_'
                    }
                })
                .collect()
        };
        let or = |text: &str, fallback: &str| {
            if text.is_empty() {
                fallback.to_owned()
            } else {
                plain(text)
            }
        };
        format!(
            "wsdash/{} ({}@{}; run={})",
            env!("CARGO_PKG_VERSION"),
            or(&self.user, "unknown"),
            or(&self.host, "unknown"),
            or(run, "none"),
        )
    }
}
