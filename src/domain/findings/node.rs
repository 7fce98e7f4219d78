//! Nodes that do not answer. A node without a `Ready` condition is unknown, not down.

use super::words::{ago, one_line, says};
use super::{Case, finding};
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::node::{Node, ReadyState};
use crate::domain::pod::Pod;

pub(super) fn is_down(node: &Node) -> bool {
    node.ready
        .as_ref()
        .is_some_and(|r| r.state != ReadyState::Ready)
}

/// The node itself: blocking while it holds pods, else something to see to.
pub(super) fn judge(case: &Case<'_>, node: &Node, found: &mut Vec<Finding>) {
    if !is_down(node) || !case.is_live(Kind::Node) {
        return;
    }
    let severity = if pods_on(case, node) > 0 {
        Severity::Blocked
    } else {
        Severity::Soon
    };
    let since = node.ready.as_ref().and_then(|r| r.since);
    found.push(finding(
        Code::NodeNotReady,
        severity,
        Kind::Node,
        &node.meta,
        since,
    ));
}

/// A pod whose node is down: it may run on, but nobody knows.
pub(super) fn judge_pod(case: &Case<'_>, pod: &Pod, found: &mut Vec<Finding>) {
    let Some(node) = pod.node.as_ref().and_then(|n| case.inventory.node(n)) else {
        return;
    };
    if !is_down(node) || !case.is_live(Kind::Node) {
        return;
    }
    let since = node.ready.as_ref().and_then(|r| r.since);
    found.push(finding(
        Code::NodeNotReady,
        Severity::Blocked,
        Kind::Pod,
        &pod.meta,
        since,
    ));
}

fn pods_on(case: &Case<'_>, node: &Node) -> usize {
    let name = Some(&node.meta.key.name);
    let pods = case.inventory.pods.values();
    pods.filter(|p| p.node.as_ref() == name && !p.is_terminal())
        .count()
}

/// What a node's row tells, as evidence of something else.
pub(super) fn fact(explanation: Explanation, case: &Case<'_>, node: &Node) -> Explanation {
    let name = &node.meta.key.name;
    let (state, since) = match &node.ready {
        None => ("readiness unknown (it has no Ready condition)", None),
        Some(ready) => (
            match ready.state {
                ReadyState::Ready => "ready",
                ReadyState::NotReady => "not ready",
                ReadyState::Unknown => "not heard from",
            },
            ready.since,
        ),
    };
    let mut text = format!("node {name}: {state}");
    if node.unschedulable {
        text.push_str(", cordoned");
    }
    for pressure in &node.pressures {
        text.push_str(", ");
        text.push_str(pressure);
    }
    explanation.fact(case, Kind::Node, text, since)
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let subject = &finding.subject;
    let node_key = match subject.kind {
        Kind::Pod => {
            let pod = case.inventory.pods.get(&subject.key);
            pod.and_then(|p| p.node.as_ref()).map(ObjectKey::unscoped)
        }
        _ => Some(subject.key.clone()),
    };
    let node = node_key.as_ref().and_then(|k| case.inventory.nodes.get(k));
    let (Some(node), Some(node_key)) = (node, node_key) else {
        return says(
            format!("the node of {} is gone since this was found", subject.key),
            "it is judged again",
        );
    };
    let since = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let state = match node.ready.as_ref().map(|r| r.state) {
        Some(ReadyState::Unknown) => "has not been heard from",
        _ => "has not been ready",
    };
    let sentence = if subject.kind == Kind::Pod {
        format!(
            "node {node_key}, which {} is on, {state}{since}",
            subject.key
        )
    } else {
        let pods = pods_on(case, node);
        format!("node {node_key} {state}{since}; {pods} pods are on it")
    };
    let mut explanation = says(sentence, "the node's Ready condition is true");
    explanation = fact(explanation, case, node);
    if let Some(ready) = &node.ready
        && let Some(message) = &ready.message
    {
        let reason = ready.reason.as_deref().unwrap_or("Ready");
        let text = format!("{reason}: {}", one_line(message));
        explanation = explanation.fact(case, Kind::Node, text, ready.since);
    }
    for taint in &node.taints {
        explanation = explanation.fact(case, Kind::Node, format!("taint {taint}"), None);
    }
    explanation
        .step("events", "read what the node last said")
        .advice("ask the provider whether its machine runs")
        .advice(
            "machine proven off: taint node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
        )
        .advice("machine may run: wait; a forced pod deletion now risks two writers on one disk")
        .runbook(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use rstest::rstest;

    #[rstest]
    #[case::ready(node("n1"), &[])]
    #[case::no_condition_is_not_down(node("n1").without_readiness(), &[])]
    #[case::not_ready(node("n1").readiness(ReadyState::NotReady, minutes_ago(6)),
        &[Code::NodeNotReady, Code::NodeNotReady])]
    #[case::silent(node("n1").readiness(ReadyState::Unknown, minutes_ago(6)),
        &[Code::NodeNotReady, Code::NodeNotReady])]
    fn a_node_that_is_down_is_found_and_so_is_its_pod(
        #[case] node: Node,
        #[case] expected: &[Code],
    ) {
        assert_eq!(codes(healthy_but(rows![node])), expected);
    }

    #[test]
    fn a_node_without_pods_can_wait() {
        let down = node("n7").readiness(ReadyState::NotReady, minutes_ago(6));
        let found = found_with(&mut world(healthy_but(rows![down])), &no_metrics());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.severity, Severity::Soon);
    }

    #[test]
    fn nothing_is_said_of_nodes_that_may_not_be_read() {
        let down = node("n1").readiness(ReadyState::NotReady, minutes_ago(6));
        let mut inventory = world(healthy_but(rows![down]));
        set_freshness(&mut inventory, Kind::Node, denied());
        assert_eq!(codes_of(&mut inventory), []);
    }

    #[test]
    fn the_words_count_the_pods_on_it() {
        let down = node("n1").readiness(ReadyState::Unknown, minutes_ago(6));
        let mut inventory = world(healthy_but(rows![down]));
        let found = found_with(&mut inventory, &no_metrics());
        let policy = crate::domain::policy::Policy::default();
        let metrics = no_metrics();
        let case = Case::new(&inventory, &metrics, &policy, now());
        let sentences: Vec<String> = found
            .iter()
            .map(|(_, f)| super::super::explain(&case, f).sentence)
            .collect();
        assert!(
            sentences.contains(&"node n1 has not been heard from for 6m; 1 pods are on it".into()),
            "{sentences:?}"
        );
        assert!(
            sentences
                .iter()
                .any(|s| s.contains("which team/ide-0 is on")),
            "{sentences:?}"
        );
    }
}
