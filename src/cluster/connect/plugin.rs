//! Runs an exec credential plugin once: with a time limit, in its own process group, and without
//! a terminal unless the caller may lend it.
//!
//! Nothing of the plugin's environment, arguments or standard output is ever shown. Its last line
//! on standard error is, redacted, because it says what to do ("reauthentication required").

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use kube::config::{ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::Interaction;
use super::credentials::Secret;
use super::kubeconfig::Choice;
use crate::cluster::fault::{Fault, FaultKind, safe_line, safe_line_without, seconds};

/// A plugin that cannot ask anybody has nothing to wait for but the network.
const LIMIT: Duration = Duration::from_secs(30);
/// A person may have to find a phone for the second factor.
const INTERACTIVE_LIMIT: Duration = Duration::from_secs(300);
/// What is read of a plugin's output, in bytes; credentials are a few kilobytes.
const LARGEST: u64 = 1024 * 1024;

/// A credential plugin of a kubeconfig user.
pub(super) struct Plugin {
    exec: ExecConfig,
    cluster: Option<ExecAuthCluster>,
    is_interactive: bool,
    limit: Option<Duration>,
    /// Only ever the last part of the path.
    name: String,
    secrets: Vec<String>,
}

/// What a plugin hands out.
#[derive(Default)]
pub(super) struct Issued {
    pub(super) token: Option<Secret>,
    /// PEM of certificate and key.
    pub(super) certificate: Option<(Secret, Secret)>,
    pub(super) valid_until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Plugin {
    pub(super) fn new(
        exec: ExecConfig,
        choice: &Choice,
        interaction: Interaction,
        limit: Option<Duration>,
    ) -> Result<Self, Fault> {
        let command = exec
            .command
            .as_deref()
            .filter(|command| !command.is_empty());
        let Some(command) = command else {
            return Err(Fault::new(
                FaultKind::BrokenKubeconfig,
                format!(
                    "user {:?} has a credential plugin without a command",
                    choice.user_name
                ),
                "add users.user.exec.command to the kubeconfig",
            ));
        };
        let name = safe_line(
            &Path::new(command)
                .file_name()
                .unwrap_or_default()
                .to_string_lossy(),
        );
        let can_ask = interaction == Interaction::Allowed && io::stdin().is_terminal();
        let is_interactive = match exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => false,
            Some(ExecInteractiveMode::Always) if !can_ask => {
                return Err(Fault::new(
                    FaultKind::PluginPrompt,
                    format!(
                        "the credential plugin {name} must ask you something, and has no terminal for it here"
                    ),
                    format!(
                        "log in once in a shell (any kubectl command with this context runs {name}), then reconnect"
                    ),
                ));
            }
            _ => can_ask,
        };
        let cluster = if exec.provide_cluster_info {
            let cluster = ExecAuthCluster::try_from(&choice.cluster).map_err(|_cause| {
                Fault::new(
                    FaultKind::BrokenKubeconfig,
                    format!(
                        "the certificate authority of cluster {:?} cannot be read",
                        choice.cluster_name
                    ),
                    "correct the kubeconfig",
                )
            })?;
            Some(cluster)
        } else {
            None
        };
        let secrets = variables(&exec)
            .map(|(_, value)| value.clone())
            .chain(exec.args.iter().flatten().cloned())
            .collect();
        Ok(Self {
            exec,
            cluster,
            is_interactive,
            limit,
            name,
            secrets,
        })
    }

    /// For renewing later, when the screen is in use.
    pub(super) fn without_terminal(mut self) -> Self {
        self.is_interactive = false;
        self
    }

    /// Runs the plugin and reads its credentials. Dropping the future ends the plugin.
    pub(super) async fn run(&self) -> Result<Issued, Fault> {
        let mut child = Group(
            self.command()?
                .spawn()
                .map_err(|error| self.not_started(&error))?,
        );
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
        let limit = self.limit.unwrap_or(if self.is_interactive {
            INTERACTIVE_LIMIT
        } else {
            LIMIT
        });
        let ended = tokio::time::timeout(limit, async {
            tokio::join!(
                child.0.wait(),
                read(stdout, &mut out),
                read(stderr, &mut err)
            )
            .0
        })
        .await;
        match ended {
            Ok(Ok(status)) if status.success() => self.credentials(&out),
            Ok(Ok(status)) => Err(self.failed(status, &err)),
            Ok(Err(error)) => Err(self.not_started(&error)),
            // dropping `child` ends the whole group
            Err(_elapsed) => Err(self.timed_out(limit)),
        }
    }

    fn command(&self) -> Result<Command, Fault> {
        let mut command = Command::new(self.exec.command.as_deref().unwrap_or_default());
        command
            .args(self.exec.args.iter().flatten())
            .envs(variables(&self.exec))
            .env("KUBERNETES_EXEC_INFO", self.exec_info()?)
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        for name in self.exec.drop_env.iter().flatten() {
            command.env_remove(name);
        }
        if self.is_interactive {
            command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
        } else {
            // its own group: it cannot read the terminal, and ends with all its children
            command
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .process_group(0);
        }
        Ok(command)
    }

    fn exec_info(&self) -> Result<String, Fault> {
        let mut spec = serde_json::json!({ "interactive": self.is_interactive });
        if let (Some(cluster), Some(spec)) = (&self.cluster, spec.as_object_mut()) {
            let cluster = serde_json::to_value(cluster).map_err(|_cause| {
                Fault::new(
                    FaultKind::BrokenKubeconfig,
                    format!(
                        "the cluster cannot be described to the credential plugin {}",
                        self.name
                    ),
                    "correct the kubeconfig",
                )
            })?;
            spec.insert("cluster".to_owned(), cluster);
        }
        let info = serde_json::json!({
            "apiVersion": self.exec.api_version,
            "kind": "ExecCredential",
            "spec": spec,
        });
        Ok(info.to_string())
    }

    fn credentials(&self, out: &[u8]) -> Result<Issued, Fault> {
        let unusable = |what: &str| {
            Fault::new(
                FaultKind::PluginFailed,
                format!("the credential plugin {} {what}", self.name),
                format!("update {} or its configuration, then reconnect", self.name),
            )
        };
        let text =
            str::from_utf8(out).map_err(|_cause| unusable("printed something that is no text"))?;
        let answer: Answer = serde_json::from_str(text)
            .ok()
            .or_else(|| serde_saphyr::from_str(text).ok())
            .ok_or_else(|| unusable("printed something that is no ExecCredential"))?;
        let status = answer
            .status
            .ok_or_else(|| unusable("printed no credentials"))?;
        let valid_until = status
            .expiration_timestamp
            .map(|at| at.parse::<Timestamp>())
            .transpose()
            .map_err(|_cause| unusable("printed an expiry that is no time"))?;
        let some = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Secret::new);
        let issued = Issued {
            token: some(status.token),
            certificate: some(status.client_certificate_data).zip(some(status.client_key_data)),
            valid_until,
        };
        if issued.token.is_none() && issued.certificate.is_none() {
            return Err(unusable("printed neither a token nor a certificate"));
        }
        Ok(issued)
    }

    fn not_started(&self, error: &io::Error) -> Fault {
        let name = &self.name;
        if error.kind() == io::ErrorKind::NotFound {
            let hint = self.exec.install_hint.as_deref().map(safe_line);
            return Fault::new(
                FaultKind::PluginFailed,
                format!("the credential plugin {name} is not installed"),
                hint.filter(|hint| !hint.is_empty())
                    .unwrap_or_else(|| format!("install {name}, or put it on the PATH")),
            );
        }
        Fault::new(
            FaultKind::PluginFailed,
            format!(
                "the credential plugin {name} cannot be started: {}",
                error.kind()
            ),
            format!("make {name} executable"),
        )
    }

    fn failed(&self, status: ExitStatus, err: &[u8]) -> Fault {
        const ASKING: [&str; 9] = [
            "enter ",
            "password",
            "username",
            "interactive",
            "terminal",
            "tty",
            "prompt",
            "eof",
            "passphrase",
        ];
        let name = &self.name;
        let text = String::from_utf8_lossy(err);
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        let said = last
            .map(|line| safe_line_without(line, &self.secrets))
            .filter(|line| !line.is_empty());
        let how = match status.code() {
            Some(code) => format!("exit code {code}"),
            None => "ended by a signal".to_owned(),
        };
        let sentence = match said {
            Some(said) => format!("the credential plugin {name} failed ({how}): {said}"),
            None => format!("the credential plugin {name} failed ({how})"),
        };
        let lower = text.to_lowercase();
        let may_ask = self.exec.interactive_mode != Some(ExecInteractiveMode::Never);
        if !self.is_interactive && may_ask && ASKING.iter().any(|word| lower.contains(word)) {
            return Fault::new(
                FaultKind::PluginPrompt,
                sentence,
                format!(
                    "it seems to need your input: log in once in a shell (any kubectl command with this context runs {name}), then reconnect"
                ),
            );
        }
        Fault::new(
            FaultKind::PluginFailed,
            sentence,
            format!("log in again with the tool that {name} belongs to, then reconnect"),
        )
    }

    fn timed_out(&self, limit: Duration) -> Fault {
        let name = &self.name;
        Fault::new(
            FaultKind::PluginTimeout,
            format!(
                "the credential plugin {name} did not end within {}",
                seconds(limit)
            ),
            format!(
                "it may wait for your input or for the network: log in once in a shell (any kubectl command with this context runs {name}), then reconnect"
            ),
        )
    }
}

/// The variables that the kubeconfig gives the plugin.
fn variables(exec: &ExecConfig) -> impl Iterator<Item = (&String, &String)> {
    exec.env
        .iter()
        .flatten()
        .filter_map(|entry: &HashMap<String, String>| entry.get("name").zip(entry.get("value")))
}

async fn read(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    // a pipe that breaks is a plugin that ended; the rest must be read lest it block
    let _ = (&mut from).take(LARGEST).read_to_end(into).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

/// A child with its process group; both end when this is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // no id: it has ended and was waited for
        if let Some(pid) = self
            .0
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
        {
            // an interactive plugin is in our group; then there is no group of this id, and
            // `kill_on_drop` ends the child alone
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
