//! `cargo bench`: decode, join, judge, draw and filter at 13,000 workspaces. The objects are those
//! of a real API server, with their managed fields. Compare ratios, never numbers of two computers.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot start says why by a panic"
)]

use std::sync::LazyLock;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use divan::{Bencher, black_box};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use wsdash::app::model::{Model, Place};
use wsdash::app::{self, Msg};
use wsdash::cluster::rows;
use wsdash::config::Config;
use wsdash::domain::inventory::{Change, Inventory, Row};
use wsdash::domain::key::Kind;
use wsdash::domain::policy::Policy;
use wsdash::ui::{self, Look};

const SETS: usize = 130;
const ORDINALS: usize = 100;
const SCREEN: (u16, u16) = (160, 45);

const SET: &str = include_str!("set.json");
const POD: &str = include_str!("pod.json");
const CLAIM: &str = include_str!("claim.json");
const SNAPSHOT: &str = include_str!("snapshot.json");

fn main() {
    divan::main();
}

/// The object of one ordinal: the fixtures are all of set 000, ordinal 0.
fn object(template: &str, set: usize, ordinal: usize) -> String {
    let uid = format!("{:08x}-", set * ORDINALS + ordinal);
    let (_, uid_before) = template.rsplit_once("\"uid\":\"").unwrap();
    let uid_before = uid_before.get(..9).unwrap();
    template
        .replace(
            "coditect-ide-000-0",
            &format!("coditect-ide-{set:03}-{ordinal}"),
        )
        .replace("coditect-ide-000", &format!("coditect-ide-{set:03}"))
        .replace(uid_before, &uid)
}

fn read(kind: Kind, json: &str) -> Row {
    rows::read(kind, json.as_bytes(), &Policy::default()).unwrap()
}

type Rows = Vec<(Kind, Vec<Row>)>;

/// All rows, decoded once.
static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let places = || (0..SETS).flat_map(|set| (0..ORDINALS).map(move |ordinal| (set, ordinal)));
    let each = |kind, template: &str| {
        let rows = places().map(|(set, ordinal)| read(kind, &object(template, set, ordinal)));
        rows.collect::<Vec<Row>>()
    };
    let theia = CLAIM.replace("workspace-coditect", "theia-config-coditect");
    let mut claims = each(Kind::Claim, CLAIM);
    claims.extend(each(Kind::Claim, &theia));
    vec![
        (
            Kind::Set,
            (0..SETS)
                .map(|set| read(Kind::Set, &object(SET, set, 0)))
                .collect(),
        ),
        (Kind::Pod, each(Kind::Pod, POD)),
        (Kind::Claim, claims),
        (Kind::Snapshot, each(Kind::Snapshot, SNAPSHOT)),
    ]
});

/// What the watches send for all of it.
fn changes() -> Vec<Change> {
    let mut all = Vec::new();
    for (kind, rows) in ROWS.iter() {
        all.push(Change::Begin { kind: *kind });
        for page in rows.chunks(500) {
            all.push(Change::Page {
                kind: *kind,
                rows: page.to_vec(),
                remaining: None,
            });
        }
        all.push(Change::Done { kind: *kind });
    }
    all
}

fn model() -> Model {
    let mut model = Model::new(Timestamp::now(), Place::default(), Policy::default());
    model.size = SCREEN;
    for change in changes() {
        app::update(&mut model, Msg::Cluster(change));
    }
    settle(&mut model);
    model
}

fn settle(model: &mut Model) {
    loop {
        app::settle(model);
        if !model.board.is_pending() {
            return;
        }
    }
}

fn press(model: &mut Model, code: KeyCode) {
    app::update(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    app::settle(model);
}

fn terminal() -> Terminal<TestBackend> {
    Terminal::new(TestBackend::new(SCREEN.0, SCREEN.1)).unwrap()
}

fn draw(terminal: &mut Terminal<TestBackend>, model: &Model, look: &Look) {
    terminal
        .draw(|frame| {
            ui::draw(model, look, frame);
        })
        .unwrap();
}

fn look() -> Look {
    Look::new(&Config::default(), |_| None)
}

#[divan::bench(args = [("pod", POD), ("claim", CLAIM)])]
fn decode(bencher: Bencher<'_, '_>, (what, json): (&str, &str)) {
    let kind = if what == "pod" {
        Kind::Pod
    } else {
        Kind::Claim
    };
    let policy = Policy::default();
    bencher.bench(|| rows::read(kind, black_box(json.as_bytes()), &policy));
}

#[divan::bench(sample_count = 10)]
fn join(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(changes).bench_values(|changes| {
        let mut inventory = Inventory::new(Policy::default().claim_templates);
        for change in changes {
            inventory.apply(change);
        }
        inventory
    });
}

#[divan::bench(sample_count = 5)]
fn join_judge_and_list(bencher: Bencher<'_, '_>) {
    bencher.bench(model);
}

/// One pod of 13,000 changed, as a watch tells it, up to the frame.
#[divan::bench]
fn change(bencher: Bencher<'_, '_>) {
    let (mut model, mut terminal, look) = (model(), terminal(), look());
    let pods = &ROWS.iter().find(|(kind, _)| *kind == Kind::Pod).unwrap().1;
    let mut next = pods.iter().cycle();
    bencher.bench_local(|| {
        let change = Change::Update {
            kind: Kind::Pod,
            puts: next.next().cloned().into_iter().collect(),
            gone: Vec::new(),
        };
        app::update(&mut model, Msg::Cluster(change));
        app::settle(&mut model);
        draw(&mut terminal, &model, &look);
    });
}

/// A key that moves the cursor, up to the frame.
#[divan::bench]
fn key_and_draw(bencher: Bencher<'_, '_>) {
    let (mut model, mut terminal, look) = (model(), terminal(), look());
    bencher.bench_local(|| {
        press(&mut model, KeyCode::Char('j'));
        draw(&mut terminal, &model, &look);
    });
}

/// A filter typed one character further, over all rows, up to the frame.
#[divan::bench(sample_count = 20)]
fn filter(bencher: Bencher<'_, '_>) {
    let (mut model, mut terminal, look) = (model(), terminal(), look());
    press(&mut model, KeyCode::Char('/'));
    let mut keys = [KeyCode::Char('7'), KeyCode::Backspace].into_iter().cycle();
    bencher.bench_local(|| {
        press(&mut model, keys.next().unwrap());
        draw(&mut terminal, &model, &look);
    });
}
