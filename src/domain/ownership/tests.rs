//! What makes an orphan, and above all what never does: whatever the watches tell, late, twice,
//! in part or not at all, a claim that something needs is never one that may be deleted.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use rstest::rstest;

use super::*;
use crate::domain::build::*;
use crate::domain::history::{History, Past};
use crate::domain::inventory::{Change, Row};
use crate::domain::key::{Meta, Owner, Text};
use crate::domain::metric::{Metrics, MetricsChange};
use crate::domain::pod::Phase;
use crate::domain::policy::Policy;
use crate::domain::volume::Volume;
use crate::domain::workload::Workload;

fn workload(kind: Kind, name: &str, claims: &[&str]) -> Row {
    Row::Workload(Workload {
        kind,
        meta: Meta {
            key: key(name),
            uid: uid(name),
            created: hours_ago(1),
            deleted: None,
        },
        owner: None,
        replicas: Some(0),
        ready: 0,
        claims: claims.iter().map(|claim| Text::from(*claim)).collect(),
    })
}

/// Asks for nothing but proof.
fn lenient() -> OrphanSettings {
    OrphanSettings {
        inactive: SignedDuration::ZERO,
        observations: 0,
        apart: SignedDuration::ZERO,
        parked: true,
        cap: 100,
        keep: SignedDuration::from_hours(1),
    }
}

fn strict() -> OrphanSettings {
    OrphanSettings {
        inactive: SignedDuration::from_hours(90 * 24),
        observations: 2,
        apart: SignedDuration::from_hours(6),
        parked: false,
        ..lenient()
    }
}

fn verdict(inventory: &Inventory, name: &str, settings: &OrphanSettings) -> Verdict {
    let hints = Hints::default();
    judge(inventory, &key(name), settings, &hints, None, now()).unwrap()
}

fn class(rows: Vec<Row>, name: &str) -> Class {
    verdict(&world(rows), name, &lenient()).class
}

/// A claim of a set that is gone, with its volume.
fn left() -> Vec<Row> {
    rows![claim("workspace-ide-0"), volume_of("workspace-ide-0")]
}

fn left_but(row: impl Into<Row>) -> Vec<Row> {
    let mut rows = left();
    rows.push(row.into());
    rows
}

// ---- one test a class

#[test]
fn a_claim_of_a_set_that_is_gone_is_an_orphan_and_may_go() {
    let verdict = verdict(&world(left()), "workspace-ide-0", &lenient());
    assert_eq!(verdict.class, Class::Orphan);
    assert!(verdict.is_deletable(), "{:?}", verdict.blockers);
    assert!(verdict.evidence[0].says.contains("set ide"), "{verdict:?}");
}

#[rstest]
#[case(Phase::Pending)]
#[case(Phase::Running)]
#[case(Phase::Succeeded)]
#[case(Phase::Failed)]
fn a_pod_in_any_phase_uses_its_claim(#[case] phase: Phase) {
    let pod = pod("lone").claim("workspace-ide-0").phase(phase);
    assert_eq!(class(left_but(pod), "workspace-ide-0"), Class::InUse);
}

#[test]
fn a_pod_that_is_ending_still_uses_its_claim() {
    let pod = pod("lone").claim("workspace-ide-0").deleted(minutes_ago(9));
    assert_eq!(class(left_but(pod), "workspace-ide-0"), Class::InUse);
}

#[test]
fn an_attachment_counts_also_when_it_failed() {
    let done = attachment("workspace-ide-0", "n1");
    let failed = attachment("workspace-ide-0", "n1").fails("timed out", minutes_ago(1));
    assert_eq!(class(left_but(done), "workspace-ide-0"), Class::Attached);
    assert_eq!(class(left_but(failed), "workspace-ide-0"), Class::Attached);
}

#[test]
fn what_a_live_set_makes_is_expected_without_any_pod() {
    let rows = left_but(set("ide", 1));
    assert_eq!(class(rows, "workspace-ide-0"), Class::Expected);
    let beyond = left_but(set("ide", 2).start(1));
    assert_eq!(class(beyond, "workspace-ide-0"), Class::Parked);
    let scaled_to_nothing = left_but(set("ide", 0));
    assert_eq!(class(scaled_to_nothing, "workspace-ide-0"), Class::Parked);
}

#[test]
fn parked_claims_go_only_when_the_policy_says_so() {
    let world = world(left_but(set("ide", 0)));
    let allowed = verdict(&world, "workspace-ide-0", &lenient());
    assert!(allowed.is_deletable(), "{:?}", allowed.blockers);
    let settings = OrphanSettings {
        parked: false,
        ..lenient()
    };
    assert!(!verdict(&world, "workspace-ide-0", &settings).is_deletable());
}

#[test]
fn an_owner_decides_and_a_stale_one_is_an_alarm() {
    let mut owned = claim("workspace-ide-0").owned_by("StatefulSet", "ide");
    owned.owners[0].uid = uid("an earlier one");
    let rows = rows![owned, volume_of("workspace-ide-0"), set("ide", 0)];
    let verdict = verdict(&world(rows), "workspace-ide-0", &lenient());
    assert_eq!(verdict.class, Class::Owned);
    assert!(verdict.evidence[0].says.contains("garbage"), "{verdict:?}");
}

#[rstest]
#[case(Kind::Deployment)]
#[case(Kind::ReplicaSet)]
#[case(Kind::DaemonSet)]
#[case(Kind::Job)]
#[case(Kind::CronJob)]
fn a_pod_template_counts_without_any_pod(#[case] kind: Kind) {
    let mut rows = left();
    rows.push(workload(kind, "w", &["workspace-ide-0"]));
    let mut world = world(rows);
    let found = |world: &Inventory| verdict(world, "workspace-ide-0", &lenient()).class;
    assert_eq!(found(&world), Class::TemplateRef);
    put(&mut world, workload(kind, "w", &["another"]));
    assert_eq!(found(&world), Class::Orphan);
    put(&mut world, workload(kind, "w", &["workspace-ide-0"]));
    remove(&mut world, kind, key("w"));
    assert_eq!(found(&world), Class::Orphan);
}

#[test]
fn the_pod_template_of_a_set_counts_as_any_other() {
    let mut other = set("web", 0).templates(&[]);
    other.claims = ["workspace-ide-0".into()].into();
    assert_eq!(
        class(left_but(other), "workspace-ide-0"),
        Class::TemplateRef
    );
}

#[test]
fn what_is_copied_or_changed_is_left_alone() {
    let copying = left_but(snapshot("s", "workspace-ide-0", hours_ago(1)).not_ready());
    assert_eq!(class(copying, "workspace-ide-0"), Class::SnapOrCloneSource);
    let growing = claim("workspace-ide-0").asks(gib(200));
    let rows = rows![growing, volume_of("workspace-ide-0")];
    assert_eq!(class(rows, "workspace-ide-0"), Class::SnapOrCloneSource);
    let ready = left_but(snapshot("s", "workspace-ide-0", hours_ago(1)));
    assert_eq!(class(ready, "workspace-ide-0"), Class::Orphan);
}

#[test]
fn a_hold_holds() {
    let mut held = claim("workspace-ide-0");
    held.held = true;
    let rows = rows![held, volume_of("workspace-ide-0")];
    assert_eq!(class(rows, "workspace-ide-0"), Class::Held);
}

#[test]
fn what_is_ending_or_not_bound_is_named_so() {
    let ending = rows![claim("workspace-ide-0").deleted(minutes_ago(1))];
    assert_eq!(class(ending, "workspace-ide-0"), Class::Terminating);
    let pending = rows![claim("workspace-ide-0").pending(minutes_ago(1))];
    assert_eq!(class(pending, "workspace-ide-0"), Class::NotBound);
    let lost = rows![claim("workspace-ide-0").lost()];
    assert_eq!(class(lost, "workspace-ide-0"), Class::NotBound);
}

#[test]
fn whose_it_was_must_be_one_answer() {
    // a name that two template and set pairs make
    let mut inventory = Inventory::new(vec!["workspace".into(), "workspace-coditect".into()]);
    for kind in NEEDED {
        inventory.apply(Change::Begin { kind });
        inventory.apply(Change::Done { kind });
    }
    put(&mut inventory, claim("workspace-coditect-combined-0"));
    put(&mut inventory, volume_of("workspace-coditect-combined-0"));
    let found = verdict(&inventory, "workspace-coditect-combined-0", &lenient());
    assert_eq!(found.class, Class::Ambiguous);

    // a label that says otherwise than the template names
    let labelled = claim("workspace-a-b-0").labelled("b");
    let rows = rows![labelled, volume_of("workspace-a-b-0")];
    assert_eq!(class(rows, "workspace-a-b-0"), Class::Ambiguous);

    // names that no set gives
    for name in ["loose", "workspace-ide-00", "data-of-ann-3"] {
        let rows = rows![claim(name), volume_of(name)];
        assert_eq!(class(rows, name), Class::Ambiguous, "{name}");
    }

    // the set lives, but makes no such claim any more
    let rows = left_but(set("ide", 1).templates(&["home"]));
    assert_eq!(class(rows, "workspace-ide-0"), Class::Ambiguous);
}

#[test]
fn one_kind_that_is_not_live_is_enough_to_know_nothing() {
    for kind in NEEDED {
        for freshness in [
            denied(),
            Freshness::Never,
            Freshness::Syncing {
                seen: 3,
                remaining: None,
            },
            Freshness::Stale {
                since: minutes_ago(1),
                why: "reset".into(),
            },
        ] {
            let mut world = world(left());
            set_freshness(&mut world, kind, freshness.clone());
            let found = verdict(&world, "workspace-ide-0", &lenient());
            assert_eq!(found.class, Class::Unknown, "{kind:?} {freshness:?}");
            assert!(!found.is_deletable());
        }
    }
}

#[test]
fn without_snapshots_there_is_no_way_back() {
    let mut world = world(left());
    let why = "none".into();
    set_freshness(&mut world, Kind::Snapshot, Freshness::Absent { why });
    let found = verdict(&world, "workspace-ide-0", &lenient());
    assert_eq!(found.class, Class::Orphan);
    assert!(!found.is_deletable());
}

#[test]
fn the_disk_must_be_surely_its_own() {
    let mut foreign = volume_of("workspace-ide-0");
    foreign.claim.as_mut().unwrap().uid = Some(uid("an earlier one"));
    let mut bare = volume_of("workspace-ide-0");
    bare.handle = None;
    let released = volume_of("workspace-ide-0").phase(VolumePhase::Released, hours_ago(1));
    let volumes: [Option<Volume>; 4] = [None, Some(foreign), Some(bare), Some(released)];
    for volume in volumes {
        let mut rows = rows![claim("workspace-ide-0")];
        rows.extend(volume.clone().map(Row::from));
        let found = verdict(&world(rows), "workspace-ide-0", &lenient());
        assert!(!found.is_deletable(), "{volume:?}");
    }
}

// ---- for how long, and how often

#[test]
fn no_sign_of_the_end_of_use_means_not_known_however_old_it_is() {
    let old = claim("workspace-ide-0").created(hours_ago(24 * 900));
    let world = world(rows![old, volume_of("workspace-ide-0")]);
    let settings = OrphanSettings {
        inactive: SignedDuration::from_hours(1),
        ..lenient()
    };
    let found = verdict(&world, "workspace-ide-0", &settings);
    assert_eq!(found.inactive.since, None);
    assert!(found.blockers[0].contains("not known"), "{found:?}");
}

#[test]
fn a_whole_history_without_a_sample_tells_of_the_end_of_use() {
    let old = claim("workspace-ide-0").created(hours_ago(24 * 900));
    let rows = rows![
        old,
        volume_of("workspace-ide-0"),
        claim("workspace-ide-1"),
        volume_of("workspace-ide-1")
    ];
    let world = world(rows);
    let settings = OrphanSettings {
        inactive: SignedDuration::from_hours(24 * 90),
        ..lenient()
    };
    let judged = |covered: f64| {
        let mut metrics = Metrics::default();
        metrics.apply(MetricsChange::Past(Past::Read(History {
            from: hours_ago(24 * 90 + 1),
            to: now(),
            covered,
            last: [(key("workspace-ide-1"), now())].into(),
        })));
        let key = key("workspace-ide-0");
        let hints = Hints::of(&metrics, &world, world.claims.get(&key).unwrap());
        judge(&world, &key, &settings, &hints, None, now()).unwrap()
    };
    let found = judged(0.99);
    assert!(found.is_deletable(), "{found:?}");
    let found = judged(0.5);
    assert_eq!(found.inactive.since, None);
    assert!(found.blockers[0].contains("only 50 % of it"), "{found:?}");
}

/// kubernetes/kubernetes#131402.
#[rstest]
#[case::stays_behind("NodeResizePending", 100, Class::Orphan)]
#[case::is_under_way("NodeResizePending", 200, Class::SnapOrCloneSource)]
#[case::another_stage("NodeResizeInProgress", 100, Class::SnapOrCloneSource)]
fn a_status_that_stays_behind_after_a_resize_is_no_resize(
    #[case] status: &str,
    #[case] asked: u64,
    #[case] expected: Class,
) {
    let claim = claim("workspace-ide-0").asks(gib(asked)).resize(status);
    let rows = rows![claim, volume_of("workspace-ide-0")];
    assert_eq!(class(rows, "workspace-ide-0"), expected);
}

#[test]
fn the_newest_sign_counts() {
    let unused = claim("workspace-ide-0").unused(hours_ago(24 * 100));
    let mut rows = rows![
        unused.created(hours_ago(24 * 200)),
        volume_of("workspace-ide-0")
    ];
    let settings = OrphanSettings {
        observations: 0,
        apart: SignedDuration::ZERO,
        ..strict()
    };
    let found = verdict(&world(rows.clone()), "workspace-ide-0", &settings);
    assert!(found.is_deletable(), "{found:?}");
    rows.extend(rows![snapshot("s", "workspace-ide-0", hours_ago(24))]);
    let found = verdict(&world(rows), "workspace-ide-0", &settings);
    assert_eq!(found.inactive.since, Some(hours_ago(24)));
    assert!(!found.is_deletable());
}

#[test]
fn it_must_be_seen_twice_and_long_enough_apart() {
    let unused = claim("workspace-ide-0").unused(hours_ago(24 * 100));
    let world = world(rows![
        unused.created(hours_ago(24 * 200)),
        volume_of("workspace-ide-0")
    ]);
    let claim = uid("workspace-ide-0");
    let mut seen = Sightings::default();
    let judged = |seen: &Sightings| {
        let (hints, settings) = (Hints::default(), strict());
        let sighting = seen.get(&claim);
        judge(
            &world,
            &key("workspace-ide-0"),
            &settings,
            &hints,
            sighting,
            now(),
        )
        .unwrap()
    };
    assert!(!judged(&seen).is_deletable());
    seen.see(&claim, Class::Orphan, hours_ago(7));
    assert!(!judged(&seen).is_deletable());
    seen.see(&claim, Class::Orphan, hours_ago(2));
    assert!(!judged(&seen).is_deletable(), "five hours apart");
    seen.see(&claim, Class::Unknown, hours_ago(1));
    seen.see(&claim, Class::Orphan, now());
    assert!(judged(&seen).is_deletable(), "{:?}", judged(&seen));
    seen.see(&claim, Class::Expected, now());
    seen.see(&claim, Class::Orphan, now());
    assert!(
        !judged(&seen).is_deletable(),
        "a need in between begins anew"
    );
}

#[test]
fn kept_volumes_are_listed_with_what_they_cost() {
    let mut class = storage_class("fast", true);
    class.disk_type = Some("pd-balanced".into());
    let kept = volume_of("workspace-ide-0")
        .retained()
        .phase(VolumePhase::Released, hours_ago(5));
    let goes = volume_of("workspace-ide-1").phase(VolumePhase::Released, hours_ago(5));
    let bound = volume_of("workspace-ide-2").retained();
    let found = released(&world(rows![class, kept, goes, bound]), Some(NS));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].claim, Some(key("workspace-ide-0")));
    assert!((found[0].monthly_cost.unwrap() - 10.0).abs() < 1e-9);
}

// ---- whatever the watches tell

const CLAIMS: [&str; 6] = [
    "workspace-ide-0",
    "workspace-ide-1",
    "theia-config-ide-0",
    "workspace-x-0",
    "t-w-x-0",
    "loose",
];

fn any_need() -> impl Strategy<Value = Row> {
    let claim_name = || select(CLAIMS.to_vec());
    let kinds = select(vec![
        Kind::Deployment,
        Kind::ReplicaSet,
        Kind::DaemonSet,
        Kind::Job,
        Kind::CronJob,
    ]);
    let sets = (
        select(vec!["x", "w-x", "ide"]),
        0..3_u32,
        0..2_u32,
        subsequence(vec!["t", "t-w", "workspace", "theia-config"], 0..=4),
        subsequence(CLAIMS.to_vec(), 0..=1),
    );
    prop_oneof![
        2 => sets.prop_map(|(name, replicas, start, templates, claims)| {
            let mut set = set(name, replicas).start(start).templates(&templates);
            set.claims = claims.into_iter().map(Text::from).collect();
            set.into()
        }),
        2 => (select(vec!["ide-0", "ide-1", "lone"]), claim_name(), any::<bool>(), any::<bool>())
            .prop_map(|(name, claim, ends, done)| {
                let pod = pod(name).claim(claim);
                let pod = if done { pod.phase(Phase::Succeeded) } else { pod };
                if ends { pod.deleted(minutes_ago(3)) } else { pod }.into()
            }),
        1 => (claim_name(), any::<bool>()).prop_map(|(c, ok)| {
            let made = attachment(c, "n1");
            if ok { made } else { made.fails("x", minutes_ago(1)) }.into()
        }),
        2 => (kinds, select(vec!["w1", "w2"]), subsequence(CLAIMS.to_vec(), 0..=2))
            .prop_map(|(kind, name, claims)| workload(kind, name, &claims)),
        1 => (claim_name(), any::<bool>()).prop_map(|(c, ready)| {
            let made = snapshot(&format!("s-{c}"), c, hours_ago(3));
            if ready { made } else { made.not_ready() }.into()
        }),
    ]
}

fn any_claim() -> impl Strategy<Value = Row> {
    (select(CLAIMS.to_vec()), 0..6_u8).prop_map(|(name, how)| {
        let mut claim = claim(name);
        match how {
            0 => claim.held = true,
            1 => {
                claim.owners = [Owner {
                    kind: "DevWorkspace".into(),
                    name: "d".into(),
                    uid: uid("d"),
                    controller: true,
                }]
                .into();
            }
            2 => claim = claim.labelled("ide"),
            _ => {}
        }
        claim.into()
    })
}

/// What the cluster truly holds: every claim with its volume, and some needs.
fn any_truth() -> impl Strategy<Value = Vec<Row>> {
    (vec(any_claim(), 0..6), vec(any_need(), 0..5)).prop_map(|(claims, needs)| {
        let volumes = CLAIMS.iter().map(|name| Row::from(volume_of(name)));
        let all = CLAIMS.iter().map(|name| Row::from(claim(name)));
        let rows = all.chain(claims).chain(volumes).chain(needs);
        let by_key: HashMap<(Kind, ObjectKey), Row> = rows
            .map(|row| ((row.kind(), row.meta().key.clone()), row))
            .collect();
        let mut rows: Vec<Row> = by_key.into_values().collect();
        rows.sort_by_key(|row| (row.kind(), row.meta().key.clone()));
        rows
    })
}

/// Whether anything needs a claim, told from the rows alone, without any index.
fn is_needed(truth: &[Row], name: &str) -> bool {
    truth.iter().any(|row| match row {
        Row::Pod(pod) => pod.uses_claim(name),
        Row::Attachment(a) => a.volume.as_deref() == Some(&format!("pv-{name}")),
        Row::Workload(w) => w.claims.iter().any(|claim| &**claim == name),
        Row::Set(set) => {
            let makes = |ordinal| {
                let mut templates = set.templates.iter();
                templates.any(|t| set.claim_name(&t.name, ordinal) == name)
            };
            set.claims.iter().any(|claim| &**claim == name) || set.ordinals().any(makes)
        }
        Row::Claim(claim) => {
            &*claim.meta.key.name == name && (!claim.owners.is_empty() || claim.held)
        }
        Row::Snapshot(s) => s.claim.as_deref() == Some(name) && s.ready != Some(true),
        _ => false,
    })
}

/// How far the news of one kind has come.
#[derive(Clone, Copy, Debug)]
enum News {
    /// All of it, live: listed in pages, and the last third watched, twice.
    All,
    /// All of it, and before it something that was otherwise.
    AllAfterOther,
    /// The list has begun and is not at its end.
    Part,
    /// Of an earlier time; the watch has noticed that it is cut off.
    Old,
    /// What was known is of an earlier time, and the new list has begun.
    OldAndPart,
    /// A right was taken away.
    Denied,
    Nothing,
    /// The API was taken away.
    Gone,
}

fn any_news() -> impl Strategy<Value = News> {
    prop_oneof![
        8 => Just(News::All),
        4 => Just(News::AllAfterOther),
        1 => Just(News::Part),
        1 => Just(News::Old),
        1 => Just(News::OldAndPart),
        1 => Just(News::Denied),
        1 => Just(News::Nothing),
        1 => Just(News::Gone),
    ]
}

fn told(kind: Kind, news: News, before: &[Row], truth: &[Row]) -> Vec<Change> {
    let of = |rows: &[Row]| -> Vec<Row> {
        rows.iter()
            .filter(|row| row.kind() == kind)
            .cloned()
            .collect()
    };
    let page = |rows: &[Row]| Change::Page {
        kind,
        rows: rows.to_vec(),
        remaining: None,
    };
    let update = |row: &Row| Change::Update {
        kind,
        puts: vec![row.clone(), row.clone()],
        gone: Vec::new(),
    };
    let cut_off = || Change::Freshness {
        kind,
        freshness: Freshness::Stale {
            since: minutes_ago(1),
            why: "reset".into(),
        },
    };
    let (old, new) = (of(before), of(truth));
    let (listed, watched) = new.split_at(new.len() * 2 / 3);
    let freshness = |freshness| Change::Freshness { kind, freshness };
    let earlier = || vec![Change::Begin { kind }, page(&old), Change::Done { kind }];
    let mut whole = vec![Change::Begin { kind }];
    whole.extend(new.chunks(2).map(page));
    whole.push(Change::Done { kind });
    // heard again from the watch, as after a reconnect
    whole.extend(watched.iter().map(update));
    let mut all = match news {
        News::All | News::Part | News::Nothing | News::Gone => Vec::new(),
        _ => earlier(),
    };
    match news {
        News::All => all.extend(whole),
        News::AllAfterOther => {
            all.push(cut_off());
            all.extend(whole);
        }
        News::Part => all.extend(whole.into_iter().take(2)),
        News::Old => all.push(cut_off()),
        News::OldAndPart => {
            all.extend([cut_off(), Change::Begin { kind }]);
            all.extend(listed.first().map(|row| page(std::slice::from_ref(row))));
        }
        News::Denied => all.push(freshness(denied())),
        News::Nothing => {}
        News::Gone => {
            let why = "no such API".into();
            all.push(freshness(Freshness::Absent { why }));
        }
    }
    all
}

fn mixed(mut news: Vec<Vec<Change>>, picks: &[Index]) -> Vec<Change> {
    let mut all = Vec::new();
    for one in &mut news {
        one.reverse();
    }
    for pick in picks.iter().cycle() {
        news.retain(|one| !one.is_empty());
        if news.is_empty() {
            break;
        }
        let one = pick.index(news.len());
        all.extend(news[one].pop());
    }
    all
}

fn empty() -> Inventory {
    Inventory::new(Policy::default().claim_templates)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The cluster does not change, the news of it comes in any order, in part, twice or not at
    /// all: at every moment in between nothing that is needed may be deleted. Before a kind's
    /// list is done the kind is not live; of a world that was otherwise before, each kind says
    /// so (stale) until its list is done again.
    #[test]
    fn no_order_loss_or_denial_of_news_makes_a_needed_claim_deletable(
        before in any_truth(),
        truth in any_truth(),
        news in vec(any_news(), NEEDED.len()),
        picks in vec(any::<Index>(), 1..150),
    ) {
        let told: Vec<Vec<Change>> = NEEDED
            .iter()
            .zip(&news)
            .map(|(&kind, &news)| {
                // claims and volumes that are not known cannot be judged: they are as they are
                let before = if matches!(kind, Kind::Claim | Kind::Volume) { &truth } else { &before };
                told(kind, news, before, &truth)
            })
            .collect();
        let mut inventory = empty();
        // what is live for a moment with old rows is so at the beginning only, before the cut
        let old_moment = |inventory: &Inventory| NEEDED.iter().any(|kind| {
            inventory.freshness().is_live(*kind) && !same_rows(inventory, *kind, &truth)
        });
        for change in mixed(told, &picks) {
            inventory.apply(change);
            if old_moment(&inventory) {
                continue;
            }
            for name in CLAIMS {
                let hints = Hints::default();
                let Some(found) = judge(&inventory, &key(name), &lenient(), &hints, None, now()) else {
                    continue;
                };
                if is_needed(&truth, name) {
                    prop_assert!(!found.is_deletable(), "{name}: {found:?}");
                }
            }
        }
    }

    /// With everything told and live the verdict is right both ways.
    #[test]
    fn with_everything_known_only_needs_keep_a_claim_of_a_set_that_is_gone(truth in any_truth()) {
        let inventory = world(truth.clone());
        for name in ["workspace-ide-0", "theia-config-ide-0"] {
            let found = verdict(&inventory, name, &lenient());
            let set_lives = inventory.sets.get(&key("ide")).is_some();
            if is_needed(&truth, name) {
                prop_assert!(!found.class.is_candidate(), "{name}: {found:?}");
            } else if !set_lives {
                prop_assert_eq!(found.class, Class::Orphan);
                prop_assert!(found.is_deletable());
            } else {
                prop_assert!(matches!(found.class, Class::Parked | Class::Ambiguous), "{found:?}");
            }
        }
    }

    /// Whatever was seen before, the last sightings decide: of one class, often enough, far
    /// enough apart, with no need in between.
    #[test]
    fn a_need_between_two_sightings_begins_anew(
        seen in vec((select(vec![Class::Orphan, Class::Parked, Class::InUse, Class::Unknown, Class::Expected]), 0..10_i64), 0..20),
    ) {
        let claim = uid("c");
        let mut sightings = Sightings::default();
        let mut at = hours_ago(1000);
        let mut row: Vec<Timestamp> = Vec::new();
        let mut last = None;
        for (class, hours) in seen {
            at += SignedDuration::from_hours(hours);
            sightings.see(&claim, class, at);
            match class {
                Class::Unknown => {}
                class if class.is_candidate() => {
                    if last != Some(class) {
                        row.clear();
                    }
                    if row.last() != Some(&at) {
                        row.push(at);
                    }
                    last = Some(class);
                }
                _ => {
                    row.clear();
                    last = None;
                }
            }
        }
        match (sightings.get(&claim), row.first(), row.last()) {
            (None, None, None) => {}
            (Some(s), Some(&first), Some(&last)) => {
                prop_assert_eq!((s.first, s.last, s.count as usize), (first, last, row.len()));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// Whether a kind holds what the cluster holds.
fn same_rows(inventory: &Inventory, kind: Kind, truth: &[Row]) -> bool {
    let wanted = truth.iter().filter(|row| row.kind() == kind);
    let there = |row: &Row| match row {
        Row::Set(r) => inventory.sets.get(&r.meta.key) == Some(r),
        Row::Pod(r) => inventory.pods.get(&r.meta.key) == Some(r),
        Row::Claim(r) => inventory.claims.get(&r.meta.key) == Some(r),
        Row::Volume(r) => inventory.volumes.get(&r.meta.key) == Some(r),
        Row::Attachment(r) => inventory.attachments.get(&r.meta.key) == Some(r),
        Row::Snapshot(r) => inventory.snapshots.get(&r.meta.key) == Some(r),
        Row::Workload(r) => {
            let store = match r.kind {
                Kind::Deployment => &inventory.deployments,
                Kind::ReplicaSet => &inventory.replica_sets,
                Kind::DaemonSet => &inventory.daemon_sets,
                Kind::Job => &inventory.jobs,
                _ => &inventory.cron_jobs,
            };
            store.get(&r.meta.key) == Some(r)
        }
        _ => true,
    };
    let mut count = 0;
    for row in wanted {
        count += 1;
        if !there(row) {
            return false;
        }
    }
    inventory.count(kind) == count
}
