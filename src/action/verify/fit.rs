//! Whether a workspace can be tested now: what must hold before anything is changed.

use serde_json::Value;

use super::Tested;
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::seen::Seen;
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::key::Kind;
use crate::domain::node::ReadyState;
use crate::domain::pod::{Phase, Pod};
use crate::domain::workload::Set;
use crate::domain::workspace::Workspace;

fn no(kind: RefusalKind, sentence: String, next: &str) -> Refusal {
    Refusal::new(kind, sentence, next)
}

/// The set and the pod, both as they should be.
pub(super) fn settled<'a>(
    seen: &Seen<'a>,
    workspace: &'a Workspace,
) -> Result<(&'a Set, &'a Pod), Refusal> {
    let key = &workspace.key;
    let state = |sentence: String, next: &str| Err(no(RefusalKind::State, sentence, next));
    let Some(set) = seen.inventory.set_of(workspace) else {
        return state(
            format!("no live set makes workspace {key}"),
            "only a workspace of a live set comes back by itself",
        );
    };
    let Some(pod) = seen.inventory.pods.get(key) else {
        return state(format!("workspace {key} has no pod"), "start it first");
    };
    let wanted = workspace
        .ordinal
        .is_some_and(|o| set.ordinals().contains(&o));
    let is_its_own = pod.owner.as_ref().is_some_and(|o| o.uid == set.meta.uid);
    if !(wanted && is_its_own) {
        return state(
            format!("pod {key} is not one that set {} wants", set.meta.key.name),
            "only a pod that its set makes anew can be tested",
        );
    }
    if pod.phase != Phase::Running || !pod.ready || pod.meta.deleted.is_some() {
        return state(
            format!("pod {key} is {}, not running and ready", pod.status()),
            "mend it first",
        );
    }
    if !set.is_settled() {
        return state(
            format!(
                "set {} is not settled: {} of {} are ready, revision {} of {}",
                set.meta.key.name,
                set.ready,
                set.replicas,
                set.current_revision.as_deref().unwrap_or("?"),
                set.update_revision.as_deref().unwrap_or("?")
            ),
            "let its rollout end first",
        );
    }
    Ok((set, pod))
}

/// Every claim of the workspace, bound, at rest and mounted for writing.
pub(super) fn tested<'a>(
    seen: &Seen<'a>,
    workspace: &'a Workspace,
    pod: &'a Pod,
) -> Result<Vec<Tested<'a>>, Refusal> {
    let mut all = Vec::new();
    for (_, claim) in seen.inventory.claims_of(workspace) {
        let key = &claim.meta.key;
        let state = |why: &str| {
            let sentence = format!("claim {key} {why}");
            Err(no(RefusalKind::State, sentence, "let that end first"))
        };
        if claim.meta.deleted.is_some() || claim.phase != ClaimPhase::Bound {
            return state("is not bound and at rest");
        }
        if claim.is_growing() {
            return state("is being resized");
        }
        let mut snapshots = seen.inventory.snapshots_of(key);
        if snapshots.any(|snapshot| snapshot.ready != Some(true) && snapshot.error.is_none()) {
            return state("is being snapshotted");
        }
        let Some(volume) = seen.inventory.volume_of(claim) else {
            return state("has a volume that is not there");
        };
        let Some((container, mount)) = mount(pod, claim) else {
            return state("is not mounted for writing by a running container");
        };
        all.push(Tested {
            claim,
            volume,
            container,
            mount,
        });
    }
    if all.is_empty() {
        return Err(no(
            RefusalKind::State,
            format!("workspace {} has no claim", workspace.key),
            "its work is lost with its pod: that is the result",
        ));
    }
    Ok(all)
}

/// Where a claim is mounted for writing; a mount of the whole volume is better than one of a part.
fn mount<'a>(pod: &'a Pod, claim: &Claim) -> Option<(&'a str, &'a str)> {
    let name = &claim.meta.key.name;
    let (volume, _) = pod.claims.iter().find(|(_, claim)| claim == name)?;
    let mut found: Vec<(bool, &str, &str)> = pod
        .containers
        .iter()
        .filter(|c| !c.init && c.running_since.is_some())
        .flat_map(|c| c.mounts.iter().map(move |mount| (c, mount)))
        .filter(|(_, mount)| mount.volume == *volume && !mount.read_only)
        .map(|(c, mount)| (mount.sub_path, &*c.name, &*mount.path))
        .collect();
    found.sort_by_key(|(part, ..)| *part);
    found
        .first()
        .map(|(_, container, path)| (*container, *path))
}

/// A node in the zone of the volumes must take the pod, another than its own if that is asked for.
/// Without the right to see nodes the scheduler alone decides.
pub(super) fn node(
    seen: &Seen<'_>,
    tested: &[Tested<'_>],
    pod: &Pod,
    other: bool,
) -> Result<(), Refusal> {
    if !seen.inventory.freshness().is_live(Kind::Node) {
        return Ok(());
    }
    let zone = tested.iter().find_map(|one| one.volume.zone.as_ref());
    let fits = seen.inventory.nodes.values().any(|node| {
        let ready = node.ready.as_ref();
        ready.is_some_and(|r| r.state == ReadyState::Ready)
            && !node.unschedulable
            && (zone.is_none() || node.zone.is_none() || node.zone.as_ref() == zone)
            && !(other && pod.node.as_ref() == Some(&node.meta.key.name))
    });
    if fits {
        return Ok(());
    }
    let place = zone.map_or_else(String::new, |zone| format!(" in zone {zone}"));
    let which = if other { "no other node" } else { "no node" };
    Err(no(
        RefusalKind::State,
        format!("{which}{place} is ready and takes pods: the pod would not come back"),
        "add or uncordon a node first",
    ))
}

/// Seconds that the restart may take: its grace, the attachment of the volumes, and the start, of
/// which its startup probe tells how long it may take.
pub(super) fn budget(seen: &Seen<'_>, pod: &Pod) -> i64 {
    let settings = &seen.settings.verify;
    let whole = seen.objects.get(Kind::Pod, &pod.meta.key);
    let containers = whole.and_then(|pod| pod["spec"]["containers"].as_array());
    let probes = containers.into_iter().flatten();
    let probes = probes
        .map(|container| &container["startupProbe"])
        .filter(|probe| probe.is_object());
    let number = |probe: &Value, name: &str, default: i64| probe[name].as_i64().unwrap_or(default);
    // the defaults are those of the API
    let longest = probes
        .map(|probe| {
            number(probe, "initialDelaySeconds", 0)
                + number(probe, "periodSeconds", 10) * number(probe, "failureThreshold", 3)
        })
        .max();
    let startup = longest.unwrap_or_else(|| settings.startup_within.as_secs());
    i64::from(pod.grace_seconds) + settings.attach_within.as_secs() + startup
}
