//! Looking at the cluster at most-recent (no resourceVersion, all pages), for planning, for
//! guards, for probes and for what a job waits for. Changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::{ObjectList, Request, params::ListParams};
use serde_json::{Value, json};

use super::{Caller, path};
use crate::action::autoscaler::Autoscalers;
use crate::action::condition::{Condition, Measure, Observed, Read, Standing};
use crate::action::seen::Objects;
use crate::action::{Identity, Probe, RUN_LABEL, Target};
use crate::cluster::exec::{self, PodTarget};
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::cluster::rows::{self, Object};
use crate::cluster::watch::KINDS;
use crate::domain::freshness::Freshness;
use crate::domain::inventory::{Change, Inventory};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::ownership::Sightings;
use crate::domain::policy::Policy;

const PAGE: u32 = 500;
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// What was found.
pub(super) struct Fresh {
    pub(super) inventory: Inventory,
    pub(super) objects: Objects,
    /// Read for what is asked about claims that nothing needs.
    pub(super) sightings: Sightings,
    pub(super) autoscalers: Autoscalers,
}

/// Who scales the sets of a namespace; a missing right is an answer of its own.
pub(super) async fn autoscalers(caller: &Caller, namespace: &str) -> Result<Autoscalers, Fault> {
    let path = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers");
    match caller.read(path, "listing horizontalpodautoscalers").await {
        Ok(Some(list)) => Ok(list["items"]
            .as_array()
            .map_or(Autoscalers::Unknown, |items| Autoscalers::of(items))),
        Ok(None) => Ok(Autoscalers::Unknown),
        Err(fault) if fault.kind == FaultKind::Forbidden => Ok(Autoscalers::Unknown),
        Err(fault) => Err(fault),
    }
}

/// Lists `kinds` as rows and `whole` as they are, and reads single objects, those that `more` names from the lists included. A kind
/// that is denied or absent is so in the inventory's freshness; any other failure is an error.
pub(super) async fn look(
    caller: &Caller,
    policy: &Arc<Policy>,
    namespace: &str,
    (kinds, whole): (&[Kind], &[Kind]),
    more: impl Fn(&Inventory) -> Vec<(Kind, ObjectKey)>,
) -> Result<Fresh, Fault> {
    let mut inventory = Inventory::new(policy.claim_templates.clone());
    for &kind in kinds {
        if !KINDS.contains(&kind) {
            // a kind that makes no rows must never look like one that has no objects
            let why = format!("{} are not read yet", kind.short()).into();
            let freshness = Freshness::Off { why };
            inventory.apply(Change::Freshness { kind, freshness });
            continue;
        }
        inventory.apply(Change::Begin { kind });
        let listed = list(caller, kind, namespace, policy, &mut inventory).await;
        let freshness = freshness(kind, listed)?;
        if freshness.is_live() {
            inventory.apply(Change::Done { kind });
        }
        inventory.apply(Change::Freshness { kind, freshness });
    }
    let mut objects = Objects::default();
    for &kind in whole {
        let what = format!("listing {}", kind.resource());
        let listed = caller.read(path(kind, namespace), &what).await;
        let listed = listed.and_then(|list| {
            list.ok_or_else(|| Fault::new(FaultKind::NotFound, what, "install the API"))
        });
        let freshness = match listed {
            Ok(mut list) => {
                let items = list["items"].as_array_mut().map(std::mem::take);
                for object in items.unwrap_or_default() {
                    put(&mut inventory, kind, &object, policy);
                    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                    let key = ObjectKey::new(text("namespace"), text("name"));
                    objects.insert(kind, key, object);
                }
                Freshness::Live
            }
            Err(fault) => freshness(kind, Err(fault))?,
        };
        inventory.apply(Change::Freshness { kind, freshness });
    }
    for round in 0..2 {
        // the second round follows what the first one found, such as a claim's volume
        for (kind, key) in more(&inventory) {
            if round > 0 && objects.get(kind, &key).is_some() {
                continue;
            }
            match caller.get(kind, &key).await {
                Ok(Some(object)) => {
                    put(&mut inventory, kind, &object, policy);
                    objects.insert(kind, key, object);
                }
                Ok(None) => {}
                Err(fault) if fault.kind == FaultKind::Forbidden => {}
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(Fresh {
        inventory,
        objects,
        sightings: Sightings::default(),
        autoscalers: Autoscalers::default(),
    })
}

/// What a list says of a kind. Only a missing right or a missing API is an answer of its own.
fn freshness(kind: Kind, listed: Result<(), Fault>) -> Result<Freshness, Fault> {
    Ok(match listed {
        Ok(()) => Freshness::Live,
        Err(fault) if fault.kind == FaultKind::Forbidden => {
            let rule = fault.rule.map_or_else(
                || format!("list {}", kind.resource()),
                |rule| rule.to_string(),
            );
            Freshness::Denied { rule: rule.into() }
        }
        Err(fault) if fault.kind == FaultKind::NotFound => Freshness::Absent {
            why: format!("this cluster has no {}", kind.resource()).into(),
        },
        Err(fault) => return Err(fault),
    })
}

fn put(inventory: &mut Inventory, kind: Kind, object: &Value, policy: &Policy) {
    let row = Object::deserialize_from(object).map(|o| rows::row(kind, o, policy));
    if let Some(row) = row {
        inventory.apply(Change::Update {
            kind,
            puts: vec![row],
            gone: Vec::new(),
        });
    }
}

async fn list(
    caller: &Caller,
    kind: Kind,
    namespace: &str,
    policy: &Policy,
    inventory: &mut Inventory,
) -> Result<(), Fault> {
    let what = format!("listing {}", kind.resource());
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let request = Request::new(path(kind, namespace))
            .list(&params)
            .map_err(|error| Fault::of_error(&error, &what))?;
        let answer = caller.client().request::<ObjectList<Object>>(request);
        let page = within(LIMIT, &what, answer).await?;
        let rows = page
            .items
            .into_iter()
            .map(|object| rows::row(kind, object, policy))
            .collect();
        inventory.apply(Change::Page {
            kind,
            rows,
            remaining: None,
        });
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(()),
        }
    }
}

/// Reads what a condition needs and judges it.
pub(super) async fn stand(caller: &Caller, condition: &Condition) -> Result<Standing, Fault> {
    let mut seen = Observed {
        now: caller.now(),
        values: BTreeMap::new(),
        denied: BTreeMap::new(),
    };
    // what is read first says what must be read next: a snapshot names its content
    for _ in 0..4 {
        let next: Vec<Read> = condition
            .reads(&seen)
            .into_iter()
            .filter(|read| !seen.values.contains_key(read) && !seen.denied.contains_key(read))
            .collect();
        if next.is_empty() {
            break;
        }
        for read in next {
            match observe(caller, &read).await {
                Ok(value) => {
                    seen.values.insert(read, value);
                }
                Err(fault) if !fault.is_transient() => {
                    seen.denied.insert(read, fault.sentence);
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(condition.judge(&seen))
}

async fn observe(caller: &Caller, read: &Read) -> Result<Value, Fault> {
    match read {
        Read::Object(kind, key) => Ok(caller.get(*kind, key).await?.unwrap_or(Value::Null)),
        Read::Events { namespace, uid } => {
            let path = format!(
                "/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid%3D{uid}"
            );
            let list = caller.read(path, "listing events").await?;
            Ok(list.map_or(Value::Null, |list| list["items"].clone()))
        }
        Read::Attachments => {
            let list = caller
                .read(path(Kind::Attachment, ""), "listing volume attachments")
                .await?;
            Ok(list.map_or(Value::Null, |list| list["items"].clone()))
        }
        Read::Pods { namespace } => {
            let list = caller
                .read(path(Kind::Pod, namespace), "listing pods")
                .await?;
            Ok(list.map_or(Value::Null, |list| list["items"].clone()))
        }
        Read::FileSystem(measure) => file_system(caller, measure).await,
        Read::Sample(claim) => sample(caller, claim).await,
    }
}

/// Bytes of a file system as the kubelet last reported them.
async fn sample(caller: &Caller, claim: &ObjectKey) -> Result<Value, Fault> {
    let Some(figures) = &caller.figures else {
        return Err(Fault::new(FaultKind::NotFound, "no samples are read", ""));
    };
    match figures.file_system(claim.clone()).await {
        Ok(Some((bytes, at))) => Ok(json!({"bytes": bytes, "at": at.to_string()})),
        Ok(None) => Ok(json!({"why": "nothing is told of this claim"})),
        // whoever watches the cluster may be down for long: nothing waits for it until the end
        Err(fault) if fault.is_transient() => Ok(json!({"why": fault.sentence})),
        Err(fault) => Err(fault),
    }
}

/// Bytes of a mounted file system as the container sees it.
async fn file_system(caller: &Caller, measure: &Measure) -> Result<Value, Fault> {
    let target = PodTarget::new(&*measure.pod.namespace, &*measure.pod.name);
    let command = ["stat", "-f", "-c", "%b %S", measure.mount.as_str()];
    let output = exec::run(
        caller.client(),
        &target,
        Some(&measure.container),
        &command,
        &[],
        LIMIT,
    )
    .await?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match crate::action::condition::file_system_bytes(&text) {
        Some(bytes) if output.code == 0 => Ok(json!(bytes)),
        _ => Err(Fault::new(
            FaultKind::Invalid,
            format!(
                "stat in {target} does not tell the size of {}",
                measure.mount
            ),
            "look with df in the container",
        )),
    }
}

/// What a probe found.
pub(super) enum Found {
    /// It happened; the object as it is now, if there is one.
    Yes(Value),
    No,
    /// Something stands there that is neither what was before nor what the call would make.
    Foreign(String),
}

pub(super) async fn probe(caller: &Caller, probe: &Probe) -> Result<Found, Fault> {
    Ok(match probe {
        Probe::Harmless => Found::No,
        Probe::Made { kind, key, run } => match caller.get(*kind, key).await? {
            None => Found::No,
            Some(object) if object["metadata"]["labels"][RUN_LABEL] == json!(run) => {
                Found::Yes(object)
            }
            Some(_) => Found::Foreign(format!(
                "{} {key} exists, and this run did not make it",
                kind.object()
            )),
        },
        Probe::Remade { kind, key, not } => match caller.get(*kind, key).await? {
            Some(object) if object["metadata"]["uid"] != json!(not) => Found::Yes(object),
            _ => Found::No,
        },
        Probe::Stands {
            kind,
            key,
            pointer,
            value,
        } => match caller.get(*kind, key).await? {
            None => Found::No,
            Some(object) if object.pointer(pointer).unwrap_or(&Value::Null) == value => {
                Found::Yes(object)
            }
            Some(_) => Found::Foreign(format!("another {} {key} stands there", kind.object())),
        },
        Probe::Removed { target } => match caller.get(target.kind, &target.key).await? {
            None => Found::Yes(Value::Null),
            Some(object) if !is(&object, target) => Found::Yes(Value::Null),
            Some(object) if !object["metadata"]["deletionTimestamp"].is_null() => {
                Found::Yes(object)
            }
            Some(_) => Found::No,
        },
        Probe::Has {
            target,
            pointer,
            value,
        } => match caller.get(target.kind, &target.key).await? {
            None => Found::Foreign(format!("{} {} is gone", target.kind.object(), target.key)),
            Some(object) if !is(&object, target) => Found::Foreign(format!(
                "{} {} is another object now",
                target.kind.object(),
                target.key
            )),
            Some(object) if object.pointer(pointer).unwrap_or(&Value::Null) == value => {
                Found::Yes(object)
            }
            Some(_) => Found::No,
        },
        Probe::Lacks {
            target,
            pointer,
            value,
        } => match caller.get(target.kind, &target.key).await? {
            Some(object)
                if is(&object, target)
                    && object.pointer(pointer).unwrap_or(&Value::Null) == value =>
            {
                Found::No
            }
            other => Found::Yes(other.unwrap_or(Value::Null)),
        },
    })
}

/// Whether it is the object that was meant.
pub(super) fn is(object: &Value, target: &Target) -> bool {
    let meta = &object["metadata"];
    match &target.identity {
        Identity::Uid(uid) => meta["uid"] == json!(uid),
        Identity::Ours(run) => meta["labels"][RUN_LABEL] == json!(run),
        Identity::Named => true,
    }
}
