//! Ending sessions: the pod is evicted by the API that honours disruption budgets, with its own
//! grace period. Of a set in range that is a restart; claims stay.

use serde_json::Value;

use super::call::{Call, Probe, Target};
use super::condition::Condition;
use super::plan::{Plan, Step, Subject};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::session;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;

/// Evicts the pods of the workspaces, one after another.
pub fn plan(seen: &Seen<'_>, workspaces: &[ObjectKey]) -> Result<Plan, Refusal> {
    seen.needs(&[Kind::Set, Kind::Pod, Kind::Claim])?;
    let request = Request::Evict {
        workspaces: workspaces.to_vec(),
    };
    let mut plan = Plan::new(seen, ActionName::Evict, request);
    for key in workspaces {
        let pod = seen.inventory.pods.get(key).ok_or_else(|| {
            Refusal::new(
                RefusalKind::NotFound,
                format!("there is no pod {key}"),
                "there is no session to end",
            )
        })?;
        one(seen, &mut plan, pod)?;
        plan.locks.push(key.clone());
    }
    if plan.subjects.is_empty() {
        return Err(Refusal::new(
            RefusalKind::Request,
            "no workspace is named",
            "name at least one",
        ));
    }
    let names: Vec<&str> = workspaces.iter().map(|w| &*w.name).collect();
    plan.title = format!("end the session of {}", names.join(", "));
    plan.losses.insert(
        0,
        "whatever the sessions keep in memory or outside of their claims: open editors, running \
         programs, shells"
            .to_owned(),
    );
    plan.way_back
        .push("claims are not touched; an ended process does not come back".to_owned());
    plan.rights = rights(&plan.place.namespace);
    Ok(plan)
}

fn one(seen: &Seen<'_>, plan: &mut Plan, pod: &Pod) -> Result<(), Refusal> {
    let key = &pod.meta.key;
    if pod.meta.deleted.is_some() {
        return Err(Refusal::new(
            RefusalKind::Terminating,
            format!("pod {key} is ending already"),
            "wait; if it hangs, look at its node",
        ));
    }
    if pod.is_terminal() {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("pod {key} has ended already ({})", pod.status()),
            "there is no session to end",
        ));
    }
    budgets(seen, pod)?;
    plan.losses.push(session::activity(seen, pod));
    let workspace = seen.inventory.workspace(key);
    let set = workspace.and_then(|w| {
        let set = seen.inventory.set_of(w)?;
        set.ordinals().contains(&w.ordinal?).then_some(set)
    });
    match set {
        Some(set) => plan.notes.push(format!(
            "pod {} comes back: set {} wants it; that is a restart and frees no money",
            key.name, set.meta.key.name
        )),
        None if pod.owner.is_some() => plan.notes.push(format!(
            "whether pod {} comes back is up to its owner",
            key.name
        )),
        None => plan.notes.push(format!(
            "pod {} does not come back: nothing owns it",
            key.name
        )),
    }
    let target = Target::new(Kind::Pod, key.clone(), &pod.meta.uid);
    plan.steps.push(Step::call(
        format!("evict-{}", key.name),
        format!("evict pod {} (grace {} s)", key.name, pod.grace_seconds),
        Call::Evict {
            pod: target.clone(),
        },
        Probe::Removed {
            target: target.clone(),
        },
    ));
    let ceiling = seen.settings.restart_wait.as_secs() + i64::from(pod.grace_seconds);
    let ceiling = u32::try_from(ceiling).unwrap_or(u32::MAX);
    plan.steps.push(if set.is_some() {
        Step::wait(
            format!("back-{}", key.name),
            format!("wait until pod {} is back and ready", key.name),
            Condition::PodReady {
                pod: key.clone(),
                not: pod.meta.uid.to_string(),
            },
            ceiling,
        )
    } else {
        Step::wait(
            format!("gone-{}", key.name),
            format!("wait until pod {} is gone", key.name),
            Condition::Gone { target },
            ceiling,
        )
    });
    plan.subjects.push(Subject::new(Kind::Pod, &pod.meta));
    Ok(())
}

/// Refuses what the eviction would be refused for. Without the right to see budgets the server
/// alone decides: it does anyway.
pub fn budgets(seen: &Seen<'_>, pod: &Pod) -> Result<(), Refusal> {
    let Some(whole) = seen.objects.get(Kind::Pod, &pod.meta.key) else {
        return Ok(());
    };
    let labels = &whole["metadata"]["labels"];
    let matching: Vec<(&ObjectKey, &Value)> = seen
        .objects
        .of(Kind::Budget)
        .filter(|(key, _)| key.namespace == pod.meta.key.namespace)
        .filter(|(_, budget)| selects(&budget["spec"]["selector"], labels))
        .collect();
    let refuse =
        |sentence: String, next: &str| Err(Refusal::new(RefusalKind::Budget, sentence, next));
    match matching.as_slice() {
        [] => Ok(()),
        [(key, budget)] => {
            let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
            if allowed >= 1 {
                return Ok(());
            }
            refuse(
                format!(
                    "disruption budget {key} allows none now ({} of {} pods are healthy, {} must be)",
                    budget["status"]["currentHealthy"],
                    budget["status"]["expectedPods"],
                    budget["status"]["desiredHealthy"]
                ),
                "mend the pods that are not healthy first; the budget is not passed by",
            )
        }
        several => {
            let names: Vec<String> = several.iter().map(|(key, _)| key.to_string()).collect();
            refuse(
                format!(
                    "pod {} has several disruption budgets ({}), and the server evicts none such",
                    pod.meta.key,
                    names.join(", ")
                ),
                "remove all but one",
            )
        }
    }
}

/// Label selectors as the API defines them; an empty one selects everything, a missing one nothing.
fn selects(selector: &Value, labels: &Value) -> bool {
    if !selector.is_object() {
        return false;
    }
    let has = |key: &str, value: &Value| labels.get(key) == Some(value);
    let exact = selector["matchLabels"]
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| has(key, value)));
    let expressions = selector["matchExpressions"].as_array();
    exact
        && expressions.is_none_or(|all| {
            all.iter().all(|one| {
                let key = one["key"].as_str().unwrap_or_default();
                let among = || {
                    let values = one["values"].as_array();
                    values.is_some_and(|values| values.iter().any(|v| has(key, v)))
                };
                match one["operator"].as_str() {
                    Some("In") => among(),
                    Some("NotIn") => !among(),
                    Some("Exists") => labels.get(key).is_some(),
                    Some("DoesNotExist") => labels.get(key).is_none(),
                    // an operator that is not known may select it
                    _ => true,
                }
            })
        })
}

/// The smallest rights under which it can be done.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in [Kind::Set, Kind::Pod, Kind::Claim, Kind::Budget] {
        rights.push(Right::on("list", kind, namespace));
    }
    rights.push(Right::on("get", Kind::Pod, namespace));
    rights.push(Right::new("create", "", "pods/eviction", Some(namespace)));
    rights
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({}), true)]
    #[case(Value::Null, false)]
    #[case(json!({"matchLabels": {"app": "ide"}}), true)]
    #[case(json!({"matchLabels": {"app": "web"}}), false)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["ide"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["ide"]}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "x", "operator": "Exists"}]}), false)]
    fn a_budget_selects_as_the_api_does(#[case] selector: Value, #[case] selected: bool) {
        assert_eq!(selects(&selector, &json!({"app": "ide"})), selected);
    }
}
