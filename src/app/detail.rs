//! The detail pane: which tab of the selected object is open, and what was fetched for it.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::listing::RowId;
use crate::domain::key::{ObjectKey, Text};

#[derive(Debug)]
pub struct Detail {
    /// Closed on `esc`; the table has the whole screen then.
    pub open: bool,
    pub tab: Tab,
    /// First line on the screen, in the tab's own lines.
    pub scroll: usize,
    /// The pane has the whole screen.
    pub zoomed: bool,
    pub range: Range,
    pub yaml: Fetched<String>,
    pub chart: Fetched<Chart>,
    pub logs: Logs,
    /// The row that the pane is about, and since when: what is fetched waits a moment, so that
    /// running through rows fetches nothing.
    pub(super) of: Option<(RowId, Timestamp)>,
    /// What was asked for last, and when.
    pub(super) asked: Option<(Tab, RowId, Timestamp)>,
    /// The container that was chosen for the logs of this row.
    pub(super) container: Option<Text>,
    /// Logs of the container before its last restart.
    pub(super) previous: bool,
}

impl Default for Detail {
    fn default() -> Self {
        Self {
            open: true,
            tab: Tab::default(),
            scroll: 0,
            zoomed: false,
            range: Range::default(),
            yaml: Fetched::Nothing,
            chart: Fetched::Nothing,
            logs: Logs::default(),
            of: None,
            asked: None,
            container: None,
            previous: false,
        }
    }
}

impl Detail {
    /// Drops what was fetched, for another row or place.
    pub(super) fn forget(&mut self) {
        self.scroll = 0;
        self.yaml = Fetched::Nothing;
        self.chart = Fetched::Nothing;
        self.of = None;
        self.asked = None;
        self.container = None;
        self.previous = false;
    }
}

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[strum(serialize_all = "lowercase")]
pub enum Tab {
    #[default]
    Summary,
    Usage,
    Events,
    Snapshots,
    Findings,
    Yaml,
    Logs,
}

/// How far back a chart looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, strum::EnumIter)]
pub enum Range {
    Hour,
    #[default]
    SixHours,
    Day,
    Week,
}

impl Range {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    pub const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3600,
            Self::SixHours => 6 * 3600,
            Self::Day => 24 * 3600,
            Self::Week => 7 * 24 * 3600,
        }
    }
}

/// Something that was asked for: for which row, and how it stands.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Fetched<T> {
    #[default]
    Nothing,
    Asked {
        of: RowId,
        since: Timestamp,
    },
    Here {
        of: RowId,
        at: Timestamp,
        what: T,
    },
    Failed {
        of: RowId,
        at: Timestamp,
        why: Text,
    },
}

impl<T> Fetched<T> {
    /// The row that it is about.
    pub const fn of(&self) -> Option<&RowId> {
        match self {
            Self::Nothing => None,
            Self::Asked { of, .. } | Self::Here { of, .. } | Self::Failed { of, .. } => Some(of),
        }
    }
}

/// Range answers for the charts of one workspace, claim or pod.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Chart {
    pub range: Range,
    pub lines: Vec<Line>,
}

/// One line of a chart: gaps are `None`, never zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `workspace-coditect-ide-7`, `cpu`, `memory`.
    pub name: String,
    pub measure: Measure,
    pub points: Vec<(Timestamp, Option<f64>)>,
    /// The line that it must not cross: capacity in bytes, limit in cores.
    pub ceiling: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    DiskBytes,
    Cores,
    MemoryBytes,
}

/// The log lines of one container, newest last, with a bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    pub of: Option<LogSource>,
    pub lines: VecDeque<String>,
    /// Lines that were dropped at the old end.
    pub dropped: u64,
    pub state: LogState,
    /// The newest line is kept on the screen.
    pub follow: bool,
    pub wrap: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogSource {
    pub pod: ObjectKey,
    /// `None` = the server chooses.
    pub container: Option<Text>,
    pub previous: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum LogState {
    #[default]
    Idle,
    Streaming,
    Ended,
    Failed(Text),
}

/// More lines than this are dropped at the old end.
pub const MAX_LOG_LINES: usize = 10_000;
