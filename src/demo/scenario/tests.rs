use rstest::rstest;

use super::*;

#[test]
fn every_shipped_scenario_loads_and_has_what_its_kind_needs() {
    for (name, _) in SHIPPED {
        let scenario = load(name).unwrap();
        assert!(!scenario.set.is_empty(), "{name}");
        assert_eq!(scenario.drill.is_some(), *name != "morning", "{name}");
    }
}

const HEAD: &str = "title = \"a\"\nbase = \"morning\"\n";

/// A set with one of its lines replaced.
fn set(wrong: &str) -> String {
    let key = wrong.split(' ').next().unwrap();
    let lines = [
        "name = \"ide\"",
        "namespace = \"app\"",
        "replicas = 2",
        "cpu = \"1\"",
        "memory = \"1Gi\"",
        "volume = [{ name = \"work\", path = \"/w\", size = \"5Gi\", class = \"standard-rwo\", fill = 0.5 }]",
    ];
    let mut text = format!("{HEAD}[[set]]\n{wrong}\n");
    for line in lines.iter().filter(|l| l.split(' ').next() != Some(key)) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn entry(lines: &str) -> String {
    format!("{HEAD}\n[[timeline]]\nat = 3\n{lines}\n")
}

fn drill(changed: &str) -> String {
    let key = changed.split(' ').next().unwrap();
    let lines = [
        "page = \"p\"",
        "goal = \"g\"",
        "subject = \"coditect-app/coditect-pro-1\"",
        "mended = { is = \"pod-ready\", pod = \"coditect-app/coditect-pro-1\" }",
        "advice = \"a\"",
        "minutes = 5",
    ];
    let mut text = format!("{HEAD}[drill]\n{changed}\n");
    for line in lines.iter().filter(|l| l.split(' ').next() != Some(key)) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What is wrong, the line it is on, and a part of what is said of it.
#[rstest]
#[case("title = \"a\"\ntimline = 3\n".to_owned(), 2, "did you mean `timeline`?")]
#[case("base = \"morning\"\n".to_owned(), 1, "missing field `title`")]
#[case("title = \"a\"\nbase = 3\n".to_owned(), 2, "expected a string")]
#[case("title = \"a\"\n[[set\n".to_owned(), 2, "")]
#[case(
    entry("do = \"delete-pod\"\npod = \"coditect-app/coditect-pro-1\"\nflies = 3"),
    8,
    "unknown field `flies`"
)]
#[case(
    entry("do = \"delet-pod\"\npod = \"coditect-app/coditect-pro-1\""),
    6,
    "did you mean `delete-pod`?"
)]
#[case(entry("do = 3"), 6, "`do` must be a text")]
#[case(
    entry("pod = \"coditect-app/coditect-pro-1\""),
    4,
    "missing field `do`"
)]
#[case(entry("do = \"delete-pod\""), 4, "missing field `pod`")]
#[case(format!("{HEAD}[[timeline]]\ndo = \"node-down\"\nnode = \"n\"\n"), 3, "missing field `at`")]
#[case(format!("{HEAD}[[timeline]]\nat = -3\ndo = \"node-down\"\nnode = \"n\"\n"), 4, "no time after the start")]
#[case(
    entry("do = \"delete-pod\"\npod = \"coditect-app/coditect-pro-99\""),
    7,
    "there is no pod \"coditect-app/coditect-pro-99\"; did you mean"
)]
#[case(
    entry("do = \"grow\"\nclaim = \"coditect-app/workspace-coditect-pro-1\"\nbytes = \"60Quux\""),
    8,
    "\"60Quux\" is no quantity"
)]
#[case(
    entry("do = \"grow\"\nbytes = \"6Gi\"\nclaim = \"coditect-app/work-coditect-pro-1\""),
    8,
    "did you mean \"coditect-app/workspace-coditect-pro-1\"?"
)]
#[case(entry("do = \"api-fault\"\nerror-share = 7.0"), 7, "7 is no share")]
#[case(entry("do = \"expand-error\"\nabove = \"much\""), 7, "no quantity")]
#[case(
    entry("do = \"behave\"\npod = \"coditect-app/coditect-pro-1\"\nbehaviour = { unredy = true }"),
    8,
    "did you mean `unready`?"
)]
#[case(
    entry("do = \"apply\"\nobject = { apiVersion = \"v1\", kind = \"Ghost\" }"),
    7,
    "serves no \"Ghost\""
)]
#[case(
    entry("do = \"node-down\"\nnode = \"gke-demo-pool-us-central1-a-3\""),
    7,
    "there is no node"
)]
#[case(
    entry("do = \"zone-gone\"\nzone = \"us-central1-c\""),
    7,
    "there is no zone"
)]
#[case(set("memory = \"5Gig\""), 4, "\"5Gig\" is no quantity")]
#[case(set("zone = \"moon\""), 4, "there is no zone \"moon\"")]
#[case(
    set(
        "volume = [{ name = \"w\", path = \"/w\", size = \"5Gi\", class = \"fast\", fill = 0.5 }]"
    ),
    4,
    "there is no class \"fast\""
)]
#[case(
    set(
        "volume = [{ name = \"w\", path = \"/w\", size = \"5Gi\", class = \"standard-rwo\", fill = 7.0 }]"
    ),
    4,
    "7 is no share"
)]
#[case(set("workspace = [{ ordinal = 2 }]"), 4, "ide has no ordinal 2")]
#[case(
    set("workspace = [{ ordinal = 1, volume = \"home\" }]"),
    4,
    "did you mean \"work\"?"
)]
#[case(
    drill("mended = { is = \"pod-ready\", pod = \"coditect-app/coditect-pro-1\", flies = 3 }"),
    4,
    "unknown field `flies`"
)]
#[case(
    drill("mended = { is = \"pod-redy\", pod = \"coditect-app/coditect-pro-1\" }"),
    4,
    "did you mean `pod-ready`?"
)]
#[case(
    drill("mended = { is = \"budget-allows\", budget = \"coditect/terminal-pods\" }"),
    4,
    "there is no budget"
)]
#[case(
    drill("mended = { is = \"no-claims\", namespace = \"coditect\", prefix = \"x\" }"),
    4,
    "begins with \"x\""
)]
#[case(
    drill("subject = \"coditect-app/coditect-pr\""),
    4,
    "did you mean \"coditect-app/coditect-pro\"?"
)]
#[case(
    drill("runbook = \"disk-ful\""),
    4,
    "there is no runbook \"disk-ful\"; did you mean \"disk-full\"?"
)]
#[case(drill("minutes = \"five\""), 4, "expected u32")]
fn a_scenario_that_is_wrong_is_refused_with_its_line(
    #[case] text: String,
    #[case] line: usize,
    #[case] says: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, &text).unwrap();
    let error = load(file.to_str().unwrap()).unwrap_err().to_string();
    assert!(
        error.contains(&format!(", line {line}: ")),
        "{error}\n{text}"
    );
    assert!(error.contains(says), "{error}");
}

/// So that the cases above are wrong in what they say alone.
#[rstest]
#[case(entry("do = \"delete-pod\"\npod = \"coditect-app/coditect-pro-1\""))]
#[case(entry(
    "do = \"scale\"\nset = \"coditect-app/coditect-pro\"\nreplicas = 18\n[[timeline]]\nat = 9\ndo = \"delete-pod\"\npod = \"coditect-app/coditect-pro-17\""
))]
#[case(set("zone = \"us-central1-a\""))]
#[case(set("workspace = [{ ordinal = 1, volume = \"work\" }]"))]
#[case(drill("runbook = \"disk-full\""))]
fn and_one_that_is_right_is_not(#[case] text: String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("right.toml");
    std::fs::write(&file, &text).unwrap();
    load(file.to_str().unwrap()).unwrap();
}

#[test]
fn two_that_are_based_on_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (own, base) in [("a.toml", "b.toml"), ("b.toml", "a.toml")] {
        let text = format!("title = \"a\"\nbase = {:?}\n", path(base));
        std::fs::write(path(own), text).unwrap();
    }
    let error = format!("{:#}", load(&path("a.toml")).unwrap_err());
    assert!(
        error.contains("line 2: ") && error.contains("is based on itself"),
        "{error}"
    );
}
