//! What Prometheus says of a world whose story is known.

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value as Json, json};

use super::eval::{Evaluator, Value};
use super::parse;
use crate::demo::clock::seconds;
use crate::demo::object::Fields;
use crate::demo::resource::{Key, Kind};
use crate::demo::scenario::timeline::{Action, act};
use crate::demo::scenario::{build, load};
use crate::demo::world::World;

const START: &str = "2026-01-05T09:00:00Z";
const POD: &str = "coditect-app/coditect-pro-6";

fn start() -> Timestamp {
    START.parse().unwrap()
}

fn world(scenario: &str) -> World {
    build::world(&load(scenario).unwrap(), start(), 1).unwrap()
}

fn go(world: &mut World, passed: f64) {
    world.advance(start() + seconds(passed));
}

/// The process of the pod crashes no more.
fn heal(world: &mut World) {
    let well = Action::Behave {
        pod: POD.to_owned().into(),
        behaviour: None,
        restart: false,
    };
    act(world, well);
}

/// The values of a query at that many seconds after the start.
fn at(world: &World, query: &str, passed: f64) -> Vec<f64> {
    let when = (start() + seconds(passed)).as_duration().as_secs_f64();
    match Evaluator::new(world).run(&parse::parse(query).unwrap(), when) {
        Ok(Value::Vector(all)) => all.into_iter().map(|(_, value, _)| value).collect(),
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn an_alert_is_pending_for_its_time_fires_and_keeps_the_time_at_which_it_began() {
    let mut world = world("crash-loop");
    let crashing = |world: &World| -> Option<Json> {
        let all = world.alerts.list();
        let listed = all
            .iter()
            .find(|a| a.text("labels/alertname") == "KubePodCrashLooping")
            .cloned();
        let groups = world.alerts.groups();
        let mut rules = groups.iter().flat_map(|g| g.items("rules"));
        let rule = rules.find(|r| r.text("name") == "KubePodCrashLooping");
        let rule = rule.unwrap();
        let state = listed.as_ref().map_or("inactive", |a| a.text("state"));
        assert_eq!(
            rule.text("state"),
            state,
            "the rule says what its alert says"
        );
        assert_eq!(rule.items("alerts").first(), listed.as_ref());
        listed
    };
    go(&mut world, 10.0);
    assert_eq!(crashing(&world), None, "nothing has crashed");
    go(&mut world, 310.0);
    let pending = crashing(&world).unwrap();
    assert_eq!(pending.text("state"), "pending");
    assert_eq!(pending.text("labels/pod"), "coditect-pro-6");
    let text = pending.text("annotations/description");
    assert!(
        text.contains("coditect-app/coditect-pro-6 (") && !text.contains("{{"),
        "{text}"
    );
    go(&mut world, 1000.0);
    assert_eq!(crashing(&world).unwrap().text("state"), "pending");
    go(&mut world, 1210.0);
    let firing = crashing(&world).unwrap();
    assert_eq!(firing.text("state"), "firing");
    assert_eq!(firing.text("activeAt"), pending.text("activeAt"));
    heal(&mut world);
    go(&mut world, 3000.0);
    assert_eq!(crashing(&world), None, "it is well again");
}

#[test]
fn a_pod_that_is_scraped_again_has_graphs_again_and_the_gap_stays() {
    let mut world = world("crash-loop");
    go(&mut world, 1000.0);
    heal(&mut world);
    go(&mut world, 1800.0);
    let memory = "container_memory_working_set_bytes{pod=\"coditect-pro-6\"}";
    assert_eq!(at(&world, memory, 15.0).len(), 1, "before");
    assert_eq!(
        at(&world, memory, 1230.0).len(),
        0,
        "well, and not yet scraped"
    );
    assert_eq!(at(&world, memory, 1770.0).len(), 1, "after");
}

#[test]
fn a_node_that_comes_back_has_its_pods_back_with_a_gap_and_a_restart() {
    let mut world = world("morning");
    go(&mut world, 30.0);
    let pod = world
        .get(Kind::Pod, "coditect-app", "coditect-pro-6")
        .unwrap();
    let node = pod.text("spec/nodeName").to_owned();
    let down = Action::NodeDown {
        node: node.clone().into(),
    };
    act(&mut world, down);
    go(&mut world, 120.0);
    act(
        &mut world,
        Action::NodeUp {
            node: node.clone().into(),
        },
    );
    go(&mut world, 600.0);
    let queries = [
        "container_memory_working_set_bytes{pod=\"coditect-pro-6\"}".to_owned(),
        "kubelet_volume_stats_used_bytes{persistentvolumeclaim=\"workspace-coditect-pro-6\"}"
            .to_owned(),
        format!("up{{node=\"{node}\"}} == 1"),
    ];
    for query in &queries {
        let found = [15.0, 90.0, 600.0].map(|when| at(&world, query, when).len());
        assert_eq!(found, [1, 0, 1], "{query}");
    }
    let restarts = "kube_pod_container_status_restarts_total{pod=\"coditect-pro-6\"}";
    assert_eq!(at(&world, restarts, 600.0), [1.0]);
    let pod = world
        .get(Kind::Pod, "coditect-app", "coditect-pro-6")
        .unwrap();
    let last = pod.at("status/containerStatuses/0/lastState/terminated");
    assert_eq!(
        (last.int("exitCode"), last.text("reason")),
        (Some(255), "Unknown")
    );
    assert!(pod.condition_is("Ready", "True"));
}

#[test]
fn while_prometheus_is_down_nothing_is_remembered() {
    let mut world = world("morning");
    for (passed, down) in [(60.0, true), (300.0, false)] {
        go(&mut world, passed);
        act(&mut world, Action::PrometheusDown { down });
    }
    go(&mut world, 600.0);
    let found = [30.0, 180.0, 600.0].map(|when| at(&world, "count(up)", when).len());
    assert_eq!(found, [1, 0, 1]);
}

#[rstest]
#[case("1500m", 1.5)]
#[case("3", 3.0)]
#[case("5000Gi", 5_368_709_120_000.0)]
fn a_quota_is_the_number_that_it_is(#[case] hard: &str, #[case] value: f64) {
    let mut world = world("morning");
    let quota =
        json!({"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": {"x": hard}}});
    world.create(Kind::Quota, quota, false).unwrap();
    world.settle();
    let query = "kube_resourcequota{namespace=\"default\",type=\"hard\"}";
    assert_eq!(at(&world, query, 0.0), [value]);
}

#[test]
fn the_limit_of_memory_is_that_of_the_manifest() {
    let world = world("morning");
    let (namespace, name) = POD.split_once('/').unwrap();
    let pod = world.read(&Key::new(Kind::Pod, namespace, name)).unwrap();
    let limit = pod.text("spec/containers/0/resources/limits/memory");
    let limit = build::number(crate::demo::controllers::bytes(limit));
    let query = "container_spec_memory_limit_bytes{pod=\"coditect-pro-6\"}";
    assert_eq!(at(&world, query, 0.0), [limit]);
}
