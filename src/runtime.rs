//! The loop: waits, drains everything that is queued, updates the model, carries out effects,
//! draws at most once. Keys go before everything else. The only place that knows the terminal,
//! the clock and the model at the same time; decides nothing.

mod act;
mod keys;
#[cfg(test)]
mod screens;
mod session;
pub(crate) mod shell;
mod work;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossterm::event::Event;
use jiff::SignedDuration;
use strum::IntoEnumIterator as _;
use tokio::sync::mpsc;

use crate::app::keymap::Keymap;
use crate::app::modal::Modal;
use crate::app::model::{Level, Notice, Place, View};
use crate::app::{self, Effect, Model, Msg};
use crate::cluster::connect::Target;
use crate::cluster::perform::Clock;
use crate::config::Config;
use crate::terminal::{self, Loan, Options, Signal, Signals, Terminal};
use crate::ui::{self, Look};
use act::Acting;
use keys::Keys;
use session::{News, Session};
use work::{Back, Work};

/// Answers of tasks that wait for the loop.
const MESSAGES: usize = 64;
/// Messages taken in before keys are looked at again.
const BATCH: usize = 8;
/// Ages on the screen are in seconds.
const TICK: Duration = Duration::from_secs(1);

/// What the dashboard starts from.
pub struct Start {
    pub config: Arc<Config>,
    pub target: Target,
    /// Where `now` comes from: the wall clock, except in a simulated cluster.
    pub clock: Clock,
    /// What is said at the start.
    pub welcome: Option<Welcome>,
    /// One line more, whenever it comes.
    pub later: Option<Later>,
}

/// A line that is not known yet.
pub type Later = Pin<Box<dyn Future<Output = String> + Send>>;

/// The first word of the screen.
pub enum Welcome {
    /// One line, until it is dismissed.
    Line(String),
    /// A page to read before anything else.
    Page { title: String, text: String },
}

/// How long such a line stays when nobody dismisses it.
const FIRST_LINE: SignedDuration = SignedDuration::from_mins(30);

/// Runs the dashboard until somebody quits; answers the exit code. Call it on the thread that
/// drives the runtime: its panic gives the terminal back.
pub async fn run(start: Start) -> Result<u8> {
    terminal::require()?;
    let config = start.config;
    let keymap = Keymap::new(&config.keys)?;
    let mut signals = terminal::signals()?;
    let mut terminal = Terminal::enter(Options {
        mouse: config.ui.mouse,
    })?;
    let place = Place {
        context: start.target.context.as_deref().unwrap_or("…").into(),
        namespace: start.target.namespace.as_deref().map(Into::into),
        ..Place::default()
    };
    let mut model = Model::new((start.clock)(), place, config.policy());
    model.keymap = keymap;
    model.orphans = config.settings().orphans;
    for view in View::iter() {
        let name = view.to_string();
        let (chosen, sort) = (config.columns.get(&name), config.sort.get(&name));
        model.arrange(view, chosen.map(Vec::as_slice), sort.map(String::as_str));
    }
    match start.welcome {
        Some(Welcome::Page { title, text }) => {
            let scroll = 0;
            model.modal = Some(Modal::Message {
                title,
                text,
                scroll,
            });
        }
        Some(Welcome::Line(text)) => line(&mut model, text),
        None => {}
    }
    let size = terminal.size()?;
    model.size = (size.width, size.height);
    model.view = config.ui.view.parse().unwrap_or(View::Workspaces);
    let env = |name: &str| std::env::var(name).ok();
    let look = Look::new(&config, env);
    let (messages, inbox) = mpsc::channel(MESSAGES);
    let mut dashboard = Dashboard {
        session: Session::start(Arc::clone(&config), start.target),
        work: Work::new(messages.clone()),
        acting: Acting::new(Arc::clone(&config), Arc::clone(&start.clock), messages),
        config,
        clock: start.clock,
        inbox,
        later: start.later,
        model,
        look,
        keys: Some(Keys::read()),
    };
    dashboard.acting.load();
    let code = dashboard.run(&mut terminal, &mut signals).await;
    // The screen first: what runs may take a moment to come to the end of its step.
    drop(terminal);
    dashboard.inbox.close();
    dashboard.acting.stop().await;
    code
}

/// A line that stays until it is dismissed.
fn line(model: &mut Model, text: String) {
    model.notice = Some(Notice {
        text,
        level: Level::Good,
        until: model.now + FIRST_LINE,
    });
}

struct Dashboard {
    config: Arc<Config>,
    clock: Clock,
    session: Session,
    work: Work,
    acting: Acting,
    inbox: mpsc::Receiver<Msg>,
    later: Option<Later>,
    model: Model,
    look: Look,
    /// `None` while somebody else has the terminal.
    keys: Option<Keys>,
}

/// Waits for the line, once; for ever when there is none.
async fn come(later: &mut Option<Later>) -> String {
    let Some(coming) = later else {
        return std::future::pending().await;
    };
    let text = coming.await;
    *later = None;
    text
}

/// What woke the loop.
enum Woke {
    Key(Option<std::io::Result<Event>>),
    Signal(Signal),
    Msg(Msg),
    News(News),
    Line(String),
    Time,
}

impl Dashboard {
    async fn run(&mut self, terminal: &mut Terminal, signals: &mut Signals) -> Result<u8> {
        let frame = Duration::from_secs(1) / self.config.ui.fps.max(1);
        let mut drawn = Instant::now()
            .checked_sub(frame)
            .unwrap_or_else(Instant::now);
        let mut ticked = Instant::now();
        let mut stale = true;
        loop {
            if stale && drawn.elapsed() >= frame {
                self.draw(terminal)?;
                drawn = Instant::now();
                stale = false;
            }
            let mut wait = TICK.saturating_sub(ticked.elapsed());
            if stale {
                wait = wait.min(frame.saturating_sub(drawn.elapsed()));
            }
            if let Some(more) = app::unsettled(&self.model) {
                wait = wait.min(Duration::try_from(more).unwrap_or_default());
            }
            let woke = self.wait(signals, wait).await;
            self.take(Msg::Now((self.clock)()), terminal).await?;
            match woke {
                Woke::Key(Some(Ok(event))) => self.event(event, terminal).await?,
                Woke::Key(Some(Err(error))) => {
                    return Err(anyhow::Error::new(error)
                        .context("reading keys; is the terminal still there?"));
                }
                // The terminal is gone, as after SIGHUP.
                Woke::Key(None) => return Ok(129),
                Woke::Signal(signal) => match signal.exit_code() {
                    Some(code) => self.take(Msg::Signal(code & 127), terminal).await?,
                    None => terminal.resume()?,
                },
                Woke::Msg(msg) => self.take(msg, terminal).await?,
                Woke::News(news) => self.news(news, terminal).await?,
                Woke::Line(text) => line(&mut self.model, text),
                Woke::Time if ticked.elapsed() >= TICK => {
                    ticked = Instant::now();
                    self.take(Msg::Tick, terminal).await?;
                }
                Woke::Time => {}
            }
            self.drain(terminal).await?;
            for effect in app::settle(&mut self.model) {
                self.carry_out(effect, terminal).await?;
            }
            stale = true;
            if let Some(quit) = self.model.quit {
                return Ok(quit.code);
            }
        }
    }

    async fn wait(&mut self, signals: &mut Signals, wait: Duration) -> Woke {
        let Some(keys) = &mut self.keys else {
            return Woke::Time;
        };
        tokio::select! {
            biased;
            signal = signals.next() => Woke::Signal(signal),
            event = keys.next() => Woke::Key(event),
            Some(msg) = self.inbox.recv() => Woke::Msg(msg),
            news = self.session.next() => Woke::News(news),
            text = come(&mut self.later) => Woke::Line(text),
            () = tokio::time::sleep(wait) => Woke::Time,
        }
    }

    /// Everything that is there already, keys first, up to a bound: then a frame is due.
    async fn drain(&mut self, terminal: &mut Terminal) -> Result<()> {
        for _ in 0..BATCH {
            while let Some(Ok(event)) = self.keys.as_mut().and_then(Keys::take) {
                self.event(event, terminal).await?;
            }
            let Some(msg) = self.inbox.try_recv().ok().or_else(|| self.session.take()) else {
                return Ok(());
            };
            self.take(msg, terminal).await?;
        }
        Ok(())
    }

    async fn event(&mut self, event: Event, terminal: &mut Terminal) -> Result<()> {
        let msg = match event {
            Event::Key(key) => Msg::Key(key),
            Event::Paste(text) => Msg::Paste(text),
            Event::Mouse(mouse) => Msg::Mouse(mouse),
            Event::Resize(width, height) => Msg::Resize(width, height),
            Event::FocusGained => Msg::FocusGained,
            Event::FocusLost => Msg::FocusLost,
        };
        self.take(msg, terminal).await
    }

    async fn news(&mut self, news: News, terminal: &mut Terminal) -> Result<()> {
        let msg = match news {
            News::Message(msg) => msg,
            News::Connected(place) => {
                self.work.stop();
                if let Some(client) = self.session.client() {
                    self.work.review(client, place.namespace.clone());
                }
                Msg::Connected(place)
            }
        };
        self.take(msg, terminal).await
    }

    async fn take(&mut self, msg: Msg, terminal: &mut Terminal) -> Result<()> {
        for effect in app::update(&mut self.model, msg) {
            self.carry_out(effect, terminal).await?;
        }
        Ok(())
    }

    fn draw(&mut self, terminal: &mut Terminal) -> Result<()> {
        let (model, look) = (&self.model, &self.look);
        let mut drawn = model.drawn;
        terminal.draw(|frame| drawn = ui::draw(model, look, frame))?;
        app::update(&mut self.model, Msg::Drawn(drawn));
        Ok(())
    }

    async fn carry_out(&mut self, effect: Effect, terminal: &mut Terminal) -> Result<()> {
        match effect {
            Effect::FetchYaml { of, kind, key } => {
                if let Some(client) = self.session.client() {
                    self.work.fetch_yaml(client, of, kind, key);
                }
            }
            Effect::FetchChart {
                of,
                claims,
                pod,
                range,
            } => {
                if let Some(metrics) = self.session.metrics() {
                    let back = Back {
                        range,
                        now: self.model.now,
                    };
                    self.work.fetch_chart(metrics, of, (claims, pod), back);
                }
            }
            Effect::UseMetrics { candidate } => self.session.choose_metrics(candidate),
            Effect::FollowLogs { of } => {
                if let Some(client) = self.session.client() {
                    self.work.follow_logs(client, of);
                }
            }
            Effect::StopLogs => self.work.stop_logs(),
            Effect::Copy { text } => terminal.copy(&text)?,
            Effect::SwitchNamespace { namespace } => {
                self.work.stop();
                self.session.switch_namespace(namespace.as_deref());
            }
            Effect::SwitchContext { context } => {
                self.work.stop();
                self.session.switch_context(&context);
            }
            Effect::Reconnect => {
                self.work.stop();
                self.session.reconnect();
            }
            Effect::Shell { pod, container } => {
                self.shell(&pod, container.as_deref(), terminal).await?;
            }
            Effect::Suspend => {
                self.stop_keys().await;
                terminal.suspend()?;
                self.keys = Some(Keys::read());
            }
            Effect::Redraw => terminal.repaint()?,
            Effect::Propose { request } => self.acting.propose(&self.session, request),
            Effect::Rehearse { plan } => self.acting.rehearse(*plan),
            Effect::Perform { plan } => self.acting.perform(*plan),
            Effect::Sight { seen } => self.acting.sight(seen),
            Effect::Resume { run } => self.acting.resume(&self.session, run),
        }
        Ok(())
    }

    async fn stop_keys(&mut self) {
        if let Some(keys) = self.keys.take() {
            keys.stop().await;
        }
    }

    async fn shell(
        &mut self,
        pod: &crate::domain::key::ObjectKey,
        container: Option<&str>,
        terminal: &mut Terminal,
    ) -> Result<()> {
        let Some(client) = self.session.client() else {
            return Ok(());
        };
        // Two readers of one terminal would share the keys between them.
        self.stop_keys().await;
        let lent = terminal.lend(Loan::Raw)?;
        let ended = shell::run(&client, pod, container, &self.config.actions.shells).await;
        lent.take_back()?;
        self.keys = Some(Keys::read());
        let size = terminal.size()?;
        app::update(&mut self.model, Msg::Resize(size.width, size.height));
        let told = match ended {
            Ok(ended) => Msg::Told {
                good: ended.good,
                text: ended.text,
            },
            Err(error) => Msg::Told {
                good: false,
                text: format!("{error:#}"),
            },
        };
        app::update(&mut self.model, told);
        Ok(())
    }
}
