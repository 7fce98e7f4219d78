//! `wsdash demo`: the simulated cluster in this process, looked at with the same client code as any
//! other. Nothing of the user's own connection is used: what is shown is never a real cluster.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::{say, target};
use crate::cli::{Cli, Demo, DemoCommand};
use crate::config::{Access, Config, Connection, Loaded, Metrics};
use crate::demo::{self, Options, Running, Verdict};
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
    let file = Kubeconfig::write(&running)?;
    let code = if wanted.args.is_empty() {
        Box::pin(dashboard(&running, &file, loaded.config)).await
    } else {
        command(&file, &wanted.args).await
    };
    let verdict = running.drill().and_then(|_| running.verdict());
    running.shutdown().await;
    if let Some(verdict) = verdict {
        tell(&verdict)?;
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

/// The kubeconfig of a running cluster, for as long as it runs.
struct Kubeconfig(PathBuf);

impl Kubeconfig {
    fn write(running: &Running) -> Result<Self> {
        let folder = crate::config::state_folder().context("finding the state folder")?;
        crate::logging::make_private(&folder)
            .with_context(|| format!("making {}", folder.display()))?;
        let file = folder.join(format!("demo-{}.kubeconfig", std::process::id()));
        std::fs::write(&file, running.kubeconfig())
            .with_context(|| format!("writing {}", file.display()))?;
        Ok(Self(file))
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        // It leads nowhere any more; what cannot be removed does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn serve(options: Options) -> Result<u8> {
    let running = demo::start(options).await?;
    let file = Kubeconfig::write(&running)?;
    say(&format!("export KUBECONFIG={}", file.0.display()))?;
    say(&format!("# Prometheus: {}", running.prometheus_url()))?;
    say("# ctrl-c ends it")?;
    let mut signals = crate::terminal::signals()?;
    while signals.next().await.exit_code().is_none() {}
    running.shutdown().await;
    Ok(0)
}

/// Any other command, against the simulated cluster.
async fn command(file: &Kubeconfig, args: &[String]) -> Result<u8> {
    let mut line = vec![
        "wsdash".into(),
        "--kubeconfig".into(),
        file.0.clone().into(),
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

async fn dashboard(running: &Running, file: &Kubeconfig, config: Config) -> Result<u8> {
    let folder = crate::config::state_folder().context("finding the state folder")?;
    let _logging = crate::logging::start(&config.log, &folder)?;
    let env = |name: &str| std::env::var(name).ok();
    crate::terminal::install_hooks(config.ui.use_colour(env))?;
    // How it looks is the user's; where it leads is not.
    let mut config = Config {
        connection: Connection {
            kubeconfig: Some(file.0.clone()),
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
            text: format!("{}\n\nenter begins; ctrl-c ends the drill and judges it", drill.page),
        },
        None => Welcome::Line(
            "a simulated cluster, nothing here is real: enter goes into the worst row, 2 lists what \
             is wrong, r is its runbook, ? helps (esc hides this)"
                .into(),
        ),
    };
    runtime::run(Start {
        target: target(&config),
        config: Arc::new(config),
        clock: Arc::new(move || clock.now()),
        welcome: Some(welcome),
    })
    .await
}

/// What the drill came to.
fn tell(verdict: &Verdict) -> Result<()> {
    let time = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("after {seconds:.0} s"),
        None => "not".to_owned(),
    };
    say(&format!("noticed: {}", time(verdict.noticed_after)))?;
    say(&format!("mended:  {}", time(verdict.mended_after)))?;
    if verdict.harm.is_empty() {
        say("harm:    none")?;
    }
    for harm in &verdict.harm {
        say(&format!("harm:    {harm}"))?;
    }
    say(&format!("runbook: {}", verdict.advice))?;
    say(if verdict.passed() {
        "passed"
    } else {
        "not passed"
    })
}
