//! Work that is on no claim: it goes when the pod goes. Data at risk when something tells that
//! a workspace is in there; else it is noted and no more.

use super::words::says;
use super::{Case, finding};
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::{Mount, Pod};
use crate::domain::policy::Policy;
use crate::domain::workload::Set;
use crate::domain::workspace::{Origin, Workspace};

pub(super) fn judge<'a>(
    case: &Case<'a>,
    workspace: &Workspace,
    pod: &'a Pod,
    found: &mut Vec<Finding>,
) {
    if pod.stateless || pod.is_terminal() {
        return;
    }
    let severity = if workspace.origin == Origin::Unpersisted {
        if proofs(case, pod).next().is_some() {
            Severity::DataAtRisk
        } else {
            Severity::Note
        }
    } else if stray_mount(case.policy, pod).is_some() {
        // It has claims, but this path is on none of them.
        Severity::DataAtRisk
    } else {
        return;
    };
    let since = Some(pod.meta.created);
    found.push(finding(
        Code::Unpersisted,
        severity,
        Kind::Pod,
        &pod.meta,
        since,
    ));
}

/// A writable mount on a path where work lies, of a volume that is no claim.
fn stray_mount<'p>(policy: &Policy, pod: &'p Pod) -> Option<&'p Mount> {
    pod.containers
        .iter()
        .flat_map(|c| c.mounts.iter())
        .find(|m| {
            !m.read_only
                && policy.persist_paths.iter().any(|p| **p == *m.path)
                && !pod.claims.iter().any(|(volume, _)| *volume == m.volume)
        })
}

/// What tells that a pod without a claim holds somebody's work, in words.
fn proofs<'a>(case: &Case<'a>, pod: &'a Pod) -> impl Iterator<Item = String> + use<'a> {
    let policy = case.policy;
    let sets = move |inventory: &'a crate::domain::inventory::Inventory| {
        let namespace = &pod.meta.key.namespace;
        inventory
            .sets
            .values()
            .filter(move |s| s.meta.key.namespace == *namespace && keeps_work(s))
    };
    let stray = stray_mount(policy, pod)
        .map(|m| format!("{} is on volume {}, which is no claim", m.path, m.volume));
    let user = pod
        .user
        .as_ref()
        .map(|user| format!("it says that it is the workspace of {user}"));
    let of_set = pod
        .owner
        .as_ref()
        .is_some_and(|o| &*o.kind == "StatefulSet");
    let unmounted = of_set.then(|| "it is an ordinal of a set, and the set makes no claims".into());
    let selected = sets(case.inventory)
        .find(|s| selects(s, pod))
        .map(|s| format!("its labels are those of set {}", s.meta.key.name));
    let same_image = sets(case.inventory)
        .find(|s| pod.containers.iter().any(|c| s.images.contains(&c.image)))
        .map(|s| format!("it runs an image of set {}", s.meta.key.name));
    [user, stray, selected, same_image, unmounted]
        .into_iter()
        .flatten()
}

/// Only sets that keep work on claims say what a workspace looks like.
fn keeps_work(set: &Set) -> bool {
    !set.templates.is_empty() || !set.claims.is_empty()
}

fn selects(set: &Set, pod: &Pod) -> bool {
    !set.selector.is_empty() && set.selector.iter().all(|pair| pod.labels.contains(pair))
}

pub(super) fn explain(case: &Case<'_>, key: &ObjectKey) -> Explanation {
    let Some(pod) = case.inventory.pods.get(key) else {
        return says(
            format!("pod {key} is gone, and what it kept"),
            "it is judged again",
        );
    };
    let clears = format!(
        "its work is on a claim, or the pod says {}",
        case.policy.stateless_label
    );
    let stray = stray_mount(case.policy, pod);
    let sentence = match stray {
        Some(mount) => format!(
            "what {key} keeps in {} is on no claim and goes when the pod goes",
            mount.path
        ),
        None => format!("{key} has no claim: whatever it writes goes when the pod goes"),
    };
    let mut explanation = says(sentence, clears);
    let mut proven = stray.is_some();
    if pod.claims.is_empty() {
        for proof in proofs(case, pod) {
            proven = true;
            explanation = explanation.fact(case, Kind::Pod, proof, None);
        }
    } else if let Some(mount) = stray {
        let text = format!(
            "{} is on volume {}, which is no claim",
            mount.path, mount.volume
        );
        explanation = explanation.fact(case, Kind::Pod, text, None);
    }
    if let Some(owner) = &pod.owner {
        let text = format!("made by {} {}", owner.kind, owner.name);
        explanation = explanation.fact(case, Kind::Pod, text, Some(pod.meta.created));
    }
    if proven {
        explanation
            .advice("do not restart, evict or drain it, and roll nothing out, until it is saved")
            .step(
                "shell",
                "copy the work out with its user: commit and push, or stream a tar",
            )
            .advice("then move it to a set with claim templates for these paths")
    } else {
        let label = &case.policy.stateless_label;
        explanation.advice(format!(
            "nothing tells that it holds work; label it {label} to say so"
        ))
    }
    .step("runbook", "runbook unpersisted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use crate::domain::inventory::Row;
    use rstest::rstest;

    fn bare() -> Pod {
        pod("web-7f9c-x2x1z")
            .of_deployment("web-7f9c")
            .image("example.org/web")
            .running()
    }

    fn severities(rows: Vec<Row>) -> Vec<Severity> {
        let found = found_with(&mut world(healthy_but(rows)), &no_metrics());
        assert!(
            found.iter().all(|(_, f)| f.code == Code::Unpersisted),
            "{found:?}"
        );
        found.into_iter().map(|(_, f)| f.severity).collect()
    }

    #[rstest]
    #[case::nothing_tells(bare(), Severity::Note)]
    #[case::a_cache_elsewhere(bare().mount("/var/cache", "cache"), Severity::Note)]
    #[case::the_labels_of_a_set(bare().label("app", "ide"), Severity::DataAtRisk)]
    #[case::other_labels(bare().label("app", "web"), Severity::Note)]
    #[case::the_image_of_a_set(bare().image("example.org/ide"), Severity::DataAtRisk)]
    #[case::a_user(bare().user("ana"), Severity::DataAtRisk)]
    #[case::work_on_a_volume_that_goes(bare().mount("/workspace", "tmp"), Severity::DataAtRisk)]
    fn a_pod_without_claim_is_at_risk_when_something_tells_of_work(
        #[case] pod: Pod,
        #[case] expected: Severity,
    ) {
        assert_eq!(severities(rows![pod]), [expected]);
    }

    #[test]
    fn an_ordinal_of_a_set_without_claims_is_at_risk() {
        let rows = rows![set("lab", 1).templates(&[]), pod("lab-0").running()];
        assert_eq!(severities(rows), [Severity::DataAtRisk]);
    }

    #[test]
    fn a_pod_that_says_that_it_keeps_nothing_is_left_alone() {
        let mut stateless = bare().user("ana");
        stateless.stateless = true;
        assert_eq!(severities(rows![stateless]), []);
    }

    #[test]
    fn a_path_of_a_workspace_that_is_on_no_claim_is_at_risk() {
        let half = pod("ide-0")
            .claim("workspace-ide-0")
            .mount("/home/theia/.theia", "tmp")
            .running();
        assert_eq!(severities(rows![half.clone()]), [Severity::DataAtRisk]);
        let mut inventory = world(healthy_but(rows![half]));
        let words = explained(&mut inventory, Code::Unpersisted);
        let text = "/home/theia/.theia is on volume tmp, which is no claim";
        assert_eq!(words.evidence[0].text, text);
    }

    #[test]
    fn the_evidence_is_told_with_the_finding() {
        let pod = bare().image("example.org/ide").user("ana");
        let words = explained(&mut world(healthy_but(rows![pod])), Code::Unpersisted);
        let texts: Vec<&str> = words.evidence.iter().map(|e| &*e.text).collect();
        assert!(texts.contains(&"it runs an image of set ide"), "{texts:?}");
        assert!(
            texts.contains(&"it says that it is the workspace of ana"),
            "{texts:?}"
        );
    }
}
