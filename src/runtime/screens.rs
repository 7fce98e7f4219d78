//! The screens of the documents: frames of the real program over the simulated cluster, with a clock
//! that stands still, written as SVG. `WSDASH_WRITE_DOCS=1 cargo test screens` writes them anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use strum::IntoEnumIterator as _;
use tokio::sync::mpsc;

use super::session::{News, Session};
use super::work::{Back, Work};
use crate::action::Request;
use crate::action::plan::RunId;
use crate::app::detail::Fetched;
use crate::app::job::Proposal;
use crate::app::model::Place;
use crate::app::{self, Effect, Model, Msg};
use crate::cluster::connect::{Interaction, Target, connect};
use crate::cluster::perform::{Folder, Performer};
use crate::config::{Access, Config, Theme};
use crate::demo::{self, Running};
use crate::domain::freshness::Freshness;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::metric::Forecast;
use crate::ui::{self, Look, svg};

const CEILING: Duration = Duration::from_secs(60);
const SIZE: (u16, u16) = (140, 34);
/// The workspace whose disk is nearly full.
const WORST: &str = "coditect-pro-7";

/// A dashboard without a terminal.
struct Stage {
    running: Running,
    folder: tempfile::TempDir,
    config: Arc<Config>,
    target: Target,
    session: Session,
    work: Work,
    inbox: mpsc::Receiver<Msg>,
    model: Model,
    look: Look,
}

impl Stage {
    async fn open() -> Self {
        // So slow that nothing happens: what is shown depends on the seed alone.
        let running = demo::start(demo::Options {
            speed: 1e-6,
            start: Some("2026-01-05T09:00:00Z".parse().unwrap()),
            ..demo::Options::default()
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, running.kubeconfig()).unwrap();
        let mut config = Config::default();
        config.ui.theme = Theme::Dark;
        config.actions.access = Access::Write;
        let config = Arc::new(config);
        let target = Target {
            kubeconfig: Some(file),
            ..Target::default()
        };
        let (messages, inbox) = mpsc::channel(64);
        let env = |name: &str| (name == "COLORTERM").then(|| "truecolor".to_owned());
        let begin = running.clock().start();
        let mut stage = Self {
            session: Session::start(Arc::clone(&config), target.clone()),
            work: Work::new(messages),
            model: Model::new(begin, Place::default(), config.policy()),
            look: Look::new(&config, env),
            running,
            folder,
            config,
            target,
            inbox,
        };
        stage.model.size = SIZE;
        let claim = ObjectKey::new("coditect-app", format!("workspace-{WORST}"));
        stage
            .until("everything is known", |model| {
                let forecast = model.metrics.disk(&claim).map(|d| &d.full_in);
                let known = model.inventory.freshness();
                let pending = |kind| {
                    let state = known.get(kind);
                    matches!(state, Freshness::Never | Freshness::Syncing { .. })
                };
                !Kind::iter().any(pending)
                    && model.metrics.is_live()
                    && matches!(forecast, Some(Forecast::In(_)))
            })
            .await;
        stage.later(20).await;
        stage
    }

    async fn take(&mut self, msg: Msg) {
        let mut effects = app::update(&mut self.model, msg);
        effects.extend(app::settle(&mut self.model));
        for effect in effects {
            self.carry_out(effect).await;
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::FetchChart {
                of,
                claims,
                pod,
                range,
            } => {
                let now = self.model.now;
                let metrics = self.session.metrics().unwrap();
                self.work
                    .fetch_chart(metrics, of, (claims, pod), Back { range, now });
            }
            Effect::Propose { request } => {
                let proposal = self.propose(&request).await;
                Box::pin(self.take(Msg::Proposed(Ok(Box::new(proposal))))).await;
            }
            _ => {}
        }
    }

    /// As a person at a desk would be shown it, whatever port the simulated cluster has.
    async fn propose(&self, request: &Request) -> Proposal {
        let connection = connect(&self.target, Interaction::Never).await.unwrap();
        let clock = self.running.clock();
        let folder = Folder::at(self.folder.path());
        let settings = self.config.settings();
        let policy = self.config.policy();
        let performer = Performer::new(&connection, policy, settings, "ann@desk", folder)
            .unwrap()
            .with_clock(Arc::new(move || clock.now()));
        let run = RunId::new(request.action(), clock.start(), 0x7e57);
        let mut plan = performer.plan(request, &run).await.unwrap();
        plan.place.server = "https://127.0.0.1:6443".to_owned();
        Proposal::new(plan, Vec::new())
    }

    /// Takes in what comes until something holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Model) -> bool) {
        let deadline = tokio::time::Instant::now() + CEILING;
        while !holds(&self.model) {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let Ok(msg) = tokio::time::timeout(left, self.next()).await else {
                panic!("{what}: not within {CEILING:?}");
            };
            self.take(msg).await;
        }
    }

    async fn next(&mut self) -> Msg {
        tokio::select! {
            Some(msg) = self.inbox.recv() => msg,
            news = self.session.next() => match news {
                News::Message(msg) => msg,
                News::Connected(place) => Msg::Connected(place),
            },
        }
    }

    /// Lets so many seconds of the model's time pass.
    async fn later(&mut self, seconds: i64) {
        let now = self.model.now + SignedDuration::from_secs(seconds);
        self.take(Msg::Now(now)).await;
        self.take(Msg::Tick).await;
        for _ in 0..50 {
            let effects = app::settle(&mut self.model);
            for effect in effects {
                self.carry_out(effect).await;
            }
        }
        self.frame();
    }

    async fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.take(app::build::key(key)).await;
            self.later(1).await;
        }
    }

    fn frame(&mut self) -> Buffer {
        let backend = TestBackend::new(SIZE.0, SIZE.1);
        let mut terminal = ratatui::Terminal::new(backend).unwrap();
        for _ in 0..2 {
            let mut drawn = self.model.drawn;
            let (model, look) = (&self.model, &self.look);
            terminal
                .draw(|frame| drawn = ui::draw(model, look, frame))
                .unwrap();
            app::update(&mut self.model, Msg::Drawn(drawn));
        }
        terminal.backend().buffer().clone()
    }

    /// Compares with the document, or writes it.
    fn keep(&mut self, name: &str, title: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/screens")
            .join(format!("{name}.svg"));
        let drawn = svg::of(&self.frame(), title);
        if std::env::var_os("WSDASH_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &drawn).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            kept == drawn,
            "{} is old; `WSDASH_WRITE_DOCS=1 cargo test screens` writes it anew",
            file.display()
        );
    }
}

#[track_caller]
fn shows(buffer: &Buffer, text: &str) {
    let lines = buffer.content.chunks(usize::from(buffer.area.width));
    let line = |cells: &[Cell]| cells.iter().map(Cell::symbol).collect::<String>();
    let shown: Vec<String> = lines.map(line).collect();
    let shown = shown.join("\n");
    assert!(shown.contains(text), "no `{text}` in\n{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screens_of_the_documents_are_those_of_the_program() {
    let mut stage = Stage::open().await;
    shows(&stage.frame(), WORST);
    stage.keep("workspaces", "All workspaces, the worst first");
    stage.press("u f t t").await;
    let arrived = |model: &Model| matches!(model.detail.chart, Fetched::Here { .. });
    stage.until("the chart", arrived).await;
    stage.keep("usage", "How a disk filled, and when it is full");
    stage.press("f shift-tab 2 r").await;
    shows(&stage.frame(), "What it means");
    stage.keep("runbook", "A finding and its runbook");
    stage.press("esc 1 + enter").await;
    shows(&stage.frame(), "Cancel");
    stage.keep("plan", "What a resize would do, before it does it");
    stage.running.shutdown().await;
}
