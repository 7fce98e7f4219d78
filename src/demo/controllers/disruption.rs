//! `PodDisruptionBudgets`: their status, and the verdict on an eviction.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::object::{Fields, Object, seconds_between, stamp};
use super::super::resource::{Key, Kind};
use super::super::selector::Labels;
use super::super::world::{DeleteOptions, World};
use super::{is_finished, is_ready};

/// `DeletionTimeout` of the disruption controller: who lives on for so long stays after all.
const FORGET_SECONDS: f64 = 120.0;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(budget) = world.read(key) else {
        return;
    };
    let pods = covered(world, &budget);
    let expected = expected_pods(world, &pods);
    let now = world.now;
    let leaving = leaving(&budget, &pods, now);
    let healthy = count(
        pods.iter()
            .filter(|p| is_ready(p) && !p.terminating() && !leaving.contains_key(p.name())),
    );
    let desired = desired_healthy(&budget, expected);
    let allowed = (healthy - desired).max(0);
    let allowed = if expected == 0 { 0 } else { allowed };
    world.update(key, |b| {
        let generation = b.int("metadata/generation").unwrap_or(1);
        let mut status = json!({
            "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
            "expectedPods": expected, "observedGeneration": generation,
        });
        if let Some(conditions) = b.map("status").and_then(|s| s.get("conditions")) {
            status.put("conditions", conditions.clone());
        }
        if !leaving.is_empty() {
            status.put("disruptedPods", leaving);
        }
        b.put("status", status);
        let verdict = if allowed > 0 {
            ("True", "SufficientPods")
        } else {
            ("False", "InsufficientPods")
        };
        b.set_condition("DisruptionAllowed", verdict.0, (verdict.1, ""), now);
        if let Some(all) = b.at_mut("status/conditions").and_then(Value::as_array_mut) {
            for condition in all {
                condition.put("observedGeneration", generation);
                if condition.text("message").is_empty() {
                    condition.put("message", "");
                }
            }
        }
    });
}

/// Pods whose eviction is granted and that are not seen to end yet.
fn leaving(
    budget: &Object,
    pods: &[std::sync::Arc<Object>],
    now: Timestamp,
) -> serde_json::Map<String, Value> {
    let granted = budget.map("status/disruptedPods").into_iter().flatten();
    let still = granted.filter(|(name, at)| {
        let there = pods.iter().any(|p| p.name() == *name && !p.terminating());
        let at = at.as_str().and_then(|at| at.parse::<Timestamp>().ok());
        there && at.is_some_and(|at| seconds_between(at, now) < FORGET_SECONDS)
    });
    still.map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

fn covered(world: &World, budget: &Object) -> Vec<std::sync::Arc<Object>> {
    let Some(labels) = Labels::of(budget.at("spec/selector")) else {
        return Vec::new();
    };
    world
        .store
        .list(Kind::Pod, budget.namespace())
        .filter(|p| labels.matches(p))
        .cloned()
        .collect()
}

/// The replicas that the controllers of these pods ask for.
fn expected_pods(world: &World, pods: &[std::sync::Arc<Object>]) -> i64 {
    let mut controllers = std::collections::BTreeMap::new();
    let mut bare = 0;
    for pod in pods {
        match pod.controller() {
            Some(owner) => {
                controllers.insert(owner.text("uid").to_owned(), owner.clone());
            }
            None => bare += i64::from(!is_finished(pod)),
        }
    }
    controllers
        .keys()
        .filter_map(|uid| world.store.by_uid(uid))
        .filter_map(|key| world.read(key))
        .map(|o| o.int("spec/replicas").unwrap_or(1))
        .sum::<i64>()
        + bare
}

fn desired_healthy(budget: &Object, expected: i64) -> i64 {
    if let Some(n) = share(budget.at("spec/minAvailable"), expected) {
        n
    } else if let Some(n) = share(budget.at("spec/maxUnavailable"), expected) {
        (expected - n).max(0)
    } else {
        1
    }
}

/// A number, or a percentage rounded up.
fn share(value: &Value, of: i64) -> Option<i64> {
    if let Some(n) = value.as_i64() {
        return Some(n);
    }
    let percent: i64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    Some((of * percent + 99) / 100)
}

/// The `eviction` subresource.
pub(crate) fn evict(world: &mut World, key: &Key, options: &DeleteOptions) -> Result<(), Failure> {
    let pod = world
        .read(key)
        .ok_or_else(|| Failure::not_found(Kind::Pod, &key.name))?;
    if is_finished(&pod) || pod.terminating() || pod.text("status/phase") == "Pending" {
        return world.delete(key, options).map(drop);
    }
    let budgets: Vec<_> = world
        .store
        .list(Kind::DisruptionBudget, &key.namespace)
        .filter(|b| Labels::of(b.at("spec/selector")).is_some_and(|l| l.matches(&pod)))
        .cloned()
        .collect();
    if budgets.len() > 1 {
        let mut failure = Failure::new(
            500,
            "InternalError",
            "Internal error occurred: This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        );
        failure.details = json!({"causes": [{"message": "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."}]});
        return Err(failure);
    }
    if let Some(budget) = budgets.first() {
        check(world, &pod, budget)?;
        if options.uid.as_deref().is_some_and(|u| u != pod.uid()) {
            return world.delete(key, options).map(drop);
        }
        if !options.dry_run {
            let budget_key = Key::new(Kind::DisruptionBudget, &key.namespace, budget.name());
            let now = world.now;
            world.update(&budget_key, |b| {
                let left = b.int("status/disruptionsAllowed").unwrap_or(0) - 1;
                b.put("status/disruptionsAllowed", left.max(0));
                b.entry("status/disruptedPods")
                    .insert(pod.name().to_owned(), json!(stamp(now)));
            });
        }
    }
    if !options.dry_run && options.uid.as_deref().is_none_or(|u| u == pod.uid()) {
        let now = world.now;
        world.update(key, |p| {
            p.set_condition(
                "DisruptionTarget",
                "True",
                ("EvictionByEvictionAPI", "Eviction API: evicting"),
                now,
            );
        });
    }
    world.delete(key, options).map(drop)
}

fn check(world: &World, pod: &Object, budget: &Object) -> Result<(), Failure> {
    let _ = world;
    let always = budget.text("spec/unhealthyPodEvictionPolicy") == "AlwaysAllow" && !is_ready(pod);
    let healthy = budget.int("status/currentHealthy").unwrap_or(0);
    let desired = budget.int("status/desiredHealthy").unwrap_or(0);
    let if_healthy_budget = !is_ready(pod) && healthy >= desired && desired > 0;
    if always || if_healthy_budget || budget.int("status/disruptionsAllowed").unwrap_or(0) > 0 {
        return Ok(());
    }
    let mut failure = Failure::new(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
    );
    failure.details = json!({"causes": [{
        "reason": "DisruptionBudget",
        "message": format!("The disruption budget {} needs {desired} healthy pods and has {healthy} currently", budget.name()),
    }]});
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::{build, load};

    #[test]
    fn a_second_eviction_does_not_forget_the_first() {
        let start = "2026-01-05T09:00:00Z".parse().unwrap();
        let mut world = build::world(&load("morning").unwrap(), start, 1).unwrap();
        for budget in world.list(Kind::DisruptionBudget, "coditect-app") {
            world.drop_object(&Key::new(
                Kind::DisruptionBudget,
                "coditect-app",
                budget.name(),
            ));
        }
        let budget = json!({"metadata": {"name": "few", "namespace": "coditect-app"},
            "spec": {"maxUnavailable": 3, "selector": {}}});
        world.create(Kind::DisruptionBudget, budget, false).unwrap();
        world.settle();
        let key = Key::new(Kind::DisruptionBudget, "coditect-app", "few");
        let allowed = |world: &World| world.read(&key).unwrap().int("status/disruptionsAllowed");
        assert!(allowed(&world) > Some(1), "{:?}", allowed(&world));
        let before = allowed(&world).unwrap();
        for name in ["coditect-pro-6", "coditect-pro-8"] {
            let pod = Key::new(Kind::Pod, "coditect-app", name);
            evict(&mut world, &pod, &DeleteOptions::default()).unwrap();
        }
        let granted = world.read(&key).unwrap();
        let names: Vec<_> = granted
            .map("status/disruptedPods")
            .unwrap()
            .keys()
            .collect();
        assert_eq!(names, ["coditect-pro-6", "coditect-pro-8"]);
        world.settle();
        assert!(
            world
                .read(&key)
                .unwrap()
                .at("status/disruptedPods")
                .is_null(),
            "seen to end"
        );
        assert_eq!(allowed(&world), Some(before - 2));
    }
}
