//! A model for tests: three workspaces, one that is fine, one that crashes, one that is parked.

use super::model::{Drawn, Link, Place};
use super::{Effect, Model, Msg, settle, update};
use crate::domain::build::{
    claim, hours_ago, minutes_ago, node, now, pod, rows, set, snapshot, volume_of, world,
};
use crate::domain::inventory::{Change, Row};
use crate::domain::key::ObjectKey;
use crate::domain::metric::{Disk, Forecast, MetricsChange, MetricsState, Source, Usage};
use crate::domain::policy::Policy;

pub(crate) fn key(text: &str) -> Msg {
    use super::keymap::Chord;
    let (code, modifiers) = Chord::parse(text)
        .unwrap_or_else(|| panic!("{text} is no key"))
        .parts();
    Msg::Key(crossterm::event::KeyEvent::new(code, modifiers))
}

/// Presses keys that are separated by spaces, settling after each, as the loop does.
pub(crate) fn press(model: &mut Model, script: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for text in script.split(' ') {
        effects.extend(update(model, key(text)));
        effects.extend(settle_all(model));
    }
    effects
}

/// Types a text, character by character.
pub(crate) fn type_text(model: &mut Model, text: &str) {
    for c in text.chars() {
        let name = if c == ' ' {
            "space".to_owned()
        } else {
            c.to_string()
        };
        update(model, key(&name));
    }
    settle_all(model);
}

/// Settles until nothing is left to do.
pub(crate) fn settle_all(model: &mut Model) -> Vec<Effect> {
    let mut effects = settle(model);
    for _ in 0..50 {
        if model.board.is_pending() {
            effects.extend(settle(model));
        }
    }
    effects
}

pub(crate) fn disk(share: f64, full_in: Forecast) -> Disk {
    let capacity = 100.0 * 1024.0 * 1024.0 * 1024.0;
    Disk {
        capacity,
        available: capacity * (1.0 - share),
        used: capacity * share,
        inodes: Some(0.12),
        full_in,
        at: now(),
        source: Source::Prometheus,
        fresh: true,
    }
}

/// The rows of the model.
pub(crate) fn some_rows() -> Vec<Row> {
    let mut all = rows![
        node("n1"),
        set("ide", 2).ready(1),
        pod("ide-0")
            .claim("workspace-ide-0")
            .claim("theia-config-ide-0")
            .user("ana")
            .on("n1")
            .running(),
        pod("ide-1")
            .claim("workspace-ide-1")
            .claim("theia-config-ide-1")
            .user("ben")
            .on("n1")
            .waits("CrashLoopBackOff")
            .exited("Error", 137, minutes_ago(3))
            .unready(minutes_ago(30)),
    ];
    for ordinal in 0..3 {
        for template in ["workspace", "theia-config"] {
            let name = format!("{template}-ide-{ordinal}");
            all.push(claim(&name).created(hours_ago(300)).into());
            all.push(volume_of(&name).into());
            all.push(snapshot(&format!("{name}-daily"), &name, hours_ago(9)).into());
        }
    }
    all
}

pub(crate) fn model_of(rows: Vec<Row>) -> Model {
    let place = Place {
        context: "gke-prod".into(),
        namespace: Some(crate::domain::build::NS.into()),
        ..Place::default()
    };
    let mut model = Model::new(now(), place, Policy::default());
    model.inventory = world(rows);
    model.link = Link::Up;
    model.drawn = Drawn {
        table_rows: 10,
        text_rows: 5,
        text_lines: 50,
        ..Drawn::default()
    };
    settle_all(&mut model);
    model
}

pub(crate) fn model() -> Model {
    let mut model = model_of(some_rows());
    let namespace = model
        .inventory
        .workspaces()
        .next()
        .map(|w| w.key.namespace.clone())
        .unwrap_or_default();
    let of = |name: &str| ObjectKey::new(namespace.clone(), name);
    let usage = Usage {
        cpu: Some(0.12),
        memory: Some(1e9),
        throttled: None,
        restarts: None,
        at: now(),
        source: Source::Prometheus,
        fresh: true,
    };
    let hour = jiff::SignedDuration::from_mins(38);
    let round = MetricsChange::Round {
        disks: vec![
            (of("workspace-ide-0"), disk(0.28, Forecast::Never)),
            (of("workspace-ide-1"), disk(0.975, Forecast::In(hour))),
        ],
        usages: vec![(of("ide-0"), usage)],
    };
    update(&mut model, Msg::Metrics(round));
    let live = MetricsState::Live {
        at: now(),
        source: Source::Prometheus,
        partial: None,
    };
    update(&mut model, Msg::Metrics(MetricsChange::State(live)));
    model.now = now() + jiff::SignedDuration::from_secs(20);
    settle_all(&mut model);
    model
}

pub(crate) fn gone(model: &mut Model, kind: crate::domain::key::Kind, key: ObjectKey) {
    update(
        model,
        Msg::Cluster(Change::Update {
            kind,
            puts: Vec::new(),
            gone: vec![key],
        }),
    );
    settle_all(model);
}
