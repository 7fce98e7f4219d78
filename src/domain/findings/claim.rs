//! Claims: deleted while in use, lost, pending, missing, ending, left behind.

use super::words::{ago, human_duration, one_line, says, why_not};
use super::{Case, finding};
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::event::Event;
use crate::domain::finding::{Code, Explanation, Finding, Severity, Subject};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;
use crate::domain::workspace::{Origin, Workspace};

pub(super) fn judge<'a>(
    case: &mut Case<'a>,
    claim: &'a Claim,
    workspace: Option<&Workspace>,
    found: &mut Vec<Finding>,
) {
    let meta = &claim.meta;
    if let Some(at) = meta.deleted {
        judge_ending(case, claim, workspace, at, found);
        return;
    }
    match claim.phase {
        ClaimPhase::Bound => {}
        ClaimPhase::Lost => {
            let code = Code::ClaimLost;
            found.push(finding(code, Severity::DataAtRisk, Kind::Claim, meta, None));
        }
        ClaimPhase::Pending => judge_pending(case, claim, found),
    }
}

/// A deletion that was asked for cannot be taken back: while a pod uses the claim the data is
/// still there, and goes when that pod ends.
fn judge_ending(
    case: &mut Case<'_>,
    claim: &Claim,
    workspace: Option<&Workspace>,
    at: jiff::Timestamp,
    found: &mut Vec<Finding>,
) {
    let meta = &claim.meta;
    let mut users = users_of(case, claim).peekable();
    if users.peek().is_some() {
        // A set that takes its claims along (KEP-1847) deletes them while their pods end; that
        // was decided, nobody works there any more.
        let decided = !claim.owners.is_empty() && users.all(|p| p.meta.deleted.is_some());
        if !decided {
            found.push(finding(
                Code::ClaimTerminatingInUse,
                Severity::DataAtRisk,
                Kind::Claim,
                meta,
                Some(at),
            ));
            return;
        }
    } else if !case.is_live(Kind::Pod) {
        return;
    }
    if case.has_lasted(at, case.policy.claim_terminating) {
        let severity = match workspace.map(|w| w.origin) {
            Some(Origin::Live) => Severity::Blocked,
            _ => Severity::Soon,
        };
        let code = Code::ClaimTerminating;
        found.push(finding(code, severity, Kind::Claim, meta, Some(at)));
    }
}

/// Pods that keep the claim alive: `pvc-protection` counts every pod that has a node, whatever
/// its phase, and a pod without a node will need the claim.
fn users_of<'a>(case: &Case<'a>, claim: &'a Claim) -> impl Iterator<Item = &'a Pod> + use<'a> {
    case.inventory.pods_of_claim(&claim.meta.key)
}

fn judge_pending<'a>(case: &mut Case<'a>, claim: &'a Claim, found: &mut Vec<Finding>) {
    let meta = &claim.meta;
    let waits = case
        .inventory
        .storage_class_of(claim)
        .map(|c| c.wait_for_consumer);
    let mut users = users_of(case, claim).filter(|p| p.meta.deleted.is_none());
    let first_user = users.next();
    let start = match (waits, first_user) {
        // Bound at once, or never: no pod is needed for it.
        (Some(false), _) => meta.created,
        // It waits for its first pod, and that is how it should be, or the class is not known.
        (_, None) => return,
        (waits, Some(first)) => {
            let pod = users.fold(first, |a, b| {
                if b.meta.created < a.meta.created {
                    b
                } else {
                    a
                }
            });
            // A pod that no node takes for another reason leaves its claim waiting.
            let unplaced = waits == Some(true) && pod.node.is_none() && pod.unscheduled.is_some();
            if unplaced && case.newest_event(Kind::Claim, meta, is_refusal).is_none() {
                return;
            }
            meta.created.max(pod.meta.created)
        }
    };
    if case.has_lasted(start, case.policy.claim_pending) {
        let severity = if first_user.is_some() {
            Severity::Blocked
        } else {
            Severity::Soon
        };
        let code = Code::ClaimPending;
        found.push(finding(code, severity, Kind::Claim, meta, Some(start)));
    }
}

/// What provisioners and the binder say when they cannot (external-provisioner,
/// `pkg/controller/volume/persistentvolume`).
fn is_refusal(event: &Event) -> bool {
    matches!(
        &*event.reason,
        "ProvisioningFailed" | "FailedBinding" | "VolumeMismatch" | "ProvisioningCleanupFailed"
    )
}

/// A pod names a claim of its set that does not exist.
pub(super) fn judge_missing(
    case: &mut Case<'_>,
    workspace: &Workspace,
    pod: Option<&Pod>,
    key: &ObjectKey,
    found: &mut Vec<Finding>,
) {
    let Some(pod) = pod else {
        // Set and pod are not there yet either; the missing pod is the finding.
        return;
    };
    if workspace.origin != Origin::Live
        || pod.meta.deleted.is_some()
        || pod.is_terminal()
        || !pod.uses_claim(&key.name)
        || !case.is_live(Kind::Claim)
    {
        return;
    }
    if case.has_lasted(pod.meta.created, case.policy.claim_pending) {
        found.push(Finding {
            code: Code::ClaimMissing,
            severity: Severity::Blocked,
            subject: Subject {
                kind: Kind::Claim,
                key: key.clone(),
                uid: None,
            },
            since: None,
        });
    }
}

/// Claims whose set is gone. Held ones are kept on purpose; ones that end are on their way.
pub(super) fn judge_leftover(case: &Case<'_>, workspace: &Workspace, found: &mut Vec<Finding>) {
    if !case.is_live(Kind::Set) {
        return;
    }
    let mut claims = case.inventory.claims_of(workspace);
    let kept = claims.find(|(_, c)| !c.held && c.meta.deleted.is_none());
    if let Some((_, claim)) = kept {
        found.push(finding(
            Code::ClaimsWithoutSet,
            Severity::Cost,
            Kind::Claim,
            &claim.meta,
            claim.unused_since,
        ));
    }
}

// ---- words

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(claim) = case.inventory.claims.get(key) else {
        return explain_missing(case, finding);
    };
    match finding.code {
        Code::ClaimTerminatingInUse => explain_in_use(case, claim),
        Code::ClaimLost => {
            let volume = claim.volume.as_deref().unwrap_or("its volume");
            says(
                format!("claim {key} is lost: {volume} is gone or bound to another claim"),
                "the claim is bound to its own volume again",
            )
            .backup(case, claim)
            .advice("stop: create nothing under this name and delete nothing")
            .advice(
                "find the disk at the provider by its handle; a volume can be made for it again",
            )
            .step("restore", "or restore the newest snapshot to a side claim")
        }
        Code::ClaimPending => explain_pending(case, claim, finding),
        Code::ClaimTerminating => explain_ending(case, claim),
        Code::ClaimsWithoutSet => explain_leftover(case, claim),
        _ => says(
            format!("claim {key} was missing and is there now"),
            "it is judged again",
        ),
    }
    .runbook(finding)
}

fn explain_in_use(case: &Case<'_>, claim: &Claim) -> Explanation {
    let key = &claim.meta.key;
    let since = claim
        .meta
        .deleted
        .map_or_else(String::new, |at| format!(" {} ago", ago(case.now, at)));
    let mut explanation = says(
        format!(
            "claim {key} was deleted{since} while a pod uses it: its data goes when the pod ends"
        ),
        "nothing: a deletion cannot be taken back; the data must move to another claim",
    );
    for pod in users_of(case, claim) {
        let text = format!("pod {} uses it ({})", pod.meta.key.name, pod.status());
        explanation = explanation.fact(case, Kind::Pod, text, Some(pod.meta.created));
    }
    explanation
        .fact(
            case,
            Kind::Claim,
            format!("held by {}", finalizers(claim)),
            claim.meta.deleted,
        )
        .fate(case, claim)
        .backup(case, claim)
        .advice("keep the pod running: do not restart, evict, drain or scale")
        .advice("set the volume's reclaim policy to Retain, so that its disk stays")
        .step("snapshot", "snapshot now, wait until it is ready")
        .step(
            "restore",
            "then restore in place, with the user's consent to the restart",
        )
        .advice("never remove the finalizer kubernetes.io/pvc-protection")
}

fn explain_ending(case: &Case<'_>, claim: &Claim) -> Explanation {
    let key = &claim.meta.key;
    let since = claim
        .meta
        .deleted
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    says(
        format!(
            "claim {key} has been ending{since}, held by {}",
            finalizers(claim)
        ),
        "the claim is gone, and made anew if its set still needs it",
    )
    .fate(case, claim)
    .backup(case, claim)
    .step(
        "events",
        "read who holds it: a snapshot in flight, an attachment, a finished pod",
    )
    .advice("wait for that; never remove a finalizer by hand")
}

fn finalizers(claim: &Claim) -> String {
    if claim.finalizers.is_empty() {
        return "nothing".to_owned();
    }
    claim.finalizers.join(", ")
}

fn explain_pending(case: &Case<'_>, claim: &Claim, finding: &Finding) -> Explanation {
    let key = &claim.meta.key;
    let since = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let events = case.inventory.events_of(Kind::Claim, key);
    let refusal = events.filter(|e| is_refusal(e)).max_by_key(|e| e.last);
    let why = refusal.map_or_else(String::new, |e| format!(": {}", one_line(&e.message)));
    let mut explanation = says(
        format!("claim {key} has no volume{since}{why}"),
        "the claim is bound",
    );
    let class = claim.storage_class.as_deref().unwrap_or("none");
    let text = match case.inventory.storage_class_of(claim) {
        Some(row) if row.wait_for_consumer => {
            format!(
                "class {class} ({}) waits for a pod to be placed",
                row.provisioner
            )
        }
        Some(row) => format!("class {class} ({}) binds at once", row.provisioner),
        None => format!("class {class}: {}", why_not(case, Kind::StorageClass)),
    };
    explanation = explanation.fact(case, Kind::StorageClass, text, None);
    for pod in users_of(case, claim) {
        let text = format!("pod {} waits for it ({})", pod.meta.key.name, pod.status());
        explanation = explanation.fact(case, Kind::Pod, text, Some(pod.meta.created));
    }
    let events = case.inventory.events_of(Kind::Claim, key);
    if let Some(event) = events.max_by_key(|e| e.last) {
        explanation = explanation.event(case, event);
    }
    explanation
        .step(
            "events",
            "read what the provisioner says: class, quota, zone, key",
        )
        .advice("mend the cause; the claim binds by itself then")
        .advice("delete it only if it never had a volume and nobody needs its data")
}

fn explain_leftover(case: &Case<'_>, claim: &Claim) -> Explanation {
    let key = &claim.meta.key;
    let homes = case.inventory.workspaces_of_claim(key);
    let workspace = homes.first().and_then(|k| case.inventory.workspace(k));
    let claims = || {
        workspace
            .into_iter()
            .flat_map(|w| case.inventory.claims_of(w).map(|(_, c)| c))
    };
    let size: f64 = claims()
        .filter_map(|c| c.capacity.or(c.request))
        .map(crate::domain::quantity::Quantity::as_f64)
        .sum();
    let count = claims().count();
    let set = workspace.and_then(|w| w.set.as_deref()).unwrap_or("?");
    let mut explanation = says(
        format!(
            "{count} claims ({}) are left of set {set}, which is gone",
            crate::domain::quantity::human_bytes(size)
        ),
        "the set comes back, or the claims are deleted or held",
    );
    for claim in claims() {
        let name = &claim.meta.key.name;
        let (text, at) = match claim.unused_since {
            Some(at) => (
                format!("{name}: no pod since {}", ago(case.now, at)),
                Some(at),
            ),
            None => (
                format!("{name}: since when no pod uses it is not known"),
                None,
            ),
        };
        explanation = explanation.fact(case, Kind::Claim, text, at);
    }
    for claim in claims() {
        explanation = explanation.backup(case, claim);
    }
    explanation
        .step(
            "describe",
            "see whose they are and whether the set is coming back",
        )
        .step(
            "delete-orphans",
            "delete with a snapshot proven first; can be undone until purge",
        )
}

fn explain_missing(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    if finding.code != Code::ClaimMissing {
        return says(format!("claim {key} is gone"), "it is judged again");
    }
    let limit = human_duration(case.policy.claim_pending);
    let mut explanation = says(
        format!("claim {key} does not exist, and a pod has waited for it for more than {limit}"),
        "the claim exists and is bound",
    );
    for pod in case.inventory.pods_of_claim(key) {
        let text = format!("pod {} names it ({})", pod.meta.key.name, pod.status());
        explanation = explanation.fact(case, Kind::Pod, text, Some(pod.meta.created));
    }
    if let Some(snapshot) = case.inventory.newest_ready_snapshot(key) {
        let at = snapshot.point_in_time();
        let text = format!(
            "snapshot {} of a claim of this name is {} old",
            snapshot.meta.key.name,
            ago(case.now, at)
        );
        explanation = explanation.fact(case, Kind::Snapshot, text, Some(at));
    }
    explanation
        .advice("find out who deleted it, and whether its volume is still there (Released)")
        .step(
            "restore",
            "bind the old volume or restore a snapshot before the pod is made anew",
        )
        .advice("the set makes an empty claim when it makes the pod again: that is no recovery")
        .runbook(finding)
}

#[cfg(test)]
mod tests;
