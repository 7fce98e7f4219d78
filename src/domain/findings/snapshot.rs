//! Backups: the newest attempt failed or hangs, the newest ready one is too old, there is none.
//! One finding a workspace, for its worst claim. Nothing is said while snapshots are not live.

use jiff::Timestamp;

use super::words::{ago, human_duration, one_line, says};
use super::{Case, finding};
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::inventory::Inventory;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::snapshot::Snapshot;
use crate::domain::workspace::{Origin, Workspace};

pub(super) fn judge<'a>(case: &mut Case<'a>, workspace: &'a Workspace, found: &mut Vec<Finding>) {
    let inventory = case.inventory;
    if !case.is_live(Kind::Snapshot) {
        return;
    }
    let mut worst: Option<Finding> = None;
    for (_, claim) in inventory.claims_of(workspace) {
        if claim.phase != ClaimPhase::Bound {
            continue;
        }
        let newest = newest(inventory, &claim.meta.key);
        let candidate =
            attempt(case, newest.attempt).or_else(|| age(case, claim, newest.ready, workspace));
        // Among equals the one that is worse for longer.
        worst = [worst, candidate]
            .into_iter()
            .flatten()
            .min_by_key(|f| (f.rank(), f.since));
    }
    found.extend(worst);
}

/// A claim that belongs to no workspace need not be backed up; an attempt that fails is told.
pub(super) fn judge_loose<'a>(case: &mut Case<'a>, claim: &'a Claim, found: &mut Vec<Finding>) {
    if case.is_live(Kind::Snapshot) {
        found.extend(attempt(
            case,
            newest(case.inventory, &claim.meta.key).attempt,
        ));
    }
}

/// Of the snapshots of a claim.
#[derive(Default)]
struct Newest<'a> {
    /// The one that was asked for last.
    attempt: Option<&'a Snapshot>,
    /// The newest way back.
    ready: Option<&'a Snapshot>,
}

fn newest<'a>(inventory: &'a Inventory, claim: &'a ObjectKey) -> Newest<'a> {
    let mut newest = Newest::default();
    for snapshot in inventory.snapshots_of(claim) {
        if snapshot.meta.deleted.is_some() {
            continue;
        }
        let created = |s: &Snapshot| s.meta.created;
        if newest
            .attempt
            .is_none_or(|n| created(n) < created(snapshot))
        {
            newest.attempt = Some(snapshot);
        }
        let taken = Snapshot::point_in_time;
        if snapshot.is_ready() && newest.ready.is_none_or(|n| taken(n) < taken(snapshot)) {
            newest.ready = Some(snapshot);
        }
    }
    newest
}

/// What became of the newest attempt, if it is not ready.
fn attempt<'a>(case: &mut Case<'a>, newest: Option<&'a Snapshot>) -> Option<Finding> {
    let newest = newest.filter(|s| !s.is_ready())?;
    let meta = &newest.meta;
    if let Some((_, at)) = error(case.inventory, newest) {
        let since = at.or(Some(meta.created));
        let code = Code::SnapshotFailed;
        return Some(finding(code, Severity::Soon, Kind::Snapshot, meta, since));
    }
    let since = Some(meta.created);
    let code = Code::SnapshotNotReady;
    case.has_lasted(meta.created, case.policy.snapshot_ready_within)
        .then(|| finding(code, Severity::Soon, Kind::Snapshot, meta, since))
}

/// The error of a snapshot, or of its content: the provider's answer arrives there first.
fn error<'a>(
    inventory: &'a Inventory,
    snapshot: &'a Snapshot,
) -> Option<(&'a str, Option<Timestamp>)> {
    let own = snapshot.error.as_ref();
    let of_content = || {
        let content = inventory
            .contents
            .get(&ObjectKey::unscoped(snapshot.content.as_ref()?))?;
        content.error.as_ref()
    };
    own.or_else(of_content).map(|(text, at)| (&**text, *at))
}

/// How old the newest way back is.
fn age(
    case: &mut Case<'_>,
    claim: &Claim,
    newest: Option<&Snapshot>,
    workspace: &Workspace,
) -> Option<Finding> {
    let limit = case.policy.snapshot_max_age;
    let meta = &claim.meta;
    let Some(newest) = newest else {
        // What is younger than a backup may be old is not late.
        return case.has_lasted(meta.created, limit).then(|| {
            let since = Some(meta.created);
            finding(Code::SnapshotNone, Severity::Soon, Kind::Claim, meta, since)
        });
    };
    let taken = newest.point_in_time();
    // Nobody writes to a parked claim: one snapshot since its last use is enough for ever.
    let still_written = match workspace.origin {
        Origin::Live | Origin::Unpersisted => true,
        Origin::Parked | Origin::Leftover => claim.unused_since.is_some_and(|at| taken < at),
    };
    (still_written && case.has_lasted(taken, limit)).then(|| {
        let code = Code::SnapshotStale;
        finding(code, Severity::Soon, Kind::Claim, meta, Some(taken))
    })
}

// ---- words

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let inventory = case.inventory;
    let key = &finding.subject.key;
    let explanation = match finding.code {
        Code::SnapshotNone | Code::SnapshotStale => {
            let Some(claim) = inventory.claims.get(key) else {
                return says(format!("claim {key} is gone"), "it is judged again");
            };
            explain_age(case, claim, finding)
        }
        _ => {
            let Some(snapshot) = inventory.snapshots.get(key) else {
                return says(format!("snapshot {key} is gone"), "it is judged again");
            };
            explain_attempt(case, snapshot, finding)
        }
    };
    explanation.runbook(finding)
}

fn explain_age(case: &Case<'_>, claim: &Claim, finding: &Finding) -> Explanation {
    let key = &claim.meta.key;
    let policy = human_duration(case.policy.snapshot_max_age);
    let clears = format!("a ready snapshot younger than {policy}");
    let since = finding.since.map(|at| ago(case.now, at));
    let since = since.as_deref().unwrap_or("?");
    let sentence = if finding.code == Code::SnapshotNone {
        format!("claim {key} is {since} old and has no ready snapshot")
    } else {
        format!("the newest backup of claim {key} is {since} old, the policy is {policy}")
    };
    let mut explanation = says(sentence, clears).backup(case, claim);
    if let Some(attempt) = newest(case.inventory, key).attempt
        && !attempt.is_ready()
    {
        let name = &attempt.meta.key.name;
        let made = Some(attempt.meta.created);
        let text = format!("snapshot {name} is being made");
        explanation = explanation.fact(case, Kind::Snapshot, text, made);
    }
    let (ready, all) = case
        .inventory
        .snapshots_of(key)
        .fold((0, 0), |(ready, all), s| {
            (ready + usize::from(s.is_ready()), all + 1)
        });
    let text = format!("{ready} of {all} snapshots of it are ready");
    explanation
        .fact(case, Kind::Snapshot, text, None)
        .step("snapshot", "take one of every claim of the workspace now")
        .advice("then see why the schedule did not: its job, its rights, its class")
}

fn explain_attempt(case: &Case<'_>, snapshot: &Snapshot, finding: &Finding) -> Explanation {
    let inventory = case.inventory;
    let key = &snapshot.meta.key;
    let age = ago(case.now, snapshot.meta.created);
    let error = error(inventory, snapshot);
    let clears = "it becomes ready, or a newer one does";
    let mut explanation = match error {
        Some((text, _)) => says(format!("snapshot {key} failed: {}", one_line(text)), clears),
        None => says(format!("snapshot {key} is not ready after {age}"), clears),
    };
    let ready = match snapshot.ready {
        Some(true) => "ready",
        Some(false) => "not ready",
        None => "nobody said whether it is ready",
    };
    let class = snapshot.class.as_deref().unwrap_or("default");
    explanation = explanation.fact(
        case,
        Kind::Snapshot,
        format!("asked for {age} ago, class {class}, {ready}"),
        Some(snapshot.meta.created),
    );
    if let Some((text, at)) = error {
        explanation = explanation.fact(case, Kind::Snapshot, one_line(text), at);
    }
    let bound = match (&snapshot.content, snapshot.taken) {
        (None, _) => "no content is bound to it: no snapshot controller has taken it up".to_owned(),
        (Some(content), None) => format!("content {content}: the data is not cut yet"),
        (Some(content), Some(_)) => format!("content {content}: the data is cut and is copied"),
    };
    explanation = explanation.fact(case, Kind::Snapshot, bound, snapshot.taken);
    let events = inventory.events_of(Kind::Snapshot, key);
    if let Some(event) = events.max_by_key(|e| e.last) {
        explanation = explanation.event(case, event);
    }
    let claim = snapshot.claim.as_ref().and_then(|c| {
        inventory
            .claims
            .get(&crate::domain::inventory::beside(key, c))
    });
    if let Some(claim) = claim {
        explanation = explanation.backup(case, claim);
    }
    explanation = explanation.step("events", "read what the controller and the driver say");
    if finding.code == Code::SnapshotFailed {
        explanation = explanation
            .step(
                "snapshot",
                "once the cause is mended, take a new one under a new name",
            )
            .advice("a limit of the provider (one in ten minutes a disk on GCE) passes by itself");
    } else if snapshot.content.is_none() {
        explanation = explanation.advice("see whether the snapshot controller and the class exist");
    } else {
        explanation = explanation.advice("the first full copy of a large disk may take longer");
    }
    explanation.advice("keep the older snapshots until one is ready")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use crate::domain::inventory::Row;
    use rstest::rstest;

    fn bad() -> Snapshot {
        snapshot("s9", "workspace-ide-0", minutes_ago(5)).fails("rate exceeded", minutes_ago(4))
    }

    fn good(hours: i64) -> Snapshot {
        snapshot("s1", "workspace-ide-0", hours_ago(hours))
    }

    fn hangs(minutes: i64) -> Snapshot {
        snapshot("s9", "workspace-ide-0", minutes_ago(minutes)).not_ready()
    }

    #[rstest]
    #[case::fresh(rows![good(25)], &[])]
    #[case::stale(rows![good(27)], &[Code::SnapshotStale])]
    #[case::none(rows![], &[Code::SnapshotNone])]
    #[case::failed(rows![good(1), bad()], &[Code::SnapshotFailed])]
    #[case::failed_and_stale_is_one(rows![good(40), bad()], &[Code::SnapshotFailed])]
    #[case::in_progress(rows![good(1), hangs(14)], &[])]
    #[case::hangs(rows![good(1), hangs(16)], &[Code::SnapshotNotReady])]
    #[case::in_progress_does_not_hide_none(rows![hangs(14)], &[Code::SnapshotNone])]
    #[case::an_ending_snapshot_is_no_way_back(
        rows![good(1).deleted(minutes_ago(1))], &[Code::SnapshotNone])]
    #[case::an_older_failure_is_history(
        rows![good(1), snapshot("s0", "workspace-ide-0", hours_ago(9)).fails("x", hours_ago(9))],
        &[])]
    fn the_worst_of_a_claims_backups_is_found(#[case] rows: Vec<Row>, #[case] expected: &[Code]) {
        let all = without_backup().into_iter().chain(rows).collect();
        assert_eq!(codes(all), expected);
    }

    #[test]
    fn a_claim_younger_than_the_policy_is_not_without_backup() {
        let mut rows = without_backup();
        rows.push(claim("workspace-ide-0").created(hours_ago(25)).into());
        assert_eq!(codes(rows), []);
    }

    #[test]
    fn a_failure_that_only_the_content_tells_is_found() {
        let mut broken = content("s9");
        broken.error = Some(("no such disk".into(), Some(minutes_ago(3))));
        let mut rows = without_backup();
        rows.extend(rows![good(1), hangs(5), broken]);
        assert_eq!(codes(rows), [Code::SnapshotFailed]);
    }

    #[test]
    fn two_claims_make_one_finding_for_the_worse() {
        let mut rows = without_backup();
        rows.extend(rows![
            set("ide", 1).templates(&["workspace", "config"]),
            claim("config-ide-0"),
            good(30),
            snapshot("c1", "config-ide-0", hours_ago(60)),
        ]);
        let found = found_with(&mut world(rows), &no_metrics());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.subject.key, key("config-ide-0"));
    }

    #[test]
    fn nothing_is_said_of_backups_while_snapshots_are_not_live() {
        let mut inventory = world(without_backup());
        for freshness in [
            crate::domain::freshness::Freshness::Never,
            denied(),
            crate::domain::freshness::Freshness::Absent {
                why: "no API".into(),
            },
        ] {
            set_freshness(&mut inventory, Kind::Snapshot, freshness);
            assert_eq!(codes_of(&mut inventory), []);
        }
        set_freshness(
            &mut inventory,
            Kind::Snapshot,
            crate::domain::freshness::Freshness::Live,
        );
        assert_eq!(codes_of(&mut inventory), [Code::SnapshotNone]);
    }

    #[rstest]
    #[case::last_used_before_its_snapshot(Some(60), &[])]
    #[case::used_after_its_snapshot(Some(40), &[Code::SnapshotStale])]
    #[case::use_not_known(None, &[])]
    fn a_parked_claim_needs_one_snapshot_since_its_last_use(
        #[case] unused: Option<i64>,
        #[case] expected: &[Code],
    ) {
        let mut parked = claim("workspace-ide-0");
        parked.unused_since = unused.map(hours_ago);
        let rows = rows![set("ide", 0), parked, good(50)];
        assert_eq!(codes(rows), expected);
    }

    #[test]
    fn the_words_name_age_and_policy() {
        let mut rows = without_backup();
        rows.push(good(30).into());
        let text = explained(&mut world(rows), Code::SnapshotStale);
        assert!(
            text.sentence.contains("is 30h old, the policy is 26h"),
            "{}",
            text.sentence
        );
    }
}
