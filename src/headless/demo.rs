//! `wsdash demo`: the simulated cluster in this process, looked at with the same client code as any
//! other. Nothing of the user's own connection is used: what is shown is never a real cluster.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::{say, target};
use crate::cli::{Cli, Demo, DemoCommand};
use crate::cluster::perform::Folder;
use crate::config::{Access, Config, Connection, Loaded, Metrics};
use crate::demo::{self, Drill, Options, Running, Verdict};
use crate::runtime::{self, Start, Welcome};

/// Runs one form of the command.
pub(super) async fn run(wanted: &Demo, loaded: Loaded) -> Result<u8> {
    if wanted.list {
        for (name, scenario) in demo::scenarios()? {
            say(&format!("{name:<24} {}", scenario.title))?;
        }
        return Ok(0);
    }
    if let Some(DemoCommand::Serve {
        port,
        drill,
        speed,
        seed,
    }) = &wanted.command
    {
        let options = options(drill.as_ref(), *speed, *seed, *port);
        return serve(options).await;
    }
    if wanted.args.is_empty() {
        // Before anything is started: there may be no terminal at all.
        crate::terminal::require()?;
    }
    let options = options(wanted.drill.as_ref(), wanted.speed, wanted.seed, 0);
    let running = demo::start(options).await?;
    let home = Home::make(&running)?;
    Folder::keep_elsewhere(home.jobs());
    let code = if wanted.args.is_empty() {
        Box::pin(dashboard(&running, &home, loaded.config)).await
    } else {
        command(&home, &wanted.args).await
    };
    let verdict = running.verdict();
    running.shutdown().await;
    for line in verdict.iter().flat_map(tell) {
        say(&line)?;
    }
    code
}

fn options(drill: Option<&String>, speed: f64, seed: u64, port: u16) -> Options {
    let mut options = Options {
        speed,
        seed,
        port,
        ..Options::default()
    };
    if let Some(drill) = drill {
        options.scenario.clone_from(drill);
    }
    options
}

/// The folder of a running cluster, gone when it ends.
struct Home(PathBuf);

impl Home {
    fn make(running: &Running) -> Result<Self> {
        let state = crate::config::state_folder().context("finding the state folder")?;
        let home = Self(state.join(format!("demo-{}", std::process::id())));
        // of a process of the same number that was killed
        let _ = std::fs::remove_dir_all(&home.0);
        crate::logging::make_private(&home.0)
            .with_context(|| format!("making {}", home.0.display()))?;
        let file = home.kubeconfig();
        std::fs::write(&file, running.kubeconfig())
            .with_context(|| format!("writing {}", file.display()))?;
        Ok(home)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    fn jobs(&self) -> PathBuf {
        self.0.join("jobs")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It leads nowhere any more; what cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn serve(options: Options) -> Result<u8> {
    let running = demo::start(options).await?;
    let home = Home::make(&running)?;
    say(&format!(
        "export KUBECONFIG={}",
        home.kubeconfig().display()
    ))?;
    say(&format!("# Prometheus: {}", running.prometheus_url()))?;
    if let Some(drill) = running.drill() {
        for line in brief(drill).lines() {
            say(&format!("# {line}"))?;
        }
    }
    say("# ctrl-c ends it")?;
    let mut signals = crate::terminal::signals()?;
    let judged = running.judged();
    tokio::pin!(judged);
    let mut verdict = None;
    loop {
        tokio::select! {
            signal = signals.next() => if signal.exit_code().is_some() { break },
            end = &mut judged, if verdict.is_none() => {
                verdict = Some(end.clone());
                tell_comment(&end)?;
            }
        }
    }
    if verdict.is_none()
        && let Some(now) = running.verdict()
    {
        tell_comment(&now)?;
    }
    running.shutdown().await;
    Ok(0)
}

/// A verdict between lines that a shell may read.
fn tell_comment(verdict: &Verdict) -> Result<()> {
    for line in tell(verdict) {
        say(&format!("# {line}"))?;
    }
    Ok(())
}

/// What somebody has to know who takes over.
fn brief(drill: &Drill) -> String {
    format!(
        "{}\n\nGoal: {} You have {} minutes.",
        drill.page, drill.goal, drill.minutes
    )
}

/// Any other command, against the simulated cluster.
async fn command(home: &Home, args: &[String]) -> Result<u8> {
    let mut line = vec![
        "wsdash".into(),
        "--kubeconfig".into(),
        home.kubeconfig().into(),
    ];
    line.extend(args.iter().map(Into::into));
    let cli = match Cli::read(line) {
        Ok(cli) => cli,
        Err(error) => {
            // The help that was asked for, or what is wrong with the words behind `--`.
            error.print().context("printing the usage")?;
            return Ok(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    Box::pin(super::run(&cli)).await
}

async fn dashboard(running: &Running, home: &Home, config: Config) -> Result<u8> {
    let folder = crate::config::state_folder().context("finding the state folder")?;
    let _logging = crate::logging::start(&config.log, &folder)?;
    let env = |name: &str| std::env::var(name).ok();
    crate::terminal::install_hooks(config.ui.use_colour(env))?;
    // How it looks is the user's; where it leads is not.
    let mut config = Config {
        connection: Connection {
            kubeconfig: Some(home.kubeconfig()),
            ..Connection::default()
        },
        metrics: Metrics {
            // Minutes of simulated life pass in seconds.
            interval: std::time::Duration::from_secs(5),
            ..Metrics::default()
        },
        ..config
    };
    config.actions.access = Access::Write;
    let clock = running.clock();
    let welcome = match running.drill() {
        Some(drill) => Welcome::Page {
            title: "you are on call, and this came in".into(),
            text: format!(
                "{}\n\nenter begins; ctrl-c ends the drill and judges it",
                brief(drill)
            ),
        },
        None => Welcome::Line(
            "a simulated cluster, nothing here is real: enter goes into the worst row, 2 lists what \
             is wrong, r is its runbook, ? helps (esc hides this)"
                .into(),
        ),
    };
    let judged = running.judged();
    let later = async { over(&judged.await).to_owned() };
    Box::pin(runtime::run(Start {
        target: target(&config),
        config: Arc::new(config),
        clock: Arc::new(move || clock.now()),
        welcome: Some(welcome),
        later: Some(Box::pin(later)),
    }))
    .await
}

/// That a drill is over, in one line.
fn over(verdict: &Verdict) -> &'static str {
    match (verdict.mended_after.is_some(), verdict.passed()) {
        (true, true) => "the drill is mended and passed; ctrl-c shows the verdict",
        (true, false) => "it is mended, but harm was done; ctrl-c shows the verdict",
        (false, _) => "the time of the drill is up, and it is not mended; ctrl-c shows the verdict",
    }
}

/// What the drill came to.
fn tell(verdict: &Verdict) -> Vec<String> {
    let time = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("after {seconds:.0} s"),
        None => "not".to_owned(),
    };
    let mut lines = vec![
        format!("noticed: {}", time(verdict.noticed_after)),
        format!("mended:  {}", time(verdict.mended_after)),
    ];
    if verdict.harm.is_empty() {
        lines.push("harm:    none".to_owned());
    }
    lines.extend(verdict.harm.iter().map(|harm| format!("harm:    {harm}")));
    if let Some(code) = &verdict.runbook {
        lines.push(format!("runbook: wsdash runbook {code}"));
    }
    lines.push(format!("advice:  {}", verdict.advice));
    let end = match (verdict.over, verdict.passed()) {
        (true, true) => "passed",
        (true, false) => "not passed",
        (false, _) => "not passed: ended before it was over",
    };
    lines.push(end.to_owned());
    lines
}
