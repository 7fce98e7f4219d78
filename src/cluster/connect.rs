//! From kubectl's flags and files to a client of the API server.
//!
//! Connecting reads the kubeconfig, runs the credential plugin and prepares TLS and proxy, but
//! sends nothing: the first request, or [`Connection::probe`], shows whether the server answers.
//! It differs from kube's own construction where that harms a full-screen program: the plugin runs
//! once, with a time limit, off the async threads and away from the terminal; `NO_PROXY` is matched
//! against the API server; nothing is retried behind the caller's back; no error shows a secret.
//!
//! This module must not print, prompt, or look at the process environment other than through
//! [`Environment`].

mod credentials;
mod environment;
mod kubeconfig;
mod plugin;
mod proxy;
mod transport;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Uri};
use jiff::Timestamp;
use kube::Client;
use kube::config::{AuthInfo, Config};

pub use environment::Environment;

use self::credentials::{Credentials, Source};
use self::kubeconfig::Choice;
use self::plugin::Plugin;
use self::transport::{Endpoint, Transport};
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::cluster::watch::Reading;

/// How long a request may take to be answered when the user sets no other limit.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long connecting, TLS included, may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The name of the context of a pod inside the cluster.
const IN_CLUSTER: &str = "in-cluster";

/// Whether a credential plugin may use the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// The screen is ours: a plugin gets no terminal.
    Never,
    /// Nobody else uses the terminal: a plugin may ask, if there is one.
    Allowed,
}

/// Whether answers are compressed. It costs CPU on both sides and helps on slow links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Off on loopback and where the kubeconfig says so, on elsewhere.
    #[default]
    Auto,
    On,
    Off,
}

/// Where to connect and as whom: kubectl's connection flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Only this file; else the list in `KUBECONFIG`, `~/.kube/config`, the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// Else the current context.
    pub context: Option<String>,
    /// Else the namespace of the context, else `default`.
    pub namespace: Option<String>,
    pub all_namespaces: bool,
    pub as_user: Option<String>,
    pub as_groups: Vec<String>,
    /// Limit for the answer to one request, [`REQUEST_LIMIT`] if not set; zero is no limit.
    /// Watches, followed logs and exec sessions are limited only until they have started.
    pub request_timeout: Option<Duration>,
    /// Limit until the connection itself stands; 10 s if not set.
    pub connect_timeout: Option<Duration>,
    /// Limit for the credential plugin; see `plugin` for the defaults.
    pub plugin_timeout: Option<Duration>,
    pub compression: Compression,
    /// Id of this run of the program, for the audit log of the server.
    pub run: String,
}

/// The namespaces that are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    All,
    One(String),
}

impl Scope {
    /// The namespace, if it is one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::One(name) => Some(name),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.namespace().unwrap_or("all namespaces"))
    }
}

/// A client and what is known of its other end.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    pub context: String,
    pub cluster: String,
    /// The name in the kubeconfig; the server's own view is [`crate::cluster::access::Access::identity`].
    pub user: String,
    pub namespace: Scope,
    /// Address of the API server.
    pub server: String,
    /// When credentials end that cannot be renewed in place (a client certificate issued by a
    /// plugin): connect anew before. Tokens are renewed by the client itself.
    pub valid_until: Option<Timestamp>,
    /// Whether large answers come compressed.
    pub compressed: bool,
    /// Limit for one request; `None` if the user wants none.
    pub limit: Option<Duration>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("context", &self.context)
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// How this server is read best: a line that is worth compressing is too slow for streams.
    pub const fn reading(&self, page: u32, beat: Duration) -> Reading {
        Reading {
            stream: !self.compressed,
            page,
            beat,
        }
    }

    /// Asks the server for its version, such as `v1.34.4`: the cheapest proof that address,
    /// certificates and credentials are right.
    pub async fn probe(&self) -> Result<String, Fault> {
        // the transport has the user's limit; this one only bounds the body
        let limit = self.limit.unwrap_or(REQUEST_LIMIT) + REQUEST_LIMIT;
        let answer = within(limit, "", self.client.apiserver_version()).await;
        let version = answer.map_err(|fault| match fault.kind {
            // what keeps an answer from coming names the address itself
            FaultKind::ServerError | FaultKind::TooManyRequests => fault.during(&self.server),
            _ => fault,
        })?;
        Ok(version.git_version)
    }
}

/// Connects with the environment of this process. See [`connect_in`].
pub async fn connect(target: &Target, interaction: Interaction) -> Result<Connection, Fault> {
    connect_in(target, interaction, &Environment::of_process()).await
}

/// Reads the kubeconfig, obtains credentials and builds a client. Sends no request. Ends within
/// the plugin's time limit; dropping the future ends the plugin.
pub async fn connect_in(
    target: &Target,
    interaction: Interaction,
    environment: &Environment,
) -> Result<Connection, Fault> {
    // another crate may have chosen the provider already, which is just as good
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();

    if target.as_user.is_none() && !target.as_groups.is_empty() {
        return Err(Fault::new(
            FaultKind::BadTarget,
            "--as-group is given without --as",
            "name the user to impersonate with --as",
        ));
    }
    let choice = {
        let (target, environment) = (target.clone(), environment.clone());
        blocking("reading the kubeconfig", move || {
            kubeconfig::choose(&target, &environment)
        })
        .await??
    };
    let (choice, mut config) = match choice {
        Some(choice) => {
            let config = kubeconfig::config(&choice, environment)?;
            (choice, config)
        }
        None => in_cluster()?,
    };

    let limit = match target.request_timeout {
        Some(limit) if limit.is_zero() => None,
        Some(limit) => Some(limit),
        None => Some(REQUEST_LIMIT),
    };
    let (credentials, valid_until) =
        obtain_credentials(&mut config.auth_info, &choice, target, interaction).await?;
    apply(&mut config, target, environment)?;
    let compressed = !config.disable_compression;

    let endpoint = Endpoint::new(&config);
    let server = endpoint.server.clone();
    let default_namespace = config.default_namespace.clone();
    let inner = blocking("preparing TLS", move || Client::try_from(config))
        .await?
        .map_err(|error| Fault::of(&error, &format!("connecting to {server}")))?;
    let transport = Transport::new(inner, credentials, endpoint.clone(), limit);
    Ok(Connection {
        client: Client::new(transport, default_namespace.clone()),
        context: choice.context,
        cluster: choice.cluster_name,
        user: choice.user_name,
        namespace: if target.all_namespaces {
            Scope::All
        } else {
            Scope::One(target.namespace.clone().unwrap_or(default_namespace))
        },
        server: endpoint.server,
        valid_until,
        compressed,
        limit,
    })
}

/// Takes from `auth` what this module does better itself (plugins, token files) and leaves the
/// rest to kube.
async fn obtain_credentials(
    auth: &mut AuthInfo,
    choice: &Choice,
    target: &Target,
    interaction: Interaction,
) -> Result<(Option<Arc<Credentials>>, Option<Timestamp>), Fault> {
    // the order in which client-go looks; a file outranks the token beside it
    if let Some(path) = auth.token_file.take() {
        auth.exec = None;
        auth.token = None;
        let credentials = Credentials::start(Source::File(PathBuf::from(path))).await?;
        return Ok((Some(Arc::new(credentials)), None));
    }
    if let Some(token) = credentials::take_fixed_token(auth) {
        auth.exec = None;
        let credentials = Credentials::start(Source::Fixed(token)).await?;
        return Ok((Some(Arc::new(credentials)), None));
    }
    if auth.username.is_some() && auth.password.is_some() {
        auth.exec = None;
        return Ok((None, None));
    }
    let Some(exec) = auth.exec.take() else {
        return Ok((None, None));
    };
    let plugin = Plugin::new(exec, choice, interaction, target.plugin_timeout)?;
    let mut issued = plugin.run().await?;
    if let Some((certificate, key)) = issued.certificate.take() {
        auth.client_certificate_data = Some(credentials::base64(certificate.expose())?);
        auth.client_key_data = Some(credentials::base64(key.expose())?.into());
        if issued.token.is_none() {
            return Ok((None, issued.valid_until));
        }
        let valid_until = issued.valid_until;
        let credentials =
            Credentials::with(Source::Plugin(Box::new(plugin.without_terminal())), &issued)?;
        return Ok((Some(Arc::new(credentials)), valid_until));
    }
    // later runs happen while the screen is in use
    let credentials =
        Credentials::with(Source::Plugin(Box::new(plugin.without_terminal())), &issued)?;
    Ok((Some(Arc::new(credentials)), None))
}

fn apply(config: &mut Config, target: &Target, environment: &Environment) -> Result<(), Fault> {
    config.connect_timeout = Some(target.connect_timeout.unwrap_or(CONNECT_LIMIT));
    // a container that does not read its stdin is not a broken connection; exec tells them apart
    config.write_timeout = None;
    config.default_retry = false;
    config.disable_compression = match target.compression {
        Compression::Auto => config.disable_compression || is_loopback(&config.cluster_url),
        Compression::On => false,
        Compression::Off => true,
    };
    if let Some(user) = &target.as_user {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_uid = None;
        config.auth_info.impersonate_user_extra = None;
        config.auth_info.impersonate_groups =
            (!target.as_groups.is_empty()).then(|| target.as_groups.clone());
    }
    let agent = environment.user_agent(&target.run);
    let agent = HeaderValue::from_str(&agent).map_err(|_cause| {
        Fault::new(
            FaultKind::BadTarget,
            "the run id cannot be sent to the server",
            "use letters, digits and dashes",
        )
    })?;
    config.headers.push((http::header::USER_AGENT, agent));
    Ok(())
}

fn in_cluster() -> Result<(Choice, Config), Fault> {
    let config = Config::incluster().map_err(|_cause| {
        Fault::new(
            FaultKind::MissingKubeconfig,
            "no kubeconfig was found, and the service account of this pod cannot be read",
            "mount a service account token, or pass --kubeconfig",
        )
    })?;
    let choice = Choice {
        context: IN_CLUSTER.to_owned(),
        cluster_name: IN_CLUSTER.to_owned(),
        user_name: "service account".to_owned(),
        ..Choice::default()
    };
    Ok((choice, config))
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Runs `work`, which reads files, where it cannot stall the screen.
async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|_cause| {
        Fault::new(
            FaultKind::Other,
            format!("{what} was interrupted"),
            "try again",
        )
    })
}
