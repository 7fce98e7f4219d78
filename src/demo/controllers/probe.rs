//! Readiness probes that run a command in their container, by the rules of the kubelet's
//! `prober/worker.go`. Probes by HTTP and TCP are not here: they succeed a moment after a start.

use serde_json::Value;

use super::super::object::{Fields, Object};
use super::super::resource::Key;
use super::super::sandbox::Container;
use super::super::shell;
use super::super::world::World;

const PERIOD: u32 = 10;
const FAILURES: u32 = 3;

pub(crate) fn is_by_command(container: &Value) -> bool {
    !container.at("readinessProbe/exec").is_null()
}

/// Runs the probes of a pod that are due.
pub(crate) fn look(world: &mut World, key: &Key, pod: &Object) {
    for spec in pod.items("spec/containers") {
        if is_by_command(spec) {
            look_at(world, key, pod, spec);
        }
    }
}

fn look_at(world: &mut World, key: &Key, pod: &Object, spec: &Value) {
    let name = spec.text("name");
    let probe = spec.at("readinessProbe");
    let field = |field: &str, default: u32| {
        let given = probe.int(field).and_then(|n| u32::try_from(n).ok());
        given.filter(|n| *n > 0).unwrap_or(default)
    };
    let period = f64::from(field("periodSeconds", PERIOD));
    let Some(container) = running(world, pod, name) else {
        return;
    };
    let wait = if container.probes == 0 {
        f64::from(field("initialDelaySeconds", 0))
    } else {
        period
    };
    let turn = format!("probe/{}/{name}/{}", pod.uid(), container.restarts);
    if !world.ripe(&turn, key, wait) {
        return;
    }
    world.ripe(&turn, key, period);
    let words = shell::words(probe.items("exec/command"));
    let (code, output) = shell::probe(world, pod, spec, &words);
    let Some(container) = running(world, pod, name) else {
        return;
    };
    let success = code == 0;
    if success != container.succeeds {
        (container.succeeds, container.probes) = (success, 0);
    }
    container.probes += 1;
    let enough = if success {
        field("successThreshold", 1)
    } else {
        field("failureThreshold", FAILURES)
    };
    if container.probes >= enough {
        container.is_ready = success;
    }
    if !success {
        let node = pod.text("spec/nodeName");
        let text = format!("Readiness probe failed: {output}");
        world.event(pod, "Warning", "Unhealthy", &text, ("kubelet", node));
    }
}

fn running<'a>(world: &'a mut World, pod: &Object, name: &str) -> Option<&'a mut Container> {
    let containers = &mut world.sandboxes.get_mut(pod.uid())?.containers;
    containers.get_mut(name).filter(|c| c.is_running())
}
