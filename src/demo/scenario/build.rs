//! Builds the world of a scenario: makes its objects and lets the controllers run through the days before.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::clock::seconds;
use super::super::controllers;
use super::super::disk::Growth;
use super::super::drill;
use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::tree::Content;
use super::super::world::{Task, World};
use super::{Class, Scenario, Set, backup, timeline};
use anyhow::{Result, anyhow};

pub(crate) const DRIVER: &str = "pd.csi.storage.gke.io";
/// How long the world is old when its users come.
const DAYS: f64 = 9.0;

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes of disks are far below 2^53"
)]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes, never negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn refused(failure: Failure) -> anyhow::Error {
    anyhow!("building the scenario: {}", failure.message)
}

/// The world at `start`, old by nine days, with its timeline ready to begin.
pub(crate) fn world(scenario: &Scenario, start: Timestamp, seed: u64) -> Result<World> {
    let born = start - seconds(DAYS * 86_400.0);
    let mut world = World::new(born, seed);
    cluster(&mut world, scenario)?;
    for set in &scenario.set {
        make_set(&mut world, set)?;
    }
    world.enqueue(Task::Pulse);
    world.advance(born + seconds(1800.0));
    for set in &scenario.set {
        settle_set(&mut world, set, false);
    }
    for set in &scenario.set {
        backup::begin(&mut world, set, start)?;
    }
    world.advance(start);
    for set in &scenario.set {
        settle_set(&mut world, set, true);
        for one in &set.workspace {
            if let Some(behaviour) = &one.behaviour {
                let pod = format!("{}/{}-{}", set.namespace, set.name, *one.ordinal);
                timeline::act(
                    &mut world,
                    timeline::Action::Behave {
                        pod: pod.into(),
                        // A process that hangs would be well again.
                        restart: !behaviour.unready,
                        behaviour: Some(behaviour.clone()),
                    },
                );
            }
        }
    }
    timeline::begin(&mut world, scenario.timeline.clone());
    world.enqueue(Task::Rules);
    world.settle();
    if let Some(drill) = &scenario.drill {
        drill::begin(&mut world, drill.clone());
    }
    Ok(world)
}

pub(super) fn make(world: &mut World, kind: Kind, object: Object) -> Result<()> {
    world.create(kind, object, false).map(drop).map_err(refused)
}

/// Name of the node of a zone with this number.
pub(super) fn node_name(zone: &str, number: u32) -> String {
    format!("gke-demo-pool-{zone}-{number}")
}

fn cluster(world: &mut World, scenario: &Scenario) -> Result<()> {
    let mut namespaces: Vec<String> = [
        "default",
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "monitoring",
    ]
    .map(str::to_owned)
    .to_vec();
    namespaces.extend(scenario.set.iter().map(|s| s.namespace.clone()));
    namespaces.dedup();
    for name in namespaces {
        if world.get(Kind::Namespace, "", &name).is_none() {
            make(world, Kind::Namespace, json!({"metadata": {"name": name}}))?;
        }
    }
    world.settle();
    make(
        world,
        Kind::Driver,
        json!({"metadata": {"name": DRIVER}, "spec": {"attachRequired": true, "podInfoOnMount": false, "volumeLifecycleModes": ["Persistent"]}}),
    )?;
    for class in &scenario.class {
        make(world, Kind::StorageClass, storage_class(class))?;
    }
    make(
        world,
        Kind::SnapshotClass,
        json!({
            "metadata": {"name": "workspace-snapshots", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
            "driver": DRIVER, "deletionPolicy": "Delete", "parameters": {"storage-locations": "us-central1"},
        }),
    )?;
    for zone in &scenario.node {
        for n in 0..zone.count {
            let name = node_name(&zone.zone, n);
            make(world, Kind::Node, node(&name, zone))?;
            make(
                world,
                Kind::DriverNode,
                json!({"metadata": {"name": name}, "spec": {"drivers": [
                {"name": DRIVER, "nodeID": name, "topologyKeys": ["topology.gke.io/zone"], "allocatable": {"count": 127}}]}}),
            )?;
            make(
                world,
                Kind::Lease,
                json!({"metadata": {"name": name, "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": 40}}),
            )?;
        }
    }
    make(
        world,
        Kind::Service,
        json!({
            "metadata": {"name": "prometheus", "namespace": "monitoring", "labels": {"app.kubernetes.io/name": "prometheus", "app": "prometheus", "component": "server"}},
            "spec": {"clusterIP": "10.8.240.17", "ports": [{"name": "http", "port": 9090, "protocol": "TCP", "targetPort": 9090}],
                "selector": {"app.kubernetes.io/name": "prometheus"}, "type": "ClusterIP"},
        }),
    )?;
    rbac(world)
}

fn rbac(world: &mut World) -> Result<()> {
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let view = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
    for (name, rules, subject) in [
        (
            "cluster-admin",
            all,
            json!({"kind": "Group", "name": "system:masters", "apiGroup": "rbac.authorization.k8s.io"}),
        ),
        (
            "wsdash-view",
            view,
            json!({"kind": "Group", "name": "viewers", "apiGroup": "rbac.authorization.k8s.io"}),
        ),
    ] {
        make(
            world,
            Kind::ClusterRole,
            json!({"metadata": {"name": name}, "rules": rules}),
        )?;
        make(
            world,
            Kind::ClusterRoleBinding,
            json!({"metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}}),
        )?;
    }
    Ok(())
}

fn storage_class(class: &Class) -> Object {
    let mut object = json!({
        "metadata": {"name": class.name}, "provisioner": DRIVER, "parameters": {"type": class.disk},
        "allowVolumeExpansion": class.expandable,
        "reclaimPolicy": if class.retain { "Retain" } else { "Delete" },
        "volumeBindingMode": if class.immediate { "Immediate" } else { "WaitForFirstConsumer" },
    });
    if class.default {
        object.set_annotation("storageclass.kubernetes.io/is-default-class", "true");
    }
    object
}

fn node(name: &str, zone: &super::Node) -> Object {
    json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "e2-standard-16", "topology.kubernetes.io/region": "us-central1",
            "topology.kubernetes.io/zone": zone.zone, "topology.gke.io/zone": zone.zone,
            "cloud.google.com/gke-nodepool": "workspaces"}},
        "spec": {"providerID": format!("gce://demo-project/{}/{name}", zone.zone)},
        "status": {
            "allocatable": {"cpu": zone.cpu, "memory": zone.memory, "pods": "110", "ephemeral-storage": "95Gi"},
            "capacity": {"cpu": zone.cpu, "memory": zone.memory, "pods": "110", "ephemeral-storage": "100Gi"},
            "addresses": [{"type": "InternalIP", "address": "10.128.0.10"}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": super::super::http::VERSION, "osImage": "Container-Optimized OS from Google", "kernelVersion": "6.6.93+",
                "containerRuntimeVersion": "containerd://2.0.6", "architecture": "amd64", "operatingSystem": "linux",
                "bootID": "", "machineID": "", "systemUUID": "", "kubeProxyVersion": ""},
        },
    })
}

fn make_set(world: &mut World, set: &Set) -> Result<()> {
    let labels = json!({"app": set.name});
    make_or_skip(
        world,
        Kind::Service,
        json!({
        "metadata": {"name": format!("{}-headless", set.name), "namespace": set.namespace},
        "spec": {"clusterIP": "None", "selector": labels, "ports": [{"name": "http", "port": 80}]}}),
    )?;
    let mounts: Vec<Value> = set
        .volume
        .iter()
        .map(|v| json!({"name": v.name, "mountPath": v.path}))
        .collect();
    let claims: Vec<Value> = set
        .volume
        .iter()
        .map(|v| {
            let mut labels = json!({"tier": set.tier});
            if set.backup_hours > 0 {
                labels.put(backup::LABEL.0, backup::LABEL.1);
            }
            json!({
        "metadata": {"name": v.name, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": &*v.class,
            "resources": {"requests": {"storage": v.size}}}})
        })
        .collect();
    let mut object = json!({
        "metadata": {"name": set.name, "namespace": set.namespace, "labels": {"app": set.name, "tier": set.tier}},
        "spec": {
            "serviceName": format!("{}-headless", set.name), "replicas": set.replicas + set.parked,
            "podManagementPolicy": if set.ordered { "OrderedReady" } else { "Parallel" },
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": {"app": set.name, "tier": set.tier}}, "spec": {
                "terminationGracePeriodSeconds": set.grace,
                "securityContext": {"fsGroup": 1000},
                "containers": [{"name": "workspace", "image": "us-docker.pkg.dev/coditect/ide/theia:1.62.2",
                    "ports": [{"containerPort": 3000, "name": "http"}],
                    "resources": {"limits": {"cpu": set.cpu, "memory": set.memory}, "requests": {"cpu": "200m", "memory": "512Mi"}},
                    "readinessProbe": {"tcpSocket": {"port": 3000}, "periodSeconds": 5},
                    "volumeMounts": mounts}]}},
            "volumeClaimTemplates": claims,
        },
    });
    if let Some(zone) = &set.zone {
        object.put(
            "spec/template/spec/nodeSelector",
            json!({"topology.kubernetes.io/zone": &**zone}),
        );
    }
    make(world, Kind::StatefulSet, object)?;
    if let Some(most) = set.max_unavailable {
        make(
            world,
            Kind::DisruptionBudget,
            json!({
            "metadata": {"name": set.name, "namespace": set.namespace},
            "spec": {"maxUnavailable": most, "selector": {"matchLabels": labels}}}),
        )?;
    }
    Ok(())
}

fn make_or_skip(world: &mut World, kind: Kind, object: Object) -> Result<()> {
    match world.create(kind, object, false) {
        Err(failure) if failure.reason != "AlreadyExists" => Err(refused(failure)),
        _ => Ok(()),
    }
}

/// Users, files, growth and past of every disk of a set.
fn settle_set(world: &mut World, set: &Set, grow: bool) {
    for ordinal in 0..set.replicas + set.parked {
        let user = set.users.get(ordinal as usize).filter(|u| *u != "nobody");
        let special = set.workspace.iter().find(|w| *w.ordinal == ordinal);
        for volume in &set.volume {
            let claim = Key::new(
                Kind::Claim,
                &set.namespace,
                &format!("{}-{}-{ordinal}", volume.name, set.name),
            );
            if let Some(user) = user {
                world.update(&claim, |c| c.set_label("user-id", user));
            }
            let mine = special.filter(|s| s.volume.as_deref().is_none_or(|v| *v == volume.name));
            let vary = world
                .seed
                .between(&format!("fill{}", claim.name), 0.55, 1.25);
            let fill = mine
                .and_then(|s| s.fill)
                .unwrap_or((volume.fill * vary).min(0.74));
            let grows = mine
                .and_then(|s| s.grows.as_ref())
                .or(volume.grows.as_ref());
            let per_day = grows.map_or(0.0, |g| number(controllers::bytes(g)));
            let vary = if mine.is_some_and(|s| s.grows.is_some()) {
                1.0
            } else {
                world.seed.between(&format!("grow{}", claim.name), 0.2, 1.4)
            };
            let rate = per_day * vary / 86_400.0;
            if grow {
                grow_disk(world, &claim, fill, rate);
                continue;
            }
            fill_disk(world, &claim, fill, mine.and_then(|s| s.inodes), rate);
        }
        if let Some(user) = user {
            let pod = Key::new(
                Kind::Pod,
                &set.namespace,
                &format!("{}-{ordinal}", set.name),
            );
            world.update(&pod, |p| p.set_label("user-id", user));
        }
    }
    if set.parked > 0 && !grow {
        world.update(
            &Key::new(Kind::StatefulSet, &set.namespace, &set.name),
            |s| s.put("spec/replicas", set.replicas),
        );
    }
}

fn handle_of(world: &World, claim: &Key) -> Option<String> {
    let claim = world.read(claim)?;
    let volume = world.get(Kind::Volume, "", claim.text("spec/volumeName"))?;
    Some(volume.text("spec/csi/volumeHandle").to_owned())
}

fn fill_disk(world: &mut World, claim: &Key, fill: f64, inodes: Option<f64>, rate: f64) {
    let Some(handle) = handle_of(world, claim) else {
        return;
    };
    let now = world.now;
    let seed = world.seed;
    let Some(disk) = world.disks.get_mut(&handle) else {
        return;
    };
    let user = (1000, 1000);
    // What has grown by the start is part of the share that the scenario names; see `grow_disk`.
    let total = number(disk.capacity()) * fill - grown(disk.capacity(), fill, rate);
    let files = inodes.map_or_else(
        || whole(total / 60_000.0),
        |share| whole(number(disk.inodes()) * share),
    );
    let parts = [
        ("/projects/app/node_modules", 0.38, 0.80),
        ("/projects/app/.git", 0.17, 0.12),
        ("/.cache/builds", 0.30, 0.05),
        ("/projects/data.bin", 0.15, 0.0),
    ];
    for (path, share, of_files) in parts {
        let vary = seed.between(&format!("{path}{}", claim.name), 0.9, 1.0);
        let content = Content::Filler {
            bytes: whole(total * share * vary),
            files: whole(number(files) * of_files).max(1),
        };
        disk.tree.plant(path, content, now, user);
    }
    let readme = format!("# {}\nThis workspace lives on its own disk.\n", claim.name);
    disk.tree.plant(
        "/projects/README.md",
        Content::Bytes(std::sync::Arc::new(readme.into_bytes())),
        now,
        user,
    );
    disk.tree.plant(
        "/.theia/settings.json",
        Content::Bytes(std::sync::Arc::new(b"{\"editor.tabSize\": 2}\n".to_vec())),
        now,
        user,
    );
    disk.forget_past(now);
}

/// Bytes that come by growth before the start: nine days of it, but no more than half of what is there.
fn grown(capacity: u64, fill: f64, rate: f64) -> f64 {
    (rate * DAYS * 86_400.0).min(number(capacity) * fill * 0.5)
}

/// At the start: what grew in the days before, and growth from now on.
fn grow_disk(world: &mut World, claim: &Key, fill: f64, rate: f64) {
    let now = world.now;
    let Some(handle) = handle_of(world, claim) else {
        return;
    };
    if let Some(disk) = world.disks.get_mut(&handle) {
        let bytes = grown(disk.capacity(), fill, rate);
        let growth = Growth {
            path: "/.cache/builds".to_owned(),
            bytes_per_second: rate,
            files_per_second: rate / 200_000.0,
        };
        disk.grow_before(bytes, growth, now);
    }
}

/// Changes how fast the disk of a claim grows.
pub(crate) fn grow(world: &mut World, claim: &Key, bytes_per_second: f64, files_per_second: f64) {
    let now = world.now;
    let Some(handle) = handle_of(world, claim) else {
        return;
    };
    if let Some(disk) = world.disks.get_mut(&handle) {
        disk.settle(now);
        disk.mark(now);
        disk.growth = Some(Growth {
            path: "/.cache/builds".to_owned(),
            bytes_per_second,
            files_per_second,
        });
    }
}
