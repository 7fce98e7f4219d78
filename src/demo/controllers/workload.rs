//! Deployments, ReplicaSets, DaemonSets and Jobs, as far as leftovers and template references need them.

use std::sync::Arc;

use serde_json::json;

use super::super::object::{Fields, Object, owner_reference, stamp};
use super::super::resource::{Key, Kind};
use super::super::seed::Seed;
use super::super::world::World;
use super::{is_finished, is_ready};

fn pods_of(world: &World, owner: &Object) -> Vec<Arc<Object>> {
    world
        .store
        .list(Kind::Pod, owner.namespace())
        .filter(|p| p.controlled_by(owner.uid()))
        .cloned()
        .collect()
}

fn count(pods: &[Arc<Object>], which: impl Fn(&Object) -> bool) -> i64 {
    i64::try_from(pods.iter().filter(|p| which(p)).count()).unwrap_or(0)
}

fn create_pod(world: &mut World, owner: &Object, from: &str, extra: impl FnOnce(&mut Object)) {
    let template = owner.at("spec/template");
    let mut pod = json!({"metadata": template.at("metadata"), "spec": template.at("spec")});
    pod.put("metadata/generateName", format!("{}-", owner.name()));
    pod.put("metadata/namespace", owner.namespace());
    pod.put(
        "metadata/ownerReferences",
        json!([owner_reference(owner, true)]),
    );
    extra(&mut pod);
    match world.create(Kind::Pod, pod, false) {
        Ok(pod) => {
            let text = format!("Created pod: {}", pod.name());
            world.normal(owner, "SuccessfulCreate", &text, from);
        }
        Err(failure) => {
            let text = format!("Error creating: {}", failure.message);
            world.warning(owner, "FailedCreate", &text, from);
            if let Some(kind) = Kind::of_kind(owner.text("apiVersion"), owner.text("kind")) {
                let key = Key::new(kind, owner.namespace(), owner.name());
                world.look_after(&key, 20.0);
            }
        }
    }
}

pub(crate) fn replica_set(world: &mut World, key: &Key) {
    let Some(set) = world.read(key) else {
        return;
    };
    if set.terminating() {
        return;
    }
    let pods = pods_of(world, &set);
    let living: Vec<_> = pods
        .iter()
        .filter(|p| !is_finished(p) && !p.terminating())
        .cloned()
        .collect();
    let want = set.int("spec/replicas").unwrap_or(1);
    let have = i64::try_from(living.len()).unwrap_or(0);
    for _ in have..want {
        create_pod(world, &set, "replicaset-controller", |_| {});
    }
    for pod in living
        .iter()
        .rev()
        .take(usize::try_from(have - want).unwrap_or(0))
    {
        let text = format!("Deleted pod: {}", pod.name());
        world.normal(&set, "SuccessfulDelete", &text, "replicaset-controller");
        world.drop_object(&Key::new(Kind::Pod, pod.namespace(), pod.name()));
    }
    let pods = pods_of(world, &set);
    let alive = count(&pods, |p| !is_finished(p) && !p.terminating());
    let ready = count(&pods, |p| is_ready(p) && !p.terminating());
    world.update(key, |s| {
        let generation = s.int("metadata/generation").unwrap_or(1);
        let mut status = json!({"replicas": alive, "observedGeneration": generation});
        if alive > 0 {
            status.put("fullyLabeledReplicas", alive);
        }
        if ready > 0 {
            status.put("readyReplicas", ready);
            status.put("availableReplicas", ready);
        }
        s.put("status", status);
    });
}

pub(crate) fn deployment(world: &mut World, key: &Key) {
    let Some(deployment) = world.read(key) else {
        return;
    };
    if deployment.terminating() {
        return;
    }
    let template = deployment.at("spec/template");
    let hash = Seed(0).suffix(&template.to_string(), 10);
    let name = format!("{}-{hash}", deployment.name());
    let want = deployment.int("spec/replicas").unwrap_or(1);
    let mut old: Vec<Arc<Object>> = world
        .store
        .list(Kind::ReplicaSet, &key.namespace)
        .filter(|r| r.controlled_by(deployment.uid()) && r.name() != name)
        .cloned()
        .collect();
    let revision = old.len() + 1;
    if world.get(Kind::ReplicaSet, &key.namespace, &name).is_none() {
        let mut labelled = template.clone();
        labelled.set_label("pod-template-hash", &hash);
        let mut selector = deployment.at("spec/selector").clone();
        selector.put("matchLabels/pod-template-hash", hash.as_str());
        let mut set = json!({
            "metadata": {"name": name, "namespace": key.namespace, "labels": labelled.at("metadata/labels"),
                "ownerReferences": [owner_reference(&deployment, true)]},
            "spec": {"replicas": want, "selector": selector, "template": labelled},
        });
        set.set_annotation("deployment.kubernetes.io/revision", &revision.to_string());
        if world.create(Kind::ReplicaSet, set, false).is_ok() {
            let text = format!("Scaled up replica set {name} from 0 to {want}");
            world.normal(
                &deployment,
                "ScalingReplicaSet",
                &text,
                "deployment-controller",
            );
        }
    }
    let new_key = Key::new(Kind::ReplicaSet, &key.namespace, &name);
    world.update(&new_key, |r| r.put("spec/replicas", want));
    let new = world.read(&new_key);
    let ready = new
        .as_ref()
        .and_then(|r| r.int("status/readyReplicas"))
        .unwrap_or(0);
    if ready >= want {
        for set in &old {
            let old_key = Key::new(Kind::ReplicaSet, &key.namespace, set.name());
            world.update(&old_key, |r| r.put("spec/replicas", 0));
        }
    }
    old.extend(new.clone());
    let sum = |field: &str| old.iter().filter_map(|r| r.int(field)).sum::<i64>();
    let (replicas, all_ready) = (sum("status/replicas"), sum("status/readyReplicas"));
    let updated = new.and_then(|r| r.int("status/replicas")).unwrap_or(0);
    let now = world.now;
    world.update(key, |d| {
        d.set_annotation("deployment.kubernetes.io/revision", &revision.to_string());
        let generation = d.int("metadata/generation").unwrap_or(1);
        for (field, value) in [
            ("observedGeneration", generation),
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", all_ready),
            ("availableReplicas", all_ready),
            ("unavailableReplicas", (want - all_ready).max(0)),
        ] {
            if value == 0 {
                d.unset(&format!("status/{field}"));
            } else {
                d.put(&format!("status/{field}"), value);
            }
        }
        if want > 0 || d.at("status").is_null() {
            let available = if all_ready >= want {
                (
                    "True",
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.",
                )
            } else {
                (
                    "False",
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.",
                )
            };
            d.set_condition("Available", available.0, (available.1, available.2), now);
            let progress = if updated >= want && all_ready >= want {
                (
                    "NewReplicaSetAvailable",
                    format!("ReplicaSet \"{name}\" has successfully progressed."),
                )
            } else {
                (
                    "ReplicaSetUpdated",
                    format!("ReplicaSet \"{name}\" is progressing."),
                )
            };
            d.set_condition("Progressing", "True", (progress.0, &progress.1), now);
        }
    });
}

pub(crate) fn daemon_set(world: &mut World, key: &Key) {
    let Some(set) = world.read(key) else {
        return;
    };
    if set.terminating() {
        return;
    }
    let nodes: Vec<String> = world
        .store
        .list(Kind::Node, "")
        .map(|n| n.name().to_owned())
        .collect();
    let pods = pods_of(world, &set);
    for node in &nodes {
        let there = pods
            .iter()
            .any(|p| !is_finished(p) && target_node(p) == node.as_str());
        if !there {
            create_pod(world, &set, "daemonset-controller", |p| {
                p.put("spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
                    json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]));
                let mut tolerations = p.items("spec/tolerations").to_vec();
                tolerations.push(json!({"operator": "Exists"}));
                p.put("spec/tolerations", tolerations);
            });
        }
    }
    let pods = pods_of(world, &set);
    let want = i64::try_from(nodes.len()).unwrap_or(0);
    let have = count(&pods, |p| !is_finished(p));
    let ready = count(&pods, is_ready);
    world.update(key, |s| {
        let generation = s.int("metadata/generation").unwrap_or(1);
        s.put(
            "status",
            json!({"currentNumberScheduled": have, "desiredNumberScheduled": want, "numberAvailable": ready,
                "numberMisscheduled": 0, "numberReady": ready, "observedGeneration": generation,
                "updatedNumberScheduled": have}),
        );
    });
}

/// The node that a DaemonSet's pod is meant for.
pub(crate) fn target_node(pod: &Object) -> &str {
    pod.text("spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0")
}

pub(crate) fn job(world: &mut World, key: &Key) {
    let Some(job) = world.read(key) else {
        return;
    };
    let over = job.condition_is("Complete", "True") || job.condition_is("Failed", "True");
    if job.terminating() || over || job.flag("spec/suspend") {
        return;
    }
    let pods = pods_of(world, &job);
    let succeeded = count(&pods, |p| p.text("status/phase") == "Succeeded");
    let failed = count(&pods, |p| p.text("status/phase") == "Failed");
    let mut active = count(&pods, |p| !is_finished(p) && !p.terminating());
    let want = job.int("spec/completions").unwrap_or(1);
    let parallel = job.int("spec/parallelism").unwrap_or(1);
    let limit = job.int("spec/backoffLimit").unwrap_or(6);
    let now = world.now;
    if succeeded < want && failed <= limit {
        while active < parallel.min(want - succeeded) {
            create_pod(world, &job, "job-controller", |p| {
                p.set_label("job-name", job.name());
                p.set_label("batch.kubernetes.io/job-name", job.name());
                p.set_label("controller-uid", job.uid());
                p.set_label("batch.kubernetes.io/controller-uid", job.uid());
            });
            active += 1;
        }
    }
    let outcome = if succeeded >= want {
        Some("Complete")
    } else if failed > limit {
        Some("Failed")
    } else {
        None
    };
    world.update(key, |j| {
        if j.at("status/startTime").is_null() {
            j.put("status/startTime", stamp(now));
        }
        for (field, value) in [
            ("active", active),
            ("succeeded", succeeded),
            ("failed", failed),
        ] {
            if value > 0 && (field != "active" || outcome.is_none()) {
                j.put(&format!("status/{field}"), value);
            } else {
                j.unset(&format!("status/{field}"));
            }
        }
        match outcome {
            Some("Complete") => {
                j.set_condition(
                    "SuccessCriteriaMet",
                    "True",
                    (
                        "CompletionsReached",
                        "Reached expected number of succeeded pods",
                    ),
                    now,
                );
                j.set_condition(
                    "Complete",
                    "True",
                    (
                        "CompletionsReached",
                        "Reached expected number of succeeded pods",
                    ),
                    now,
                );
                j.put("status/completionTime", stamp(now));
            }
            Some(kind) => j.set_condition(
                kind,
                "True",
                (
                    "BackoffLimitExceeded",
                    "Job has reached the specified backoff limit",
                ),
                now,
            ),
            None => {}
        }
    });
    match outcome {
        Some("Complete") => world.normal(&job, "Completed", "Job completed", "job-controller"),
        Some(_) => world.warning(
            &job,
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
            "job-controller",
        ),
        None => {}
    }
}
