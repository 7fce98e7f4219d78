//! `ResourceQuotas`: what is used, and the admission that refuses what goes beyond.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::{bytes, is_finished};
use crate::domain::quantity::Quantity;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(quota) = world.read(key) else {
        return;
    };
    let hard = quota.at("spec/hard").clone();
    let used = usage(world, &key.namespace);
    let shown: serde_json::Map<String, Value> = hard
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| {
            let amount = used.get(name).copied().unwrap_or(0);
            (name.clone(), json!(print(name, amount)))
        })
        .collect();
    world.update(key, |q| {
        q.put("status", json!({"hard": hard, "used": shown}));
    });
}

fn print(name: &str, millis: i128) -> String {
    if name.contains("storage") || name.contains("memory") {
        Quantity::bytes(u64::try_from(millis / 1000).unwrap_or(0)).canonical()
    } else if millis % 1000 == 0 {
        (millis / 1000).to_string()
    } else {
        format!("{millis}m")
    }
}

type Amounts = BTreeMap<String, i128>;

fn usage(world: &World, namespace: &str) -> Amounts {
    let mut sum = Amounts::new();
    for claim in world.store.list(Kind::Claim, namespace) {
        add(&mut sum, &of_claim(claim));
    }
    for pod in world.store.list(Kind::Pod, namespace) {
        if !is_finished(pod) {
            add(&mut sum, &of_pod(pod));
        }
    }
    sum.insert(
        "count/statefulsets.apps".to_owned(),
        count(world.store.list(Kind::StatefulSet, namespace).count()),
    );
    let snapshots = count(world.store.list(Kind::Snapshot, namespace).count());
    sum.insert(
        "count/volumesnapshots.snapshot.storage.k8s.io".to_owned(),
        snapshots,
    );
    sum
}

fn count(n: usize) -> i128 {
    i128::try_from(n).unwrap_or(0) * 1000
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_default() += amount;
    }
}

fn of_claim(claim: &Object) -> Amounts {
    let asked = bytes(claim.text("spec/resources/requests/storage"));
    let allocated = bytes(claim.text("status/allocatedResources/storage"));
    let size = i128::from(asked.max(allocated)) * 1000;
    let class = claim.text("spec/storageClassName");
    let mut sum = Amounts::from([
        ("requests.storage".to_owned(), size),
        ("persistentvolumeclaims".to_owned(), 1000),
        ("count/persistentvolumeclaims".to_owned(), 1000),
    ]);
    if !class.is_empty() {
        let prefix = format!("{class}.storageclass.storage.k8s.io");
        sum.insert(format!("{prefix}/requests.storage"), size);
        sum.insert(format!("{prefix}/persistentvolumeclaims"), 1000);
    }
    sum
}

fn of_pod(pod: &Object) -> Amounts {
    let mut sum = Amounts::from([("pods".to_owned(), 1000), ("count/pods".to_owned(), 1000)]);
    for container in pod.items("spec/containers") {
        for (side, prefix) in [("requests", "requests."), ("limits", "limits.")] {
            for what in ["cpu", "memory"] {
                let amount = i128::from(super::millis(
                    container.text(&format!("resources/{side}/{what}")),
                ));
                *sum.entry(format!("{prefix}{what}")).or_default() += amount;
                if side == "requests" {
                    *sum.entry(what.to_owned()).or_default() += amount;
                }
            }
        }
    }
    sum
}

/// What the quota counts and containers of the pod do not say, as the real server lists it.
fn unsaid(quota: &Object, pod: &Object) -> String {
    let mut all = Vec::new();
    for name in quota.map("spec/hard").into_iter().flatten().map(|(k, _)| k) {
        let (side, what) = name.split_once('.').unwrap_or(("requests", name));
        if !matches!((side, what), ("requests" | "limits", "cpu" | "memory")) {
            continue;
        }
        let containers = ["spec/initContainers", "spec/containers"];
        let containers = containers.iter().flat_map(|list| pod.items(list));
        let silent = containers.filter(|c| c.at(&format!("resources/{side}/{what}")).is_null());
        let mut names: Vec<&str> = silent.map(|c| c.text("name")).collect();
        names.sort_unstable();
        if !names.is_empty() {
            all.push(format!("{name} for: {}", names.join(",")));
        }
    }
    all.join("; ")
}

/// Refuses what would go beyond a quota of the namespace. `before` is what the object replaces.
pub(crate) fn admit(
    world: &World,
    kind: Kind,
    object: &Object,
    before: Option<&Object>,
) -> Result<(), Failure> {
    if world
        .store
        .list(Kind::Quota, object.namespace())
        .next()
        .is_none()
    {
        return Ok(());
    }
    if kind == Kind::Pod && before.is_none() {
        for quota in world.store.list(Kind::Quota, object.namespace()) {
            let silent = unsaid(quota, object);
            if !silent.is_empty() {
                let why = format!("failed quota: {}: must specify {silent}", quota.name());
                return Err(Failure::forbidden(kind, object.name(), &why));
            }
        }
    }
    let measure = |o: &Object| match kind {
        Kind::Claim => of_claim(o),
        Kind::Pod => of_pod(o),
        Kind::StatefulSet => Amounts::from([("count/statefulsets.apps".to_owned(), 1000)]),
        Kind::Snapshot => Amounts::from([(
            "count/volumesnapshots.snapshot.storage.k8s.io".to_owned(),
            1000,
        )]),
        _ => Amounts::new(),
    };
    let mut more = measure(object);
    if let Some(before) = before {
        for (name, amount) in measure(before) {
            *more.entry(name).or_default() -= amount;
        }
    }
    more.retain(|_, amount| *amount > 0);
    if more.is_empty() {
        return Ok(());
    }
    let used = usage(world, object.namespace());
    for quota in world.store.list(Kind::Quota, object.namespace()) {
        let mut parts: [Vec<String>; 3] = Default::default();
        for (name, hard) in quota.map("spec/hard").into_iter().flatten() {
            let Some(amount) = more.get(name) else {
                continue;
            };
            let have = used.get(name).copied().unwrap_or(0);
            let limit = i128::from(super::millis(hard.as_str().unwrap_or("")));
            if have + amount > limit {
                parts[0].push(format!("{name}={}", print(name, *amount)));
                parts[1].push(format!("{name}={}", print(name, have)));
                parts[2].push(format!("{name}={}", hard.as_str().unwrap_or("")));
            }
        }
        let [requested, in_use, limited] = parts;
        if !requested.is_empty() {
            return Err(Failure::forbidden(
                kind,
                object.name(),
                &format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    quota.name(),
                    requested.join(","),
                    in_use.join(","),
                    limited.join(",")
                ),
            ));
        }
    }
    Ok(())
}
