//! The StatefulSet controller: identities, order, revisions, claims and their retention, adoption.
//! Rules: kubernetes `pkg/controller/statefulset/stateful_set_control.go` and `stateful_set_utils.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{Fields, Object, owner_reference};
use super::super::resource::{Key, Kind};
use super::super::selector::Labels;
use super::super::world::World;
use super::{is_finished, is_ready};

const FROM: &str = "statefulset-controller";
/// Seconds until a failed creation is tried again.
const RETRY: f64 = 10.0;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(set) = world.read(key) else {
        return;
    };
    if set.terminating() {
        return;
    }
    let pods = claim_pods(world, &set);
    let update = revision_of(world, &set);
    let current = match set.text("status/currentRevision") {
        "" => update.clone(),
        known => known.to_owned(),
    };
    let mut round = Round {
        set: &set,
        update,
        current,
        start: set.int("spec/ordinals/start").unwrap_or(0),
        replicas: set.int("spec/replicas").unwrap_or(1),
        ordered: set.text("spec/podManagementPolicy") != "Parallel",
        pods,
    };
    round.act(world);
    round.pods = own_pods(world, &set);
    round.write_status(world, key);
}

/// `<set>-<ordinal>` with a canonical ordinal.
fn ordinal_of(set: &str, pod: &str) -> Option<i64> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let ordinal: i64 = digits.parse().ok()?;
    (ordinal >= 0 && digits == ordinal.to_string()).then_some(ordinal)
}

fn own_pods(world: &World, set: &Object) -> BTreeMap<i64, Arc<Object>> {
    world
        .store
        .list(Kind::Pod, set.namespace())
        .filter(|p| p.controlled_by(set.uid()))
        .filter_map(|p| Some((ordinal_of(set.name(), p.name())?, Arc::clone(p))))
        .collect()
}

/// Adopts pods that match and belong to nobody, releases those that match no more.
fn claim_pods(world: &mut World, set: &Object) -> BTreeMap<i64, Arc<Object>> {
    let Some(labels) = Labels::of(set.at("spec/selector")) else {
        return BTreeMap::new();
    };
    let candidates: Vec<(Key, bool)> = world
        .store
        .list(Kind::Pod, set.namespace())
        .filter_map(|p| {
            let member = ordinal_of(set.name(), p.name()).is_some();
            let key = Key::new(Kind::Pod, p.namespace(), p.name());
            if p.controlled_by(set.uid()) {
                return (!labels.matches(p)).then_some((key, false));
            }
            let adopt = p.controller().is_none() && labels.matches(p) && member && !p.terminating();
            adopt.then_some((key, true))
        })
        .collect();
    for (key, adopt) in candidates {
        let reference = owner_reference(set, true);
        world.update(&key, |p| {
            let mut owners = p.items("metadata/ownerReferences").to_vec();
            owners.retain(|o| o.text("uid") != set.uid());
            if adopt {
                owners.push(reference);
            }
            p.put("metadata/ownerReferences", owners);
        });
    }
    own_pods(world, set)
}

/// The `ControllerRevision` of the template, made when it is new.
fn revision_of(world: &mut World, set: &Object) -> String {
    let template = set.at("spec/template");
    let hash = super::super::seed::Seed(0).suffix(&template.to_string(), 10);
    let name = format!("{}-{hash}", set.name());
    let highest = world
        .store
        .list(Kind::ControllerRevision, set.namespace())
        .filter(|r| r.controlled_by(set.uid()))
        .filter_map(|r| r.int("revision"))
        .max()
        .unwrap_or(0);
    let key = Key::new(Kind::ControllerRevision, set.namespace(), &name);
    match world.read(&key) {
        Some(found) if found.controlled_by(set.uid()) => {
            if found.int("revision") != Some(highest) {
                world.update(&key, |r| r.put("revision", highest + 1));
            }
        }
        Some(_) => {
            let reference = owner_reference(set, true);
            world.update(&key, |r| {
                r.put("metadata/ownerReferences", json!([reference]));
            });
        }
        None => {
            let mut labels = template.at("metadata/labels").clone();
            labels.put("controller.kubernetes.io/hash", hash.as_str());
            if let Some(map) = labels.as_object_mut() {
                map.clear();
                for (k, v) in template.map("metadata/labels").into_iter().flatten() {
                    map.insert(k.clone(), v.clone());
                }
                map.insert("controller.kubernetes.io/hash".to_owned(), json!(hash));
            }
            let revision = json!({
                "metadata": {"name": name, "namespace": set.namespace(), "labels": labels,
                    "ownerReferences": [owner_reference(set, true)]},
                "data": {"spec": {"template": template}},
                "revision": highest + 1,
            });
            if let Err(failure) = world.create(Kind::ControllerRevision, revision, false) {
                tracing::warn!(message = failure.message, "no revision of the set");
            }
        }
    }
    name
}

struct Round<'a> {
    set: &'a Object,
    update: String,
    current: String,
    start: i64,
    replicas: i64,
    ordered: bool,
    pods: BTreeMap<i64, Arc<Object>>,
}

impl Round<'_> {
    fn desired(&self) -> std::ops::Range<i64> {
        self.start..self.start + self.replicas
    }

    fn pod_key(&self, ordinal: i64) -> Key {
        let name = format!("{}-{ordinal}", self.set.name());
        Key::new(Kind::Pod, self.set.namespace(), &name)
    }

    fn act(&self, world: &mut World) {
        self.keep_claim_owners(world);
        for ordinal in self.desired() {
            if !self.bring_up(world, ordinal) {
                return;
            }
        }
        if !self.scale_down(world) {
            return;
        }
        self.roll(world);
    }

    /// Works on one ordinal; `false` stops the round, because order demands to wait.
    fn bring_up(&self, world: &mut World, ordinal: i64) -> bool {
        let key = self.pod_key(ordinal);
        let Some(pod) = self.pods.get(&ordinal) else {
            if world.read(&key).is_some() {
                return !self.ordered;
            }
            let made = self.create(world, ordinal);
            return made && !self.ordered;
        };
        if is_finished(pod) && !pod.terminating() {
            let (kind, reason, word) = if pod.text("status/phase") == "Failed" {
                ("Warning", "RecreatingFailedPod", "failed")
            } else {
                ("Normal", "RecreatingTerminatedPod", "terminated")
            };
            let message = format!(
                "StatefulSet {}/{} is recreating {word} Pod {}",
                self.set.namespace(),
                self.set.name(),
                pod.name()
            );
            world.event(self.set, kind, reason, &message, (FROM, ""));
            world.drop_object(&key);
            return !self.ordered;
        }
        let waits = pod.terminating() || !self.is_available(pod, world.now);
        !(self.ordered && waits)
    }

    /// Ready for as long as the set asks.
    fn is_available(&self, pod: &Object, now: Timestamp) -> bool {
        self.available_from(pod).is_some_and(|from| from <= now)
    }

    fn available_from(&self, pod: &Object) -> Option<Timestamp> {
        let ready = pod.condition("Ready").filter(|_| is_ready(pod))?;
        let wait = self.set.int("spec/minReadySeconds").unwrap_or(0);
        Some(ready.time("lastTransitionTime")? + jiff::SignedDuration::from_secs(wait))
    }

    fn template_for(&self, world: &World, ordinal: i64) -> (Value, String) {
        let partition = self
            .set
            .int("spec/updateStrategy/rollingUpdate/partition")
            .unwrap_or(0);
        let old = self.set.text("spec/updateStrategy/type") != "OnDelete"
            && ordinal - self.start < partition
            && self.current != self.update;
        if old
            && let Some(revision) = world.get(
                Kind::ControllerRevision,
                self.set.namespace(),
                &self.current,
            )
        {
            return (
                revision.at("data/spec/template").clone(),
                self.current.clone(),
            );
        }
        (self.set.at("spec/template").clone(), self.update.clone())
    }

    fn create(&self, world: &mut World, ordinal: i64) -> bool {
        let set = self.set;
        let name = format!("{}-{ordinal}", set.name());
        if let Err(message) = self.create_claims(world, &name, ordinal) {
            let text = format!(
                "create Pod {name} in StatefulSet {} failed error: {message}",
                set.name()
            );
            world.warning(set, "FailedCreate", &text, FROM);
            world.look_after(
                &Key::new(Kind::StatefulSet, set.namespace(), set.name()),
                RETRY,
            );
            return false;
        }
        let (template, revision) = self.template_for(world, ordinal);
        let pod = self.pod(&template, &name, ordinal, &revision);
        match world.create(Kind::Pod, pod, false) {
            Ok(_) => {
                let text = format!("create Pod {name} in StatefulSet {} successful", set.name());
                world.normal(set, "SuccessfulCreate", &text, FROM);
                true
            }
            Err(failure) => {
                let text = format!(
                    "create Pod {name} in StatefulSet {} failed error: {}",
                    set.name(),
                    failure.message
                );
                world.warning(set, "FailedCreate", &text, FROM);
                world.look_after(
                    &Key::new(Kind::StatefulSet, set.namespace(), set.name()),
                    RETRY,
                );
                false
            }
        }
    }

    fn pod(&self, template: &Value, name: &str, ordinal: i64, revision: &str) -> Object {
        let set = self.set;
        let mut pod = json!({"metadata": template.at("metadata"), "spec": template.at("spec")});
        pod.put("metadata/name", name);
        pod.put("metadata/namespace", set.namespace());
        pod.put("metadata/generateName", format!("{}-", set.name()));
        pod.set_label("controller-revision-hash", revision);
        pod.set_label("statefulset.kubernetes.io/pod-name", name);
        pod.set_label("apps.kubernetes.io/pod-index", &ordinal.to_string());
        pod.put(
            "metadata/ownerReferences",
            json!([owner_reference(set, true)]),
        );
        pod.put("spec/hostname", name);
        pod.put("spec/subdomain", set.text("spec/serviceName"));
        let claims = set.items("spec/volumeClaimTemplates");
        let mut volumes: Vec<Value> = claims
            .iter()
            .map(|t| {
                json!({"name": t.name(), "persistentVolumeClaim":
                    {"claimName": format!("{}-{name}", t.name())}})
            })
            .collect();
        volumes.extend(
            pod.items("spec/volumes")
                .iter()
                .filter(|v| claims.iter().all(|t| t.name() != v.text("name")))
                .cloned(),
        );
        if !volumes.is_empty() {
            pod.put("spec/volumes", volumes);
        }
        pod
    }

    fn create_claims(&self, world: &mut World, pod: &str, ordinal: i64) -> Result<(), String> {
        let set = self.set;
        for template in set.items("spec/volumeClaimTemplates") {
            let name = format!("{}-{pod}", template.name());
            if let Some(found) = world.get(Kind::Claim, set.namespace(), &name) {
                if found.terminating() {
                    return Err(format!("pvc {name} is being deleted"));
                }
                continue;
            }
            let mut claim =
                json!({"metadata": template.at("metadata"), "spec": template.at("spec")});
            claim.put("metadata/name", name.as_str());
            claim.put("metadata/namespace", set.namespace());
            for (key, value) in set.map("spec/selector/matchLabels").into_iter().flatten() {
                claim.set_label(key, value.as_str().unwrap_or(""));
            }
            if self.deletes("whenDeleted") && self.desired().contains(&ordinal) {
                claim.put(
                    "metadata/ownerReferences",
                    json!([owner_reference(set, true)]),
                );
            }
            match world.create(Kind::Claim, claim, false) {
                Ok(_) => {
                    let text = format!(
                        "create Claim {name} Pod {pod} in StatefulSet {} success",
                        set.name()
                    );
                    world.normal(set, "SuccessfulCreate", &text, FROM);
                }
                Err(failure) => {
                    let text = format!(
                        "create Claim {name} for Pod {pod} in StatefulSet {} failed error: {}",
                        set.name(),
                        failure.message
                    );
                    world.warning(set, "FailedCreate", &text, FROM);
                    return Err(format!("failed to create PVC {name}: {}", failure.message));
                }
            }
        }
        Ok(())
    }

    fn deletes(&self, when: &str) -> bool {
        self.set
            .text(&format!("spec/persistentVolumeClaimRetentionPolicy/{when}"))
            == "Delete"
    }

    /// Owner references of the claims, by the retention policy.
    fn keep_claim_owners(&self, world: &mut World) {
        let set = self.set;
        for (ordinal, pod) in &self.pods {
            let condemned = !self.desired().contains(ordinal);
            let owner = match (self.deletes("whenDeleted"), self.deletes("whenScaled")) {
                (_, true) if condemned => {
                    let mut reference = owner_reference(pod, true);
                    reference.put("apiVersion", "v1");
                    Some(reference)
                }
                (true, _) => Some(owner_reference(set, true)),
                _ => None,
            };
            for template in set.items("spec/volumeClaimTemplates") {
                let name = format!("{}-{}", template.name(), pod.name());
                let key = Key::new(Kind::Claim, set.namespace(), &name);
                let is_ours = |o: &Object| {
                    o.text("uid") == set.uid()
                        || o.text("kind") == "Pod" && o.text("name") == pod.name()
                };
                let Some(claim) = world.read(&key) else {
                    continue;
                };
                let owners = claim.items("metadata/ownerReferences");
                if owners.iter().filter(|o| is_ours(o)).eq(owner.iter()) {
                    continue;
                }
                world.update(&key, |c| {
                    let mut owners = c.items("metadata/ownerReferences").to_vec();
                    owners.retain(|o| !is_ours(o));
                    owners.extend(owner.clone());
                    if owners.is_empty() {
                        c.unset("metadata/ownerReferences");
                    } else {
                        c.put("metadata/ownerReferences", owners);
                    }
                });
            }
        }
    }

    fn scale_down(&self, world: &mut World) -> bool {
        for (ordinal, pod) in self.pods.iter().rev() {
            if self.desired().contains(ordinal) {
                continue;
            }
            if pod.terminating() {
                if self.ordered {
                    return false;
                }
                continue;
            }
            let key = self.pod_key(*ordinal);
            self.delete(world, &key);
            if self.ordered {
                return false;
            }
        }
        true
    }

    fn delete(&self, world: &mut World, key: &Key) {
        let text = format!(
            "delete Pod {} in StatefulSet {} successful",
            key.name,
            self.set.name()
        );
        world.normal(self.set, "SuccessfulDelete", &text, FROM);
        world.drop_object(key);
    }

    /// The rolling update: from the highest ordinal down, one at a time.
    fn roll(&self, world: &mut World) {
        if self.set.text("spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        let partition = self
            .set
            .int("spec/updateStrategy/rollingUpdate/partition")
            .unwrap_or(0);
        for (ordinal, pod) in self.pods.iter().rev() {
            if !self.desired().contains(ordinal) || ordinal - self.start < partition {
                continue;
            }
            if pod.label("controller-revision-hash") != Some(self.update.as_str()) {
                if !pod.terminating() {
                    let key = self.pod_key(*ordinal);
                    self.delete(world, &key);
                }
                return;
            }
            if pod.terminating() || !is_ready(pod) {
                return;
            }
        }
    }

    fn write_status(&self, world: &mut World, key: &Key) {
        let living: Vec<_> = self
            .pods
            .iter()
            .filter(|(_, p)| !is_finished(p))
            .map(|(_, p)| p)
            .collect();
        let count = |which: &dyn Fn(&Object) -> bool| {
            i64::try_from(living.iter().filter(|p| which(p)).count()).unwrap_or(0)
        };
        let ready = count(&|p| is_ready(p));
        let now = world.now;
        let available = count(&|p| self.is_available(p, now));
        if let Some(next) = living
            .iter()
            .filter_map(|p| self.available_from(p))
            .filter(|at| *at > now)
            .min()
        {
            world.look_again(key, next);
        }
        let of = |revision: &str| {
            count(&|p| !p.terminating() && p.label("controller-revision-hash") == Some(revision))
        };
        let updated = of(&self.update);
        let total = count(&|_| true);
        let complete = updated == self.replicas && ready == self.replicas && total == self.replicas
            || self.replicas == 0 && total == 0;
        let current = if complete {
            &self.update
        } else {
            &self.current
        };
        let generation = self.set.int("metadata/generation").unwrap_or(1);
        let mut status = json!({
            "observedGeneration": generation, "replicas": total, "readyReplicas": ready,
            "availableReplicas": available, "updatedReplicas": updated, "currentReplicas": of(current),
            "currentRevision": current, "updateRevision": self.update, "collisionCount": 0,
        });
        for field in ["readyReplicas", "updatedReplicas", "currentReplicas"] {
            if status.int(field) == Some(0) {
                status.unset(field);
            }
        }
        world.update(key, |s| s.put("status", status));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_ordinals_belong_to_a_set() {
        assert_eq!(ordinal_of("ide", "ide-3"), Some(3));
        assert_eq!(ordinal_of("ide", "ide-03"), None);
        assert_eq!(ordinal_of("ide", "ide-dev-3"), None);
    }
}
