//! What is kept stays kept whatever two runs do to one volume, and what is taken back is what the
//! job left, in the set as it is now.

use super::*;
use crate::action::guard::Guard;
use crate::action::keep::{self, Held};
use crate::demo::patch;
use crate::domain::key::Uid;
use crate::domain::volume::{Reclaim, VolumePhase};

const CLAIM: &str = "workspace-ide-0";

fn id(letter: char) -> RunId {
    RunId(format!(
        "orphans-20261121-06431{}-000{letter}",
        letter as u32 % 10
    ))
}

/// One volume, the claim that has it, and two runs that work on it.
struct Disk {
    volume: Value,
    claim: Option<Uid>,
    claims: u32,
    runs: Vec<Run>,
}

struct Run {
    id: RunId,
    /// The step that keeps the volume, and the claim that it was planned for.
    planned: Option<(Step, Uid)>,
    /// It says that it keeps the volume.
    keeps: bool,
    has_deleted: bool,
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Plan(usize),
    Keep(usize),
    /// After its last look.
    Delete(usize),
    Rebind(usize),
    Release(usize),
    Purge(usize),
    /// Somebody else deletes the claim.
    Lose,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = (0_usize..2).prop_flat_map(|run| {
        prop_oneof![
            2 => Just(Deed::Plan(run)),
            4 => Just(Deed::Keep(run)),
            3 => Just(Deed::Delete(run)),
            3 => Just(Deed::Rebind(run)),
            4 => Just(Deed::Release(run)),
            1 => Just(Deed::Purge(run)),
            1 => Just(Deed::Lose),
        ]
    });
    prop::collection::vec(deed, 0..40)
}

impl Disk {
    fn new(policy: &str, annotations: Option<Value>) -> Self {
        let claim = build::uid("claim-0");
        let mut volume = json!({"metadata": {"name": format!("pv-{CLAIM}"), "uid": "v"},
            "spec": {"persistentVolumeReclaimPolicy": policy,
                "claimRef": {"name": CLAIM, "namespace": build::NS, "uid": claim.to_string()}},
            "status": {"phase": "Bound"}});
        if let Some(annotations) = annotations {
            volume["metadata"]["annotations"] = annotations;
        }
        let run = |id| Run {
            id,
            planned: None,
            keeps: false,
            has_deleted: false,
        };
        Self {
            volume,
            claim: Some(claim),
            claims: 1,
            runs: vec![run(id('a')), run(id('b'))],
        }
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.volume.pointer(pointer)?.as_str()
    }

    fn policy(&self) -> &str {
        self.text("/spec/persistentVolumeReclaimPolicy").unwrap()
    }

    /// As a run sees it now.
    fn desk(&self, run: &RunId) -> Desk {
        let mut volume = build::volume_of(CLAIM);
        volume.meta.uid = Uid::Other("v".into());
        volume.reclaim = self.policy().parse::<Reclaim>().unwrap();
        volume.phase = self
            .text("/status/phase")
            .unwrap()
            .parse::<VolumePhase>()
            .unwrap();
        let mut rows = Vec::new();
        let mut object = None;
        if let Some(uid) = &self.claim {
            let mut row = claim(CLAIM);
            row.meta.uid = uid.clone();
            object = Some(json!({"metadata": {"uid": uid.to_string(), "name": CLAIM,
                "namespace": build::NS}, "spec": {"volumeName": format!("pv-{CLAIM}")}}));
            volume.claim.as_mut().unwrap().uid = Some(uid.clone());
            rows.push(row.into());
        }
        let disk = volume.meta.key.clone();
        rows.push(volume.into());
        let mut desk = Desk::new(rows).with(Kind::Volume, disk, self.volume.clone());
        if let Some(object) = object {
            desk = desk.with(Kind::Claim, key(CLAIM), object);
        }
        desk.run = run.clone();
        desk
    }

    /// What a server and a performer do with a patch of the volume.
    fn apply(&mut self, step: &Step) -> bool {
        let Do::Call {
            call: Call::Patch { patch, .. },
            probe,
        } = &step.what
        else {
            panic!("{step:?}");
        };
        let (Probe::Has { pointer, value, .. } | Probe::Lacks { pointer, value, .. }) = probe
        else {
            panic!("{probe:?}");
        };
        let is = self.volume.pointer(pointer).unwrap_or(&Value::Null) == value;
        if is == matches!(probe, Probe::Has { .. }) {
            return true;
        }
        let mut wanted = self.volume.clone();
        if patch::json(&mut wanted, patch).is_err() {
            return false;
        }
        self.volume = wanted;
        true
    }

    fn unbind(&mut self) {
        self.claim = None;
        self.volume["status"]["phase"] = json!("Released");
    }

    /// What the provisioner takes.
    fn is_gone(&self) -> bool {
        self.text("/status/phase") == Some("Released") && self.policy() == "Delete"
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Plan(at) if self.runs[at].planned.is_none() => {
                let Some(uid) = self.claim.clone() else {
                    return;
                };
                let desk = self.desk(&self.runs[at].id);
                let seen = desk.seen();
                let held = Held::of(&seen, seen.inventory.claims.get(&key(CLAIM)).unwrap());
                let mut plan = Plan::new(&seen, ActionName::Orphans, of_ide_0());
                keep::keep(&seen, &mut plan, &held.unwrap());
                self.runs[at].planned = plan.steps.pop().map(|step| (step, uid));
            }
            Deed::Keep(at) => {
                if let Some((step, _)) = self.runs[at].planned.clone() {
                    self.runs[at].keeps |= self.apply(&step);
                }
            }
            Deed::Delete(at) => {
                let Some((_, uid)) = self.runs[at].planned.clone() else {
                    return;
                };
                let guard = Guard::Replaceable {
                    claim: key(CLAIM),
                    uid: uid.to_string(),
                    volume: format!("pv-{CLAIM}"),
                    run: self.runs[at].id.to_string(),
                };
                let desk = self.desk(&self.runs[at].id);
                if guard.check(&desk.seen()).is_ok() {
                    self.runs[at].has_deleted = true;
                    self.unbind();
                }
            }
            Deed::Rebind(at) if self.claim.is_none() && self.runs[at].has_deleted => {
                let uid = build::uid(&format!("claim-{}", self.claims));
                self.claims += 1;
                self.volume["spec"]["claimRef"]["uid"] = json!(uid.to_string());
                self.volume["status"]["phase"] = json!("Bound");
                self.claim = Some(uid);
            }
            Deed::Release(at) => {
                if let Some((step, _)) = self.runs[at].planned.clone()
                    && self.apply(&step.undo[0])
                {
                    self.runs[at].keeps = false;
                }
            }
            Deed::Lose if self.claim.is_some() => self.unbind(),
            _ => {}
        }
    }
}

proptest! {
    /// In whatever order two runs keep, delete, bind again and let go, resumed or late: no deed of
    /// theirs has the volume go but a purge; as long as one of them says that it keeps it, nobody
    /// else's has; and a mark is never on a volume that would go with its claim.
    #[test]
    fn what_a_run_says_is_kept_is_kept(
        deeds in deeds(),
        policy in prop_oneof![Just("Delete"), Just("Retain")],
        annotations in prop::option::of(Just(json!({"other": "1"}))),
    ) {
        let mut disk = Disk::new(policy, annotations);
        for deed in deeds {
            if let Deed::Purge(at) = deed {
                let run = disk.runs[at].id.clone();
                let (volume, uid) = (format!("pv-{CLAIM}"), "v".to_owned());
                let guard = Guard::Kept { volume, uid, run: run.to_string() };
                let desk = disk.desk(&run);
                if guard.check(&desk.seen()).is_ok() {
                    prop_assert!(disk.claim.is_none());
                    return Ok(());
                }
            }
            disk.act(deed);
            let is_gone = disk.is_gone();
            let keepers = disk.runs.iter().filter(|run| run.keeps).count();
            prop_assert!(!is_gone || keepers == 0 && matches!(deed, Deed::Lose), "{deed:?}");
            prop_assert!(keepers == 0 || disk.policy() == "Retain", "{deed:?}: {}", disk.volume);
            let is_marked = disk.text(keep::KEPT_POINTER).is_some();
            prop_assert!(!is_marked || disk.policy() == "Retain", "{deed:?}: {}", disk.volume);
            if is_gone {
                return Ok(());
            }
        }
    }
}

#[test]
fn the_last_to_keep_a_volume_gives_it_back_to_the_one_before() {
    let mut disk = Disk::new("Delete", None);
    for deed in [Deed::Plan(0), Deed::Keep(0), Deed::Plan(1), Deed::Keep(1)] {
        disk.act(deed);
    }
    let marks = |disk: &Disk| disk.volume["metadata"]["annotations"].clone();
    let before = |disk: &Disk| marks(disk)[RECLAIM_ANNOTATION].clone();
    assert_eq!(disk.text(keep::KEPT_POINTER), Some(id('b').as_str()));
    // the policy from before both: else a purge of the later one would leave the disk behind
    assert_eq!(before(&disk), "Delete");
    disk.act(Deed::Release(0));
    assert_eq!(disk.policy(), "Retain", "it is not its own any more");
    disk.act(Deed::Release(1));
    assert_eq!(disk.text(keep::KEPT_POINTER), Some(id('a').as_str()));
    assert_eq!((disk.policy(), before(&disk)), ("Retain", json!("Delete")));
    disk.act(Deed::Release(0));
    assert_eq!((disk.policy(), marks(&disk)), ("Delete", json!({})));
}

#[test]
fn a_released_volume_is_never_let_go() {
    let mut disk = Disk::new("Delete", None);
    for deed in [Deed::Plan(0), Deed::Keep(0), Deed::Lose, Deed::Release(0)] {
        disk.act(deed);
    }
    assert_eq!(disk.policy(), "Retain");
}

// ---- the swap

/// A set of workspaces of one claim each, whose `ide-0` can be restored from `s1`.
fn stage(replicas: u32) -> Desk {
    let volume = |claim: &str, name: &str, uid: &str| {
        json!({"metadata": {"name": name, "uid": uid, "annotations": {}},
            "spec": {"persistentVolumeReclaimPolicy": "Delete", "capacity": {"storage": "100Gi"},
                "csi": {"driver": "disk.example.org", "volumeHandle": format!("handle-{claim}")},
                "claimRef": {"name": claim, "namespace": build::NS,
                    "uid": build::uid(claim).to_string()}},
            "status": {"phase": "Bound"}})
    };
    let mut rows = healthy_but(rows![set("ide", replicas), build::content("s1")]);
    for at in 1..replicas {
        let (pod_name, claim_name) = (format!("ide-{at}"), format!("workspace-ide-{at}"));
        rows.extend(rows![
            pod(&pod_name).running().claim(&claim_name),
            claim(&claim_name),
            build::volume_of(&claim_name),
        ]);
    }
    let set_object = json!({"metadata": {"name": "ide", "namespace": build::NS,
            "uid": build::uid("ide").to_string(), "generation": 1},
        "spec": {"replicas": replicas}});
    let claim_object = json!({"metadata": {"name": CLAIM, "namespace": build::NS,
            "uid": build::uid(CLAIM).to_string(), "labels": {"app": "ide"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": format!("pv-{CLAIM}"),
            "resources": {"requests": {"storage": "100Gi"}}}});
    let pv = format!("pv-{CLAIM}");
    let uid = build::volume_of(CLAIM).meta.uid.to_string();
    let mut desk = desk_with_class(rows)
        .with(Kind::Set, key("ide"), set_object)
        .with(Kind::Claim, key(CLAIM), claim_object)
        .with(
            Kind::Volume,
            ObjectKey::new("", pv.as_str()),
            volume(CLAIM, &pv, &uid),
        );
    desk.run = RunId("restore-20261121-064312-000a".into());
    desk
}

fn undo_of(job: &Job) -> Request {
    Request::Undo {
        job: job.plan.id.to_string(),
    }
}

/// A restore of `ide-0` in place that came to its end, as its journal tells it.
fn restored(desk: &Desk) -> Job {
    let request = Request::Restore {
        workspace: key("ide-0"),
        from: None,
        in_place: true,
        force: false,
        claims: Vec::new(),
    };
    let plan = desk.plan(&request).unwrap();
    let results = vec![Some(done()); plan.steps.len()];
    let mut job = Job::replay(&records(&plan, &results), false).unwrap();
    for step in &plan.steps {
        for capture in &step.captures {
            job.captured.insert(capture.name.clone(), "x".to_owned());
        }
    }
    job.captured
        .insert(format!("pv-{CLAIM}"), "pv-new".to_owned());
    job
}

/// What the restore left, with this run's label on the claim.
fn left(mut desk: Desk, run: &str) -> Desk {
    let old = ObjectKey::new("", format!("pv-{CLAIM}").as_str());
    let mut kept = desk.objects.get(Kind::Volume, &old).unwrap().clone();
    kept["metadata"]["annotations"][KEPT_ANNOTATION] = json!(desk.run.as_str());
    kept["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain");
    kept["status"]["phase"] = json!("Released");
    let claim = json!({"metadata": {"name": CLAIM, "namespace": build::NS, "uid": "x",
        "labels": {RUN_LABEL: run}}, "spec": {"volumeName": "pv-new"}});
    let new = json!({"metadata": {"name": "pv-new", "uid": "x"},
        "spec": {"persistentVolumeReclaimPolicy": "Delete"}, "status": {"phase": "Bound"}});
    desk.objects.insert(Kind::Volume, old, kept);
    desk.objects
        .insert(Kind::Volume, ObjectKey::new("", "pv-new"), new);
    desk.objects.insert(Kind::Claim, key(CLAIM), claim);
    desk.run = RunId("undo-20261121-070000-000c".into());
    desk
}

#[test]
fn the_undo_of_a_restore_tells_what_is_lost_and_looks_for_sessions_first() {
    let desk = stage(1);
    let job = restored(&desk);
    let mut desk = left(desk, job.plan.id.as_str());
    let plan = desk
        .plan_of(&undo_of(&job), std::slice::from_ref(&job))
        .unwrap();
    assert!(
        plan.losses
            .iter()
            .any(|l| l.contains("since it was restored"))
    );
    assert_eq!(plan.typed_name.as_deref(), Some("ide-0"));
    assert!(plan.way_back.iter().any(|w| w.contains("wsdash purge")));
    assert_eq!(plan.steps[0].id, "is-idle", "{:?}", ids(&plan));

    let open = json!({"metadata": {"annotations": {"session": "ann"}}});
    desk.settings.session_annotation = Some("session".to_owned());
    let desk = desk.with(Kind::Pod, key("ide-0"), open);
    let refused = desk.plan_of(&undo_of(&job), &[job]).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Session);
}

#[rstest]
#[case::a_later_restore("restore-20261121-065000-000b", |_: &mut Desk| {}, "restore-20261121-065000-000b")]
#[case::a_later_keeper("restore-20261121-064312-000a", |desk: &mut Desk| {
    let new = ObjectKey::new("", "pv-new");
    let mut volume = desk.objects.get(Kind::Volume, &new).unwrap().clone();
    volume["metadata"]["annotations"] = json!({KEPT_ANNOTATION: "orphans-b"});
    desk.objects.insert(Kind::Volume, new, volume);
}, "orphans-b")]
#[case::a_purge("restore-20261121-064312-000a", |desk: &mut Desk| {
    let mut objects = Objects::default();
    for kind in [Kind::Claim, Kind::Set] {
        for (key, object) in desk.objects.of(kind) {
            objects.insert(kind, key.clone(), object.clone());
        }
    }
    desk.objects = objects;
}, "it is gone")]
fn out_of_order_nothing_is_begun(
    #[case] label: &str,
    #[case] change: fn(&mut Desk),
    #[case] word: &str,
) {
    let desk = stage(1);
    let job = restored(&desk);
    let mut desk = left(desk, label);
    change(&mut desk);
    let refused = desk.plan_of(&undo_of(&job), &[job]).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Changed, "{refused}");
    assert!(refused.to_string().contains(word), "{refused}");
}

/// The replicas that its calls ask of the set, one after another.
fn replicas(plan: &Plan) -> Vec<u64> {
    let asked = plan.steps.iter().filter_map(|step| match &step.what {
        Do::Call {
            call: Call::Scale { replicas, .. },
            ..
        } => Some(u64::from(*replicas)),
        Do::Call {
            call: Call::Patch { target, patch, .. },
            ..
        } if target.kind == Kind::Set => patch["spec"]["replicas"].as_u64(),
        _ => None,
    });
    asked.collect()
}

#[rstest]
#[case::as_it_was(1, &[0, 1])]
#[case::grown(10, &[9, 10])]
#[case::parked(0, &[])]
fn a_swap_is_taken_back_in_the_set_as_it_is_now(#[case] now: u32, #[case] asked: &[u64]) {
    let job = restored(&stage(1));
    let mut later = stage(now);
    later.run = job.plan.id.clone();
    let desk = left(later, job.plan.id.as_str());
    let plan = desk.plan_of(&undo_of(&job), &[job]).unwrap();
    assert_eq!(replicas(&plan), asked, "{:?}", ids(&plan));
    let at = |start: &str| {
        plan.steps
            .iter()
            .position(|step| step.id.starts_with(start))
    };
    if now > 0 {
        assert!(at("no-pod") < at("drop-new"), "{:?}", ids(&plan));
    }
}

#[test]
fn the_undo_of_a_snapshot_says_which_backup_goes_and_who_counts_on_it() {
    let desk = desk_with_class(without_backup());
    let plan = desk.plan(&of_ide_0()).unwrap();
    let results = vec![Some(done()); plan.steps.len()];
    let job = Job::replay(&records(&plan, &results), false).unwrap();
    let made = plan.steps.iter().find_map(|step| match &step.what {
        Do::Call {
            call: call @ Call::Create { .. },
            ..
        } => Some(call.object().1),
        _ => None,
    });
    let name = made.unwrap();
    let going = |rows: Vec<Row>| {
        let object = json!({"metadata": {"labels": {RUN_LABEL: job.plan.id.as_str()}}});
        let desk = Desk::new(rows).with(Kind::Snapshot, name.clone(), object);
        desk.plan_of(&undo_of(&job), std::slice::from_ref(&job))
            .unwrap()
    };
    let mut rows = without_backup();
    rows.push(snap(&name.name, CLAIM, minutes_ago(30)).into());
    let plan = going(rows.clone());
    assert!(
        plan.losses[0].contains("the only backup"),
        "{:?}",
        plan.losses
    );
    assert_eq!(plan.typed_name.as_deref(), Some("ide-0"));

    let mut kept = build::volume_of(CLAIM);
    kept.kept_by = Some("restore-20991121-064312-000b".into());
    rows.extend(rows![snap("older", CLAIM, hours_ago(3)), kept]);
    let plan = going(rows.clone());
    assert!(
        plan.losses[0].contains("the newest backup"),
        "{:?}",
        plan.losses
    );
    assert!(
        plan.losses[0].contains("job restore-2099"),
        "{:?}",
        plan.losses
    );

    rows.push(snap("newer", CLAIM, minutes_ago(1)).into());
    let plan = going(rows);
    assert!(
        plan.losses[0].contains("has newer ones"),
        "{:?}",
        plan.losses
    );
}

proptest! {
    /// A job that says it can be taken back is not answered that it cannot.
    #[test]
    fn a_way_back_is_offered_where_there_is_one(
        which in 0_u8..3,
        results in prop::collection::vec(result(), 0..12),
    ) {
        let desk = desk_with_class(healthy());
        let request = match which {
            0 => of_ide_0(),
            1 => Request::Evict { workspaces: vec![key("ide-0")] },
            _ => Request::Resize { claim: key(CLAIM), to: Growth::By(Quantity::bytes(1 << 30)) },
        };
        let plan = desk.plan(&request).unwrap();
        let some = results.len().min(plan.steps.len());
        let results: Vec<_> = results.into_iter().take(some).map(Some).collect();
        let job = Job::replay(&records(&plan, &results), false).unwrap();
        let refusal = desk.plan_of(&undo_of(&job), std::slice::from_ref(&job)).err().map(|refusal| refusal.kind);
        let none = [RefusalKind::Request, RefusalKind::NoWayBack];
        let is_none = refusal.is_some_and(|kind| none.contains(&kind));
        prop_assert_eq!(job.has_way_back(), !is_none, "{:?}", refusal);
    }
}
