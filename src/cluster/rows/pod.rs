//! Pods.

use jiff::Timestamp;

use super::model::{ContainerSpec, ContainerStatus, MountSpec, Object, Pairs, Terminated};
use super::{claims_of, controller, first, meta, pairs, repository};
use crate::domain::pod::{Container, Exit, Mount, Phase, Pod};
use crate::domain::policy::Policy;
use crate::domain::quantity::Quantity;

fn container(spec: &ContainerSpec, init: bool, statuses: &[ContainerStatus]) -> Container {
    let status = statuses
        .iter()
        .find(|s| s.name == spec.name)
        .cloned()
        .unwrap_or_default();
    let exit = |t: Terminated| Exit {
        reason: t.reason,
        code: t.exit_code,
        at: t.finished_at,
    };
    let mount = |m: &MountSpec| Mount {
        path: m.mount_path.clone(),
        volume: m.name.clone(),
        read_only: m.read_only,
        sub_path: !m.sub_path.is_empty(),
    };
    let (waiting, message) = status
        .state
        .waiting
        .map_or((None, None), |w| (w.reason, w.message));
    Container {
        name: spec.name.clone(),
        image: repository(&spec.image),
        init,
        ready: status.ready,
        restarts: status.restart_count,
        waiting,
        message,
        running_since: status.state.running.and_then(|r| r.started_at),
        last_exit: status
            .last_state
            .terminated
            .or(status.state.terminated)
            .map(exit),
        mounts: spec.volume_mounts.iter().map(mount).collect(),
    }
}

/// The sum of a limit over the containers; none when one of them has none.
fn limit(containers: &[ContainerSpec], resource: &str) -> Option<Quantity> {
    let limits: Option<Vec<i64>> = containers
        .iter()
        .map(|c| {
            Some(
                Quantity::parse(c.resources.limits.get(resource)?)
                    .ok()?
                    .millis(),
            )
        })
        .collect();
    let total: i64 = limits?.into_iter().fold(0, i64::saturating_add);
    Quantity::parse(&format!("{total}m")).ok()
}

pub(crate) fn pod(object: Object, policy: &Policy) -> Pod {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    let find = |kind: &str| status.conditions.iter().find(|c| &*c.kind == kind);
    let ready = find("Ready");
    let unscheduled = find("PodScheduled")
        .filter(|c| c.status == "False")
        .map(|c| {
            let message = c.message.clone().unwrap_or_default();
            (
                message,
                c.last_transition_time.unwrap_or(Timestamp::UNIX_EPOCH),
            )
        });
    let containers = (spec
        .init_containers
        .iter()
        .map(|c| container(c, true, &status.init_container_statuses)))
    .chain(
        spec.containers
            .iter()
            .map(|c| container(c, false, &status.container_statuses)),
    )
    .collect();
    let claims = claims_of(&spec.volumes, &metadata.name);
    let labels = if claims.is_empty() {
        pairs(&metadata.labels)
    } else {
        Vec::new()
    };
    let marked = |map: &Pairs| {
        map.get(&policy.stateless_label)
            .is_some_and(|v| v != "false")
    };
    Pod {
        meta: meta(&metadata),
        owner: controller(&metadata),
        phase: status.phase.parse().unwrap_or(Phase::Unknown),
        reason: status.reason,
        ready: ready.is_some_and(|c| c.status == "True"),
        ready_since: ready.and_then(|c| c.last_transition_time),
        unscheduled,
        restarts: status
            .container_statuses
            .iter()
            .map(|s| s.restart_count)
            .sum(),
        containers,
        node: spec.node_name,
        grace_seconds: spec.termination_grace_period_seconds.unwrap_or(30),
        claims: claims.into_boxed_slice(),
        cpu_limit: limit(&spec.containers, "cpu"),
        memory_limit: limit(&spec.containers, "memory"),
        labels: labels.into_boxed_slice(),
        user: first(&metadata.labels, &policy.user_labels),
        tier: first(&metadata.labels, &policy.tier_labels),
        stateless: marked(&metadata.labels) || marked(&metadata.annotations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_container_without_a_limit_means_no_limit() {
        let containers: Vec<ContainerSpec> = serde_json::from_str(
            r#"[{"resources":{"limits":{"cpu":"200m"}}},{"resources":{"limits":{"cpu":"1"}}}]"#,
        )
        .unwrap();
        assert_eq!(limit(&containers, "cpu").unwrap().millis(), 1200);
        assert_eq!(limit(&containers, "memory"), None);
    }
}
