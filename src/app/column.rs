//! The columns of every view: identity, title, width, and which go first when it gets narrow.
//! A column's text is made by `ui`, its sort value by `listing`; headless output uses the same ids.

use super::model::View;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub id: &'static str,
    pub title: &'static str,
    /// Cells of width that it needs, and takes at most when there is room.
    pub min: u16,
    pub max: u16,
    /// 0 is kept to the last; the highest goes first.
    pub priority: u8,
    pub right: bool,
}

const fn column(id: &'static str, title: &'static str, width: (u16, u16), priority: u8) -> Column {
    Column {
        id,
        title,
        min: width.0,
        max: width.1,
        priority,
        right: false,
    }
}

const fn number(id: &'static str, title: &'static str, width: (u16, u16), priority: u8) -> Column {
    Column {
        id,
        title,
        min: width.0,
        max: width.1,
        priority,
        right: true,
    }
}

const WORKSPACES: &[Column] = &[
    column("namespace", "NAMESPACE", (10, 20), 5),
    column("name", "WORKSPACE", (18, 40), 0),
    column("user", "USER", (8, 22), 7),
    column("state", "STATE", (16, 20), 0),
    column("disk", "DISK", (10, 16), 1),
    number("full-in", "FULL IN", (7, 8), 2),
    number("cpu", "CPU", (4, 5), 3),
    number("memory", "MEM", (4, 5), 6),
    number("snapshot", "SNAPSHOT", (8, 9), 2),
    column("pod", "POD", (9, 20), 8),
    number("restarts", "RESTARTS", (8, 8), 8),
    number("claims", "CLAIMS", (6, 6), 9),
    column("node", "NODE", (10, 24), 9),
    column("zone", "ZONE", (8, 16), 10),
    number("age", "AGE", (4, 5), 4),
];

const FINDINGS: &[Column] = &[
    column("severity", "SEVERITY", (14, 14), 1),
    column("code", "FINDING", (14, 26), 0),
    column("subject", "SUBJECT", (18, 50), 0),
    column("workspace", "WORKSPACE", (14, 36), 3),
    column("sentence", "WHAT", (20, 120), 2),
    number("since", "SINCE", (5, 6), 1),
];

const CLAIMS: &[Column] = &[
    column("namespace", "NAMESPACE", (10, 20), 5),
    column("name", "CLAIM", (30, 50), 0),
    column("status", "STATUS", (11, 12), 0),
    column("disk", "DISK", (10, 16), 1),
    number("used", "USED", (9, 10), 3),
    number("size", "SIZE", (9, 10), 1),
    number("inodes", "INODES", (6, 7), 4),
    number("full-in", "FULL IN", (7, 8), 2),
    column("used-by", "USED BY", (10, 30), 5),
    column("need", "NEED", (8, 12), 2),
    column("class", "CLASS", (8, 20), 6),
    number("snapshot", "SNAPSHOT", (8, 9), 3),
    column("volume", "VOLUME", (12, 42), 8),
    number("age", "AGE", (4, 5), 2),
];

const SNAPSHOTS: &[Column] = &[
    column("namespace", "NAMESPACE", (10, 20), 5),
    column("name", "SNAPSHOT", (26, 56), 0),
    column("claim", "CLAIM", (16, 44), 1),
    column("status", "STATUS", (10, 24), 0),
    number("size", "SIZE", (9, 10), 2),
    number("taken", "TAKEN", (6, 7), 0),
    column("class", "CLASS", (6, 20), 4),
    column("content", "CONTENT", (12, 50), 7),
    column("deletion", "DELETION", (8, 8), 5),
    number("age", "AGE", (4, 5), 3),
];

const PODS: &[Column] = &[
    column("namespace", "NAMESPACE", (10, 20), 5),
    column("name", "POD", (22, 44), 0),
    number("ready", "READY", (5, 5), 0),
    column("status", "STATUS", (12, 24), 0),
    number("restarts", "RESTARTS", (8, 8), 1),
    number("cpu", "CPU", (5, 6), 2),
    number("memory", "MEM", (7, 10), 2),
    column("node", "NODE", (10, 30), 4),
    column("owner", "OWNER", (10, 36), 6),
    number("age", "AGE", (4, 5), 1),
];

const SETS: &[Column] = &[
    column("namespace", "NAMESPACE", (10, 20), 5),
    column("name", "SET", (20, 44), 0),
    number("ready", "READY", (7, 9), 0),
    number("hurt", "HURT", (4, 5), 0),
    number("parked", "PARKED", (6, 6), 3),
    column("ordinals", "ORDINALS", (8, 12), 4),
    column("update", "UPDATE", (8, 20), 2),
    column("policy", "POLICY", (8, 12), 6),
    column("templates", "CLAIM TEMPLATES", (15, 50), 4),
    number("age", "AGE", (4, 5), 1),
];

const VOLUMES: &[Column] = &[
    column("name", "VOLUME", (20, 44), 0),
    column("status", "STATUS", (9, 10), 0),
    number("size", "SIZE", (9, 10), 1),
    column("claim", "CLAIM", (16, 60), 1),
    column("reclaim", "RECLAIM", (7, 7), 2),
    column("class", "CLASS", (8, 20), 4),
    column("zone", "ZONE", (8, 16), 5),
    column("attached", "ATTACHED TO", (11, 30), 3),
    column("handle", "HANDLE", (12, 60), 8),
    number("age", "AGE", (4, 5), 2),
];

const EVENTS: &[Column] = &[
    column("namespace", "NAMESPACE", (10, 20), 5),
    number("last", "LAST", (5, 6), 0),
    column("type", "TYPE", (7, 7), 1),
    column("reason", "REASON", (14, 28), 0),
    column("object", "OBJECT", (18, 50), 0),
    number("count", "COUNT", (5, 6), 4),
    column("message", "MESSAGE", (20, 300), 2),
];

const JOBS: &[Column] = &[
    column("state", "STATE", (8, 12), 0),
    column("action", "ACTION", (10, 16), 0),
    column("subject", "SUBJECT", (16, 44), 0),
    column("step", "STEP", (20, 80), 1),
    number("took", "TOOK", (5, 7), 2),
    number("started", "STARTED", (7, 8), 1),
];

/// The columns of a view, in their order on the screen.
pub const fn columns(view: View) -> &'static [Column] {
    match view {
        View::Workspaces => WORKSPACES,
        View::Findings => FINDINGS,
        View::Claims => CLAIMS,
        View::Snapshots => SNAPSHOTS,
        View::Pods => PODS,
        View::Sets => SETS,
        View::Volumes => VOLUMES,
        View::Events => EVENTS,
        View::Jobs => JOBS,
    }
}

/// What a view is sorted by until somebody says otherwise. `needs` is no column: it is the
/// order "needs me first, then name".
pub const fn default_sort(view: View) -> &'static str {
    match view {
        View::Workspaces | View::Findings => "needs",
        View::Events => "last",
        View::Jobs => "started",
        _ => "name",
    }
}
