//! Everything that is on the screen or decides what a key does. One owner, no sharing: the
//! runtime hands out `&Model` for drawing and `&mut Model` to `update` alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::column::{Column, columns};
use super::detail::Detail;
use super::field::Facts;
use super::job::{JobRow, Round};
use super::keymap::Keymap;
use super::listing::{Listing, RowId, Sort};
use super::modal::Modal;
use super::update::Sweep;
use crate::domain::board::Board;
use crate::domain::inventory::{Inventory, Unit, beside};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::metric::Metrics;
use crate::domain::ownership::{OrphanSettings, Sightings};
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
    /// Own actions by run id, running and past.
    pub jobs: BTreeMap<String, JobRow>,
    /// Until then the next ctrl-c leaves although jobs run: it was said that they do.
    pub warned: Option<Timestamp>,
    /// Workspaces that are verified one after another.
    pub round: Option<Round>,
    /// The columns of views that somebody chose, from left to right; the others have their own.
    pub columns: BTreeMap<View, Vec<&'static Column>>,
    /// Which key means which command.
    pub keymap: Keymap,
    /// Contexts of the kubeconfig, for the command line.
    pub contexts: Vec<Text>,
    /// The namespace to come back to from all of them.
    pub home: Option<Text>,
    /// Commands that a missing right or a missing API disables, with the reason.
    pub disabled: BTreeMap<&'static str, Text>,
    /// When a claim that nothing needs may be deleted.
    pub orphans: OrphanSettings,
    /// How often claims were seen as such, now and in earlier runs.
    pub sightings: Sightings,
    /// What the last frame measured.
    pub drawn: Drawn,
    pub quit: Option<Quit>,
    /// When the rows of the view were last computed as a whole, and whether anything that they
    /// depend on has changed since.
    pub(super) refreshed: Timestamp,
    pub(super) judged: Timestamp,
    pub(super) stirred: bool,
    pub(super) sweep: Sweep,
}

/// Where we are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    pub context: Text,
    pub cluster: Text,
    pub user: Text,
    /// `None` = all namespaces.
    pub namespace: Option<Text>,
    /// Why no action may be taken here; `None` when actions may be.
    pub read_only: Option<String>,
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
    /// The kind whose objects it lists; none where it lists something else.
    pub const fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::Claims => Kind::Claim,
            Self::Snapshots => Kind::Snapshot,
            Self::Pods => Kind::Pod,
            Self::Sets => Kind::Set,
            Self::Volumes => Kind::Volume,
            Self::Events => Kind::Event,
            Self::Workspaces | Self::Findings | Self::Jobs => return None,
        })
    }

    /// The view that lists objects of a kind.
    pub fn of_kind(kind: Kind) -> Option<Self> {
        use strum::IntoEnumIterator as _;
        Self::iter().find(|view| view.kind() == Some(kind))
    }

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
            jobs: BTreeMap::new(),
            warned: None,
            round: None,
            columns: BTreeMap::new(),
            keymap: Keymap::default(),
            contexts: Vec::new(),
            home: place.namespace.clone(),
            disabled: BTreeMap::new(),
            orphans: crate::action::seen::Settings::default().orphans,
            sightings: Sightings::default(),
            sweep: Sweep::default(),
            drawn: Drawn::default(),
            quit: None,
            refreshed: now,
            judged: now,
            stirred: true,
            place,
        }
    }

    /// The listing of the view that is open.
    pub fn listing(&self) -> &Listing {
        static EMPTY: std::sync::LazyLock<Listing> =
            std::sync::LazyLock::new(|| Listing::new(View::Workspaces));
        self.listings.get(&self.view).unwrap_or(&EMPTY)
    }

    pub fn selected(&self) -> Option<&RowId> {
        self.listing().selected.as_ref()
    }

    /// The columns of the view that is open.
    pub fn shown_columns(&self) -> Vec<&'static Column> {
        match self.columns.get(&self.view) {
            Some(chosen) => chosen.clone(),
            None => columns(self.view).iter().collect(),
        }
    }

    /// Columns and order of a view, as the configuration says; names that are no column of it are
    /// the configuration's own error and change nothing here.
    pub fn arrange(&mut self, view: View, chosen: Option<&[String]>, sort: Option<&str>) {
        let find = |name: &str| columns(view).iter().find(|c| c.id == name);
        if let Some(names) = chosen {
            let found: Vec<_> = names.iter().filter_map(|name| find(name)).collect();
            if !found.is_empty() {
                self.columns.insert(view, found);
            }
        }
        let (name, descending) = match sort {
            Some(name) => match name.strip_prefix('-') {
                Some(rest) => (rest, true),
                None => (name, false),
            },
            None => return,
        };
        if let Some(column) = find(name)
            && let Some(listing) = self.listings.get_mut(&view)
        {
            listing.sort = Sort {
                column: column.id,
                descending,
            };
        }
    }

    /// What values are computed from.
    pub const fn facts(&self) -> Facts<'_> {
        Facts {
            inventory: &self.inventory,
            metrics: &self.metrics,
            board: &self.board,
            policy: &self.policy,
            jobs: &self.jobs,
            now: self.now,
        }
    }

    /// The marked claims, else the selected one, else those of the selected workspace.
    pub fn claims_of_selection(&self) -> Vec<ObjectKey> {
        let claim = |row: &RowId| match row {
            RowId::Object(Kind::Claim, key)
            | RowId::Finding(Unit::Object(Kind::Claim, key), ..) => Some(key.clone()),
            _ => None,
        };
        let marked: Vec<ObjectKey> = self.listing().marks.iter().filter_map(claim).collect();
        if !marked.is_empty() {
            return marked;
        }
        if let Some(key) = self.selected().and_then(claim) {
            return vec![key];
        }
        let workspace = self.workspace_of_selection();
        let workspace = workspace.and_then(|key| self.inventory.workspace(&key));
        let claims = workspace.map(|workspace| self.inventory.claims_of(workspace));
        (claims.into_iter().flatten())
            .map(|(_, claim)| claim.meta.key.clone())
            .collect()
    }

    /// The pod that the selected row is, has, or is used by.
    pub fn pod_of_selection(&self) -> Option<ObjectKey> {
        let key = match self.selected()? {
            RowId::Workspace(key)
            | RowId::Object(Kind::Pod, key)
            | RowId::Finding(Unit::Workspace(key) | Unit::Object(Kind::Pod, key), ..) => {
                key.clone()
            }
            RowId::Object(Kind::Claim, key) => {
                let mut pods = self.inventory.pods_of_claim(key);
                pods.next()?.meta.key.clone()
            }
            RowId::Object(Kind::Event, key) => {
                let event = self.inventory.events.get(key)?;
                (&*event.object_kind == "Pod").then(|| event.object.clone())?
            }
            _ => return None,
        };
        self.inventory
            .pods
            .get(&key)
            .map(|pod| pod.meta.key.clone())
    }

    /// The workspace that the selected row is or belongs to.
    pub fn workspace_of_selection(&self) -> Option<ObjectKey> {
        let selected = self.selected()?;
        let units = match selected {
            RowId::Workspace(key) => return Some(key.clone()),
            RowId::Finding(unit, ..) => vec![unit.clone()],
            RowId::Object(kind, key) => self.facts().homes(*kind, key),
            RowId::Job(_) => return None,
        };
        units.into_iter().find_map(|unit| match unit {
            Unit::Workspace(key) => self.inventory.workspace(&key).map(|w| w.key.clone()),
            Unit::Object(..) => None,
        })
    }

    /// The set that the selected row is, or whose workspace it belongs to.
    pub fn set_of_selection(&self) -> Option<ObjectKey> {
        let key = match self.selected()? {
            RowId::Object(Kind::Set, key) | RowId::Finding(Unit::Object(Kind::Set, key), ..) => {
                key.clone()
            }
            _ => {
                let key = self.workspace_of_selection()?;
                let set = self.inventory.workspace(&key)?.set.as_ref()?;
                beside(&key, set)
            }
        };
        self.inventory
            .sets
            .get(&key)
            .map(|set| set.meta.key.clone())
    }

    /// Forgets everything that was read, for another namespace or context.
    pub(super) fn forget(&mut self) {
        self.inventory = Inventory::new(self.policy.claim_templates.clone());
        self.metrics = Metrics::default();
        self.board = Board::default();
        for listing in self.listings.values_mut() {
            listing.put_away();
            listing.marks.clear();
            listing.total = 0;
            listing.selected = None;
            listing.start_over();
        }
        self.detail.forget();
        self.sweep = Sweep::default();
        self.stirred = true;
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
}
