//! The join: what it says must not depend on the order in which things are heard of.

use std::collections::{BTreeMap, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::*;
use crate::domain::board::Board;
use crate::domain::build::*;
use crate::domain::finding::Finding;
use crate::domain::findings::severities;
use crate::domain::policy::Policy;
use crate::domain::volume::VolumePhase;
use crate::domain::workspace::{Origin, Slot};

fn workspaces(inventory: &Inventory) -> BTreeMap<ObjectKey, Workspace> {
    inventory
        .workspaces()
        .map(|w| (w.key.clone(), w.clone()))
        .collect()
}

fn origin(inventory: &Inventory, name: &str) -> Option<Origin> {
    inventory.workspace(&key(name)).map(|w| w.origin)
}

// ---- what a watch may do, in any order

/// Names that make each other ambiguous: template `t-w` of set `x` and template `t` of set
/// `w-x` make the same claims.
fn any_set() -> impl Strategy<Value = Set> {
    let names = prop::sample::select(vec!["x", "w-x", "ide"]);
    let templates = subsequence(vec!["t", "t-w", "workspace"], 0..=3);
    (names, 0..3_u32, 0..2_u32, templates, any::<bool>()).prop_map(
        |(name, replicas, start, templates, ordered)| {
            // What its status says follows the pods with a delay; here it says the worst.
            let set = set(name, replicas)
                .start(start)
                .templates(&templates)
                .ready(0);
            if ordered { set.ordered() } else { set }
        },
    )
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let names = prop::sample::select(vec![
        "t-w-x-0",
        "t-w-x-1",
        "t-x-0",
        "workspace-x-0",
        "workspace-ide-0",
        "workspace-ide-1",
        "t-ide-0",
        "theia-config-ide-0",
        "loose",
        "workspace-ide-00",
    ]);
    (names, any::<bool>(), any::<bool>()).prop_map(|(name, lost, labelled)| {
        let claim = claim(name);
        let claim = if lost { claim.lost() } else { claim };
        if labelled {
            claim.labelled("ide")
        } else {
            claim
        }
    })
}

fn any_pod() -> impl Strategy<Value = Pod> {
    let names = prop::sample::select(vec!["x-0", "x-1", "w-x-0", "ide-0", "ide-1", "lone"]);
    let claims = subsequence(vec!["t-w-x-0", "workspace-ide-0", "t-ide-0"], 0..=2);
    (names, claims, 0..4_u8).prop_map(|(name, claims, how)| {
        let pod = claims.into_iter().fold(pod(name), Pod::claim);
        match how {
            0 => pod.of_deployment("lone").running(),
            1 => pod.running(),
            2 => pod.unready(minutes_ago(9)),
            _ => pod.running().deleted(minutes_ago(9)),
        }
    })
}

fn any_row() -> impl Strategy<Value = Row> {
    let claims = || prop::sample::select(vec!["t-w-x-0", "workspace-ide-0", "loose"]);
    let nodes = || prop::sample::select(vec!["n1", "n2"]);
    prop_oneof![
        4 => any_set().prop_map(Row::from),
        4 => any_claim().prop_map(Row::from),
        4 => any_pod().prop_map(Row::from),
        1 => (claims(), 0..50_i64).prop_map(|(c, h)| snapshot(&format!("s-{c}"), c, hours_ago(h)).into()),
        1 => (claims(), any::<bool>()).prop_map(|(c, released)| {
            let volume = volume_of(c).retained();
            if released { volume.phase(VolumePhase::Released, minutes_ago(9)) } else { volume }.into()
        }),
        1 => (claims(), nodes()).prop_map(|(c, n)| attachment(c, n).into()),
        1 => (nodes(), any::<bool>()).prop_map(|(n, up)| {
            let node = node(n);
            let down = crate::domain::node::ReadyState::NotReady;
            if up { node } else { node.readiness(down, minutes_ago(9)) }.into()
        }),
        1 => Just(event(Kind::Pod, "ide-0", "FailedMount", "x", minutes_ago(3)).into()),
    ]
}

/// One row of each key: what the cluster holds.
fn any_world() -> impl Strategy<Value = Vec<Row>> {
    vec(any_row(), 0..24).prop_map(|rows| {
        let by_key: HashMap<(Kind, ObjectKey), Row> = rows
            .into_iter()
            .map(|r| ((r.kind(), r.meta().key.clone()), r))
            .collect();
        let mut rows: Vec<Row> = by_key.into_values().collect();
        rows.sort_by_key(|r| (r.kind(), r.meta().key.clone()));
        rows
    })
}

const KINDS: [Kind; 8] = [
    Kind::Set,
    Kind::Pod,
    Kind::Claim,
    Kind::Volume,
    Kind::Snapshot,
    Kind::Attachment,
    Kind::Node,
    Kind::Event,
];

/// How one kind comes to hold the rows of `world`, after it may have held others.
fn history(kind: Kind, before: &[Row], world: &[Row], page: usize) -> Vec<Change> {
    let of_kind =
        |rows: &[Row]| -> Vec<Row> { rows.iter().filter(|r| r.kind() == kind).cloned().collect() };
    let mut changes = vec![Change::Begin { kind }, Change::Done { kind }];
    let earlier = of_kind(before);
    changes.extend(earlier.iter().map(|row| Change::Update {
        kind,
        puts: vec![row.clone()],
        gone: Vec::new(),
    }));
    // Half of what was there is seen to go; a list that does not name it removes the rest.
    changes.extend(earlier.iter().step_by(2).map(|row| Change::Update {
        kind,
        puts: Vec::new(),
        gone: vec![row.meta().key.clone()],
    }));
    changes.push(Change::Freshness {
        kind,
        freshness: Freshness::Stale {
            since: minutes_ago(1),
            why: "reset".into(),
        },
    });
    changes.push(Change::Begin { kind });
    let rows = of_kind(world);
    let (listed, watched) = rows.split_at(rows.len() * 2 / 3);
    changes.extend(listed.chunks(page).map(|rows| Change::Page {
        kind,
        rows: rows.to_vec(),
        remaining: None,
    }));
    changes.push(Change::Done { kind });
    changes.extend(watched.iter().map(|row| Change::Update {
        kind,
        // Heard twice, as after a reconnect.
        puts: vec![row.clone(), row.clone()],
        gone: Vec::new(),
    }));
    changes
}

/// The histories of all kinds, mixed: each in its own order, all of them in none.
fn mixed(mut histories: Vec<Vec<Change>>, picks: &[Index]) -> Vec<Change> {
    let mut all = Vec::new();
    for history in &mut histories {
        history.reverse();
    }
    for pick in picks.iter().cycle() {
        histories.retain(|h| !h.is_empty());
        if histories.is_empty() {
            break;
        }
        let one = pick.index(histories.len());
        all.extend(histories[one].pop());
    }
    all
}

fn judged(board: &mut Board, inventory: &mut Inventory) -> Vec<(Unit, Finding)> {
    while {
        board.refresh(inventory, &no_metrics(), &Policy::default(), now());
        board.is_pending()
    } {}
    for (_, finding) in board.all() {
        assert!(
            severities(finding.code).contains(&finding.severity),
            "{finding:?}"
        );
    }
    let mut all: Vec<(Unit, Finding)> = board.all().map(|(u, f)| (u.clone(), f.clone())).collect();
    all.sort_by(|(u1, f1), (u2, f2)| {
        (u1, f1.rank(), &f1.subject.key).cmp(&(u2, f2.rank(), &f2.subject.key))
    });
    all
}

fn empty() -> Inventory {
    Inventory::new(Policy::default().claim_templates)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_order_of_news_ends_in_the_same_workspaces_and_findings(
        before in any_world(),
        after in any_world(),
        page in 1_usize..4,
        picks in vec(any::<Index>(), 1..200),
        judge_after in any::<Index>(),
    ) {
        let histories = KINDS.iter().map(|&k| history(k, &before, &after, page)).collect();
        let changes = mixed(histories, &picks);
        let mut expected = empty();
        for kind in KINDS {
            for change in history(kind, &[], &after, 100) {
                expected.apply(change);
            }
        }
        let mut inventory = empty();
        let mut board = Board::default();
        let stop = judge_after.index(changes.len());
        for (at, change) in changes.into_iter().enumerate() {
            inventory.apply(change);
            if at >= stop {
                judged(&mut board, &mut inventory);
            }
        }
        prop_assert_eq!(workspaces(&inventory), workspaces(&expected));
        prop_assert_eq!(
            findings_without_departures(judged(&mut board, &mut inventory), &inventory),
            findings_without_departures(judged(&mut Board::default(), &mut expected), &inventory)
        );
    }

    #[test]
    fn no_claim_is_left_over_before_all_sets_are_known(
        world in any_world(),
        picks in vec(any::<Index>(), 1..100),
    ) {
        let mut histories: Vec<Vec<Change>> =
            KINDS.iter().map(|&k| history(k, &[], &world, 2)).collect();
        // The list of the sets starts and never ends.
        histories[0].truncate(1);
        let mut inventory = empty();
        for change in mixed(histories, &picks) {
            inventory.apply(change);
            prop_assert!(inventory.workspaces().all(|w| w.origin != Origin::Leftover));
        }
    }

    #[test]
    fn what_the_indexes_say_is_what_the_rows_say(
        before in any_world(),
        after in any_world(),
        picks in vec(any::<Index>(), 1..100),
    ) {
        let histories = KINDS.iter().map(|&k| history(k, &before, &after, 2)).collect();
        let mut inventory = empty();
        for change in mixed(histories, &picks) {
            inventory.apply(change);
        }
        for row in inventory.claims.values() {
            let claim = &row.meta.key;
            let users = inventory.pods_of_claim(claim).count();
            let named = inventory.pods.values().filter(|p| p.uses_claim(&claim.name)).count();
            prop_assert_eq!(users, named);
            let indexed = inventory.snapshots_of(claim).count();
            let snapshots = inventory.snapshots.values();
            prop_assert_eq!(indexed, snapshots.filter(|s| s.claim.as_ref() == Some(&claim.name)).count());
            for home in inventory.workspaces_of_claim(claim) {
                if let Some(workspace) = inventory.workspace(&home) {
                    prop_assert!(workspace.claims.iter().any(|s| s.claim == claim.name), "{home:?}");
                }
            }
        }
        for workspace in inventory.workspaces() {
            let Some((set, ordinal)) = workspace.set.as_ref().zip(workspace.ordinal) else { continue };
            let set = beside(&workspace.key, set);
            prop_assert!(inventory.ordinals_of(&set).any(|o| o == ordinal));
        }
        let of_sets: usize = inventory.sets.keys().map(|s| inventory.ordinals_of(s).count()).sum();
        let with_set = inventory.workspaces().filter(|w| inventory.set_of(w).is_some());
        prop_assert_eq!(of_sets, with_set.count());
    }
}

/// Since when a pod is missing depends, rightly, on whether it was seen to go.
fn findings_without_departures(
    found: Vec<(Unit, Finding)>,
    inventory: &Inventory,
) -> Vec<(Unit, Finding)> {
    let seen_to_go = |unit: &Unit| match unit {
        Unit::Workspace(key) => inventory.departed(key).is_some(),
        Unit::Object(Kind::Set, set) => inventory.ordinals_of(set).any(|ordinal| {
            let pod = format!("{}-{ordinal}", set.name).into();
            inventory.departed(&beside(set, &pod)).is_some()
        }),
        Unit::Object(..) => false,
    };
    found.into_iter().filter(|(u, _)| !seen_to_go(u)).collect()
}

// ---- the life of a workspace

#[test]
fn a_pod_that_is_made_anew_keeps_its_workspace() {
    let mut inventory = world(healthy());
    let before = workspaces(&inventory);
    remove(&mut inventory, Kind::Pod, key("ide-0"));
    assert_eq!(workspaces(&inventory), before);
    put(&mut inventory, pod("ide-0").claim("workspace-ide-0"));
    assert_eq!(workspaces(&inventory), before);
}

#[test]
fn a_list_removes_what_it_does_not_name() {
    let mut inventory = world(healthy_but(rows![set("ide", 0), claim("workspace-ide-7"),]));
    assert_eq!(origin(&inventory, "ide-7"), Some(Origin::Parked));
    let kind = Kind::Claim;
    inventory.apply(Change::Begin { kind });
    assert_eq!(
        origin(&inventory, "ide-7"),
        Some(Origin::Parked),
        "until the list is done"
    );
    inventory.apply(Change::Page {
        kind,
        rows: rows![claim("workspace-ide-0")],
        remaining: None,
    });
    inventory.apply(Change::Done { kind });
    assert_eq!(origin(&inventory, "ide-7"), None);
    assert!(inventory.claims.get(&key("workspace-ide-0")).is_some());
}

#[test]
fn a_workspace_is_live_then_parked_then_left_over_then_live_again() {
    let mut inventory = world(healthy());
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Live));
    put(&mut inventory, set("ide", 0));
    remove(&mut inventory, Kind::Pod, key("ide-0"));
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Parked));
    remove(&mut inventory, Kind::Set, key("ide"));
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Leftover));
    let workspace = inventory.workspace(&key("ide-0")).unwrap();
    assert_eq!(workspace.set.as_deref(), Some("ide"));
    put(&mut inventory, set("ide", 1));
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Live));
}

#[test]
fn a_workspace_goes_with_its_last_row() {
    let mut inventory = world(healthy());
    remove(&mut inventory, Kind::Set, key("ide"));
    remove(&mut inventory, Kind::Pod, key("ide-0"));
    remove(&mut inventory, Kind::Claim, key("workspace-ide-0"));
    assert_eq!(inventory.workspaces().len(), 0);
}

#[test]
fn two_sets_that_make_the_same_claim_both_have_it() {
    let inventory = world(rows![
        set("x", 1).templates(&["t-w"]),
        set("w-x", 1).templates(&["t"]),
        claim("t-w-x-0"),
    ]);
    let mut homes = inventory.workspaces_of_claim(&key("t-w-x-0"));
    homes.sort();
    assert_eq!(homes, [key("w-x-0"), key("x-0")]);
    for home in homes {
        let slots = &inventory.workspace(&home).unwrap().claims;
        assert!(
            matches!(&slots[..], [Slot { exists: true, .. }]),
            "{slots:?}"
        );
    }
}

#[test]
fn when_one_of_two_makers_goes_the_claim_stays_with_the_other() {
    let mut inventory = world(rows![
        set("x", 1).templates(&["t-w"]),
        set("w-x", 0).templates(&["t"]),
        claim("t-w-x-0"),
    ]);
    assert_eq!(origin(&inventory, "w-x-0"), Some(Origin::Parked));
    remove(&mut inventory, Kind::Set, key("w-x"));
    assert_eq!(origin(&inventory, "w-x-0"), None);
    assert_eq!(origin(&inventory, "x-0"), Some(Origin::Live));
}

#[test]
fn claims_that_come_before_their_set_are_never_left_over() {
    let mut inventory = empty();
    inventory.apply(Change::Begin { kind: Kind::Claim });
    put(&mut inventory, claim("workspace-ide-0"));
    inventory.apply(Change::Done { kind: Kind::Claim });
    assert_eq!(inventory.workspaces().len(), 0);
    inventory.apply(Change::Begin { kind: Kind::Set });
    inventory.apply(Change::Page {
        kind: Kind::Set,
        rows: rows![set("other", 1)],
        remaining: Some(1),
    });
    assert_eq!(origin(&inventory, "ide-0"), None);
    put(&mut inventory, set("ide", 1));
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Live));
    inventory.apply(Change::Done { kind: Kind::Set });
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Live));
}

#[test]
fn once_all_sets_are_known_a_claim_of_none_is_left_over() {
    let mut inventory = empty();
    put(&mut inventory, claim("workspace-ide-0"));
    inventory.apply(Change::Begin { kind: Kind::Set });
    inventory.apply(Change::Done { kind: Kind::Set });
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Leftover));
}

#[test]
fn a_claim_that_fits_two_sets_that_are_gone_is_of_neither() {
    let ambiguous = claim("workspace-coditect-combined-0")
        .labelled("combined")
        .labelled("coditect-combined");
    let inventory = world(rows![ambiguous]);
    assert_eq!(inventory.workspaces().len(), 0);
}

#[test]
fn a_set_that_starts_later_parks_its_earlier_ordinals() {
    let inventory = world(rows![
        set("ide", 1).start(5),
        claim("workspace-ide-0"),
        claim("workspace-ide-5"),
    ]);
    assert_eq!(origin(&inventory, "ide-0"), Some(Origin::Parked));
    assert_eq!(origin(&inventory, "ide-5"), Some(Origin::Live));
}

#[test]
fn a_kind_that_may_not_be_read_any_more_is_judged_anew() {
    let mut inventory = world(without_backup());
    let mut board = Board::default();
    assert_eq!(judged(&mut board, &mut inventory).len(), 1);
    set_freshness(&mut inventory, Kind::Snapshot, denied());
    assert_eq!(judged(&mut board, &mut inventory), []);
    set_freshness(&mut inventory, Kind::Snapshot, Freshness::Live);
    assert_eq!(judged(&mut board, &mut inventory).len(), 1);
}

#[test]
fn the_departure_of_a_pod_is_forgotten_with_its_workspace() {
    let mut inventory = world(healthy());
    put(
        &mut inventory,
        pod("ide-0").running().deleted(minutes_ago(1)),
    );
    remove(&mut inventory, Kind::Pod, key("ide-0"));
    assert_eq!(inventory.departed(&key("ide-0")), Some(minutes_ago(1)));
    remove(&mut inventory, Kind::Claim, key("workspace-ide-0"));
    remove(&mut inventory, Kind::Set, key("ide"));
    assert_eq!(inventory.departed(&key("ide-0")), None);
}
