//! The commands and their arguments. Must not say what they do beyond their help.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::domain::quantity::Quantity;

/// What to do without the dashboard.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Print workspaces, claims, findings and the rest as the dashboard knows them
    Get(Get),
    /// Judge the namespace in one line, as monitoring plugins do
    ///
    /// Exit codes: 0 nothing to do, 1 warning, 2 critical, 3 unknown because something could not be
    /// read.
    Check {
        #[command(flatten)]
        text: Text,
    },
    /// Print the settings that are in force and where each comes from
    Config {
        /// Print a file with every key, commented out
        #[arg(long, conflicts_with = "format")]
        sample: bool,
        #[command(flatten)]
        text: Text,
    },
    /// Print the script that completes wsdash on the command line
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(value_enum, hide_possible_values = true)]
        shell: Shell,
    },
    /// Print the manual page
    Man,
    #[command(flatten)]
    Act(Box<Act>),
    /// Print the smallest Role that actions need
    Rbac(RbacArgs),
    /// Walk through a runbook, or print it
    Runbook(RunbookArgs),
    /// Start a simulated cluster in this process and look at it
    Demo(Demo),
}

/// Commands that change something in the cluster or reach into a pod.
#[derive(Debug, Clone, Subcommand)]
pub enum Act {
    /// Snapshot all claims of workspaces, each workspace as one set
    Snapshot(SnapshotArgs),
    /// Bring a snapshot back, beside the workspace or in place of it
    Restore(RestoreArgs),
    /// Make a claim larger while it is in use
    Resize(ResizeArgs),
    /// Make the claim templates of a set as large as its claims, which were resized
    Template(TemplateArgs),
    /// Show claims that nothing needs, with the proof, and delete them safely
    Orphans(OrphansArgs),
    /// Test whether the work in a workspace outlives its pod
    Verify(VerifyArgs),
    /// End sessions: evict the pods, with their own grace
    Evict(EvictArgs),
    /// Run a command in the pod of a workspace, as ssh does
    ///
    /// Input and output pass unchanged, the exit code is the command's.
    Exec(ExecArgs),
    /// Print the logs of the pod of a workspace
    Logs(LogsArgs),
    /// List own actions, running and past
    Jobs {
        #[command(flatten)]
        text: Text,
    },
    /// Carry on with an action that was cut off
    Resume {
        /// As `wsdash jobs` prints it
        id: String,
        #[command(flatten)]
        action: ActionFlags,
    },
    /// Take an action back
    Undo {
        /// As `wsdash jobs` prints it
        id: String,
        #[command(flatten)]
        action: ActionFlags,
    },
    /// Give up the way back of past actions: delete the volumes kept for it
    Purge(PurgeArgs),
}

/// How an action is confirmed and reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Confirmation")]
pub struct ActionFlags {
    /// Print the plan, let the server check it, change nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub text: Text,
}

/// Output for people or for programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Text {
    /// text or json
    #[arg(
        long = "output",
        short = 'o',
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_possible_values = true
    )]
    pub format: TextFormat,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    #[default]
    Text,
    Json,
}

/// `wsdash get`.
#[derive(Debug, Clone, Args)]
pub struct Get {
    /// workspaces (ws), sets (sts), pods (po), claims (pvc), snapshots (vs), volumes (pv),
    /// findings, events (ev)
    #[arg(value_enum, hide_possible_values = true)]
    pub kind: Kind,
    /// Only these
    pub names: Vec<String>,
    /// table, wide, json, yaml, csv or name
    #[arg(
        long = "output",
        short = 'o',
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_possible_values = true
    )]
    pub format: Format,
    /// Go on printing changes, as JSON lines with -o json
    #[arg(long, short)]
    pub watch: bool,
    /// Only objects with these labels
    #[arg(long, short = 'l', value_name = "LABELS")]
    pub selector: Option<String>,
    /// Leave out the line with the columns
    #[arg(long)]
    pub no_headers: bool,
    /// Column to sort by; a minus before it turns the order round
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub sort: Option<String>,
}

/// What can be printed. The second names are those of kubectl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    #[value(aliases = ["workspace", "ws"])]
    Workspaces,
    #[value(aliases = ["set", "sts", "statefulset", "statefulsets"])]
    Sets,
    #[value(aliases = ["pod", "po"])]
    Pods,
    #[value(aliases = ["claim", "pvc", "pvcs", "persistentvolumeclaim", "persistentvolumeclaims"])]
    Claims,
    #[value(aliases = ["snapshot", "snap", "vs", "volumesnapshot", "volumesnapshots"])]
    Snapshots,
    #[value(aliases = ["volume", "pv", "pvs", "persistentvolume", "persistentvolumes"])]
    Volumes,
    #[value(aliases = ["finding", "f"])]
    Findings,
    #[value(aliases = ["event", "ev"])]
    Events,
}

/// Forms of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Csv,
    Name,
}

#[derive(Debug, Clone, Args)]
pub struct SnapshotArgs {
    /// Workspaces
    #[arg(required = true, value_name = "WORKSPACE")]
    pub names: Vec<String>,
    /// Wait until every snapshot is ready
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The workspace
    #[arg(value_name = "WORKSPACE")]
    pub name: String,
    /// The snapshot or the id of a set of snapshots [default: the newest complete set]
    #[arg(long, value_name = "NAME", conflicts_with = "at")]
    pub from: Option<String>,
    /// The newest complete set that is not younger than this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
    /// Put it in place of the workspace's claims; the old volumes are kept until `wsdash purge`
    #[arg(long)]
    pub in_place: bool,
    /// In place although it cannot be told whether a session is open or whether the snapshot
    /// holds any file
    #[arg(long, requires = "in_place")]
    pub force: bool,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct ResizeArgs {
    /// The claim
    pub claim: String,
    /// The new size (20Gi), or by how much it grows (+20%, +5Gi)
    #[arg(allow_hyphen_values = true)]
    pub size: Size,
    #[command(flatten)]
    pub action: ActionFlags,
}

/// A size, absolute or relative to the present one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// This large.
    To(Quantity),
    /// Larger by this.
    By(Quantity),
    /// Larger by this many hundredths.
    ByPercent(u32),
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size such as 20Gi, +5Gi or +20%");
        let (grow, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(percent) = rest.strip_suffix('%') {
            let percent: u32 = percent.parse().ok().ok_or_else(wrong)?;
            return match (grow, percent) {
                (true, 1..=1000) => Ok(Self::ByPercent(percent)),
                (true, _) => Err(format!("{} of at most +1000%", wrong())),
                (false, _) => Err(format!("{}; write +{percent}% to grow by that", wrong())),
            };
        }
        let quantity = Quantity::parse(rest).ok().ok_or_else(wrong)?;
        if quantity <= Quantity::ZERO {
            return Err(wrong());
        }
        Ok(if grow {
            Self::By(quantity)
        } else {
            Self::To(quantity)
        })
    }
}

#[derive(Debug, Clone, Args)]
pub struct TemplateArgs {
    /// The set
    #[arg(value_name = "SET")]
    pub set: String,
    /// Also when Helm, Argo or Flux manage the set: its source has the new sizes already
    #[arg(long)]
    pub source_fixed: bool,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct OrphansArgs {
    /// Only these claims
    #[arg(value_name = "CLAIM")]
    pub names: Vec<String>,
    /// Delete them: snapshot, keep the volume, look again, delete, watch
    #[arg(long)]
    pub delete: bool,
    /// Show all claims with their class and its proof
    #[arg(long, conflicts_with = "delete")]
    pub all: bool,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Workspaces, one after another
    #[arg(required = true, value_name = "WORKSPACE")]
    pub names: Vec<String>,
    /// Test although it cannot be told whether a session is open; asks for the pod's name
    #[arg(long)]
    pub force: bool,
    /// Make the pod come back on another node
    #[arg(long)]
    pub other_node: bool,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct EvictArgs {
    /// Workspaces
    #[arg(required = true, value_name = "WORKSPACE")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// The workspace or its pod
    #[arg(value_name = "WORKSPACE")]
    pub name: String,
    /// Container [default: the one that mounts the work]
    #[arg(long, short, value_name = "NAME")]
    pub container: Option<String>,
    /// Pass standard input
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Give the command a terminal
    #[arg(long, short = 't')]
    pub tty: bool,
    /// The command and its arguments, behind `--` [default: a shell, with -i -t]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// The workspace or its pod
    #[arg(value_name = "WORKSPACE")]
    pub name: String,
    /// Container [default: the one that mounts the work]
    #[arg(long, short, value_name = "NAME")]
    pub container: Option<String>,
    /// Go on printing
    #[arg(long, short)]
    pub follow: bool,
    /// Those of the container before its last restart
    #[arg(long, short)]
    pub previous: bool,
    /// Only so many lines from the end
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    /// Only lines younger than this: 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = crate::config::value::parse_duration)]
    pub since: Option<jiff::SignedDuration>,
    /// With the time of each line
    #[arg(long)]
    pub timestamps: bool,
}

#[derive(Debug, Clone, Args)]
pub struct PurgeArgs {
    /// Jobs, as `wsdash jobs` prints them [default: all whose time to be kept is over]
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub action: ActionFlags,
}

#[derive(Debug, Clone, Args)]
pub struct RbacArgs {
    /// The actions; none stands for reading alone
    #[arg(value_enum)]
    pub actions: Vec<RbacAction>,
    /// With `restore`: in place of the workspace's claims, not beside them
    #[arg(long)]
    pub in_place: bool,
    /// With `verify`: the pod comes back on another node
    #[arg(long)]
    pub other_node: bool,
    /// What `wsdash undo` of these actions needs, instead of what doing them does
    #[arg(long)]
    pub undo: bool,
}

/// Actions whose rights can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum RbacAction {
    Read,
    Exec,
    Logs,
    Snapshot,
    Restore,
    Resize,
    Template,
    Orphans,
    Verify,
    Evict,
    Purge,
}

#[derive(Debug, Clone, Args)]
pub struct RunbookArgs {
    /// The code of a finding, such as disk-full [default: list them]
    pub code: Option<String>,
    /// Walk through it for this workspace: checks are made, gates wait for you
    #[arg(long, value_name = "NAME", requires = "code")]
    pub workspace: Option<String>,
    #[command(flatten)]
    pub action: ActionFlags,
}

/// `wsdash demo`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Demo {
    /// Play an incident with a goal
    #[arg(long, value_name = "NAME")]
    pub drill: Option<String>,
    /// List the incidents
    #[arg(long)]
    pub list: bool,
    /// How many times faster than the clock on the wall
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// The same seed gives the same run
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    #[command(subcommand)]
    pub command: Option<DemoCommand>,
    /// A command of wsdash to run against the simulated cluster, behind `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub args: Vec<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum DemoCommand {
    /// Keep the simulated cluster running for kubectl and others; prints a kubeconfig
    Serve {
        /// Port on 127.0.0.1 [default: any that is free]
        #[arg(
            long,
            value_name = "NUMBER",
            default_value_t = 0,
            hide_default_value = true
        )]
        port: u16,
        /// The incident to play
        #[arg(long, value_name = "NAME")]
        drill: Option<String>,
        /// How many times faster than the clock on the wall
        #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
        speed: f64,
        /// The same seed gives the same run
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
    },
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err(format!("`{text}` is not a factor between 0.01 and 100000")),
    }
}
