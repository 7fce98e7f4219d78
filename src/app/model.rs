//! Everything that is on the screen or decides what a key does. One owner, no sharing: the
//! runtime hands out `&Model` for drawing and `&mut Model` to `update` alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::detail::Detail;
use super::listing::Listing;
use super::modal::Modal;
use crate::domain::board::Board;
use crate::domain::inventory::Inventory;
use crate::domain::key::Text;
use crate::domain::metric::Metrics;
use crate::domain::policy::Policy;

#[derive(Debug)]
pub struct Model {
    pub now: Timestamp,
    pub place: Place,
    pub link: Link,
    pub policy: Policy,
    pub inventory: Inventory,
    pub metrics: Metrics,
    pub board: Board,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    pub view: View,
    /// Views to go back to, newest last.
    pub trail: Vec<View>,
    pub listings: BTreeMap<View, Listing>,
    pub focus: Focus,
    pub detail: Detail,
    pub modal: Option<Modal>,
    pub notice: Option<Notice>,
    /// Lines that were entered after `:`, newest last.
    pub history: Vec<String>,
    /// Commands that a missing right or a missing API disables, with the reason.
    pub disabled: BTreeMap<&'static str, Text>,
    /// What the last frame measured.
    pub drawn: Drawn,
    pub quit: Option<Quit>,
}

/// Where we are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    pub context: Text,
    pub cluster: Text,
    pub user: Text,
    /// `None` = all namespaces.
    pub namespace: Option<Text>,
    pub read_only: bool,
    /// Configured label and colour of this context (for instance red for production).
    pub label: Option<String>,
    pub colour: Option<String>,
}

/// The state of the connection as a whole; the kinds have their own freshness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Connecting {
        since: Timestamp,
    },
    Up,
    /// It was up; everything on the screen is as of `since`.
    Lost {
        since: Timestamp,
        why: Text,
        next: Text,
        retry_at: Option<Timestamp>,
    },
    /// Never came up: what is wrong and what to do about it.
    Failed {
        since: Timestamp,
        why: Text,
        next: Text,
        retry_at: Option<Timestamp>,
    },
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[strum(serialize_all = "lowercase")]
pub enum View {
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

impl View {
    /// The digit that opens it.
    pub const fn digit(self) -> char {
        match self {
            Self::Workspaces => '1',
            Self::Findings => '2',
            Self::Claims => '3',
            Self::Snapshots => '4',
            Self::Pods => '5',
            Self::Sets => '6',
            Self::Volumes => '7',
            Self::Events => '8',
            Self::Jobs => '9',
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Focus {
    #[default]
    Table,
    Detail,
}

/// One line for a while, for instance "copied coditect-ide-7".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub level: Level,
    pub until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Good,
    Warn,
    Bad,
}

/// What only drawing can measure, and paging needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Drawn {
    /// Rows that the table had room for, and the first one that it showed.
    pub table_rows: u16,
    pub table_offset: usize,
    /// Lines that the detail pane (or a modal with a long text) had room for, and has in all.
    pub text_rows: u16,
    pub text_lines: usize,
}

/// The program ends: with this exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quit {
    pub code: u8,
}

impl Model {
    pub fn new(now: Timestamp, place: Place, policy: Policy) -> Self {
        use strum::IntoEnumIterator as _;
        Self {
            now,
            place,
            link: Link::Connecting { since: now },
            inventory: Inventory::new(policy.claim_templates.clone()),
            policy,
            metrics: Metrics::default(),
            board: Board::default(),
            size: (80, 24),
            view: View::Workspaces,
            trail: Vec::new(),
            listings: View::iter().map(|v| (v, Listing::new(v))).collect(),
            focus: Focus::Table,
            detail: Detail::default(),
            modal: None,
            notice: None,
            history: Vec::new(),
            disabled: BTreeMap::new(),
            drawn: Drawn::default(),
            quit: None,
        }
    }

    /// The listing of the view that is open.
    pub fn listing(&self) -> &Listing {
        static EMPTY: std::sync::LazyLock<Listing> =
            std::sync::LazyLock::new(|| Listing::new(View::Workspaces));
        self.listings.get(&self.view).unwrap_or(&EMPTY)
    }

    pub fn notify(&mut self, level: Level, text: impl Into<String>) {
        let seconds = if level == Level::Good { 4 } else { 10 };
        let until = self.now + jiff::SignedDuration::from_secs(seconds);
        self.notice = Some(Notice {
            text: text.into(),
            level,
            until,
        });
    }

    pub fn place_name(&self) -> String {
        let namespace = self
            .place
            .namespace
            .as_ref()
            .map_or("all namespaces", |n| &**n);
        format!("{namespace} @ {}", self.place.context)
    }

    /// For a namespace that is shared with the watch tasks.
    pub fn namespace(&self) -> Option<Text> {
        self.place.namespace.as_ref().map(Arc::clone)
    }
}
