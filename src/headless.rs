//! The commands that print instead of drawing: the same rows, the same verdicts, and freshness
//! as part of every answer. Nothing here may call an incomplete picture complete.

mod act;
mod demo;
mod get;
mod items;
mod orphans;
mod picture;
mod pod;
mod print;
mod restore;

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use strum::IntoEnumIterator as _;

use crate::app::column::columns;
use crate::app::command::{self, COMMANDS};
use crate::app::keymap::Chord;
use crate::app::model::View;
use crate::cli::{Act, Cli, Command, RunbookArgs, TextFormat};
use crate::cluster::connect::{Compression, Target};
use crate::config::{Config, Gzip, Known, Loaded, Sources};
use crate::domain::finding::Code;

/// Something that the answer needs could not be read.
const UNKNOWN: u8 = 3;

/// Runs one command and answers the exit code.
pub async fn run(cli: &Cli) -> Result<u8> {
    let flags = cli.global.overrides();
    let commands: Vec<&str> = COMMANDS.iter().map(command::Command::name).collect();
    let names: Vec<(String, Vec<&str>)> = View::iter()
        .map(|view| {
            let ids = columns(view).iter().map(|c| c.id).collect();
            (view.to_string(), ids)
        })
        .collect();
    let views: Vec<(&str, &[&str])> = names
        .iter()
        .map(|(view, ids)| (view.as_str(), ids.as_slice()))
        .collect();
    let known = Known {
        commands: Some(&commands),
        views: Some(&views),
        is_key: Some(|text| Chord::parse(text).is_some()),
    };
    let sources = Sources {
        file: cli.global.config.clone(),
        env: Sources::environment(),
        flags,
        known,
    };
    let loaded = Config::load(&sources)?;
    match &cli.command {
        Some(Command::Get(get)) => get::list(&loaded, get).await,
        Some(Command::Check { text }) => get::check(&loaded, text.format).await,
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
        Some(Command::Demo(demo)) => Box::pin(demo::run(demo, loaded)).await,
        Some(Command::Act(act)) => match &**act {
            Act::Exec(args) => Box::pin(pod::run(&loaded, args)).await,
            Act::Logs(args) => pod::log(&loaded, args).await,
            act => act::run(&loaded, act).await,
        },
        Some(Command::Rbac { actions }) => act::rbac(&loaded, actions).await,
        Some(Command::Runbook(args)) => runbook(args),
        None => Box::pin(dashboard(loaded)).await,
    }
}

/// Prints a runbook, or the list of them.
fn runbook(args: &RunbookArgs) -> Result<u8> {
    let Some(wanted) = &args.code else {
        for code in Code::iter() {
            say(&format!("{:<24} {}", <&str>::from(code), code.word()))?;
        }
        return Ok(0);
    };
    let Ok(code) = wanted.parse::<Code>() else {
        bail!("there is no runbook `{wanted}`; `wsdash runbook` lists them");
    };
    if args.workspace.is_some() {
        bail!("walking through a runbook is not built yet; without --workspace it is printed");
    }
    say(crate::runbook::text(code).trim_end())?;
    Ok(0)
}

/// Without a command the dashboard starts.
async fn dashboard(loaded: Loaded) -> Result<u8> {
    // Before anything is started or written: there may be no terminal at all.
    crate::terminal::require()?;
    let folder = crate::config::state_folder().context("finding the state folder")?;
    let _logging = crate::logging::start(&loaded.config.log, &folder)?;
    let env = |name: &str| std::env::var(name).ok();
    crate::terminal::install_hooks(loaded.config.ui.use_colour(env))?;
    let start = crate::runtime::Start {
        target: target(&loaded.config),
        config: std::sync::Arc::new(loaded.config),
        clock: std::sync::Arc::new(Timestamp::now),
        welcome: None,
    };
    crate::runtime::run(start).await
}

/// Where to connect, as the flags, the environment and the file say together.
fn target(config: &Config) -> Target {
    let wanted = &config.connection;
    Target {
        kubeconfig: wanted.kubeconfig.clone(),
        context: wanted.context.clone(),
        namespace: wanted.namespace.clone(),
        all_namespaces: wanted.all_namespaces,
        as_user: wanted.as_user.clone(),
        as_groups: wanted.as_groups.clone(),
        request_timeout: Some(wanted.request_timeout),
        compression: match wanted.gzip {
            Gzip::Auto => Compression::Auto,
            Gzip::On => Compression::On,
            Gzip::Off => Compression::Off,
        },
        run: format!("{:x}", Timestamp::now().as_millisecond()),
        ..Target::default()
    }
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
