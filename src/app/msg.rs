//! Every message that can change the model.

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;

use super::detail::{Chart, LogSource, LogState};
use super::job::{JobRow, Proposal};
use super::listing::RowId;
use super::model::{Drawn, Link, Place};
use crate::action::{Job, Record};
use crate::domain::inventory::Change;
use crate::domain::key::Text;
use crate::domain::metric::MetricsChange;
use crate::domain::ownership::Sightings;

#[derive(Clone, Debug)]
pub enum Msg {
    Key(KeyEvent),
    /// Bracketed paste. Its newlines never confirm anything.
    Paste(String),
    Mouse(MouseEvent),
    Resize(u16, u16),
    FocusGained,
    FocusLost,
    /// Once a second, and whenever a deadline of the model comes.
    Tick,
    /// The time of everything that follows, sent ahead of each batch.
    Now(Timestamp),
    Cluster(Change),
    Metrics(MetricsChange),
    Link(Link),
    /// The connection came up, or moved to another context.
    Connected(Place),
    /// The contexts of the kubeconfig.
    Contexts(Vec<Text>),
    /// What commands are disabled for want of a right or an API, by command name.
    Disabled(Vec<(&'static str, Option<Text>)>),
    Yaml {
        of: RowId,
        result: Result<String, Text>,
    },
    Chart {
        of: RowId,
        result: Result<Chart, Text>,
    },
    LogLines {
        of: LogSource,
        lines: Vec<String>,
    },
    LogState {
        of: LogSource,
        state: LogState,
    },
    /// What was asked for, as a plan; or why not.
    Proposed(Result<Box<Proposal>, Text>),
    /// What the server says to each call of a plan.
    Rehearsed {
        run: String,
        lines: Vec<String>,
    },
    /// Jobs of the journal, with whether somebody works on them.
    Jobs(Vec<(String, JobRow)>),
    /// One more line of a journal.
    Journal {
        run: String,
        record: Box<Record>,
    },
    JobEnded {
        run: String,
        result: Result<Box<Job>, Text>,
    },
    /// How often claims were seen as ones that nothing needs.
    Sightings(Sightings),
    /// An effect that has no answer of its own succeeded or failed.
    Told {
        good: bool,
        text: String,
    },
    /// A frame was drawn.
    Drawn(Drawn),
    /// SIGTERM, SIGHUP, SIGINT: leave with 128 + n.
    Signal(u8),
}
