//! The scheduler: which node a pod may run on, and why on none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::{bytes, is_finished, millis, workload};

const FROM: &str = "default-scheduler";
/// The annotation that tells the provisioner for which node a claim is wanted.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// A pod that fits nowhere is tried again at the latest after this time.
const RETRY: f64 = 300.0;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(pod) = world.read(key) else {
        return;
    };
    if !pod.text("spec/nodeName").is_empty() || pod.terminating() || is_finished(&pod) {
        return;
    }
    if !pod.items("spec/schedulingGates").is_empty() {
        return;
    }
    let claims = match claims_of(world, &pod) {
        Ok(claims) => claims,
        Err(why) => return refuse(world, key, &pod, &why),
    };
    match choose(world, &pod, &claims) {
        Err(why) => refuse(world, key, &pod, &why),
        Ok(node) => {
            let mut waiting = false;
            for claim in claims.iter().filter(|c| !is_bound(c)) {
                waiting = true;
                let claim_key = Key::new(Kind::Claim, claim.namespace(), claim.name());
                world.update(&claim_key, |c| c.set_annotation(SELECTED_NODE, &node));
            }
            if !waiting {
                bind(world, key, &pod, &node);
            }
        }
    }
}

fn is_bound(claim: &Object) -> bool {
    claim.text("status/phase") == "Bound"
}

fn claims_of(world: &World, pod: &Object) -> Result<Vec<Arc<Object>>, String> {
    let nodes = world.store.list(Kind::Node, "").count();
    let none = |why: String| {
        format!(
            "0/{nodes} nodes are available: {why}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling."
        )
    };
    let mut claims = Vec::new();
    for volume in pod.items("spec/volumes") {
        let name = volume.text("persistentVolumeClaim/claimName");
        if name.is_empty() {
            continue;
        }
        let Some(claim) = world.get(Kind::Claim, pod.namespace(), name) else {
            return Err(none(format!("persistentvolumeclaim {name:?} not found")));
        };
        if claim.terminating() {
            return Err(none(format!(
                "persistentvolumeclaim {name:?} is being deleted"
            )));
        }
        if claim.text("status/phase") == "Lost" {
            return Err(none(format!(
                "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {:?}",
                claim.text("spec/volumeName")
            )));
        }
        if !is_bound(&claim) && !waits_for_consumer(world, &claim) {
            return Err(none(
                "pod has unbound immediate PersistentVolumeClaims".to_owned(),
            ));
        }
        claims.push(claim);
    }
    Ok(claims)
}

/// The claim's class binds only when a pod is there.
pub(crate) fn waits_for_consumer(world: &World, claim: &Object) -> bool {
    world
        .get(Kind::StorageClass, "", claim.text("spec/storageClassName"))
        .is_some_and(|c| c.text("volumeBindingMode") == "WaitForFirstConsumer")
}

fn choose(world: &World, pod: &Object, claims: &[Arc<Object>]) -> Result<String, String> {
    let nodes = world.list(Kind::Node, "");
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(bool, usize, String)> = None;
    let chosen = claims.iter().find_map(|c| c.annotation(SELECTED_NODE));
    for node in &nodes {
        if let Err(why) = fits(world, pod, claims, node) {
            *reasons.entry(why).or_default() += 1;
        } else {
            let load = world
                .store
                .list(Kind::Pod, "")
                .filter(|p| p.text("spec/nodeName") == node.name())
                .count();
            let candidate = (chosen != Some(node.name()), load, node.name().to_owned());
            if best.as_ref().is_none_or(|b| candidate < *b) {
                best = Some(candidate);
            }
        }
    }
    if let Some((_, _, name)) = best {
        return Ok(name);
    }
    let all = nodes.len();
    if all == 0 {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let lack = reasons.keys().any(|r| r.starts_with("Insufficient"));
    let mut parts: Vec<String> = reasons
        .iter()
        .map(|(why, n)| format!("{n} {why}"))
        .collect();
    parts.sort();
    let preemption = if lack {
        "No preemption victims found for incoming pod"
    } else {
        "Preemption is not helpful for scheduling"
    };
    Err(format!(
        "0/{all} nodes are available: {}. no new claims to deallocate, preemption: 0/{all} nodes are available: {all} {preemption}.",
        parts.join(", ")
    ))
}

fn fits(world: &World, pod: &Object, claims: &[Arc<Object>], node: &Object) -> Result<(), String> {
    if node.flag("spec/unschedulable") && !tolerates_all(pod) {
        return Err("node(s) were unschedulable".to_owned());
    }
    for taint in node.items("spec/taints") {
        let hard = matches!(taint.text("effect"), "NoSchedule" | "NoExecute");
        if hard && !tolerated(pod, taint) {
            return Err(format!(
                "node(s) had untolerated taint(s) {{{}: {}}}",
                taint.text("key"),
                taint.text("value")
            )
            .replace("taint(s)", "taint"));
        }
    }
    let target = workload::target_node(pod);
    if !target.is_empty() && target != node.name() {
        return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    for (key, value) in pod.map("spec/nodeSelector").into_iter().flatten() {
        if node.label(key) != value.as_str() {
            return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
        }
    }
    for claim in claims.iter().filter(|c| is_bound(c)) {
        let volume = world.get(Kind::Volume, "", claim.text("spec/volumeName"));
        if volume.is_some_and(|v| !reachable(&v, node)) {
            return Err("node(s) didn't match PersistentVolume's node affinity".to_owned());
        }
    }
    room(world, pod, node)
}

fn tolerates_all(pod: &Object) -> bool {
    pod.items("spec/tolerations")
        .iter()
        .any(|t| t.text("operator") == "Exists" && t.text("key").is_empty())
}

/// The pod has a toleration for the taint.
pub(crate) fn tolerated(pod: &Object, taint: &Value) -> bool {
    pod.items("spec/tolerations").iter().any(|t| {
        let effect = t.text("effect").is_empty() || t.text("effect") == taint.text("effect");
        let key = t.text("key").is_empty() && t.text("operator") == "Exists"
            || t.text("key") == taint.text("key");
        let value = t.text("operator") == "Exists" || t.text("value") == taint.text("value");
        effect && key && value
    })
}

/// The volume's node affinity admits the node.
pub(crate) fn reachable(volume: &Object, node: &Object) -> bool {
    let terms = volume.items("spec/nodeAffinity/required/nodeSelectorTerms");
    terms.is_empty()
        || terms.iter().any(|term| {
            term.items("matchExpressions").iter().all(|e| {
                node.label(e.text("key"))
                    .is_some_and(|have| e.items("values").iter().any(|v| v.as_str() == Some(have)))
            })
        })
}

/// Sum of the requests of the containers: cores in thousandths, bytes.
fn requests(pod: &Object) -> (i64, u64) {
    pod.items("spec/containers").iter().fold((0, 0), |sum, c| {
        (
            sum.0 + millis(c.text("resources/requests/cpu")),
            sum.1 + bytes(c.text("resources/requests/memory")),
        )
    })
}

fn room(world: &World, pod: &Object, node: &Object) -> Result<(), String> {
    let mut used = requests(pod);
    let mut pods: i64 = 1;
    for other in world.store.list(Kind::Pod, "") {
        if other.text("spec/nodeName") == node.name() && !is_finished(other) {
            let more = requests(other);
            used = (used.0 + more.0, used.1 + more.1);
            pods += 1;
        }
    }
    if pods > node.text("status/allocatable/pods").parse().unwrap_or(110) {
        return Err("Too many pods".to_owned());
    }
    if used.0 > millis(node.text("status/allocatable/cpu")) {
        return Err("Insufficient cpu".to_owned());
    }
    if used.1 > bytes(node.text("status/allocatable/memory")) {
        return Err("Insufficient memory".to_owned());
    }
    Ok(())
}

fn refuse(world: &mut World, key: &Key, pod: &Object, why: &str) {
    let now = world.now;
    let known = pod
        .condition("PodScheduled")
        .is_some_and(|c| c.text("message") == why);
    world.update(key, |p| {
        p.put("status/phase", "Pending");
        p.set_condition("PodScheduled", "False", ("Unschedulable", why), now);
    });
    if !known {
        world.warning(pod, "FailedScheduling", why, FROM);
    }
    world.look_after(key, RETRY);
}

/// Binds the pod to the node, as the `binding` subresource does.
pub(crate) fn bind(world: &mut World, key: &Key, pod: &Object, node: &str) {
    let now = world.now;
    world.update(key, |p| {
        p.put("spec/nodeName", node);
        p.set_condition("PodScheduled", "True", ("", ""), now);
        if p.at("status/phase").is_null() {
            p.put("status/phase", json!("Pending"));
        }
    });
    let text = format!(
        "Successfully assigned {}/{} to {node}",
        pod.namespace(),
        pod.name()
    );
    world.normal(pod, "Scheduled", &text, FROM);
}
