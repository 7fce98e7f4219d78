//! Bearer tokens that change while a connection lives: issued by a plugin, or rotated in a file.
//!
//! A token is renewed shortly before it ends and after the server refused it. However many
//! requests wait, one renewal runs at a time, and after a failure the next one waits a little.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::config::AuthInfo;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::plugin::{Issued, Plugin};
use crate::cluster::fault::{Fault, FaultKind};

/// Renewed this long before the end, or after three quarters of a shorter life.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A token file is read again after this time, as the kubelet rotates it.
const FILE_KEPT: Duration = Duration::from_secs(60);
/// After a failed or needless renewal, the next one waits this long.
const PAUSE: Duration = Duration::from_secs(10);

/// Text that is never shown.
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

pub(super) enum Source {
    Plugin(Box<Plugin>),
    File(PathBuf),
    /// Written in the kubeconfig.
    Fixed(Secret),
}

/// The current token of a connection.
pub(super) struct Credentials {
    source: Source,
    held: Mutex<Held>,
    /// One permit: whose turn it is to renew.
    turn: Semaphore,
}

struct Held {
    /// `Authorization`, marked as sensitive.
    header: HeaderValue,
    /// Counts renewals, so that a refusal of an older token does not renew a newer one.
    generation: u64,
    obtained: Instant,
    /// When to renew, and when the token ends; `None` is never.
    times: Option<(Timestamp, Timestamp)>,
    /// The last renewal that did not help.
    failed: Option<(Instant, Option<Fault>)>,
}

impl Credentials {
    /// Reads the token for the first time.
    pub(super) async fn start(source: Source) -> Result<Self, Fault> {
        let issued = obtain(&source).await?;
        Self::with(source, &issued)
    }

    /// Starts from what was issued already.
    pub(super) fn with(source: Source, issued: &Issued) -> Result<Self, Fault> {
        Ok(Self {
            source,
            held: Mutex::new(Held::new(issued, 0)?),
            turn: Semaphore::new(1),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, held: &Held) -> bool {
        match (&self.source, held.times) {
            (Source::File(_), _) => held.obtained.elapsed() < FILE_KEPT,
            (_, Some((renew, _))) => Timestamp::now() < renew,
            (Source::Plugin(_) | Source::Fixed(_), None) => true,
        }
    }

    /// The header to send and its generation, renewed first if it is due.
    pub(super) async fn header(&self) -> Result<(HeaderValue, u64), Fault> {
        if let Some(current) = self.current_if_fresh() {
            return Ok(current);
        }
        let _turn = self.turn.acquire().await;
        if let Some(current) = self.current_if_fresh() {
            return Ok(current);
        }
        match self.renew().await {
            Ok(current) => Ok(current),
            Err(fault) => {
                let held = self.held();
                // early renewal failed: what is left of the old token is used up
                let is_valid = match (&self.source, held.times) {
                    (Source::File(_), _) => true,
                    (_, times) => times.is_none_or(|(_, end)| Timestamp::now() < end),
                };
                if is_valid {
                    Ok((held.header.clone(), held.generation))
                } else {
                    Err(fault)
                }
            }
        }
    }

    fn current_if_fresh(&self) -> Option<(HeaderValue, u64)> {
        let held = self.held();
        self.is_fresh(&held)
            .then(|| (held.header.clone(), held.generation))
    }

    /// After the server refused the token of `generation`: a newer one, or `None` if there is none
    /// worth a second try.
    pub(super) async fn after_refusal(
        &self,
        generation: u64,
    ) -> Result<Option<HeaderValue>, Fault> {
        if matches!(self.source, Source::Fixed(_)) {
            return Ok(None);
        }
        let _turn = self.turn.acquire().await;
        let before = {
            let held = self.held();
            if held.generation != generation {
                return Ok(Some(held.header.clone()));
            }
            held.header.clone()
        };
        let (header, _) = self.renew().await?;
        if header == before {
            self.held().failed = Some((Instant::now(), None));
            return Ok(None);
        }
        Ok(Some(header))
    }

    /// Must be called by who has the turn.
    async fn renew(&self) -> Result<(HeaderValue, u64), Fault> {
        {
            let held = self.held();
            if let Some((at, fault)) = &held.failed
                && at.elapsed() < PAUSE
            {
                return match fault {
                    Some(fault) => Err(fault.clone()),
                    None => Ok((held.header.clone(), held.generation)),
                };
            }
        }
        let issued = obtain(&self.source).await;
        let mut held = self.held();
        let generation = held.generation + 1;
        match issued.and_then(|issued| Held::new(&issued, generation)) {
            Ok(new) => {
                *held = new;
                Ok((held.header.clone(), generation))
            }
            Err(fault) => {
                held.failed = Some((Instant::now(), Some(fault.clone())));
                Err(fault)
            }
        }
    }
}

impl Held {
    fn new(issued: &Issued, generation: u64) -> Result<Self, Fault> {
        let token = issued
            .token
            .as_ref()
            .map(Secret::expose)
            .unwrap_or_default();
        let mut header =
            HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_cause| {
                Fault::new(
                    FaultKind::BrokenKubeconfig,
"the token of the user contains characters that cannot be sent",
"correct the token in the kubeconfig, or log in again with the tool that issues it",
                )
            })?;
        header.set_sensitive(true);
        let now = Timestamp::now();
        let times = issued.valid_until.map(|end| {
            let life = end.duration_since(now);
            let margin = MARGIN.min(life.checked_div(4).unwrap_or_default());
            (end.checked_sub(margin).unwrap_or(end), end)
        });
        Ok(Self {
            header,
            generation,
            obtained: Instant::now(),
            times,
            failed: None,
        })
    }
}

async fn obtain(source: &Source) -> Result<Issued, Fault> {
    match source {
        Source::Plugin(plugin) => plugin.run().await,
        Source::Fixed(token) => Ok(Issued {
            token: Some(Secret::new(token.expose().to_owned())),
            ..Issued::default()
        }),
        Source::File(path) => {
            let token = tokio::fs::read_to_string(path).await.map_err(|error| {
                Fault::new(
                    FaultKind::BrokenKubeconfig,
                    format!(
                        "the token file {} cannot be read: {}",
                        path.display(),
                        error.kind()
                    ),
                    "correct tokenFile in the kubeconfig, or have the file written",
                )
            })?;
            if token.trim().is_empty() {
                return Err(Fault::new(
                    FaultKind::BrokenKubeconfig,
                    format!("the token file {} is empty", path.display()),
                    "have the token written into it",
                ));
            }
            Ok(Issued {
                token: Some(Secret::new(token)),
                ..Issued::default()
            })
        }
    }
}

/// The token that the kubeconfig itself holds. kube would panic on one with a line break in it.
pub(super) fn take_fixed_token(auth: &mut AuthInfo) -> Option<Secret> {
    // the type that keeps it secret is not ours, but it may be serialized
    let plain = serde_json::to_value(&*auth).ok()?;
    let token = plain
        .get("token")
        .or_else(|| plain.pointer("/auth-provider/config/id-token"))?
        .as_str()?
        .to_owned();
    auth.token = None;
    auth.auth_provider = None;
    (!token.is_empty()).then(|| Secret::new(token))
}

/// Base64, by way of the type that Kubernetes uses for bytes in JSON.
pub(super) fn base64(text: &str) -> Result<String, Fault> {
    let encoded = serde_json::to_value(ByteString(text.as_bytes().to_vec()));
    match encoded {
        Ok(serde_json::Value::String(encoded)) => Ok(encoded),
        _ => Err(Fault::new(
            FaultKind::Other,
            "the issued certificate cannot be encoded",
            "log in again",
        )),
    }
}
