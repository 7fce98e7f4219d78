//! The command line: clap types and how flags become settings. Must not act on them.
//!
//! Connection flags carry kubectl's names. Installed as `kubectl-wsdash` the program is a kubectl
//! plugin and calls itself `kubectl wsdash` in its help.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};

use crate::config::Override;

mod command;

pub use command::{
    Act, ActionFlags, Command, Demo, DemoCommand, EvictArgs, ExecArgs, Format, Get, Kind, LogsArgs,
    OrphansArgs, PurgeArgs, RbacAction, RbacArgs, ResizeArgs, RestoreArgs, RunbookArgs, Size,
    SnapshotArgs, Text, TextFormat, VerifyArgs,
};

/// Keeps stateful Kubernetes workspaces alive: who is hurt, why, and the safe next step.
///
/// Without a command the dashboard starts. All commands work on the same facts, so that scripts see
/// what the screen shows.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "wsdash",
    version,
    propagate_version = false,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing is the dashboard.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done and complete; 1 failed, or `check` warns; 2 wrong \
usage, or `check` is critical; 3 the picture is incomplete; 128+n ended by signal n; `exec` gives \
the remote command's.";

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct Global {
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace to look at [default: that of the context]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Look at all namespaces
    #[arg(long, short = 'A', global = true, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// Group to impersonate; may be given several times
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "as_user"
    )]
    pub as_groups: Vec<String>,
    /// One request may take this long: 5s, 1m; a bare number is seconds, 0 is the default
    #[arg(long, global = true, value_name = "TIME", value_parser = request_timeout)]
    pub request_timeout: Option<String>,
    /// Address of the Prometheus to ask [default: looked for in the cluster]
    #[arg(long, global = true, value_name = "URL")]
    pub prometheus: Option<String>,

    /// The configuration file [default: ~/.config/wsdash/config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Behaviour")]
    pub config: Option<PathBuf>,
    /// Offer no action
    #[arg(
        long,
        global = true,
        help_heading = "Behaviour",
        conflicts_with = "write"
    )]
    pub read_only: bool,
    /// Offer actions although the rules for the context say read-only
    #[arg(long, global = true, help_heading = "Behaviour")]
    pub write: bool,
    /// Colours: auto, always or never; goes before the variable `NO_COLOR`
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        visible_alias = "colour",
        help_heading = "Behaviour",
        hide_possible_values = true
    )]
    pub color: Option<ColorWhen>,
    /// Draw with ASCII characters only
    #[arg(long, global = true, help_heading = "Behaviour")]
    pub ascii: bool,
    /// What is logged to the file: error, warn, info, debug, trace or filters
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Behaviour")]
    pub log_level: Option<String>,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl Cli {
    /// Reads the arguments, the first being the program's own name. The error prints itself
    /// (`error.print()`) and knows its exit code (`error.exit_code()`): 0 for help and version.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.into_iter().collect();
        let mut command = definition(args.first().map(OsString::as_os_str));
        let mut matches = command.try_get_matches_from_mut(args)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

/// The whole command line, for help, completions and the manual page, under the name it is called by.
pub fn definition(program: Option<&OsStr>) -> clap::Command {
    let plugin = program
        .and_then(|program| Path::new(program).file_stem())
        .and_then(OsStr::to_str)
        .is_some_and(|name| matches!(name, "kubectl-wsdash" | "kubectl_wsdash"));
    let command = Cli::command();
    if plugin {
        command.bin_name("kubectl wsdash")
    } else {
        command
    }
}

impl Global {
    /// The settings that the flags name. Paths are made absolute, since a flag means the folder in
    /// which it is typed.
    pub fn overrides(&self) -> Vec<Override> {
        let mut all = Vec::new();
        let mut set = |key, value: Option<toml::Value>, flag| {
            if let Some(value) = value {
                all.push(Override { key, value, flag });
            }
        };
        let text = |value: &Option<String>| value.clone().map(toml::Value::from);
        let yes = |given: bool, value: &str| given.then(|| toml::Value::from(value));
        set("connection.context", text(&self.context), "--context");
        set("connection.namespace", text(&self.namespace), "--namespace");
        // a namespace on the command line narrows what the file widens, and the other way round
        let all_namespaces = (self.all_namespaces || self.namespace.is_some())
            .then_some(toml::Value::Boolean(self.all_namespaces));
        let flag = if self.all_namespaces {
            "--all-namespaces"
        } else {
            "--namespace"
        };
        set("connection.all_namespaces", all_namespaces, flag);
        let kubeconfig = self.kubeconfig.as_deref().map(absolute);
        set("connection.kubeconfig", kubeconfig, "--kubeconfig");
        set("connection.as_user", text(&self.as_user), "--as");
        let groups = (!self.as_groups.is_empty()).then(|| self.as_groups.clone().into());
        set("connection.as_groups", groups, "--as-group");
        let timeout = self.request_timeout.clone().filter(|text| !text.is_empty());
        set(
            "connection.request_timeout",
            timeout.map(Into::into),
            "--request-timeout",
        );
        set("metrics.prometheus", text(&self.prometheus), "--prometheus");
        set(
            "actions.access",
            yes(self.read_only, "read-only"),
            "--read-only",
        );
        set("actions.access", yes(self.write, "write"), "--write");
        let color = self.color.map(|when| match when {
            ColorWhen::Auto => "auto".into(),
            ColorWhen::Always => "always".into(),
            ColorWhen::Never => "never".into(),
        });
        set("ui.colour", color, "--color");
        set("ui.ascii", yes(self.ascii, "always"), "--ascii");
        set("log.level", text(&self.log_level), "--log-level");
        all
    }
}

fn absolute(path: &Path) -> toml::Value {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned().into()
}

/// kubectl takes bare seconds and lets 0 mean no limit; here every request has one, so 0 (given back
/// as an empty text) is the configured limit.
fn request_timeout(text: &str) -> Result<String, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if number.parse() == Ok(0) {
        return Ok(String::new());
    }
    let text = if number.len() == text.len() {
        format!("{text}s")
    } else {
        text.to_owned()
    };
    crate::config::value::parse_duration(&text).map(|_| text)
}

#[cfg(test)]
mod tests;
