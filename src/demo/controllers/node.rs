//! Node life: heartbeats that stop, taints, eviction of pods, the out-of-service taint.

use serde_json::{Value, json};

use super::super::clock::seconds;
use super::super::object::{Fields, Object, seconds_between, stamp};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::scheduler::tolerated;

/// `node-monitor-grace-period`.
const GRACE: f64 = 50.0;
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(node) = world.read(key) else {
        return;
    };
    let now = world.now;
    match world.faults.nodes_down.get(&key.name).copied() {
        Some(since) if seconds_between(since, now) < GRACE => {
            world.look_again(key, since + seconds(GRACE));
        }
        Some(_) => lost(world, key, &node),
        None => back(world, key, &node),
    }
    let Some(node) = world.read(key) else {
        return;
    };
    evict(world, key, &node);
}

fn lost(world: &mut World, key: &Key, node: &Object) {
    if node.condition_is("Ready", "Unknown") {
        return;
    }
    let now = world.now;
    world.update(key, |n| {
        for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
            n.set_condition(
                kind,
                "Unknown",
                ("NodeStatusUnknown", "Kubelet stopped posting node status."),
                now,
            );
        }
        let mut taints = n.items("spec/taints").to_vec();
        taints.retain(|t| t.text("key") != UNREACHABLE);
        for effect in ["NoSchedule", "NoExecute"] {
            taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": stamp(now)}));
        }
        n.put("spec/taints", taints);
    });
    let text = format!("Node {} status is now: NodeNotReady", key.name);
    world.normal(node, "NodeNotReady", &text, "node-controller");
    for pod in pods_on(world, &key.name) {
        let pod_key = Key::new(Kind::Pod, pod.namespace(), pod.name());
        world.update(&pod_key, |p| {
            p.set_condition("Ready", "False", ("", ""), now);
        });
        world.warning(&pod, "NodeNotReady", "Node is not ready", "node-controller");
    }
}

/// What the kubelet of a machine that joins says of it, where the object does not say so yet.
fn register(world: &mut World, key: &Key) {
    world.update(key, |n| {
        if let Some(zone) = n.label("topology.kubernetes.io/zone").map(str::to_owned) {
            n.set_label("topology.gke.io/zone", &zone);
        }
        n.set_label("kubernetes.io/hostname", &key.name);
        let room = json!({"cpu": "16", "memory": "64Gi", "pods": "110"});
        n.put("status/allocatable", room.clone());
        n.put("status/capacity", room);
    });
}

fn back(world: &mut World, key: &Key, node: &Object) {
    if node.at("status/allocatable").is_null() {
        register(world, key);
    }
    if node.condition_is("Ready", "True") {
        return;
    }
    let now = world.now;
    world.update(key, |n| {
        let healthy = [
            (
                "MemoryPressure",
                "False",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
            ),
            (
                "DiskPressure",
                "False",
                "KubeletHasNoDiskPressure",
                "kubelet has no disk pressure",
            ),
            (
                "PIDPressure",
                "False",
                "KubeletHasSufficientPID",
                "kubelet has sufficient PID available",
            ),
            (
                "Ready",
                "True",
                "KubeletReady",
                "kubelet is posting ready status",
            ),
        ];
        for (kind, status, reason, message) in healthy {
            n.set_condition(kind, status, (reason, message), now);
        }
        let taints: Vec<Value> = n
            .items("spec/taints")
            .iter()
            .filter(|t| t.text("key") != UNREACHABLE)
            .cloned()
            .collect();
        if taints.is_empty() {
            n.unset("spec/taints");
        } else {
            n.put("spec/taints", taints);
        }
    });
    let text = format!("Node {} status is now: NodeReady", key.name);
    world.event(node, "Normal", "NodeReady", &text, ("kubelet", &key.name));
}

fn pods_on(world: &World, node: &str) -> Vec<std::sync::Arc<Object>> {
    world
        .store
        .list(Kind::Pod, "")
        .filter(|p| p.text("spec/nodeName") == node)
        .cloned()
        .collect()
}

/// The taint manager: pods go when their toleration of a `NoExecute` taint is over.
fn evict(world: &mut World, key: &Key, node: &Object) {
    let now = world.now;
    for taint in node.items("spec/taints") {
        if taint.text("effect") != "NoExecute" {
            continue;
        }
        let added = taint.time("timeAdded").unwrap_or(now);
        let off = taint.text("key") == OUT_OF_SERVICE;
        for pod in pods_on(world, &key.name) {
            let pod_key = Key::new(Kind::Pod, pod.namespace(), pod.name());
            if off && pod.terminating() && node.condition_is("Ready", "Unknown") {
                world.remove(&pod_key);
                continue;
            }
            if pod.terminating() {
                continue;
            }
            let patience = pod
                .items("spec/tolerations")
                .iter()
                .filter(|t| {
                    t.text("key") == taint.text("key")
                        && (t.text("effect").is_empty() || t.text("effect") == "NoExecute")
                })
                .find_map(|t| t.int("tolerationSeconds"));
            match patience {
                Some(wait) => {
                    let due = added + jiff::SignedDuration::from_secs(wait);
                    if due > now {
                        world.look_again(key, due);
                        continue;
                    }
                }
                None if tolerated(&pod, taint) => continue,
                None => {}
            }
            let text = format!(
                "Marking for deletion Pod {}/{}",
                pod.namespace(),
                pod.name()
            );
            world.normal(
                &pod,
                "TaintManagerEviction",
                &text,
                "taint-eviction-controller",
            );
            world.update(&pod_key, |p| {
                p.set_condition(
                    "DisruptionTarget",
                    "True",
                    (
                        "DeletionByTaintManager",
                        "Taint manager: deleting due to NoExecute taint",
                    ),
                    now,
                );
            });
            world.drop_object(&pod_key);
        }
    }
}
