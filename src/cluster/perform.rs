//! The only file that changes anything in a cluster: one function for each kind of call, a Lease,
//! and an Event. What is called when is decided elsewhere: by plans (`crate::action`), carried out
//! step by step in `walk`.
//!
//! Every call has a time-out, the field manager `wsdash`, and the identity of its object as a
//! precondition. Nothing is repeated here: whoever repeats must look first.

mod attempt;
mod file;
mod lease;
mod look;
pub mod run;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

pub(crate) use crate::action::wire::path;
use crate::action::{Call, Expect, Identity, RUN_LABEL, Target};
use crate::cluster::exec::{self, PodTarget};
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::domain::key::{Kind, ObjectKey};

pub use file::{Folder, JournalFile};
pub use run::{Figures, Performer, Tried};

const MANAGER: &str = "wsdash";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces";
/// What is kept of a command's output, in bytes.
const KEPT_OUTPUT: usize = 64 * 1024;

/// What a call answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// The object, where the call answers with one.
    pub(crate) object: Value,
    pub(crate) text: String,
    pub(crate) stdout: String,
    pub(crate) exit: Option<i32>,
}

impl Answer {
    fn of(object: Value, text: &str) -> Self {
        Self {
            object,
            text: text.to_owned(),
            ..Self::default()
        }
    }
}

/// Sends calls. `dry` has the server judge them and change nothing.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    limit: Duration,
    clock: Clock,
    figures: Option<Arc<dyn Figures>>,
}

/// What the time is in the cluster: ages of its objects are counted from it. Only a simulated
/// cluster has another time than the computer.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Caller {
    pub(crate) fn new(client: Client, limit: Duration) -> Self {
        Self {
            client,
            limit,
            clock: Arc::new(Timestamp::now),
            figures: None,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        content: &str,
        body: &Value,
        what: &str,
    ) -> Result<Value, Fault> {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content)
            .body(bytes)
            .map_err(|_cause| Fault::new(FaultKind::Invalid, what, "correct the names"))?;
        within(self.limit, what, self.client.request(request)).await
    }

    /// Reads one object at most-recent; `None` = there is none.
    pub(crate) async fn get(&self, kind: Kind, key: &ObjectKey) -> Result<Option<Value>, Fault> {
        let what = format!("reading {} {key}", kind.object());
        let path = format!("{}/{}", path(kind, &key.namespace), key.name);
        self.read(path, &what).await
    }

    pub(crate) async fn read(&self, path: String, what: &str) -> Result<Option<Value>, Fault> {
        match self
            .send(Method::GET, path, "application/json", &Value::Null, what)
            .await
        {
            Ok(object) => Ok(Some(object)),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Makes one call. Its preconditions are the target's identity and version.
    pub(crate) async fn call(&self, call: &Call, dry: bool) -> Result<Answer, Fault> {
        if dry && !call.can_be_tried() {
            return Ok(Answer::of(Value::Null, "a command cannot be tried"));
        }
        let uid = match call.target() {
            Some(target) => self.uid(target).await?,
            None => String::new(),
        };
        let (kind, key) = call.object();
        let (doing, done) = match call {
            Call::Create { .. } => ("creating", "created"),
            Call::Patch { .. } | Call::Scale { .. } => ("changing", "changed"),
            Call::Delete { .. } => ("deleting", "deletion accepted"),
            Call::Evict { .. } => ("evicting", "eviction accepted"),
            Call::Exec {
                pod,
                container,
                command,
                stdin,
                limit,
                expect,
            } => {
                let target = PodTarget::new(&*pod.key.namespace, &*pod.key.name);
                let words: Vec<&str> = command.iter().map(String::as_str).collect();
                let limit = Duration::from_secs(u64::from(*limit));
                let bytes = stdin.bytes();
                let run = exec::run(
                    &self.client,
                    &target,
                    Some(container),
                    &words,
                    &bytes,
                    limit,
                );
                return judge_output(&run.await?, expect, &target);
            }
        };
        let what = format!("{doing} {} {key}", kind.object());
        let unsendable = || Fault::new(FaultKind::Invalid, &*what, "correct the names");
        let wire = call.wire(&uid, dry).ok_or_else(unsendable)?;
        let method = Method::from_bytes(wire.method.as_bytes());
        let object = self
            .send(
                method.map_err(|_cause| unsendable())?,
                wire.path + &wire.query,
                wire.content,
                &wire.body,
                &what,
            )
            .await?;
        Ok(Answer::of(object, done))
    }

    /// The uid that the call must find. What a crash may have left is looked up by its label;
    /// a pod that a command is for is compared, since exec knows no preconditions.
    async fn uid(&self, target: &Target) -> Result<String, Fault> {
        let (wanted, is_exact) = match &target.identity {
            Identity::Uid(uid) if target.kind != Kind::Pod && target.kind != Kind::Set => {
                return Ok(uid.clone());
            }
            Identity::Uid(uid) => (Some(uid), true),
            Identity::Ours(run) => (Some(run), false),
            Identity::Named => (None, true),
        };
        let name = format!("{} {}", target.kind.object(), target.key);
        let object = self.get(target.kind, &target.key).await?.ok_or_else(|| {
            Fault::new(
                FaultKind::NotFound,
                format!("{name} is gone"),
                "look at it again and decide anew",
            )
        })?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let found = if is_exact {
            uid
        } else {
            object["metadata"]["labels"][RUN_LABEL]
                .as_str()
                .unwrap_or_default()
        };
        if wanted.is_none_or(|wanted| wanted == found) {
            return Ok(uid.to_owned());
        }
        Err(Fault::new(
            FaultKind::Conflict,
            format!("{name} is another object than the one that was meant"),
            "look at it again and decide anew",
        ))
    }

    /// Creates or replaces a Lease; a replacement needs the version that it replaces.
    pub(crate) async fn put_lease(&self, key: &ObjectKey, lease: &Value) -> Result<Value, Fault> {
        let what = format!("taking the lease {key}");
        let folder = format!("{LEASES}/{}/leases", key.namespace);
        let version = &lease["metadata"]["resourceVersion"];
        let (method, path) = if version.is_string() {
            (Method::PUT, format!("{folder}/{}", key.name))
        } else {
            (Method::POST, folder)
        };
        let path = format!("{path}?fieldManager={MANAGER}");
        self.send(method, path, "application/json", lease, &what)
            .await
    }

    pub(crate) async fn get_lease(&self, key: &ObjectKey) -> Result<Option<Value>, Fault> {
        let path = format!("{LEASES}/{}/leases/{}", key.namespace, key.name);
        self.read(path, &format!("reading the lease {key}")).await
    }

    /// Gives back a Lease that is still ours in exactly this version.
    pub(crate) async fn delete_lease(&self, key: &ObjectKey, lease: &Value) -> Result<(), Fault> {
        let meta = &lease["metadata"];
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions":
            {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}});
        let path = format!("{LEASES}/{}/leases/{}", key.namespace, key.name);
        let what = format!("giving back the lease {key}");
        self.send(Method::DELETE, path, "application/json", &body, &what)
            .await
            .map(|_| ())
    }

    /// Writes an Event on an object: who did what, for everybody who looks at the object.
    pub(crate) async fn write_event(&self, note: &EventNote<'_>) -> Result<(), Fault> {
        let namespace = if note.key.namespace.is_empty() {
            "default"
        } else {
            &note.key.namespace
        };
        let group = note.kind.group();
        let version = if group.is_empty() {
            "v1".to_owned()
        } else {
            format!("{group}/v1")
        };
        let mut text = note.text.to_owned();
        while text.len() > 1000 {
            text.pop();
        }
        let body = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"generateName": "wsdash-", "namespace": namespace},
            "eventTime": note.at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "reportingController": "wsdash.dev/wsdash",
            "reportingInstance": note.run.chars().take(128).collect::<String>(),
            "action": note.action, "reason": note.reason,
            "type": if note.warning { "Warning" } else { "Normal" },
            "note": text,
            "regarding": {"apiVersion": version, "kind": note.kind.object(),
                "namespace": &*note.key.namespace, "name": &*note.key.name, "uid": note.uid},
        });
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let what = format!("writing an event on {}", note.key);
        self.send(Method::POST, path, "application/json", &body, &what)
            .await
            .map(|_| ())
    }
}

/// What an Event says.
pub(crate) struct EventNote<'a> {
    pub(crate) kind: Kind,
    pub(crate) key: &'a ObjectKey,
    pub(crate) uid: &'a str,
    pub(crate) run: &'a str,
    pub(crate) action: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) text: &'a str,
    pub(crate) warning: bool,
    pub(crate) at: Timestamp,
}

fn judge_output(
    output: &exec::Output,
    expect: &Expect,
    target: &PodTarget,
) -> Result<Answer, Fault> {
    let kept: Vec<u8> = output.stdout.iter().take(KEPT_OUTPUT).copied().collect();
    let stdout = String::from_utf8_lossy(&kept).trim().to_owned();
    let failed = |why: String| {
        Fault::new(
            FaultKind::Invalid,
            format!("the command in {target} {why}"),
            "look at the pod",
        )
    };
    match expect {
        Expect::Any => {}
        _ if output.code != 0 => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = crate::cluster::fault::safe_line(said.trim());
            let said: String = said.chars().take(300).collect();
            return Err(failed(format!("ended with code {}: {said}", output.code)));
        }
        Expect::Prints(text) if *text != stdout => {
            let said: String = crate::cluster::fault::safe_line(&stdout)
                .chars()
                .take(80)
                .collect();
            return Err(failed(format!(
                "printed something else than it should (`{said}`, not `{text}`)"
            )));
        }
        Expect::Success | Expect::Prints(_) => {}
    }
    Ok(Answer {
        object: Value::Null,
        text: format!("exit code {}", output.code),
        stdout,
        exit: Some(output.code),
    })
}
