//! The table of all commands: keys, completion, help, footer, menu and the generated key
//! reference come from it. A command that is not in the table does not exist.

use super::listing::RowId;
use super::model::{Focus, Model, View};
use crate::domain::key::Kind;

/// Names of the commands; the kebab-case form is what is typed after `:` and in `[keys]`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
    strum::Display,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Id {
    Up,
    Down,
    Top,
    Bottom,
    PageUp,
    PageDown,
    Open,
    Back,
    Quit,
    Help,
    Command,
    Filter,
    Sort,
    Mark,
    OnlyFindings,
    NextTab,
    PreviousTab,
    Pane,
    Zoom,
    Describe,
    Usage,
    Yaml,
    Logs,
    PreviousLogs,
    Range,
    Wrap,
    Container,
    Runbook,
    Actions,
    Shell,
    Snapshot,
    Restore,
    Resize,
    Verify,
    Orphans,
    Template,
    Evict,
    Undo,
    Resume,
    Purge,
    Copy,
    AllNamespaces,
    Metrics,
    Reconnect,
    Redraw,
    Suspend,
    Workspaces,
    Findings,
    Claims,
    Snapshots,
    Pods,
    Sets,
    Volumes,
    Events,
    Jobs,
}

/// What a command needs to make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Anywhere,
    /// A selected row.
    Row,
    /// A selected row that has a pod.
    Pod,
    /// A selected row that is a workspace or belongs to one.
    Workspace,
    /// Selected or marked claims, or those of the selected workspace.
    Claim,
    /// A selected set, or one of its workspaces.
    Set,
    /// A selected job.
    Job,
    /// The detail pane.
    Detail,
}

#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub id: Id,
    /// Default keys, in the spelling of the configuration (`ctrl-f`, `S`, `enter`).
    pub keys: &'static [&'static str],
    /// One line for help and the key reference.
    pub help: &'static str,
    /// A word for the footer; empty: never there.
    pub short: &'static str,
    pub scope: Scope,
    /// Changes something: refused when read-only, never on a control key.
    pub action: bool,
}

impl Command {
    /// What is typed after `:`.
    pub fn name(&self) -> &'static str {
        self.id.into()
    }
}

const fn command(
    id: Id,
    keys: &'static [&'static str],
    short: &'static str,
    scope: Scope,
    help: &'static str,
) -> Command {
    Command {
        id,
        keys,
        help,
        short,
        scope,
        action: false,
    }
}

const fn action(
    id: Id,
    keys: &'static [&'static str],
    short: &'static str,
    scope: Scope,
    help: &'static str,
) -> Command {
    Command {
        action: true,
        ..command(id, keys, short, scope, help)
    }
}

use Scope::{Anywhere, Claim, Detail, Job, Pod, Row, Set, Workspace};

/// In the order of the help.
pub const COMMANDS: &[Command] = &[
    command(Id::Up, &["k", "up"], "", Anywhere, "one row or line up"),
    command(
        Id::Down,
        &["j", "down"],
        "",
        Anywhere,
        "one row or line down",
    ),
    command(
        Id::Top,
        &["g", "home"],
        "",
        Anywhere,
        "to the first row or line",
    ),
    command(
        Id::Bottom,
        &["G", "end"],
        "",
        Anywhere,
        "to the last row or line; logs follow again",
    ),
    command(
        Id::PageUp,
        &["ctrl-b", "pageup"],
        "",
        Anywhere,
        "one page up",
    ),
    command(
        Id::PageDown,
        &["ctrl-f", "pagedown"],
        "",
        Anywhere,
        "one page down",
    ),
    command(
        Id::Open,
        &["enter"],
        "open",
        Row,
        "go into the row: its details, a set's workspaces, a finding's workspace",
    ),
    command(
        Id::Back,
        &["esc", "q"],
        "",
        Anywhere,
        "out of the details, then drop filter and marks, then to the view before",
    ),
    action(Id::Shell, &["s"], "shell", Pod, "open a shell in the pod"),
    action(
        Id::Snapshot,
        &["S"],
        "snapshot",
        Workspace,
        "snapshot all claims of the workspace, or of the marked ones, as one set",
    ),
    action(
        Id::Restore,
        &["R"],
        "",
        Workspace,
        "restore the workspace from a snapshot: beside it, or in its place",
    ),
    action(
        Id::Resize,
        &["+"],
        "resize",
        Workspace,
        "make the claim, or the fullest one of the workspace, larger while it is in use",
    ),
    action(
        Id::Verify,
        &["V"],
        "",
        Workspace,
        "verify that the work outlives its pod, there or in the marked ones one after another",
    ),
    action(
        Id::Orphans,
        &["X"],
        "",
        Claim,
        "delete claims that nothing needs, each after a snapshot, its volume kept",
    ),
    action(
        Id::Template,
        &["T"],
        "",
        Set,
        "make the templates of the set as large as its claims have grown",
    ),
    action(
        Id::Evict,
        &["E"],
        "",
        Workspace,
        "end the session: evict the pod, with its own grace",
    ),
    action(Id::Undo, &["U"], "undo", Job, "take the job back"),
    action(
        Id::Resume,
        &["n"],
        "resume",
        Job,
        "go on with a job that was cut off",
    ),
    action(
        Id::Purge,
        &["P"],
        "",
        Job,
        "give up the way back of a job: delete the volumes kept for it",
    ),
    command(
        Id::Runbook,
        &["r"],
        "runbook",
        Row,
        "the runbook of the worst finding",
    ),
    command(
        Id::Actions,
        &["a"],
        "actions",
        Row,
        "every action, with the reason beside each that cannot be taken",
    ),
    command(
        Id::Describe,
        &["d"],
        "",
        Row,
        "everything about the row in sentences",
    ),
    command(
        Id::Usage,
        &["u"],
        "",
        Row,
        "charts of disk, CPU and memory with the forecast",
    ),
    command(
        Id::Yaml,
        &["y"],
        "",
        Row,
        "the whole object as YAML, without secrets and managed fields",
    ),
    command(
        Id::Logs,
        &["l"],
        "logs",
        Pod,
        "the pod's log, as it is written",
    ),
    command(
        Id::PreviousLogs,
        &["p"],
        "",
        Pod,
        "the log from before the last restart",
    ),
    command(
        Id::NextTab,
        &["tab", "right"],
        "",
        Row,
        "the next tab of the details",
    ),
    command(
        Id::PreviousTab,
        &["shift-tab", "left"],
        "",
        Row,
        "the tab of the details before",
    ),
    command(
        Id::Range,
        &["t"],
        "",
        Detail,
        "how far back charts look: 1h, 6h, 24h, 7d",
    ),
    command(Id::Wrap, &["w"], "", Detail, "wrap long log lines"),
    command(
        Id::Container,
        &["C"],
        "",
        Pod,
        "choose the container for the log",
    ),
    command(
        Id::Pane,
        &["v"],
        "",
        Anywhere,
        "show or hide the detail pane",
    ),
    command(
        Id::Zoom,
        &["f"],
        "",
        Row,
        "details on the whole screen, and back",
    ),
    command(
        Id::Filter,
        &["/"],
        "filter",
        Anywhere,
        "filter: words (fuzzy), !without, user=ana, state=bad, node=…",
    ),
    command(
        Id::Sort,
        &["o"],
        "",
        Anywhere,
        "sort by a column; again turns it round",
    ),
    command(
        Id::OnlyFindings,
        &["z"],
        "",
        Anywhere,
        "only rows that something is wrong with",
    ),
    command(
        Id::Mark,
        &["space"],
        "",
        Row,
        "mark the row, for actions on several",
    ),
    command(
        Id::Copy,
        &["c"],
        "",
        Row,
        "copy the name to the clipboard of the terminal",
    ),
    command(
        Id::Command,
        &[":"],
        "",
        Anywhere,
        "type a command: a view, ns NAME, ctx NAME, sort COLUMN …",
    ),
    command(
        Id::AllNamespaces,
        &["0"],
        "",
        Anywhere,
        "all namespaces, and back to one",
    ),
    command(
        Id::Metrics,
        &["M"],
        "",
        Anywhere,
        "choose among several Prometheus services",
    ),
    command(
        Id::Reconnect,
        &["ctrl-r"],
        "",
        Anywhere,
        "connect anew and read everything again",
    ),
    command(
        Id::Redraw,
        &["ctrl-l"],
        "",
        Anywhere,
        "draw the whole screen again",
    ),
    command(
        Id::Suspend,
        &["ctrl-z"],
        "",
        Anywhere,
        "stop the program as other programs do; fg comes back",
    ),
    command(Id::Help, &["?"], "help", Anywhere, "this help"),
    command(Id::Quit, &["ctrl-c"], "", Anywhere, "quit"),
    command(
        Id::Workspaces,
        &["1"],
        "",
        Anywhere,
        "view: one row for every workspace",
    ),
    command(
        Id::Findings,
        &["2"],
        "",
        Anywhere,
        "view: everything that is wrong or will be",
    ),
    command(
        Id::Claims,
        &["3"],
        "",
        Anywhere,
        "view: PersistentVolumeClaims",
    ),
    command(Id::Snapshots, &["4"], "", Anywhere, "view: VolumeSnapshots"),
    command(Id::Pods, &["5"], "", Anywhere, "view: pods"),
    command(Id::Sets, &["6"], "", Anywhere, "view: StatefulSets"),
    command(Id::Volumes, &["7"], "", Anywhere, "view: PersistentVolumes"),
    command(Id::Events, &["8"], "", Anywhere, "view: events"),
    command(
        Id::Jobs,
        &["9"],
        "",
        Anywhere,
        "view: own actions, running and past",
    ),
];

/// What changes something, for the menu.
pub fn actions() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(|c| c.action)
}

/// The entry of the table.
pub fn of(id: Id) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.id == id)
}

/// Whether a command can be used now; else why not, in a sentence.
pub fn usable(model: &Model, command: &Command) -> Result<(), String> {
    if command.action
        && let Some(why) = &model.place.read_only
    {
        return Err(why.clone());
    }
    if let Some(why) = model.disabled.get(command.name()) {
        return Err(why.to_string());
    }
    match command.scope {
        Scope::Anywhere => Ok(()),
        Scope::Row | Scope::Detail if model.selected().is_some() => Ok(()),
        Scope::Row | Scope::Detail => Err("no row is selected".into()),
        Scope::Workspace if model.workspace_of_selection().is_some() => Ok(()),
        Scope::Workspace => Err("the selected row belongs to no workspace".into()),
        Scope::Claim if !model.claims_of_selection().is_empty() => Ok(()),
        Scope::Claim => Err("the selected row has no claim".into()),
        Scope::Set if model.set_of_selection().is_some() => Ok(()),
        Scope::Set => Err("the selected row belongs to no set".into()),
        Scope::Job if matches!(model.selected(), Some(RowId::Job(_))) => Ok(()),
        Scope::Job => Err("no job is selected; 9 shows them".into()),
        Scope::Pod => match model.pod_of_selection() {
            Some(_) => Ok(()),
            None => Err("the selected row has no pod".into()),
        },
    }
}

/// Keys and words for the footer: what can be done with the selected row, most useful first.
pub fn footer(model: &Model) -> Vec<(String, &'static str)> {
    let detail = model.focus == Focus::Detail;
    COMMANDS
        .iter()
        .filter(|c| !c.short.is_empty() && (!detail || c.id != Id::Open))
        .filter(|c| usable(model, c).is_ok())
        .filter_map(|c| Some((model.keymap.keys(c.id).first()?.to_string(), c.short)))
        .collect()
}

/// The view that a command opens.
pub const fn view(id: Id) -> Option<View> {
    Some(match id {
        Id::Workspaces => View::Workspaces,
        Id::Findings => View::Findings,
        Id::Claims => View::Claims,
        Id::Snapshots => View::Snapshots,
        Id::Pods => View::Pods,
        Id::Sets => View::Sets,
        Id::Volumes => View::Volumes,
        Id::Events => View::Events,
        Id::Jobs => View::Jobs,
        _ => return None,
    })
}

/// The kind of object that a row stands for.
pub const fn kind_of(row: &RowId) -> Option<Kind> {
    match row {
        RowId::Workspace(_) => Some(Kind::Pod),
        RowId::Object(kind, _) => Some(*kind),
        RowId::Finding(..) | RowId::Job(_) => None,
    }
}
