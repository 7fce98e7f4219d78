//! What is drawn: whole screens as text, and rules that hold for every screen.

use insta::assert_snapshot;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use rstest::rstest;

use super::{Look, draw};
use crate::app::Model;
use crate::app::Msg;
use crate::app::build::{disk, model, model_of, press, settle_all, some_rows, type_text};
use crate::app::model::{Link, Place};
use crate::config::Config;
use crate::domain::build::{
    claim, denied, event, gib, key, minutes_ago, now, pod, put, rows, set, set_freshness,
};
use crate::domain::freshness::Freshness;
use crate::domain::key::Kind;
use crate::domain::metric::{Forecast, MetricsChange};
use crate::domain::policy::Policy;

fn look(no_colour: bool, ascii: bool) -> Look {
    let mut config = Config::default();
    if ascii {
        config.ui.ascii = crate::config::When::Always;
    }
    Look::new(&config, |name| {
        (no_colour && name == "NO_COLOR").then(|| "1".to_owned())
    })
}

fn buffer(model: &mut Model, look: &Look, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    for _ in 0..2 {
        let mut drawn = model.drawn;
        terminal
            .draw(|frame| drawn = draw(model, look, frame))
            .unwrap();
        crate::app::update(model, Msg::Drawn(drawn));
    }
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        for x in 0..area.width {
            line.push_str(buffer[(x, y)].symbol());
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn screen(model: &mut Model, size: (u16, u16)) -> String {
    lines(&buffer(model, &look(false, false), size))
}

const NIGHT: (u16, u16) = (80, 24);
const DAY: (u16, u16) = (160, 45);

#[rstest]
#[case("1", "workspaces")]
#[case("2", "findings")]
#[case("3", "claims")]
#[case("4", "snapshots")]
#[case("5", "pods")]
#[case("6", "sets")]
#[case("7", "volumes")]
#[case("8", "events")]
#[case("9", "jobs")]
fn every_view_at_both_sizes(#[case] digit: &str, #[case] name: &str) {
    let mut model = model();
    let row = event(
        Kind::Pod,
        "ide-1",
        "BackOff",
        "Back-off restarting failed container",
        minutes_ago(1),
    );
    put(&mut model.inventory, row);
    press(&mut model, digit);
    assert_snapshot!(format!("{name}-80x24"), screen(&mut model, NIGHT));
    assert_snapshot!(format!("{name}-160x45"), screen(&mut model, DAY));
}

#[rstest]
#[case("?", "help")]
#[case("o", "sort")]
#[case("a", "actions")]
#[case("r", "runbook")]
#[case(":", "command")]
fn what_lies_over_the_screen(#[case] keys: &str, #[case] name: &str) {
    let mut model = model();
    press(&mut model, keys);
    if name == "command" {
        type_text(&mut model, "sn");
    }
    assert_snapshot!(format!("modal-{name}"), screen(&mut model, NIGHT));
}

fn freshness(name: &str) -> Freshness {
    match name {
        "never" => Freshness::Never,
        "syncing" => Freshness::Syncing {
            seen: 6500,
            remaining: Some(6500),
        },
        "stale" => Freshness::Stale {
            since: minutes_ago(3),
            why: "connection refused".into(),
        },
        "absent" => Freshness::Absent {
            why: "the server has no such resource".into(),
        },
        "off" => Freshness::Off {
            why: "switched off".into(),
        },
        _ => denied(),
    }
}

#[rstest]
fn not_knowing_never_looks_like_there_being_none(
    #[values("never", "syncing", "stale", "absent", "denied")] state: &str,
) {
    let mut model = model_of(Vec::new());
    set_freshness(&mut model.inventory, Kind::Snapshot, freshness(state));
    press(&mut model, "4");
    let shown = screen(&mut model, NIGHT);
    assert!(!shown.contains("there are no"), "{shown}");
    assert_snapshot!(format!("snapshots-{state}"), shown);
    set_freshness(&mut model.inventory, Kind::Snapshot, Freshness::Live);
    settle_all(&mut model);
    let shown = screen(&mut model, NIGHT);
    assert!(shown.contains("there are no snapshots"), "{shown}");
}

#[test]
fn all_is_said_to_be_well_only_as_far_as_it_is_known() {
    let mut model = model();
    press(&mut model, "/");
    type_text(&mut model, "ide-0");
    press(&mut model, "enter");
    let well = "✓ nothing is wrong";
    let shown = screen(&mut model, DAY);
    let partly = "✓ nothing is wrong in what is known; not all of its disks";
    assert!(shown.contains(partly), "{shown}");
    let disks = ["workspace-ide-0", "theia-config-ide-0"]
        .map(|name| (key(name), disk(0.28, Forecast::Never)))
        .to_vec();
    let usages = Vec::new();
    let all = MetricsChange::Round { disks, usages };
    crate::app::update(&mut model, Msg::Metrics(all));
    settle_all(&mut model);
    let shown = screen(&mut model, DAY);
    assert!(shown.contains(well) && !shown.contains(partly), "{shown}");
    set_freshness(&mut model.inventory, Kind::Pod, denied());
    settle_all(&mut model);
    let shown = screen(&mut model, DAY);
    assert!(
        !shown.contains(well) && shown.contains("? pods are denied"),
        "{shown}"
    );
}

#[test]
fn no_findings_without_metrics_are_not_all_that_there_is_to_know() {
    let mut model = model_of(Vec::new());
    press(&mut model, "2");
    let shown = screen(&mut model, NIGHT);
    assert!(
        shown.contains("nothing is wrong in what is known; the metrics are not"),
        "{shown}"
    );
}

#[test]
fn a_lost_server_dims_the_rows_and_says_since_when() {
    let mut model = model();
    let again = model.now + jiff::SignedDuration::from_secs(3);
    crate::app::update(
        &mut model,
        Msg::Link(Link::Lost {
            since: now() - jiff::SignedDuration::from_secs(22),
            why: "connection refused".into(),
            next: "check the network".into(),
            retry_at: Some(again),
        }),
    );
    let drawn = buffer(&mut model, &look(false, false), DAY);
    let text = lines(&drawn);
    assert!(
        text.contains("API lost 42s ago (connection refused), retrying in 3s"),
        "{text}"
    );
    assert!(text.contains("ide-0"), "rows stay");
    let row = (0..drawn.area.height)
        .find(|y| line(&drawn, *y).contains("ide-0"))
        .unwrap();
    assert!(drawn[(4, row)].modifier.contains(Modifier::DIM));
}

fn line(buffer: &Buffer, y: u16) -> String {
    (0..buffer.area.width)
        .map(|x| buffer[(x, y)].symbol().to_owned())
        .collect()
}

#[test]
fn a_connection_that_never_stood_says_what_to_do() {
    let place = Place {
        context: "gke-prod".into(),
        ..Place::default()
    };
    let mut model = Model::new(now(), place, Policy::default());
    model.link = Link::Failed {
        since: now(),
        why: "no kubeconfig was found: KUBECONFIG is not set".into(),
        next: "set KUBECONFIG or pass --kubeconfig".into(),
        retry_at: None,
    };
    let shown = screen(&mut model, NIGHT);
    assert!(shown.contains("set KUBECONFIG or pass"), "{shown}");
    let top: String = shown.lines().take(2).collect();
    for claim in ["all namespaces", "RW", "workspaces 0", "findings 0"] {
        assert!(!top.contains(claim), "nothing is known yet: {top}");
    }
}

#[test]
fn without_colour_nothing_is_coloured_and_nothing_is_lost() {
    let (mut one, mut other) = (model(), model());
    let plain = buffer(&mut one, &look(true, false), DAY);
    let coloured = buffer(&mut other, &look(false, false), DAY);
    assert_eq!(lines(&plain), lines(&coloured));
    for cell in &plain.content {
        assert!(matches!(cell.fg, Color::Reset) && matches!(cell.bg, Color::Reset));
    }
}

#[rstest]
fn ascii_is_ascii(#[values("1", "2", "3", "?", "o", "d", "4")] keys: &str) {
    let mut model = model();
    press(&mut model, keys);
    let shown = lines(&buffer(&mut model, &look(false, true), NIGHT));
    let foreign: Vec<char> = shown.chars().filter(|c| !c.is_ascii()).collect();
    assert!(foreign.is_empty(), "{foreign:?} in\n{shown}");
}

#[test]
fn no_size_panics_and_the_smallest_say_so() {
    for keys in ["1", "?", ":", "o", "r", "u", "y", "l", "f"] {
        for width in [1, 2, 7, 39, 40, 41, 79, 119, 120, 200] {
            for height in [1, 2, 3, 7, 8, 9, 24, 60] {
                let mut model = model();
                press(&mut model, keys);
                buffer(&mut model, &look(false, false), (width, height));
            }
        }
    }
    let mut model = model();
    assert!(screen(&mut model, (39, 3)).starts_with("wsdash needs 40×8"));
}

#[test]
fn hostile_names_break_no_column() {
    let mut rows = some_rows();
    rows.push(
        pod("bad\u{202e}\u{1b}[31m\nname")
            .user("漢字漢字漢字")
            .into(),
    );
    let mut model = model_of(rows);
    press(&mut model, "5");
    let shown = screen(&mut model, NIGHT);
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
        "{shown}"
    );
}

#[test]
fn templates_that_their_claims_have_outgrown_are_told_with_the_key_that_mends_it() {
    let rows = |size| {
        rows![
            set("ide", 1),
            claim("workspace-ide-0").asks(gib(size)).created(now()),
        ]
    };
    let told = |size| {
        let mut model = model_of(rows(size));
        press(&mut model, "6 g d f");
        screen(&mut model, DAY)
    };
    let same = told(100);
    assert!(same.contains("workspace: 100.0 GiB"), "{same}");
    assert!(!same.contains("have grown"), "{same}");
    let grown = told(250);
    assert!(
        grown.contains("its claims have grown to 250.0 GiB"),
        "{grown}"
    );
    assert!(grown.contains("→ T make the templates as large"), "{grown}");
}

/// `WSDASH_WRITE_DOCS=1 cargo test documents` writes it anew.
#[test]
fn documents_show_the_keys_and_a_screen_that_are_true() {
    use std::fmt::Write as _;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut keys = String::from(
        "# Keys\n\nGenerated from the table of commands. `[keys]` of the configuration gives others.\n\n\
         | keys | command | what it does |\n|---|---|---|\n",
    );
    for command in crate::app::command::COMMANDS {
        let list: Vec<String> = command.keys.iter().map(|k| format!("`{k}`")).collect();
        let _ = writeln!(
            keys,
            "| {} | `:{}` | {} |",
            list.join(" "),
            command.name(),
            command.help
        );
    }
    let file = root.join("docs/keys.md");
    if std::env::var_os("WSDASH_WRITE_DOCS").is_some() {
        std::fs::write(&file, &keys).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), keys);
    let file = root.join("README.md");
    let mut readme = std::fs::read_to_string(&file).unwrap();
    let shown = screen(&mut model(), NIGHT);
    if std::env::var_os("WSDASH_WRITE_DOCS").is_some() {
        let (before, rest) = readme.split_once("```text\n").unwrap();
        let (_, after) = rest.split_once("\n```").unwrap();
        readme = format!("{before}```text\n{}\n```{after}", shown.trim_end());
        std::fs::write(&file, &readme).unwrap();
    }
    assert!(
        readme.contains(shown.trim_end()),
        "the README's screen is old; now it is\n{shown}"
    );
}
