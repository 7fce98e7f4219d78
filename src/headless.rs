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
mod rbac;
mod restore;
mod verify;

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

/// Something failed, was refused, did not pass, or is not there.
const FAILED: u8 = 1;
/// Wrong usage, for instance nobody there to be asked.
const USAGE: u8 = 2;
/// Something that the answer needs could not be read.
const UNKNOWN: u8 = 3;
/// Nobody reads any more: 128 and the number of SIGPIPE, as of everything in a pipe.
const READER_GONE: u8 = 141;

/// Runs one command and answers the exit code. An error is that of a command that failed.
pub async fn run(cli: &Cli) -> Result<u8> {
    match Box::pin(attempt(cli)).await {
        Err(error) if is_reader_gone(&error) => Ok(READER_GONE),
        // Whoever runs checks reads one line of standard output, whatever went wrong.
        Err(error) if matches!(cli.command, Some(Command::Check { .. })) => {
            say(&format!("UNKNOWN - {error:#}"))?;
            Ok(UNKNOWN)
        }
        answer => answer,
    }
}

async fn attempt(cli: &Cli) -> Result<u8> {
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
    // What describes the program itself needs no settings, and must not fail for a wrong one.
    let load = || Config::load(&sources);
    match &cli.command {
        Some(Command::Get(get)) => get::list(&load()?, get).await,
        Some(Command::Check { text }) => get::check(&load()?, text.format).await,
        Some(Command::Config { sample, text }) => {
            put(&if *sample {
                crate::config::sample()
            } else if text.format == TextFormat::Json {
                serde_json::to_string_pretty(&load()?.entries())?
            } else {
                load()?.to_string()
            })?;
            Ok(0)
        }
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            let mut definition = crate::cli::definition(None);
            clap_complete::generate(*shell, &mut definition, "wsdash", &mut script);
            put(String::from_utf8_lossy(&script).trim_end())?;
            Ok(0)
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(crate::cli::definition(None)).render(&mut page)?;
            put(String::from_utf8_lossy(&page).trim_end())?;
            Ok(0)
        }
        Some(Command::Demo(demo)) => Box::pin(demo::run(demo, load()?)).await,
        Some(Command::Act(act)) => match &**act {
            Act::Exec(args) => Box::pin(pod::run(&load()?, args)).await,
            Act::Logs(args) => pod::log(&load()?, args).await,
            act => act::run(&load()?, act).await,
        },
        Some(Command::Rbac(args)) => rbac::print(&load()?, args).await,
        Some(Command::Runbook(args)) => runbook(args),
        None => Box::pin(dashboard(load()?)).await,
    }
}

/// Prints a runbook, or the list of them.
fn runbook(args: &RunbookArgs) -> Result<u8> {
    let Some(wanted) = &args.code else {
        for code in Code::iter() {
            put(&format!("{:<24} {}", <&str>::from(code), code.word()))?;
        }
        return Ok(0);
    };
    let Ok(code) = wanted.parse::<Code>() else {
        bail!("there is no runbook `{wanted}`; `wsdash runbook` lists them");
    };
    if args.workspace.is_some() {
        bail!("walking through a runbook is not built yet; without --workspace it is printed");
    }
    put(crate::runbook::text(code).trim_end())?;
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
        later: None,
    };
    Box::pin(crate::runtime::run(start)).await
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
        connect_timeout: Some(wanted.connect_timeout),
        compression: match wanted.gzip {
            Gzip::Auto => Compression::Auto,
            Gzip::On => Compression::On,
            Gzip::Off => Compression::Off,
        },
        run: format!("{:x}", Timestamp::now().as_millisecond()),
        ..Target::default()
    }
}

/// Prints to standard output. It is an error when nobody reads it any more: nothing is left to do.
fn put(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Prints to standard output, for whoever must go on even when nobody reads it any more.
fn say(text: &str) -> Result<()> {
    match put(text) {
        Err(error) if is_reader_gone(&error) => Ok(()),
        answer => answer,
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn warn(text: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "wsdash: {text}")?;
    Ok(())
}
