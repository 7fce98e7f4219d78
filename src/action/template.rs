//! Template drift: claims that grew leave the templates of their set behind, so that new ordinals
//! get the old size. Templates cannot be changed; the set is deleted without its pods and made
//! anew with larger ones. No pod is touched: its revision holds no template of a claim.

use serde_json::{Value, json};

use super::autoscaler;
use super::call::{Probe, Target};
use super::condition::Condition;
use super::guard::Guard;
use super::keep::{self, SOON};
use super::plan::{Capture, Do, Plan, Step, Subject};
use super::recreate::{SEEN, as_it_was, orphan, put, same};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;
use crate::domain::workload::Set;

/// What is looked at for it.
pub fn kinds() -> Vec<Kind> {
    vec![Kind::Set, Kind::Pod, Kind::Claim]
}

/// One template that its claims have outgrown.
struct Drift {
    /// Its place in `volumeClaimTemplates`.
    at: usize,
    name: String,
    from: String,
    to: Quantity,
}

/// Makes the templates of a set as large as its largest claims. With `source_fixed` also when
/// another tool manages the set: then its source says so already.
pub fn plan(seen: &Seen<'_>, key: &ObjectKey, source_fixed: bool) -> Result<Plan, Refusal> {
    seen.needs(&[Kind::Set, Kind::Pod, Kind::Claim])?;
    let set = seen.inventory.sets.get(key).ok_or_else(|| {
        Refusal::new(
            RefusalKind::NotFound,
            format!("there is no set {key}"),
            "`wsdash get sets` lists them",
        )
    })?;
    let Some(whole) = seen.objects.get(Kind::Set, key) else {
        return Err(Refusal::new(
            RefusalKind::NotKnown,
            format!("set {key} cannot be read"),
            "ask for the right to get statefulsets",
        ));
    };
    can_be_away(seen, set, source_fixed)?;
    let drifts = drifts(seen, set, whole);
    let Some(first) = drifts.first() else {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("no claim of set {key} is larger than its template"),
            "there is nothing to mend",
        ));
    };
    let request = Request::Template {
        set: key.clone(),
        source_fixed,
    };
    let mut plan = Plan::new(seen, ActionName::Template, request);
    steps(seen, &mut plan, set, whole, &drifts);
    plan.subjects.push(Subject::new(Kind::Set, &set.meta));
    let words: Vec<String> = drifts
        .iter()
        .map(|one| format!("{} {} → {}", one.name, one.from, one.to.canonical()))
        .collect();
    plan.title = format!("templates of set {}: {}", key.name, words.join(", "));
    plan.losses.push(format!(
        "set {} is away for seconds: a pod of it that fails in this time is not made anew until \
         it is back; pods and claims are not touched",
        key.name
    ));
    plan.way_back.push(format!(
        "`wsdash undo {}` makes the set anew with the template of {} as it was",
        seen.run, first.name
    ));
    match seen.autoscalers.of_set(key) {
        Ok(None) => {}
        Ok(Some(one)) => plan.notes.push(format!(
            "autoscaler {} finds no set {} meanwhile",
            one.key.name, key.name
        )),
        Err(autoscaler::Unknown) => plan.notes.push(format!(
            "whether an autoscaler scales set {} is not known",
            key.name
        )),
    }
    plan.typed_name = Some(key.name.to_string());
    plan.locks = vec![key.clone()];
    plan.rights = rights(&plan.place.namespace);
    Ok(plan)
}

/// Refuses whatever makes it unsafe that the set is away for a moment.
fn can_be_away(seen: &Seen<'_>, set: &Set, source_fixed: bool) -> Result<(), Refusal> {
    let key = &set.meta.key;
    let no = |kind: RefusalKind, why: String, next: &str| Err(Refusal::new(kind, why, next));
    if let Some(owner) = &set.owner {
        return no(
            RefusalKind::State,
            format!("set {key} is made by {} {}", owner.kind, owner.name),
            "change it there: its operator would put the set back",
        );
    }
    if let Some(tool) = set.managed_by.as_ref().filter(|_| !source_fixed) {
        return no(
            RefusalKind::Policy,
            format!("set {key} is managed by {tool}, which would put its templates back"),
            "change its source first, then use --source-fixed",
        );
    }
    keeps_its_claims(seen, set)?;
    if !set.is_settled() {
        return no(
            RefusalKind::State,
            format!(
                "set {key} is not settled: {} of {} are ready",
                set.ready, set.replicas
            ),
            "let its rollout end first",
        );
    }
    Ok(())
}

/// Refuses a set whose claims would go with it.
pub(super) fn keeps_its_claims(seen: &Seen<'_>, set: &Set) -> Result<(), Refusal> {
    let key = &set.meta.key;
    let no = |kind: RefusalKind, why: String, next: &str| Err(Refusal::new(kind, why, next));
    if set.when_deleted_delete {
        return no(
            RefusalKind::Unsupported,
            format!("set {key} deletes claims with itself (persistentVolumeClaimRetentionPolicy)"),
            "set that to Retain first and wait until no claim is owned by the set",
        );
    }
    let is_owned = seen.inventory.claims.values().find(|claim| {
        claim.meta.key.namespace == key.namespace
            && claim.owners.iter().any(|owner| owner.uid == set.meta.uid)
    });
    if let Some(claim) = is_owned {
        return no(
            RefusalKind::State,
            format!("claim {} is owned by set {key}", claim.meta.key),
            "garbage collection would take it along: wait until no claim is owned by the set",
        );
    }
    Ok(())
}

/// The templates that are smaller than the largest request among their claims.
fn drifts(seen: &Seen<'_>, set: &Set, whole: &Value) -> Vec<Drift> {
    let templates = whole["spec"]["volumeClaimTemplates"].as_array();
    let templates = templates.into_iter().flatten().enumerate();
    templates
        .filter_map(|(at, template)| {
            let name = template["metadata"]["name"].as_str()?;
            let from = template["spec"]["resources"]["requests"]["storage"].as_str()?;
            let to = seen.inventory.largest_claim(set, name)?;
            (to > Quantity::parse(from).ok()?).then(|| Drift {
                at,
                name: name.to_owned(),
                from: from.to_owned(),
                to,
            })
        })
        .collect()
}

fn steps(seen: &Seen<'_>, plan: &mut Plan, set: &Set, whole: &Value, drifts: &[Drift]) {
    let key = &set.meta.key;
    let target = Target::new(Kind::Set, key.clone(), &set.meta.uid);
    let old = as_it_was(whole);
    let mut new = old.clone();
    for one in drifts {
        new["spec"]["volumeClaimTemplates"][one.at]["spec"]["resources"]["requests"]["storage"] =
            json!(one.to.canonical());
    }
    plan.steps.push(same(set, "same", Some(&old)));
    let away = orphan("away", &target).at(SEEN);
    plan.steps.push(away.undone_by(put(key, "undo-away", &old)));
    plan.steps.push(gone("is-away", target));
    plan.steps.push(back(key, &new, drifts));
    plan.steps.push(Step::wait(
        "settled",
        format!("wait until set {} has its pods again", key.name),
        Condition::SetSettled {
            set: Target::new(Kind::Set, key.clone(), "${uid-new-set}"),
        },
        keep::seconds(seen.settings.restart_wait),
    ));
    let pods = seen.inventory.pods.values();
    let mut pods: Vec<(ObjectKey, String, u32)> = pods
        .filter(|pod| pod.owner.as_ref().is_some_and(|o| o.uid == set.meta.uid))
        .map(|pod| (pod.meta.key.clone(), pod.meta.uid.to_string(), pod.restarts))
        .collect();
    pods.sort();
    plan.steps.push(Step::new(
        "undisturbed",
        format!("look whether the pods of set {} went on", key.name),
        Do::Reread {
            kinds: vec![Kind::Pod],
            objects: Vec::new(),
            guard: Guard::Undisturbed { pods },
        },
    ));
}

/// The set with its new templates. Taken back by whatever stands there making room again.
fn back(key: &ObjectKey, new: &Value, drifts: &[Drift]) -> Step {
    let mut step = put(key, "back", new);
    if let (Do::Call { probe, .. }, Some(first)) = (&mut step.what, drifts.first()) {
        *probe = Probe::Stands {
            kind: Kind::Set,
            key: key.clone(),
            pointer: format!(
                "/spec/volumeClaimTemplates/{}/spec/resources/requests/storage",
                first.at
            ),
            value: json!(first.to.canonical()),
        };
    }
    step.title = format!("create set {} with its new templates", key.name);
    let standing = Target::named(Kind::Set, key.clone());
    step.capture(Capture::answer("uid-new-set", "/metadata/uid"))
        .undone_by(orphan("away-again", &standing))
        .undone_by(gone("is-away-again", standing))
}

pub(super) fn gone(id: &str, set: Target) -> Step {
    let title = format!("wait until set {} is away", set.key.name);
    Step::wait(id, title, Condition::Gone { target: set }, SOON)
}

/// The smallest rights under which it can be done.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in kinds() {
        rights.push(Right::on("list", kind, namespace));
    }
    for verb in ["get", "create", "delete"] {
        rights.push(Right::on(verb, Kind::Set, namespace));
    }
    rights.push(autoscaler::right(namespace));
    rights
}
