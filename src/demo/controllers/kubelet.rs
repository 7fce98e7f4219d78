//! The kubelet: brings the pods of its node to life, keeps them there, ends them, and says so.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::clock::seconds;
use super::super::history::{History, Mount, Run};
use super::super::object::{Fields, Object, seconds_between, stamp};
use super::super::resource::{Key, Kind};
use super::super::sandbox::{Container, MountPoint, Sandbox, Stage};
use super::super::shell;
use super::super::world::World;
use super::{attach, bytes, is_finished, millis, probe};

/// The back-off of a container that crashes again: doubles from here to five minutes.
const BACK_OFF: f64 = 10.0;
const BACK_OFF_MOST: f64 = 300.0;
/// A container that ran this long starts over with the shortest back-off.
const FORGIVEN: f64 = 600.0;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(pod) = world.read(key) else {
        return;
    };
    let node = pod.text("spec/nodeName").to_owned();
    if node.is_empty() || world.faults.nodes_down.contains_key(&node) {
        return;
    }
    if pod.terminating() {
        return stop(world, key, &pod);
    }
    if is_finished(&pod) {
        return;
    }
    if !world.sandboxes.contains_key(pod.uid()) {
        admit(world, &pod, &node);
    }
    let stage = world.sandboxes.get(pod.uid()).map(|s| s.stage);
    match stage {
        Some(Stage::Volumes) => volumes(world, key, &pod, &node),
        Some(Stage::Starting) => start(world, key, &pod, &node),
        Some(Stage::Running) => supervise(world, key, &pod, &node),
        _ => {}
    }
}

fn names(pod: &Object) -> Vec<String> {
    pod.items("spec/containers")
        .iter()
        .map(|c| c.text("name").to_owned())
        .collect()
}

fn admit(world: &mut World, pod: &Object, node: &str) {
    let sandbox = Sandbox {
        namespace: pod.namespace().to_owned(),
        pod: pod.name().to_owned(),
        node: node.to_owned(),
        stage: Stage::Volumes,
        root: shell::root_tree(pod, world.now),
        mounts: Vec::new(),
        containers: names(pod)
            .into_iter()
            .map(|n| {
                let container = Container {
                    waiting: "ContainerCreating".to_owned(),
                    ..Container::default()
                };
                (n, container)
            })
            .collect(),
    };
    world.sandboxes.insert(pod.uid().to_owned(), sandbox);
    let now = world.now;
    let key = Key::new(Kind::Pod, pod.namespace(), pod.name());
    world.update(&key, |p| {
        p.put("status/startTime", stamp(now));
        p.set_condition("Initialized", "True", ("", ""), now);
    });
    write_status(world, &key);
}

/// Waits until every volume is on the node, then mounts.
fn volumes(world: &mut World, key: &Key, pod: &Object, node: &str) {
    let mut mounts = Vec::new();
    let mut missing = Vec::new();
    for spec in pod.items("spec/volumes") {
        let claim_name = spec.text("persistentVolumeClaim/claimName");
        if claim_name.is_empty() {
            continue;
        }
        let Some(claim) = world.get(Kind::Claim, &key.namespace, claim_name) else {
            missing.push(spec.text("name").to_owned());
            continue;
        };
        let Some(volume) = world
            .get(Kind::Volume, "", claim.text("spec/volumeName"))
            .filter(|_| !claim.terminating())
        else {
            missing.push(spec.text("name").to_owned());
            continue;
        };
        if !attach::ensure(world, pod, &volume, node) {
            missing.push(spec.text("name").to_owned());
            continue;
        }
        for container in pod
            .items("spec/containers")
            .iter()
            .chain(pod.items("spec/initContainers"))
        {
            for mount in container.items("volumeMounts") {
                if mount.text("name") == spec.text("name") {
                    mounts.push(MountPoint {
                        container: container.text("name").to_owned(),
                        path: mount.text("mountPath").trim_end_matches('/').to_owned(),
                        volume: volume.name().to_owned(),
                        claim: claim_name.to_owned(),
                        handle: volume.text("spec/csi/volumeHandle").to_owned(),
                        read_only: mount.flag("readOnly"),
                        sub_path: mount.text("subPath").to_owned(),
                    });
                }
            }
        }
    }
    if !missing.is_empty() {
        if world.ripe(&format!("mount-wait/{}", pod.uid()), key, 122.0) {
            let text = format!(
                "Unable to attach or mount volumes: unmounted volumes=[{}], unattached volumes=[], failed to process volumes=[]: context deadline exceeded",
                missing.join(" ")
            );
            world.event(pod, "Warning", "FailedMount", &text, ("kubelet", node));
            world.look_after(key, 122.0);
        }
        return;
    }
    world.abandon(&format!("mount-wait/{}", pod.uid()));
    let behaviour = world.faults.behaviour(&key.namespace, &key.name);
    let why = (behaviour.mount_fails).or_else(|| world.faults.mount_error.clone());
    if let (Some(why), Some(first)) = (why, mounts.first()) {
        if world.ripe(&format!("mount-fails/{}", pod.uid()), key, 16.0) {
            let text = format!(
                "MountVolume.MountDevice failed for volume {:?} : rpc error: code = Internal desc = {why}",
                first.volume
            );
            world.event(pod, "Warning", "FailedMount", &text, ("kubelet", node));
            world.look_after(key, 16.0);
        }
        return;
    }
    if !world.ripe(&format!("mount/{}", pod.uid()), key, 1.0) {
        return;
    }
    let now = world.now;
    for mount in &mounts {
        if let Some(disk) = world.disks.get_mut(&mount.handle) {
            disk.mount(now);
        }
        remember(&mut world.history, key, node, mount, now);
        let claim_key = Key::new(Kind::Claim, &key.namespace, &mount.claim);
        world.enqueue(super::super::world::Task::Reconcile(claim_key));
    }
    if let Some(sandbox) = world.sandboxes.get_mut(pod.uid()) {
        sandbox.mounts = mounts;
        sandbox.stage = Stage::Starting;
    }
    for container in names(pod) {
        begin_pull(world, pod, &container, node);
    }
    world.look_at(Kind::Pod, &key.namespace, &key.name);
}

fn remember(history: &mut History, key: &Key, node: &str, mount: &MountPoint, now: Timestamp) {
    let span = Mount {
        handle: mount.handle.clone(),
        node: node.to_owned(),
        pod: key.name.clone(),
        from: now,
        until: None,
    };
    history.mounted(&key.namespace, &mount.claim, span);
}

/// The machine is on again: what ran there ended with its power and starts anew, on the volumes that it had.
pub(crate) fn boot(world: &mut World, node: &str) {
    let now = world.now;
    for sandbox in world.sandboxes.values_mut().filter(|s| s.node == node) {
        let key = Key::new(Kind::Pod, &sandbox.namespace, &sandbox.pod);
        if sandbox.stage == Stage::Running {
            for container in sandbox.containers.values_mut().filter(|c| c.is_running()) {
                container.ends = Some((now, 255, "Unknown".to_owned()));
            }
            for mount in &sandbox.mounts {
                remember(&mut world.history, &key, node, mount, now);
            }
        }
    }
    super::look_at_all(world, Kind::Pod, "", |p| p.text("spec/nodeName") == node);
}

fn image(pod: &Object, container: &str) -> String {
    pod.items("spec/containers")
        .iter()
        .find(|c| c.text("name") == container)
        .map(|c| c.text("image").to_owned())
        .unwrap_or_default()
}

/// No registry has such an image.
fn is_nowhere(image: &str) -> bool {
    image.contains("does-not-exist")
}

fn begin_pull(world: &mut World, pod: &Object, container: &str, node: &str) {
    let image = image(pod, container);
    if is_nowhere(&image) {
        return;
    }
    let text = format!("Container image {image:?} already present on machine");
    world.event(pod, "Normal", "Pulled", &text, ("kubelet", node));
}

fn start(world: &mut World, key: &Key, pod: &Object, node: &str) {
    for container in names(pod) {
        let image = image(pod, &container);
        if is_nowhere(&image) {
            pull_fails(world, key, pod, &container, &image);
            return;
        }
    }
    let wait = world
        .seed
        .between(&format!("start{}", pod.name()), 0.6, 1.8);
    if !world.ripe(&format!("start/{}", pod.uid()), key, wait) {
        return;
    }
    for container in names(pod) {
        run(world, key, pod, &container, node);
    }
    if let Some(sandbox) = world.sandboxes.get_mut(pod.uid()) {
        sandbox.stage = Stage::Running;
    }
    write_status(world, key);
    world.look_at(Kind::Pod, &key.namespace, &key.name);
}

fn pull_fails(world: &mut World, key: &Key, pod: &Object, container: &str, image: &str) {
    let first = world
        .sandboxes
        .get(pod.uid())
        .and_then(|s| s.containers.get(container))
        .is_some_and(|c| c.waiting == "ContainerCreating");
    if !first && !world.ripe(&format!("pull/{}", pod.uid()), key, 40.0) {
        return;
    }
    let node = pod.text("spec/nodeName");
    let why = format!(
        "Failed to pull image {image:?}: rpc error: code = NotFound desc = failed to pull and unpack image {image:?}: failed to resolve reference {image:?}: {image}: not found"
    );
    world.event(
        pod,
        "Normal",
        "Pulling",
        &format!("Pulling image {image:?}"),
        ("kubelet", node),
    );
    world.event(pod, "Warning", "Failed", &why, ("kubelet", node));
    world.event(
        pod,
        "Warning",
        "Failed",
        "Error: ErrImagePull",
        ("kubelet", node),
    );
    if let Some(c) = world
        .sandboxes
        .get_mut(pod.uid())
        .and_then(|s| s.containers.get_mut(container))
    {
        let why = if first {
            "ErrImagePull"
        } else {
            "ImagePullBackOff"
        };
        why.clone_into(&mut c.waiting);
    }
    if !first {
        world.event(
            pod,
            "Normal",
            "BackOff",
            &format!("Back-off pulling image {image:?}"),
            ("kubelet", node),
        );
    }
    write_status(world, key);
    world.look_after(key, 15.0);
}

/// Starts one container.
fn run(world: &mut World, key: &Key, pod: &Object, container: &str, node: &str) {
    let now = world.now;
    let spec = pod
        .items("spec/containers")
        .iter()
        .find(|c| c.text("name") == container)
        .cloned()
        .unwrap_or(Value::Null);
    world.event(
        pod,
        "Normal",
        "Created",
        &format!("Created container: {container}"),
        ("kubelet", node),
    );
    world.event(
        pod,
        "Normal",
        "Started",
        &format!("Started container {container}"),
        ("kubelet", node),
    );
    let place = format!("{}/{}", key.namespace, key.name);
    if let Some(behaviour) = world.faults.behaviours.get_mut(&place) {
        behaviour.unready = false;
    }
    let behaviour = world.faults.behaviour(&key.namespace, &key.name);
    let limit = bytes(spec.text("resources/limits/memory"));
    let has_enough = |need: &String| limit == 0 || limit >= bytes(need);
    let crash = (behaviour.crash_after_seconds)
        .filter(|_| !behaviour.needs_memory.as_ref().is_some_and(has_enough));
    let outcome = shell::start(world, pod.uid(), &spec);
    let mut ends = outcome.ends.map(|(wait, code)| {
        (
            now + seconds(wait),
            code,
            if code == 0 { "Completed" } else { "Error" }.to_owned(),
        )
    });
    let mut log = outcome.lines;
    if let Some(wait) = crash {
        let reason = if behaviour.reason.is_empty() {
            "Error"
        } else {
            &behaviour.reason
        };
        ends = Some((now + seconds(wait), behaviour.exit_code, reason.to_owned()));
        log.extend(behaviour.log.iter().cloned());
    }
    let due = ends.as_ref().map(|e| e.0);
    if let Some(c) = world
        .sandboxes
        .get_mut(pod.uid())
        .and_then(|s| s.containers.get_mut(container))
    {
        c.previous = std::mem::take(&mut c.log);
        c.started = Some(now);
        c.ended = None;
        c.ends = ends;
        c.back_off = None;
        (c.probes, c.succeeds, c.is_ready) = (0, false, false);
        c.chatty = outcome.chatty && crash.is_none();
        for line in log {
            c.say(now, &line);
        }
    }
    let limit = float(bytes(spec.text("resources/limits/memory")));
    world.history.started(
        &key.namespace,
        &key.name,
        Run {
            container: container.to_owned(),
            uid: pod.uid().to_owned(),
            node: node.to_owned(),
            image: spec.text("image").to_owned(),
            cpu: cores(spec.text("resources/limits/cpu")) * behaviour.cpu_share.unwrap_or(0.35),
            limit,
            memory: limit * behaviour.memory_share.unwrap_or(0.45),
            from: now,
            until: None,
        },
    );
    if let Some(due) = due {
        world.look_again(key, due);
    }
    let ready = now + seconds(ready_delay(world, pod));
    world.look_again(key, ready);
}

fn cores(text: &str) -> f64 {
    f64::from(i32::try_from(millis(text)).unwrap_or(0)) / 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of memory are far below 2^53"
)]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

fn ready_delay(world: &World, pod: &Object) -> f64 {
    let probed = pod
        .items("spec/containers")
        .iter()
        .any(|c| !c.at("readinessProbe").is_null());
    if probed {
        world
            .seed
            .between(&format!("ready{}", pod.name()), 2.0, 5.0)
    } else {
        0.0
    }
}

/// Seconds until a container that was restarted so many times is started again.
fn back_off(times: i64) -> f64 {
    if times == 0 {
        return 1.0;
    }
    let doublings = i32::try_from(times - 1).unwrap_or(5).min(5);
    (BACK_OFF * 2_f64.powi(doublings)).min(BACK_OFF_MOST)
}

/// Ends what ends by itself, starts again what may, and reports.
fn supervise(world: &mut World, key: &Key, pod: &Object, node: &str) {
    let now = world.now;
    for name in names(pod) {
        let Some(container) = world
            .sandboxes
            .get_mut(pod.uid())
            .and_then(|s| s.containers.get_mut(&name))
        else {
            continue;
        };
        if container.is_running() && container.ends.as_ref().is_some_and(|e| e.0 <= now) {
            container.ended = container.ends.take();
            let code = container.ended.as_ref().map_or(0, |e| e.1);
            let ran = container.started.map_or(0.0, |s| seconds_between(s, now));
            let policy = match pod.text("spec/restartPolicy") {
                "" => "Always",
                p => p,
            };
            if policy == "Always" || policy == "OnFailure" && code != 0 {
                let times = if ran > FORGIVEN {
                    0
                } else {
                    container.restarts
                };
                let wait = back_off(times);
                let due = now + seconds(wait);
                container.back_off = Some(due);
                container.waiting = if times == 0 {
                    String::new()
                } else {
                    "CrashLoopBackOff".to_owned()
                };
                world.look_again(key, due);
                if times > 0 {
                    let text = format!(
                        "Back-off restarting failed container {name} in pod {}_{}({})",
                        key.name,
                        key.namespace,
                        pod.uid()
                    );
                    world.event(pod, "Warning", "BackOff", &text, ("kubelet", node));
                }
            }
            world.history.stopped(&key.namespace, &key.name, &name, now);
        } else if container.ended.is_some() && container.back_off.is_some_and(|b| b <= now) {
            container.restarts += 1;
            let count = container.restarts;
            world
                .history
                .restarted(&key.namespace, &key.name, &name, now, count);
            run(world, key, pod, &name, node);
        }
    }
    probe::look(world, key, pod);
    write_status(world, key);
}

/// Ends a pod that is being deleted.
fn stop(world: &mut World, key: &Key, pod: &Object) {
    let now = world.now;
    let node = pod.text("spec/nodeName");
    let grace = pod.int("metadata/deletionGracePeriodSeconds").unwrap_or(30);
    let running = world
        .sandboxes
        .get(pod.uid())
        .is_some_and(|s| s.containers.values().any(Container::is_running));
    if running && !is_finished(pod) {
        let stubborn = world
            .faults
            .behaviour(&key.namespace, &key.name)
            .ignores_term;
        if world
            .sandboxes
            .get(pod.uid())
            .is_some_and(|s| s.stage != Stage::Stopping)
        {
            for name in names(pod) {
                world.event(
                    pod,
                    "Normal",
                    "Killing",
                    &format!("Stopping container {name}"),
                    ("kubelet", node),
                );
            }
            if let Some(s) = world.sandboxes.get_mut(pod.uid()) {
                s.stage = Stage::Stopping;
            }
        }
        let whole = f64::from(i32::try_from(grace).unwrap_or(30));
        let wait = if stubborn {
            whole
        } else {
            whole.min(world.seed.between(&format!("stop{}", pod.name()), 0.5, 2.0))
        };
        if !world.ripe(&format!("stop/{}", pod.uid()), key, wait) {
            return;
        }
    }
    if let Some(sandbox) = world.sandboxes.get_mut(pod.uid()) {
        sandbox.stage = Stage::Over;
        for container in sandbox.containers.values_mut() {
            if container.is_running() {
                container.ended = Some((now, 143, "Error".to_owned()));
            }
        }
    }
    world.history.stopped(&key.namespace, &key.name, "", now);
    if pod.items("metadata/finalizers").is_empty() {
        world.remove(key);
    } else {
        world.update(key, |p| {
            p.put("metadata/deletionGracePeriodSeconds", 0);
            p.put("status/phase", "Failed");
        });
    }
}

/// After a pod object is gone: unmount, and let the volumes go.
pub(crate) fn cleanup(world: &mut World, pod: &Object) {
    let now = world.now;
    let node = pod.text("spec/nodeName");
    world.history.stopped(pod.namespace(), pod.name(), "", now);
    world.history.unmounted(pod.namespace(), pod.name(), now);
    if let Some(sandbox) = world.sandboxes.remove(pod.uid()) {
        for mount in &sandbox.mounts {
            if let Some(disk) = world.disks.get_mut(&mount.handle) {
                disk.settle(now);
                disk.mark(now);
            }
        }
    }
    super::look_at_all(world, Kind::Attachment, "", |a| {
        a.text("spec/nodeName") == node
    });
}

fn state(container: &Container, policy: &str) -> (Value, Value) {
    let terminated = |e: &(Timestamp, i64, String)| {
        json!({"terminated": {"exitCode": e.1, "reason": e.2, "finishedAt": stamp(e.0),
            "startedAt": stamp(container.started.unwrap_or(e.0)), "containerID": "containerd://demo"}})
    };
    let now = match (&container.started, &container.ended) {
        (Some(at), None) => json!({"running": {"startedAt": stamp(*at)}}),
        (_, Some(e))
            if container.back_off.is_none()
                || container.waiting.is_empty()
                || policy == "Never" =>
        {
            terminated(e)
        }
        (_, Some(_)) => {
            json!({"waiting": {"reason": container.waiting, "message": "back-off restarting failed container"}})
        }
        (None, None) => json!({"waiting": {"reason": container.waiting}}),
    };
    let last = match &container.ended {
        Some(e) if container.back_off.is_some() => terminated(e),
        _ => json!({}),
    };
    (now, last)
}

/// Writes the status of the pod out of its sandbox.
pub(crate) fn write_status(world: &mut World, key: &Key) {
    let Some(pod) = world.read(key) else {
        return;
    };
    let Some(sandbox) = world.sandboxes.get(pod.uid()) else {
        return;
    };
    let now = world.now;
    let behaviour = world.faults.behaviour(&key.namespace, &key.name);
    let delay = ready_delay(world, &pod);
    let policy = pod.text("spec/restartPolicy");
    let mut statuses = Vec::new();
    let (mut ready_all, mut running, mut over, mut failed) = (true, false, true, false);
    let old = pod.items("status/containerStatuses");
    for spec in pod.items("spec/containers") {
        let name = spec.text("name");
        let Some(container) = sandbox.containers.get(name) else {
            continue;
        };
        let (current, mut last) = state(container, policy);
        if last == json!({}) && container.restarts > 0 {
            let before = old.iter().find(|c| c.text("name") == name);
            last = before.map_or(json!({}), |c| c.at("lastState").clone());
        }
        let ready = container.is_running()
            && !behaviour.unready
            && if probe::is_by_command(spec) {
                container.is_ready
            } else {
                (container.started).is_some_and(|s| seconds_between(s, now) >= delay - 1e-6)
            };
        ready_all &= ready;
        running |= container.started.is_some();
        over &= container.ended.is_some() && container.back_off.is_none();
        failed |= container.ended.as_ref().is_some_and(|e| e.1 != 0);
        let image = spec.text("image");
        statuses.push(json!({"name": name, "state": current, "lastState": last, "ready": ready, "started": container.is_running(),
            "restartCount": container.restarts, "image": image, "imageID": format!("{image}@sha256:{:064x}", world.seed.bits(image)),
            "containerID": format!("containerd://{:064x}", world.seed.bits(&format!("{}{}", pod.uid(), container.restarts)))}));
    }
    let phase = if running && over {
        if failed { "Failed" } else { "Succeeded" }
    } else if running {
        "Running"
    } else {
        "Pending"
    };
    let done = matches!(phase, "Succeeded" | "Failed");
    let ip = world.seed.bits(pod.uid());
    let was_ready = super::is_ready(&pod);
    world.update(key, |p| {
        p.put("status/phase", phase);
        p.put("status/containerStatuses", statuses);
        p.put("status/hostIP", "10.128.0.10");
        p.put("status/hostIPs", json!([{"ip": "10.128.0.10"}]));
        if running {
            let ip = format!("10.8.{}.{}", ip % 200, ip / 256 % 250 + 2);
            p.put("status/podIPs", json!([{"ip": ip}]));
            p.put("status/podIP", ip);
        }
        let why = if done {
            ("PodCompleted", "")
        } else if ready_all {
            ("", "")
        } else {
            ("ContainersNotReady", "containers with unready status")
        };
        let status = if ready_all && !done { "True" } else { "False" };
        if running {
            p.set_condition("PodReadyToStartContainers", "True", ("", ""), now);
        }
        p.set_condition("ContainersReady", status, why, now);
        p.set_condition("Ready", status, why, now);
    });
    if done && let Some(sandbox) = world.sandboxes.get_mut(pod.uid()) {
        sandbox.stage = Stage::Over;
        world.history.unmounted(&key.namespace, &key.name, now);
        super::look_at_all(world, Kind::Attachment, "", |_| true);
    }
    if was_ready && !ready_all && behaviour.unready {
        world.event(
            &pod,
            "Warning",
            "Unhealthy",
            "Readiness probe failed: dial tcp: connect: connection refused",
            ("kubelet", pod.text("spec/nodeName")),
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_crashing_container_waits_as_long_as_a_real_one() {
        let waits: Vec<f64> = (0..8).map(super::back_off).collect();
        assert_eq!(
            waits,
            [1.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0],
            "kubelet: MaxContainerBackOff, doubled from 10 s"
        );
    }
}
