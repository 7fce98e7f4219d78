//! The commands that print instead of drawing: the same rows, the same verdicts, and freshness
//! as part of every answer. Nothing here may call an incomplete picture complete.

mod act;
mod picture;
mod print;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::{Cli, Command, Demo, DemoCommand, Format, Get, Global, Kind, TextFormat};
use crate::cluster::connect::{Interaction, Target, connect};
use crate::config::{Config, Known, Loaded, Sources};
use crate::domain::finding::Severity;
use picture::Picture;

/// Something that the answer needs could not be read.
const UNKNOWN: u8 = 3;

/// Runs one command and answers the exit code.
pub async fn run(cli: &Cli) -> Result<u8> {
    let flags = cli.global.overrides();
    let sources = Sources {
        file: cli.global.config.clone(),
        env: Sources::environment(),
        flags,
        known: Known::default(),
    };
    let loaded = Config::load(&sources)?;
    match &cli.command {
        Some(Command::Get(get)) => list(cli, &loaded, get).await,
        Some(Command::Check { text }) => check(cli, &loaded, text.format).await,
        Some(Command::Config { sample, text }) => {
            if *sample {
                say(&crate::config::sample())?;
            } else if text.format == TextFormat::Json {
                say(&serde_json::to_string_pretty(&loaded.entries())?)?;
            } else {
                say(&loaded.to_string())?;
            }
            Ok(0)
        }
        Some(Command::Completions { shell }) => {
            let mut definition = crate::cli::definition(None);
            clap_complete::generate(*shell, &mut definition, "wsdash", &mut std::io::stdout());
            Ok(0)
        }
        Some(Command::Man) => {
            clap_mangen::Man::new(crate::cli::definition(None)).render(&mut std::io::stdout())?;
            Ok(0)
        }
        Some(Command::Demo(demo)) => simulate(demo).await,
        Some(Command::Act(act)) => act::run(cli, &loaded, act).await,
        Some(Command::Rbac { actions }) => act::rbac(cli, actions).await,
        Some(_) => bail!("this command is not built yet; `wsdash --help` names those that print"),
        None => Box::pin(dashboard(cli, loaded)).await,
    }
}

/// Without a command the dashboard starts.
async fn dashboard(cli: &Cli, loaded: Loaded) -> Result<u8> {
    // Before anything is started or written: there may be no terminal at all.
    crate::terminal::require()?;
    let folder = crate::config::state_folder().context("finding the state folder")?;
    let _logging = crate::logging::start(&loaded.config.log, &folder)?;
    let env = |name: &str| std::env::var(name).ok();
    crate::terminal::install_hooks(loaded.config.ui.use_colour(env))?;
    let start = crate::runtime::Start {
        target: target(&cli.global)?,
        config: std::sync::Arc::new(loaded.config),
        clock: Box::new(Timestamp::now),
    };
    crate::runtime::run(start).await
}

fn target(global: &Global) -> Result<Target> {
    let timeout = match &global.request_timeout {
        Some(text) => Some(limit(text)?),
        None => None,
    };
    Ok(Target {
        kubeconfig: global.kubeconfig.clone(),
        context: global.context.clone(),
        namespace: global.namespace.clone(),
        all_namespaces: global.all_namespaces,
        as_user: global.as_user.clone(),
        as_groups: global.as_groups.clone(),
        request_timeout: timeout,
        run: format!("{:x}", Timestamp::now().as_millisecond()),
        ..Target::default()
    })
}

/// kubectl's form: a number of seconds, or a duration with its unit.
fn limit(text: &str) -> Result<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: jiff::SignedDuration = text.parse().with_context(|| {
        format!("--request-timeout `{text}` is no duration such as 10s, 2m or 30")
    })?;
    Duration::try_from(span).with_context(|| format!("--request-timeout `{text}` is below zero"))
}

async fn look(cli: &Cli, loaded: &Loaded) -> Result<Picture> {
    let connection = connect(&target(&cli.global)?, Interaction::Allowed).await?;
    // One question with an answer of its own, so that a wrong token is one sentence and not six.
    connection.probe().await?;
    let config = std::sync::Arc::new(loaded.config.clone());
    Ok(Picture::take(&connection, &config).await)
}

async fn list(cli: &Cli, loaded: &Loaded, get: &Get) -> Result<u8> {
    if get.watch || get.selector.is_some() || get.sort.is_some() {
        bail!("--watch, --selector and --sort are not built yet; leave them out");
    }
    if get.kind == Kind::Events {
        bail!("events are not read yet; `kubectl get events` shows them");
    }
    let picture = look(cli, loaded).await?;
    let table = print::table(&picture, get.kind, &get.names);
    if let Some(missing) = get.names.iter().find(|n| !table.has(n)) {
        bail!("no {} named {missing} in {}", get.kind, picture.place);
    }
    let text = match get.format {
        Format::Table => table.text(!get.no_headers, false),
        Format::Wide => table.text(!get.no_headers, true),
        Format::Csv => table.csv(!get.no_headers),
        Format::Name => table.names(),
        Format::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&print::document(&picture, get.kind, &table))?
        ),
        Format::Yaml => serde_saphyr::to_string(&print::document(&picture, get.kind, &table))?,
    };
    say(text.trim_end())?;
    for (kind, why) in picture.gaps() {
        warn(&format!("{}: {why}", kind.short()))?;
    }
    if let Some(why) = picture.metrics_gap()
        && matches!(get.kind, Kind::Workspaces | Kind::Claims | Kind::Findings)
    {
        warn(&format!("figures: {why}"))?;
    }
    let needed = print::needed(get.kind);
    Ok(
        if needed
            .iter()
            .all(|k| picture.inventory.freshness().is_live(*k))
        {
            0
        } else {
            UNKNOWN
        },
    )
}

async fn check(cli: &Cli, loaded: &Loaded, format: TextFormat) -> Result<u8> {
    let picture = match look(cli, loaded).await {
        Ok(picture) => picture,
        Err(error) => {
            say(&format!("UNKNOWN - {error:#}"))?;
            return Ok(UNKNOWN);
        }
    };
    let worst = picture
        .board
        .all()
        .map(|(_, f)| f.severity.check_code())
        .max()
        .unwrap_or(0);
    let gaps = picture.gaps();
    // What is not known proves nothing; what is known to be critical is so whatever else is.
    let incomplete = picture.metrics_gap().is_some() || picture.is_incomplete();
    let code = match worst {
        2 => 2,
        _ if incomplete => UNKNOWN,
        worst => worst,
    };
    let word = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::from(code.min(UNKNOWN))];
    let tally = picture.board.tally();
    if format == TextFormat::Json {
        let tally: serde_json::Map<String, serde_json::Value> = tally
            .iter()
            .map(|(severity, n)| (severity.to_string(), json!(n)))
            .collect();
        say(&serde_json::to_string_pretty(&json!({
            "status": word,
            "code": code,
            "workspaces": picture.inventory.workspaces().len(),
            "findings": tally,
            "freshness": print::freshness(&picture),
            "metrics": print::metrics(&picture),
        }))?)?;
        return Ok(code);
    }
    let count = |severity: Severity| tally.get(&severity).copied().unwrap_or(0);
    let mut line = format!(
        "{word} - {} workspaces in {}: {} data at risk, {} blocked, {} soon",
        picture.inventory.workspaces().len(),
        picture.place,
        count(Severity::DataAtRisk),
        count(Severity::Blocked),
        count(Severity::Soon),
    );
    for (kind, why) in gaps {
        line = format!("{line}; {} not known ({why})", kind.short());
    }
    if let Some(why) = picture.metrics_gap() {
        line = format!("{line}; figures not known ({why})");
    }
    say(&line)?;
    Ok(code)
}

async fn simulate(demo: &Demo) -> Result<u8> {
    if demo.list {
        for (name, scenario) in crate::demo::scenarios()? {
            say(&format!("{name}\t{}", scenario.title))?;
        }
        return Ok(0);
    }
    let Some(DemoCommand::Serve {
        port,
        drill,
        speed,
        seed,
    }) = &demo.command
    else {
        bail!("only `wsdash demo serve` and `wsdash demo --list` are built yet");
    };
    if *port != 0 {
        bail!("--port is not built yet; leave it out and a free port is taken");
    }
    let mut options = crate::demo::Options {
        speed: *speed,
        seed: *seed,
        ..Default::default()
    };
    if let Some(drill) = drill {
        options.scenario.clone_from(drill);
    }
    let running = crate::demo::start(options).await?;
    let folder = crate::config::state_folder().context("finding the state folder")?;
    crate::logging::make_private(&folder)?;
    let file: PathBuf = folder.join("demo.kubeconfig");
    std::fs::write(&file, running.kubeconfig())
        .with_context(|| format!("writing {}", file.display()))?;
    say(&format!("export KUBECONFIG={}", file.display()))?;
    say(&format!("# Prometheus: {}", running.prometheus_url()))?;
    say("# ctrl-c ends it")?;
    tokio::signal::ctrl_c()
        .await
        .context("waiting for ctrl-c")?;
    Ok(0)
}

/// Prints to standard output; a reader that went away is no error worth a word.
fn say(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn warn(text: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "wsdash: {text}")?;
    Ok(())
}
