//! The check pod: mounts the claims that were restored, read-only, in an image that is there
//! already, and lists what is in them. It goes when it has been read, and with an undo.

use serde_json::{Value, json};

use super::{Piece, gone, remove};
use crate::action::call::{Call, Expect, Probe, Stdin, Target};
use crate::action::condition::Condition;
use crate::action::keep::{self, SOON};
use crate::action::plan::{Capture, Source, Step};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::seen::Seen;
use crate::action::{RUN_LABEL, snapshot};
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::workspace::Workspace;

/// What the container that reads is called.
const CONTAINER: &str = "check";
/// The pod ends by itself after this many seconds, whatever becomes of the run.
const LIFETIME: u32 = 3600;
/// Seconds that listing may take.
const LIST_LIMIT: u32 = 120;
/// Number of files, then the file system's id, then the top of the tree. `$1` is the mount path.
const LIST: &str = "cd \"$1\" || exit 1; echo \"files $(find . -type f | wc -l)\"; \
                    echo \"id $(stat -f -c %i .)\"; ls -la .";

pub(super) struct Check {
    pod: ObjectKey,
    manifest: Value,
    run: String,
    ceiling: u32,
}

impl Check {
    pub(super) fn of(
        seen: &Seen<'_>,
        workspace: &Workspace,
        pieces: &[Piece<'_>],
    ) -> Result<Self, Refusal> {
        let name = format!(
            "wsdash-check-{}-{}",
            seen.run.short(),
            snapshot::tail(&workspace.key.name, 30)
        );
        let spec = template(seen, workspace).ok_or_else(|| {
            Refusal::new(
                RefusalKind::NotKnown,
                format!(
                    "no image is known to read the claims of {} with",
                    workspace.key
                ),
                "restore while its set or its pod is there",
            )
        })?;
        let container = container(spec, pieces);
        let mut made = json!({
            "name": CONTAINER, "image": container["image"],
            "command": ["sh", "-c", format!("trap 'exit 0' TERM; sleep {LIFETIME} & wait")],
            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"},
                "limits": {"cpu": "500m", "memory": "256Mi"}},
        });
        for field in ["imagePullPolicy", "securityContext"] {
            if !container[field].is_null() {
                made[field] = container[field].clone();
            }
        }
        let volumes: Vec<Value> = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| {
                json!({"name": format!("r{at}"),
                    "persistentVolumeClaim": {"claimName": &*piece.side.name}})
            })
            .collect();
        let mounts: Vec<Value> = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| {
                json!({"name": format!("r{at}"), "mountPath": path(piece), "readOnly": true})
            })
            .collect();
        made["volumeMounts"] = json!(mounts);
        let mut pod = json!({
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
            "activeDeadlineSeconds": LIFETIME, "automountServiceAccountToken": false,
            "enableServiceLinks": false, "containers": [made], "volumes": volumes,
        });
        for field in [
            "imagePullSecrets",
            "securityContext",
            "nodeSelector",
            "tolerations",
            "runtimeClassName",
        ] {
            if !spec[field].is_null() {
                pod[field] = spec[field].clone();
            }
        }
        // where the workspace's volumes are its restored ones must be, too
        if let Some(zone) = zone(seen, pieces) {
            pod["nodeSelector"]["topology.kubernetes.io/zone"] = json!(zone);
        }
        let key = beside(&workspace.key, &name.as_str().into());
        Ok(Self {
            manifest: json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": &*key.namespace, "labels": {
                    RUN_LABEL: seen.run.as_str(), "app.kubernetes.io/managed-by": "wsdash"}},
                "spec": pod,
            }),
            pod: key,
            run: seen.run.to_string(),
            ceiling: keep::seconds(seen.settings.restart_wait),
        })
    }

    /// Starts it and waits until it runs: only then is a claim that waits for a pod filled.
    pub(super) fn start(&self) -> Vec<Step> {
        let run = crate::action::RunId(self.run.clone());
        let ours = Target::ours(Kind::Pod, self.pod.clone(), &run);
        vec![
            Step::call(
                "check-pod",
                format!("start the check pod {}", self.pod.name),
                Call::Create {
                    kind: Kind::Pod,
                    namespace: self.pod.namespace.to_string(),
                    manifest: self.manifest.clone(),
                },
                Probe::Made {
                    kind: Kind::Pod,
                    key: self.pod.clone(),
                    run: self.run.clone(),
                },
            )
            .capture(Capture::answer("uid-check", "/metadata/uid"))
            .undone_by(remove("delete-check", &ours))
            .undone_by(gone("gone-check", ours)),
            Step::wait(
                "check-ready",
                format!("wait until {} has mounted them", self.pod.name),
                Condition::PodReady {
                    pod: self.pod.clone(),
                    not: String::new(),
                },
                self.ceiling,
            ),
        ]
    }

    /// Lists what is in each claim.
    pub(super) fn read(&self, pieces: &[Piece<'_>]) -> Vec<Step> {
        pieces
            .iter()
            .map(|piece| {
                Step::call(
                    format!("list-{}", piece.name()),
                    format!("list what is in claim {}", piece.side.name),
                    list(
                        Target::new(Kind::Pod, self.pod.clone(), "${uid-check}"),
                        CONTAINER,
                        &path(piece),
                    ),
                    Probe::Harmless,
                )
                .capture(Capture {
                    name: format!("listing-{}", piece.name()),
                    from: Source::Stdout,
                })
            })
            .collect()
    }

    /// Ends it.
    pub(super) fn end(&self) -> Vec<Step> {
        let it = Target::new(Kind::Pod, self.pod.clone(), "${uid-check}");
        vec![
            remove("end-check", &it),
            Step::wait(
                "ended-check",
                format!("wait until pod {} is gone", self.pod.name),
                Condition::Gone { target: it },
                SOON,
            ),
        ]
    }
}

/// A call that lists a mount.
pub(super) fn list(pod: Target, container: &str, mount: &str) -> Call {
    Call::Exec {
        pod,
        container: container.to_owned(),
        command: ["sh", "-c", LIST, "sh", mount].map(str::to_owned).to_vec(),
        stdin: Stdin::None,
        limit: LIST_LIMIT,
        expect: Expect::Success,
    }
}

/// Files that a listing counted. `None` = it could not be listed.
fn files(listing: &str) -> Option<u64> {
    let line = listing.lines().next()?;
    line.strip_prefix("files ")?.trim().parse().ok()
}

/// Refuses when nothing comes back where something was: a snapshot that is ready is not yet one
/// that holds the work. Where nobody knows what was there, it counts as something.
pub(in crate::action) fn refuse_empty(
    claim: &str,
    listing: &str,
    before: &str,
) -> Result<(), Refusal> {
    let why = match (files(listing), files(before)) {
        (Some(1..), _) | (Some(0), Some(0)) => return Ok(()),
        (Some(0), Some(there)) => format!("it holds no file, and there are {there} now"),
        (Some(0), None) => "it holds no file, and what is there now is not known".to_owned(),
        (None, _) => "what it holds could not be counted".to_owned(),
    };
    Err(Refusal::new(
        RefusalKind::NoWayBack,
        format!("what comes back of claim {claim} may be nothing: {why}"),
        "choose another point in time; --force swaps it in nevertheless",
    ))
}

fn path(piece: &Piece<'_>) -> String {
    format!("/restored/{}", piece.template)
}

/// The pod spec of the workspace: of its set, else of its pod.
fn template<'a>(seen: &Seen<'a>, workspace: &Workspace) -> Option<&'a Value> {
    let set = workspace
        .set
        .as_ref()
        .map(|set| beside(&workspace.key, set));
    let of_set = set.and_then(|set| seen.objects.get(Kind::Set, &set));
    let of_set = of_set.map(|set| &set["spec"]["template"]["spec"]);
    let of_pod = || Some(&seen.objects.get(Kind::Pod, &workspace.key)?["spec"]);
    of_set.or_else(of_pod)
}

/// The container that mounts the work, else the first.
fn container<'a>(spec: &'a Value, pieces: &[Piece<'_>]) -> &'a Value {
    let mounts = |container: &&Value| {
        let mounts = container["volumeMounts"].as_array();
        mounts.into_iter().flatten().any(|mount| {
            let name = mount["name"].as_str();
            pieces.iter().any(|piece| name == Some(&**piece.template))
        })
    };
    let all = spec["containers"].as_array();
    let found = all.into_iter().flatten().find(mounts);
    found.unwrap_or(&spec["containers"][0])
}

fn zone(seen: &Seen<'_>, pieces: &[Piece<'_>]) -> Option<String> {
    let volumes = pieces
        .iter()
        .filter_map(|p| seen.inventory.volume_of(p.claim));
    volumes
        .filter_map(|volume| volume.zone.as_ref())
        .map(ToString::to_string)
        .next()
}
