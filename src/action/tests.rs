mod captured;
mod copied;
mod persistence;
mod spent;
mod undo;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::autoscaler::Autoscalers;
use super::journal::{self, Entry, Progress, StepResult};
use super::plan::{Capture, Do, Place};
use super::request::Growth;
use super::*;
use crate::domain::build::{
    self, claim, gib, healthy, healthy_but, hours_ago, key, minutes_ago, now, pod, rows, set,
    set_freshness, snapshot as snap, without_backup, world,
};
use crate::domain::freshness::Freshness;
use crate::domain::inventory::{Inventory, Row};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::metric::Metrics;
use crate::domain::ownership::Sightings;
use crate::domain::pod::Phase;
use crate::domain::policy::Policy;
use crate::domain::quantity::Quantity;

/// Plans with everything at its default.
struct Desk {
    inventory: Inventory,
    metrics: Metrics,
    policy: Policy,
    settings: Settings,
    objects: Objects,
    sightings: Sightings,
    autoscalers: Autoscalers,
    place: Place,
    run: RunId,
}

impl Desk {
    fn new(rows: Vec<Row>) -> Self {
        Self {
            inventory: world(rows),
            metrics: Metrics::default(),
            policy: Policy::default(),
            settings: Settings::default(),
            objects: Objects::default(),
            sightings: Sightings::default(),
            autoscalers: Autoscalers::Known(Vec::new()),
            place: Place {
                context: "lab".into(),
                server: "https://lab".into(),
                namespace: build::NS.into(),
            },
            run: RunId::new(ActionName::Snapshot, now(), 7),
        }
    }

    fn with(mut self, kind: Kind, key: ObjectKey, object: Value) -> Self {
        self.objects.insert(kind, key, object);
        self
    }

    fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        self.plan_of(request, &[])
    }

    fn plan_of(&self, request: &Request, jobs: &[Job]) -> Result<Plan, Refusal> {
        plan(&self.seen(), request, jobs)
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            inventory: &self.inventory,
            metrics: &self.metrics,
            policy: &self.policy,
            settings: &self.settings,
            objects: &self.objects,
            sightings: &self.sightings,
            autoscalers: &self.autoscalers,
            place: &self.place,
            run: &self.run,
            by: "ann@desk",
            nonce: "5eed",
            now: now(),
        }
    }

    fn refusal(&self, request: &Request) -> RefusalKind {
        self.plan(request).unwrap_err().kind
    }
}

fn of_ide_0() -> Request {
    Request::Snapshot {
        workspaces: vec![key("ide-0")],
        wait: true,
    }
}

fn resize(to: Growth) -> Request {
    Request::Resize {
        claim: key("workspace-ide-0"),
        to,
    }
}

fn class(name: &str, driver: &str, is_default: bool) -> (Kind, ObjectKey, Value) {
    let object = json!({"driver": driver, "metadata": {"name": name, "annotations":
        {"snapshot.storage.kubernetes.io/is-default-class": is_default.to_string()}}});
    (Kind::SnapshotClass, ObjectKey::new("", name), object)
}

/// The driver of every volume of the test rows.
fn driver() -> String {
    build::volume_of("workspace-ide-0")
        .driver
        .unwrap()
        .to_string()
}

fn desk_with_class(rows: Vec<Row>) -> Desk {
    let (kind, key, object) = class("c", &driver(), true);
    Desk::new(rows).with(kind, key, object)
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|s| s.id.as_str()).collect()
}

// ---- snapshot

#[test]
fn a_snapshot_syncs_then_cuts_then_waits() {
    let plan = desk_with_class(healthy()).plan(&of_ide_0()).unwrap();
    let ids = ids(&plan);
    assert_eq!(ids.last(), Some(&"ready-workspace-ide-0"));
    assert!(ids.contains(&"snapshot-workspace-ide-0"), "{ids:?}");
    assert_eq!(plan.locks, [key("ide-0")]);
    assert!(plan.losses.is_empty());
}

#[test]
fn what_nobody_mounts_is_clean_and_not_synced() {
    let rows = rows![
        set("ide", 1),
        claim("workspace-ide-0"),
        build::volume_of("workspace-ide-0"),
    ];
    let plan = desk_with_class(rows).plan(&of_ide_0()).unwrap();
    let create = plan.steps.iter().find(|s| s.id.starts_with("snapshot-"));
    let Do::Call {
        call: Call::Create { manifest, .. },
        ..
    } = &create.unwrap().what
    else {
        panic!("no snapshot is made");
    };
    assert_eq!(manifest["metadata"]["labels"][CONSISTENCY_LABEL], "clean");
    assert!(!ids(&plan).iter().any(|id| id.starts_with("sync-")));
}

fn level_of(desk: &Desk) -> (String, Vec<String>) {
    let plan = desk.plan(&of_ide_0()).unwrap();
    let create = plan.steps.iter().find(|s| s.id.starts_with("snapshot-"));
    let Do::Call {
        call: Call::Create { manifest, .. },
        ..
    } = &create.unwrap().what
    else {
        panic!("no snapshot is made");
    };
    let level = &manifest["metadata"]["labels"][CONSISTENCY_LABEL];
    let syncs = plan.steps.iter().filter(|s| s.id.starts_with("sync-"));
    let syncs = syncs.map(|s| s.title.clone()).collect();
    (level.as_str().unwrap().to_owned(), syncs)
}

/// Without its own pod, with something else that may have the disk mounted.
#[rstest]
#[case::a_pod_that_runs(rows![pod("other").running().claim("workspace-ide-0")], "${level-workspace-ide-0}", 1)]
#[case::a_pod_that_waits(rows![pod("other").claim("workspace-ide-0").phase(Phase::Pending)], "crash", 0)]
#[case::pods_on_two_nodes(rows![pod("a").running().claim("workspace-ide-0").on("n1"), pod("b").running().claim("workspace-ide-0").on("n2")], "crash", 0)]
#[case::an_attachment(rows![build::attachment("workspace-ide-0", "n1")], "crash", 0)]
#[case::nobody(rows![], "clean", 0)]
fn clean_is_only_what_nobody_has_mounted(
    #[case] more: Vec<Row>,
    #[case] level: &str,
    #[case] syncs: usize,
) {
    let mut rows = rows![
        set("ide", 1),
        claim("workspace-ide-0"),
        build::volume_of("workspace-ide-0"),
    ];
    rows.extend(more);
    let (found, synced) = level_of(&desk_with_class(rows));
    assert_eq!((found.as_str(), synced.len()), (level, syncs), "{synced:?}");
}

#[test]
fn clean_is_not_claimed_where_attachments_are_not_known() {
    let mut desk = desk_with_class(rows![
        set("ide", 1),
        claim("workspace-ide-0"),
        build::volume_of("workspace-ide-0"),
    ]);
    let denied = Freshness::Denied {
        rule: "list volumeattachments".into(),
    };
    set_freshness(&mut desk.inventory, Kind::Attachment, denied);
    assert_eq!(level_of(&desk).0, "crash");
}

#[test]
fn without_the_kinds_that_it_needs_nothing_is_planned() {
    for kind in [Kind::Set, Kind::Pod, Kind::Claim, Kind::Snapshot] {
        let mut desk = desk_with_class(healthy());
        set_freshness(&mut desk.inventory, kind, build::denied());
        assert_eq!(desk.refusal(&of_ide_0()), RefusalKind::NotKnown, "{kind:?}");
    }
}

#[rstest]
#[case(rows![claim("workspace-ide-0").pending(hours_ago(1))], RefusalKind::State)]
#[case(rows![claim("workspace-ide-0").lost()], RefusalKind::State)]
#[case(rows![claim("workspace-ide-0").deleted(hours_ago(1))], RefusalKind::Terminating)]
fn what_cannot_be_snapshotted_is_refused(#[case] rows: Vec<Row>, #[case] kind: RefusalKind) {
    assert_eq!(
        desk_with_class(healthy_but(rows)).refusal(&of_ide_0()),
        kind
    );
}

#[rstest]
#[case(3, true)]
#[case(9, true)]
#[case(10, false)]
#[case(60, false)]
fn the_providers_rate_limit_is_kept(#[case] minutes: i64, #[case] is_refused: bool) {
    let mut rows = without_backup();
    rows.push(
        snap("s1", "workspace-ide-0", minutes_ago(minutes))
            .created(minutes_ago(minutes))
            .into(),
    );
    let mut desk = desk_with_class(rows);
    let limit = jiff::SignedDuration::from_mins(10);
    desk.settings.snapshot_interval = [(driver(), limit)].into();
    let refused = desk.plan(&of_ide_0()).err().map(|r| r.kind);
    assert_eq!(refused, is_refused.then_some(RefusalKind::RateLimit));
}

#[test]
fn the_class_is_the_default_of_the_driver_or_its_only_one() {
    let d = driver();
    let chosen = |classes: &[(Kind, ObjectKey, Value)]| {
        let mut desk = Desk::new(healthy());
        for (kind, key, object) in classes {
            desk = desk.with(*kind, key.clone(), object.clone());
        }
        desk.plan(&of_ide_0()).map(|plan| {
            let text = serde_json::to_value(&plan).unwrap().to_string();
            text.split("volumeSnapshotClassName\":\"")
                .nth(1)
                .unwrap()
                .chars()
                .next()
                .unwrap()
        })
    };
    let unsupported = |classes: &[_]| chosen(classes).unwrap_err().kind == RefusalKind::Unsupported;
    assert_eq!(
        chosen(&[class("a", &d, true), class("b", &d, false)]),
        Ok('a')
    );
    assert_eq!(
        chosen(&[class("a", "other", true), class("b", &d, false)]),
        Ok('b')
    );
    assert!(unsupported(&[class("a", &d, true), class("b", &d, true)]));
    assert!(unsupported(&[class("a", &d, false), class("b", &d, false)]));
    assert!(unsupported(&[class("a", "other", true)]));
}

// ---- resize

#[rstest]
#[case(Growth::To(gib(50)), RefusalKind::Shrink)]
#[case(Growth::To(gib(100)), RefusalKind::Request)]
fn a_claim_never_shrinks(#[case] to: Growth, #[case] kind: RefusalKind) {
    assert_eq!(Desk::new(healthy()).refusal(&resize(to)), kind);
}

#[test]
fn a_growth_that_is_stuck_may_be_lowered_to_what_is_above_the_capacity() {
    let stuck = claim("workspace-ide-0")
        .asks(gib(500))
        .resize("ControllerResizeInfeasible");
    let desk = Desk::new(healthy_but(rows![stuck]));
    assert!(desk.plan(&resize(Growth::To(gib(150)))).is_ok());
    assert_eq!(
        desk.refusal(&resize(Growth::To(gib(100)))),
        RefusalKind::Shrink
    );
    assert_eq!(
        desk.refusal(&resize(Growth::To(gib(600)))),
        RefusalKind::State
    );
    let growing = claim("workspace-ide-0").asks(gib(500));
    let desk = Desk::new(healthy_but(rows![growing]));
    assert_eq!(
        desk.refusal(&resize(Growth::To(gib(600)))),
        RefusalKind::State
    );
}

#[test]
fn a_class_that_does_not_expand_is_refused_and_drift_is_told() {
    let mut fixed = build::storage_class("fast", true);
    fixed.expandable = false;
    let desk = Desk::new(healthy_but(rows![fixed]));
    assert_eq!(
        desk.refusal(&resize(Growth::To(gib(200)))),
        RefusalKind::Unsupported
    );
    let mut open = build::storage_class("fast", true);
    open.expandable = true;
    let desk = Desk::new(healthy_but(rows![open]));
    let plan = desk.plan(&resize(Growth::ByPercent(20))).unwrap();
    assert!(plan.notes.iter().any(|n| n.contains("template drift")));
    assert!(plan.title.contains("120Gi"), "{}", plan.title);
}

proptest! {
    #[test]
    fn growing_by_something_is_never_less_than_that(bytes in 1_u64..1 << 50, percent in 1_u32..1000) {
        let request = Quantity::bytes(bytes);
        let size = resize::size(request, Growth::ByPercent(percent)).unwrap();
        let exact = u128::from(bytes) * (100 + u128::from(percent)) / 100;
        prop_assert!(u128::try_from(size.value()).unwrap() >= exact);
        prop_assert!(size > request);
    }
}

// ---- evict

fn evict_ide_0() -> Request {
    Request::Evict {
        workspaces: vec![key("ide-0")],
    }
}

fn budget(name: &str, allowed: i64) -> (ObjectKey, Value) {
    let budget = json!({"spec": {"selector": {"matchLabels": {"app": "ide"}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}});
    (key(name), budget)
}

#[rstest]
#[case(&[], None)]
#[case(&[1], None)]
#[case(&[0], Some(RefusalKind::Budget))]
#[case(&[1, 1], Some(RefusalKind::Budget))]
fn budgets_are_honoured(#[case] allowed: &[i64], #[case] refused: Option<RefusalKind>) {
    let labels = json!({"metadata": {"labels": {"app": "ide"}}});
    let mut desk = Desk::new(healthy()).with(Kind::Pod, key("ide-0"), labels);
    for (at, allowed) in allowed.iter().enumerate() {
        let (key, object) = budget(&format!("b{at}"), *allowed);
        desk = desk.with(Kind::Budget, key, object);
    }
    assert_eq!(desk.plan(&evict_ide_0()).err().map(|r| r.kind), refused);
}

#[test]
fn an_eviction_names_what_is_lost_and_whether_the_pod_comes_back() {
    let plan = Desk::new(healthy()).plan(&evict_ide_0()).unwrap();
    assert!(!plan.losses.is_empty());
    assert!(plan.notes.iter().any(|n| n.contains("comes back")));
    let ending = pod("ide-0")
        .running()
        .claim("workspace-ide-0")
        .deleted(now());
    let desk = Desk::new(healthy_but(rows![ending]));
    assert_eq!(desk.refusal(&evict_ide_0()), RefusalKind::Terminating);
}

// ---- plans in general

#[test]
fn a_plan_survives_the_journal_and_its_versions_do_not_make_it_another() {
    for request in [of_ide_0(), resize(Growth::By(gib(1))), evict_ide_0()] {
        let desk = desk_with_class(healthy());
        let plan = desk.plan(&request).unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        let back: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(plan, back);
        let object = json!({"metadata": {"resourceVersion": "7"}});
        let later = desk.with(Kind::Claim, key("workspace-ide-0"), object);
        assert!(plan.is_same_as(&later.plan(&request).unwrap()));
    }
    // another claim of the same name is another plan
    let mut other = claim("workspace-ide-0");
    other.meta.uid = build::uid("another");
    let desk = desk_with_class(healthy());
    let plan = desk.plan(&of_ide_0()).unwrap();
    let again = desk_with_class(healthy_but(rows![other]))
        .plan(&of_ide_0())
        .unwrap();
    assert!(!plan.is_same_as(&again));
    assert!(plan.difference(&again).contains("another object"));
}

#[test]
fn every_mutating_step_can_be_looked_for_or_does_no_harm() {
    let desk = desk_with_class(healthy());
    for request in [of_ide_0(), resize(Growth::By(gib(1))), evict_ide_0()] {
        for step in desk.plan(&request).unwrap().steps {
            if let Do::Call { call, probe } = &step.what {
                let is_command = matches!(call, Call::Exec { .. });
                assert_eq!(*probe == Probe::Harmless, is_command, "{}", step.id);
            }
        }
    }
}

// ---- journal

fn records(plan: &Plan, results: &[Option<StepResult>]) -> Vec<Record> {
    let at = now();
    let mut all = vec![
        Record {
            at,
            entry: Entry::Planned {
                plan: Box::new(plan.clone()),
            },
        },
        Record {
            at,
            entry: Entry::Began {
                pid: 1,
                by: "ann@desk".into(),
            },
        },
    ];
    for (step, result) in results.iter().enumerate() {
        let id = plan.steps[step].id.clone();
        all.push(Record {
            at,
            entry: Entry::Started {
                step,
                id: id.clone(),
                attempt: 1,
            },
        });
        if let Some(result) = result {
            let (result, captured) = (result.clone(), [].into());
            all.push(Record {
                at,
                entry: Entry::Answered {
                    step,
                    id,
                    result,
                    captured,
                },
            });
        }
    }
    all
}

fn done() -> StepResult {
    StepResult::Done {
        text: "done".into(),
    }
}

fn result() -> impl Strategy<Value = StepResult> {
    prop_oneof![
        Just(done()),
        Just(StepResult::Found {
            text: String::new()
        }),
        Just(StepResult::Tolerated { why: String::new() }),
        Just(StepResult::Failed {
            why: String::new(),
            next: String::new()
        }),
        Just(StepResult::Unknown {
            why: String::new(),
            next: String::new()
        }),
    ]
}

proptest! {
    /// A crash may cut the journal anywhere: what is left is read as far as it goes, and never
    /// says more than what was written.
    #[test]
    fn a_journal_cut_anywhere_is_read_as_far_as_it_goes(cut in 0.0_f64..1.0) {
        let plan = desk_with_class(healthy()).plan(&of_ide_0()).unwrap();
        let results = vec![Some(done()); plan.steps.len()];
        let whole = records(&plan, &results);
        let text: String = whole.iter().map(|r| journal::encode(r).unwrap()).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
        let mut at = (text.len() as f64 * cut) as usize;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let text = text.get(..at).unwrap();
        let (read, torn) = journal::decode(text).unwrap();
        // a line that lacks nothing but its newline counts
        let lines = text.matches('\n').count();
        prop_assert!(read.len() == lines || read.len() == lines + 1);
        prop_assert_eq!(&read[..], &whole[..read.len()]);
        prop_assert!(!torn || !text.ends_with('\n'));
    }

    #[test]
    fn nonsense_in_the_middle_is_told_and_not_passed_over(line in "[a-z ]{1,20}") {
        let plan = desk_with_class(healthy()).plan(&of_ide_0()).unwrap();
        let lines: Vec<String> = records(&plan, &[]).iter().map(|r| journal::encode(r).unwrap()).collect();
        let text = format!("{}{line}\n{}", lines[0], lines[1]);
        prop_assert_eq!(journal::decode(&text).unwrap_err().line, 2);
    }

    /// However a job ended, an undo takes back exactly what may have happened, the last first.
    #[test]
    fn undo_takes_back_what_may_have_happened(results in prop::collection::vec(prop::option::of(result()), 0..5)) {
        let desk = desk_with_class(healthy_but(rows![
            set("ide", 1).templates(&["workspace", "theia-config"]),
            claim("theia-config-ide-0"), build::volume_of("theia-config-ide-0"),
        ]));
        let plan = desk.plan(&of_ide_0()).unwrap();
        // only the last step may be without an answer
        let last = results.len().saturating_sub(1);
        let results: Vec<Option<StepResult>> = results.into_iter().enumerate()
            .map(|(at, r)| if at == last { r } else { Some(r.unwrap_or_else(done)) }).collect();
        prop_assume!(results.len() <= plan.steps.len());
        let job = Job::replay(&records(&plan, &results), false).unwrap();
        let mut wanted: Vec<String> = Vec::new();
        for (step, progress) in plan.steps.iter().zip(&job.steps) {
            if progress.may_have_happened() {
                wanted.splice(0..0, step.undo.iter().map(|u| u.id.clone()));
            }
        }
        let request = Request::Undo { job: plan.id.to_string() };
        match desk.plan_of(&request, &[job]) {
            Ok(undo) => prop_assert_eq!(ids(&undo), wanted),
            Err(refusal) => {
                prop_assert!(wanted.is_empty(), "{}", refusal);
            }
        }
    }

    /// A resumed job goes on with the first step that is not behind it.
    #[test]
    fn resume_skips_nothing_and_repeats_nothing(results in prop::collection::vec(result(), 0..4)) {
        let plan = desk_with_class(healthy()).plan(&of_ide_0()).unwrap();
        let count = results.len().min(plan.steps.len());
        let results: Vec<Option<StepResult>> = results.into_iter().take(count).map(Some).collect();
        let job = Job::replay(&records(&plan, &results), false).unwrap();
        let first = job.steps.iter().position(|p| !p.is_passed());
        prop_assert_eq!(job.next(), first);
    }
}

/// look, call, call: the plan of a deletion, in short.
fn guarded() -> Plan {
    let desk = desk_with_class(healthy());
    let mut plan = desk.plan(&evict_ide_0()).unwrap();
    let evict = plan.steps[0].clone();
    let mut second = evict.clone();
    second.id = "second".into();
    let look = Step::new(
        "look",
        "look again",
        Do::Reread {
            kinds: vec![Kind::Pod],
            objects: Vec::new(),
            guard: Guard::Same {
                objects: Vec::new(),
            },
        },
    )
    .capture(Capture::object(
        "v",
        Kind::Pod,
        key("ide-0"),
        "/metadata/resourceVersion",
    ));
    plan.steps = vec![look, evict, second];
    plan
}

#[test]
fn a_look_is_repeated_unless_a_call_behind_it_was_made() {
    let plan = guarded();
    let at = now();
    let job = |results: &[Option<StepResult>], resumed: bool| {
        let mut all = records(&plan, results);
        if resumed {
            all.push(Record {
                at,
                entry: Entry::Began {
                    pid: 2,
                    by: String::new(),
                },
            });
        }
        Job::replay(&all, false).unwrap()
    };
    let failed = StepResult::Failed {
        why: String::new(),
        next: String::new(),
    };
    assert_eq!(
        job(&[Some(done())], false).next(),
        Some(1),
        "the look was just now"
    );
    assert_eq!(
        job(&[Some(done())], true).next(),
        Some(0),
        "the look is old"
    );
    assert_eq!(
        job(&[Some(done()), None], true).next(),
        Some(1),
        "the call may have happened"
    );
    assert_eq!(
        job(&[Some(done()), Some(failed)], true).next(),
        Some(0),
        "the call did not happen"
    );
    assert_eq!(
        job(&[Some(done()), Some(done())], true).next(),
        Some(2),
        "one call was made"
    );
}

/// idle?, unchanged?, call: the looks of a swap, in short.
#[test]
fn looks_in_a_row_are_all_repeated_unless_the_call_behind_them_was_made() {
    let mut plan = guarded();
    let mut idle = plan.steps[1].clone().looking();
    idle.id = "idle".into();
    plan.steps.insert(0, idle);
    let failed = || StepResult::Failed {
        why: String::new(),
        next: String::new(),
    };
    let again = Record {
        at: now(),
        entry: Entry::Began {
            pid: 2,
            by: String::new(),
        },
    };
    let job = |results: &[Option<StepResult>]| {
        let mut all = records(&plan, results);
        all.push(again.clone());
        Job::replay(&all, false).unwrap()
    };
    for not_made in [
        vec![Some(done()), None],
        vec![Some(done()), Some(failed())],
        vec![Some(done()), Some(done())],
        vec![Some(done()), Some(done()), Some(failed())],
    ] {
        let mut job = job(&not_made);
        for step in [0, 1, 2] {
            assert_eq!(job.next(), Some(step), "{not_made:?}");
            let (result, captured) = (done(), [].into());
            let id = plan.steps[step].id.clone();
            for entry in [
                Entry::Started {
                    step,
                    id: id.clone(),
                    attempt: 1,
                },
                Entry::Answered {
                    step,
                    id,
                    result,
                    captured,
                },
            ] {
                job.take(&Record { at: now(), entry });
            }
        }
        assert_eq!(job.next(), Some(3), "{not_made:?}");
    }
    let made = vec![Some(done()), Some(done()), None];
    assert_eq!(job(&made).next(), Some(2), "the call may have happened");
}

#[test]
fn after_a_conflict_the_look_leads_to_the_call_again() {
    let plan = guarded();
    let failed = StepResult::Failed {
        why: String::new(),
        next: String::new(),
    };
    let mut all = records(&plan, &[Some(done()), Some(failed)]);
    let mut job = Job::replay(&all, false).unwrap();
    assert_eq!(job.next(), Some(0));
    all = records(&plan, &[Some(done())]).split_off(2);
    for record in &all {
        job.take(record);
    }
    assert_eq!(job.next(), Some(1));
    assert_eq!(job.steps[1], Progress::Waiting);
}

// ---- conditions

fn judged(condition: &Condition, objects: &[(Read, Value)]) -> Standing {
    condition.judge(&observed(objects))
}

fn observed(objects: &[(Read, Value)]) -> Observed {
    Observed {
        now: now(),
        values: objects.iter().cloned().collect(),
        denied: [].into(),
    }
}

fn snapshot_of(status: &Value, minutes: i64) -> (Read, Value) {
    let created = minutes_ago(minutes);
    let object = json!({"metadata": {"uid": "u", "creationTimestamp": created}, "status": status});
    (Read::Object(Kind::Snapshot, key("s")), object)
}

fn content_of(uid: &str, handle: &str) -> (Read, Value) {
    let object = json!({"spec": {"volumeSnapshotRef": {"uid": uid}, "source": {"volumeHandle": handle}},
        "status": {"readyToUse": true}});
    (Read::Object(Kind::Content, ObjectKey::new("", "c")), object)
}

fn no_events() -> (Read, Value) {
    let read = Read::Events {
        namespace: build::NS.into(),
        uid: "u".into(),
    };
    (read, json!([]))
}

#[test]
fn a_snapshot_counts_only_when_it_is_proven_to_be_of_the_disk() {
    let condition = Condition::SnapshotReady {
        snapshot: Target::new(Kind::Snapshot, key("s"), "u"),
        handle: Some("disk".into()),
    };
    let ready = json!({"readyToUse": true, "boundVolumeSnapshotContentName": "c"});
    let is_met = |s: &Standing| matches!(s, Standing::Met { .. });
    let is_failed = |s: &Standing| matches!(s, Standing::Failed { .. });
    let stand = |content| judged(&condition, &[snapshot_of(&ready, 1), content]);
    assert!(is_met(&stand(content_of("u", "disk"))));
    assert!(is_failed(&stand(content_of("u", "another disk"))));
    assert!(is_failed(&stand(content_of("another", "disk"))));
    assert!(
        is_failed(&judged(&condition, &[snapshot_of(&ready, 1)])),
        "content unreadable"
    );
    assert!(is_failed(&judged(&condition, &[])), "snapshot unreadable");
}

fn user(pod: &str, claim: &str) -> Value {
    json!({"metadata": {"name": pod}, "spec": {"volumes": [
        {"name": "w", "persistentVolumeClaim": {"claimName": claim}}]}})
}

fn ephemeral(pod: &str, volume: &str) -> Value {
    json!({"metadata": {"name": pod}, "spec": {"volumes": [{"name": volume, "ephemeral": {}}]}})
}

/// What the last look did not see is told, whether or not the claim is protected from it.
#[rstest]
#[case::nobody(json!([]), "Met", "Pending")]
#[case::a_pod_of_another_claim(json!([user("other", "w-late-2")]), "Met", "Pending")]
#[case::a_pod(json!([user("other", "x"), user("p", "w-late")]), "pod p", "pod p")]
#[case::an_ephemeral_volume(json!([ephemeral("w", "late")]), "pod w", "pod w")]
fn a_need_that_comes_while_a_claim_is_deleted_is_told(
    #[case] pods: Value,
    #[case] when_gone: &str,
    #[case] when_ending: &str,
) {
    let condition = Condition::Deleted {
        claim: Target::new(Kind::Claim, key("w-late"), "u"),
    };
    let stand = |claim: Value| {
        let claim = (Read::Object(Kind::Claim, key("w-late")), claim);
        let namespace = build::NS.to_owned();
        let pods = (Read::Pods { namespace }, pods.clone());
        format!("{:?}", judged(&condition, &[claim, pods]))
    };
    let ending = json!({"metadata": {"uid": "u", "deletionTimestamp": minutes_ago(1),
        "finalizers": ["kubernetes.io/pvc-protection"]}});
    let (gone, ending) = (stand(Value::Null), stand(ending));
    assert!(gone.contains(when_gone), "{gone}");
    assert!(ending.contains(when_ending), "{ending}");
    let another = stand(json!({"metadata": {"uid": "another"}}));
    assert!(
        another.contains("Failed") && another.contains("kept"),
        "{another}"
    );
}

#[rstest]
#[case(json!({}), 0, "waiting for the snapshot controller")]
#[case(json!({}), 2, "no controller answers")]
#[case(json!({"boundVolumeSnapshotContentName": "c"}), 2, "the driver is taking it")]
#[case(json!({"boundVolumeSnapshotContentName": "c", "creationTime": "x"}), 2, "still copying")]
#[case(json!({"error": {"message": "quota"}}), 2, "tries again: quota")]
#[case(json!({"error": {"message": "quota"}}), 9, "failed: quota")]
fn failing_copying_and_nobody_there_are_three_things(
    #[case] status: Value,
    #[case] minutes: i64,
    #[case] words: &str,
) {
    let condition = Condition::SnapshotReady {
        snapshot: Target::new(Kind::Snapshot, key("s"), "u"),
        handle: None,
    };
    let standing = judged(&condition, &[snapshot_of(&status, minutes), no_events()]);
    assert!(format!("{standing:?}").contains(words), "{standing:?}");
}

#[rstest]
#[case(json!({}), "0/5")]
#[case(json!({"conditions": [{"type": "Resizing", "status": "True"}]}), "1/5 growing")]
#[case(json!({"allocatedResourceStatuses": {"storage": "ControllerResizeInProgress"}}), "1/5 growing")]
#[case(json!({"conditions": [{"type": "ControllerResizeError", "status": "True", "message": "no"}]}), "tries again: no")]
#[case(json!({"allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"}}), "ask for less")]
#[case(json!({"allocatedResourceStatuses": {"storage": "NodeResizePending"}}), "2/5")]
#[case(json!({"conditions": [{"type": "FileSystemResizePending", "status": "True"}]}), "2/5")]
#[case(json!({"allocatedResourceStatuses": {"storage": "NodeResizeInProgress"}}), "3/5 growing")]
#[case(json!({"allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"}}), "mounted anew")]
#[case(json!({"allocatedResourceStatuses": {"storage": "SomethingNew"}}), "SomethingNew")]
fn every_stage_of_a_resize_has_its_word(#[case] mut status: Value, #[case] words: &str) {
    status["capacity"] = json!({"storage": "1Gi"});
    let standing = grown(&status, None);
    assert!(format!("{standing:?}").contains(words), "{standing:?}");
}

#[rstest]
#[case(Some(1 << 30), "Pending")]
#[case(Some((2 << 30) - (40 << 20)), "Met")]
#[case(None, "Unproven")]
fn capacity_is_not_enough(#[case] bytes: Option<u64>, #[case] words: &str) {
    let standing = grown(&json!({"capacity": {"storage": "2Gi"}}), bytes);
    assert!(format!("{standing:?}").contains(words), "{standing:?}");
}

#[rstest]
#[case(json!({"allocatedResourceStatuses": {"storage": "NodeResizePending"}}), "when a pod mounts it")]
#[case(json!({"capacity": {"storage": "2Gi"}}), "was not measured")]
fn without_a_pod_growth_is_not_proven(#[case] mut status: Value, #[case] words: &str) {
    if status["capacity"].is_null() {
        status["capacity"] = json!({"storage": "1Gi"});
    }
    let standing = grown_in(&status, None, false);
    assert!(
        matches!(&standing, Standing::Unproven { why, .. } if why.contains(words)),
        "{standing:?}"
    );
}

#[rstest]
#[case::more_than_the_disk_had_before(Some((1500 << 20, 1)), "Met", "by its newest sample")]
#[case::not_more(Some((1000 << 20, 1)), "patience: 180", "may be of before")]
#[case::of_an_earlier_claim_of_this_name(Some((1500 << 20, 30)), "patience: 180", "an earlier claim")]
#[case::nobody_to_ask(None, "patience: 0", "nobody may, and no samples")]
fn where_the_container_cannot_be_asked_a_sample_proves_the_growth(
    #[case] sample: Option<(u64, i64)>,
    #[case] how: &str,
    #[case] words: &str,
) {
    let standing = format!("{:?}", sampled(sample));
    assert!(
        standing.contains(how) && standing.contains(words),
        "{standing}"
    );
}

/// A claim of ten minutes that had 1Gi, has 2Gi by the API, and whose container cannot be asked;
/// with a sample of its file system of so many minutes ago.
fn sampled(sample: Option<(u64, i64)>) -> Standing {
    let condition = growth(true);
    let claim = json!({"metadata": {"uid": "u", "creationTimestamp": minutes_ago(10)},
        "status": {"capacity": {"storage": "2Gi"}},
        "spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let mut seen = observed(&[(Read::Object(Kind::Claim, key("c")), claim)]);
    seen.denied
        .insert(Read::FileSystem(measure()), "nobody may".into());
    let read = Read::Sample(key("c"));
    assert!(condition.reads(&seen).contains(&read));
    match sample {
        Some((bytes, minutes)) => {
            let sample = json!({"bytes": bytes, "at": minutes_ago(minutes)});
            seen.values.insert(read, sample);
        }
        None => {
            seen.denied.insert(read, "no samples".into());
        }
    }
    condition.judge(&seen)
}

fn grown(status: &Value, file_system: Option<u64>) -> Standing {
    grown_in(status, file_system, true)
}

fn grown_in(status: &Value, file_system: Option<u64>, is_mounted: bool) -> Standing {
    let condition = growth(is_mounted);
    let claim = json!({"metadata": {"uid": "u"}, "status": status,
        "spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let mut objects = vec![(Read::Object(Kind::Claim, key("c")), claim), no_events()];
    objects.extend(file_system.map(|bytes| (Read::FileSystem(measure()), json!(bytes))));
    judged(&condition, &objects)
}

fn measure() -> condition::Measure {
    condition::Measure {
        pod: key("ide-0"),
        container: "main".into(),
        mount: "/workspace".into(),
    }
}

/// Of a claim of 1Gi to 2Gi.
fn growth(is_mounted: bool) -> Condition {
    Condition::FileSystemGrown {
        claim: Target::new(Kind::Claim, key("c"), "u"),
        volume: "v".into(),
        bytes: 2 << 30,
        measure: is_mounted.then(measure),
        capacity_before: 1 << 30,
        before: "262144 4096".into(),
    }
}
