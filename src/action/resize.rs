//! Making a claim larger while it is in use. Done is when the file system has grown, not when the
//! request was accepted.

use serde_json::json;

use super::call::{Call, Expect, PatchType, Probe, Stdin, Target};
use super::condition::{Condition, Measure};
use super::plan::{Capture, Plan, Source, Step, Subject};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Growth, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::snapshot::mount_of;
use super::{ACTION_ANNOTATION, BY_ANNOTATION, RUN_LABEL};
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::quantity::Quantity;

const GIB: u64 = 1 << 30;

/// Grows a claim, or lowers a growth that cannot come true.
pub fn plan(seen: &Seen<'_>, key: &ObjectKey, to: Growth) -> Result<Plan, Refusal> {
    seen.needs(&[Kind::Claim, Kind::Pod, Kind::Set])?;
    let claim = seen.inventory.claims.get(key).ok_or_else(|| {
        Refusal::new(
            RefusalKind::NotFound,
            format!("there is no claim {key}"),
            "`wsdash get claims` lists them",
        )
    })?;
    let state = |sentence: String, next: &str| Refusal::new(RefusalKind::State, sentence, next);
    if claim.meta.deleted.is_some() {
        return Err(Refusal::new(
            RefusalKind::Terminating,
            format!("claim {key} is being deleted"),
            "see the runbook of claim-terminating-in-use",
        ));
    }
    let (Some(request), Some(capacity), ClaimPhase::Bound) =
        (claim.request, claim.capacity, claim.phase)
    else {
        return Err(state(
            format!("claim {key} is {}, not Bound", claim.status()),
            "only bound claims can be expanded",
        ));
    };
    expandable(seen, claim)?;
    let target = size(request, to)?;
    let is_recovery = target < request;
    judge_size(claim, request, capacity, target)?;

    let mut plan = Plan::new(
        seen,
        ActionName::Resize,
        Request::Resize {
            claim: key.clone(),
            to,
        },
    );
    plan.title = format!(
        "resize {} from {} to {}",
        key.name,
        request.canonical(),
        target.canonical()
    );
    steps(seen, &mut plan, claim, capacity, target);
    plan.subjects.push(Subject {
        kind: Kind::Claim,
        key: key.clone(),
        uid: claim.meta.uid.to_string(),
        version: seen.objects.version(Kind::Claim, key),
    });
    plan.locks = lock(seen, key);
    if target <= capacity {
        plan.notes.push(format!(
            "the disk has {} already: only the request grows",
            capacity.canonical()
        ));
    }
    if is_recovery {
        plan.notes.push(format!(
            "this lowers a growth that is under way; the disk has {} and may have more already",
            capacity.canonical()
        ));
    }
    plan.way_back.push(
        "none: a claim cannot become smaller. To have less, restore into a smaller claim"
            .to_owned(),
    );
    drift(seen, &mut plan, key, target);
    plan.rights = rights(&plan.place.namespace);
    // without a look into the pod it is done, but not proven
    plan.rights.retain(|right| right.resource != "pods/exec");
    Ok(plan)
}

fn judge_size(
    claim: &Claim,
    request: Quantity,
    capacity: Quantity,
    target: Quantity,
) -> Result<(), Refusal> {
    let key = &claim.meta.key;
    if target == request {
        return Err(Refusal::new(
            RefusalKind::Request,
            format!("claim {key} asks for {} already", request.canonical()),
            if request > capacity {
                "it is growing: `wsdash get claims` shows how far it is"
            } else {
                "name a larger size"
            },
        ));
    }
    if target < request {
        // apimachinery validation: a request may be lowered while it is above the capacity
        if target > capacity && request > capacity {
            return Ok(());
        }
        return Err(Refusal::new(
            RefusalKind::Shrink,
            format!(
                "claim {key} has {}, and a claim cannot become smaller",
                capacity.canonical()
            ),
            "restore a snapshot into a new, smaller claim if the data fits",
        ));
    }
    let is_stuck = claim
        .resize_status
        .as_deref()
        .is_some_and(|status| status.ends_with("Infeasible"));
    if request > capacity && is_stuck {
        return Err(Refusal::new(
            RefusalKind::State,
            format!(
                "claim {key} is stuck on its way to {} ({})",
                request.canonical(),
                claim.resize_status.as_deref().unwrap_or_default()
            ),
            format!(
                "ask for less first: anything above {}",
                capacity.canonical()
            ),
        ));
    }
    if request > capacity {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("claim {key} is growing to {} already", request.canonical()),
            "wait until that is done",
        ));
    }
    Ok(())
}

/// The size that is meant; what grows by a share is rounded up to whole GiB, as providers do.
pub fn size(request: Quantity, to: Growth) -> Result<Quantity, Refusal> {
    let odd = || {
        Refusal::new(
            RefusalKind::Request,
            "that size makes no sense",
            "name one such as 20Gi, +5Gi or +20%",
        )
    };
    let bytes = |quantity: Quantity| u64::try_from(quantity.value()).map_err(|_cause| odd());
    let quantity = match to {
        Growth::To(quantity) => quantity,
        Growth::By(more) => {
            Quantity::bytes(bytes(request)?.checked_add(bytes(more)?).ok_or_else(odd)?)
        }
        Growth::ByPercent(percent) => {
            let request = bytes(request)?;
            let grown = u128::from(request) * (100 + u128::from(percent)) / 100;
            let grown = u64::try_from(grown).map_err(|_cause| odd())?;
            // below a GiB that would be more than was asked for
            let unit = if request >= GIB { GIB } else { 1 << 20 };
            Quantity::bytes(grown.div_ceil(unit).checked_mul(unit).ok_or_else(odd)?)
        }
    };
    if quantity <= Quantity::ZERO {
        return Err(odd());
    }
    Ok(quantity)
}

fn expandable(seen: &Seen<'_>, claim: &Claim) -> Result<(), Refusal> {
    let key = &claim.meta.key;
    let Some(class) = &claim.storage_class else {
        return Err(Refusal::new(
            RefusalKind::Unsupported,
            format!("claim {key} has no storage class, so nothing can expand it"),
            "snapshot it and restore into a claim of an expandable class",
        ));
    };
    let class_key = ObjectKey::unscoped(class);
    let of_object = seen.objects.get(Kind::StorageClass, &class_key);
    let of_row = seen.inventory.storage_classes.get(&class_key);
    let allows = match (of_object, of_row) {
        (Some(object), _) => Some(object["allowVolumeExpansion"] == json!(true)),
        (None, Some(row)) => Some(row.expandable),
        // no right to see it: the server's dry run decides
        (None, None) => None,
    };
    if allows == Some(false) {
        return Err(Refusal::new(
            RefusalKind::Unsupported,
            format!("storage class {class} of claim {key} does not allow expansion"),
            "snapshot it and restore into a claim of an expandable class",
        ));
    }
    Ok(())
}

fn steps(seen: &Seen<'_>, plan: &mut Plan, claim: &Claim, capacity: Quantity, target: Quantity) {
    let key = &claim.meta.key;
    let bytes = |quantity: Quantity| u64::try_from(quantity.value()).unwrap_or(0);
    let user = seen
        .inventory
        .pods_of_claim(key)
        .find_map(|pod| Some((pod, mount_of(pod, claim)?)));
    let mut before = String::new();
    let mut measure = None;
    if let Some((pod, (container, mount))) = user {
        "${file-system-before}".clone_into(&mut before);
        measure = Some(Measure {
            pod: pod.meta.key.clone(),
            container: container.to_owned(),
            mount: mount.to_owned(),
        });
        let command = ["stat", "-f", "-c", "%b %S", mount];
        plan.steps.push(
            Step::call(
                "measure",
                format!("measure {mount} in pod {}", pod.meta.key.name),
                Call::Exec {
                    pod: Target::new(Kind::Pod, pod.meta.key.clone(), &pod.meta.uid),
                    container: container.to_owned(),
                    command: command.map(str::to_owned).to_vec(),
                    stdin: Stdin::None,
                    limit: 30,
                    expect: Expect::Success,
                },
                Probe::Harmless,
            )
            .capture(Capture {
                name: "file-system-before".to_owned(),
                from: Source::Stdout,
            })
            .tolerated(),
        );
    }
    let version = seen.objects.version(Kind::Claim, key);
    let it = Target::new(Kind::Claim, key.clone(), &claim.meta.uid);
    plan.steps.push(Step::call(
        "ask",
        format!("ask for {}", target.canonical()),
        Call::Patch {
            // the version keeps another's resize of the same moment from being overwritten
            target: it.clone().at(version),
            patch_type: PatchType::Merge,
            patch: json!({
                "metadata": {"annotations": {
                    ACTION_ANNOTATION: "resize", BY_ANNOTATION: seen.by, RUN_LABEL: seen.run.as_str(),
                }},
                "spec": {"resources": {"requests": {"storage": target.canonical()}}},
            }),
            subresource: None,
        },
        Probe::Has {
            target: it.clone(),
            pointer: "/metadata/annotations/wsdash.dev~1run-id".to_owned(),
            value: json!(seen.run.as_str()),
        },
    ));
    let ceiling = u32::try_from(seen.settings.resize_wait.as_secs()).unwrap_or(u32::MAX);
    plan.steps.push(Step::wait(
        "grow",
        "wait until the file system has grown",
        Condition::FileSystemGrown {
            claim: it,
            volume: claim.volume.as_deref().unwrap_or_default().to_owned(),
            bytes: bytes(target),
            measure,
            capacity_before: bytes(capacity),
            before,
        },
        ceiling,
    ));
}

/// The workspaces of a claim are locked, or the claim itself when it is of none.
fn lock(seen: &Seen<'_>, key: &ObjectKey) -> Vec<ObjectKey> {
    let homes = seen.inventory.workspaces_of_claim(key);
    if homes.is_empty() {
        vec![key.clone()]
    } else {
        homes
    }
}

/// Says that new ordinals still get the old size: templates cannot be changed.
fn drift(seen: &Seen<'_>, plan: &mut Plan, key: &ObjectKey, target: Quantity) {
    for home in seen.inventory.workspaces_of_claim(key) {
        let Some(workspace) = seen.inventory.workspace(&home) else {
            continue;
        };
        let Some(set) = seen.inventory.set_of(workspace) else {
            continue;
        };
        let slot = workspace.claims.iter().find(|s| s.claim == key.name);
        let name: Option<&Text> = slot.map(|s| &s.template);
        let template = set.templates.iter().find(|t| Some(&t.name) == name);
        if let Some(template) = template
            && let Some(size) = template.request
            && size != target
        {
            plan.notes.push(format!(
                "template drift: set {} makes new claims of {} with {}; its template cannot be \
                 changed; when the claims have grown `wsdash template {}` makes the set anew \
                 around its pods",
                set.meta.key.name,
                template.name,
                size.canonical(),
                set.meta.key.name
            ));
        }
    }
}

/// The smallest rights under which it can be done and proven.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in [Kind::Set, Kind::Pod, Kind::Claim] {
        rights.push(Right::on("list", kind, namespace));
    }
    rights.push(Right::on("get", Kind::Claim, namespace));
    rights.push(Right::on("get", Kind::Pod, namespace));
    rights.push(Right::on("get", Kind::StorageClass, namespace));
    rights.push(Right::on("list", Kind::Event, namespace));
    rights.push(Right::on("patch", Kind::Claim, namespace));
    rights.extend(right::exec(namespace));
    rights
}
