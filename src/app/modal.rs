//! What lies over the screen and takes the keys. At most one at a time.

use super::job::Proposal;
use crate::action::restore::Point;
use crate::domain::key::ObjectKey;

#[derive(Clone, Debug, PartialEq)]
pub enum Modal {
    Help {
        scroll: usize,
        search: String,
    },
    /// `:` – a command or a view.
    CommandLine(Prompt),
    /// `/` – narrows the table while it is typed.
    FilterLine(Prompt),
    /// `o` – which column to sort by.
    SortMenu {
        cursor: usize,
    },
    /// `a` – every action, with the reason beside each that is disabled.
    ActionMenu {
        cursor: usize,
    },
    /// `r` – the runbook of a finding.
    Runbook {
        code: crate::domain::finding::Code,
        scroll: usize,
    },
    /// Which of several Prometheus services to ask; remembered for the session.
    ChooseMetrics {
        candidates: Vec<String>,
        cursor: usize,
    },
    /// Which container to use, for logs or a shell.
    ChooseContainer {
        containers: Vec<String>,
        cursor: usize,
        then: &'static str,
    },
    /// How large a claim shall be.
    AskSize {
        claim: ObjectKey,
        prompt: Prompt,
    },
    /// Which point in time to restore, and where to.
    ChoosePoint {
        workspace: ObjectKey,
        points: Vec<Point>,
        cursor: usize,
        in_place: bool,
    },
    /// How to verify workspaces: whether somebody may be working there, and to which node.
    ChooseTest {
        workspaces: Vec<ObjectKey>,
        cursor: usize,
    },
    /// A plan, before anything happens.
    Proposal(Box<Proposal>),
    /// A long text with nothing to decide, for instance why a command is disabled.
    Message {
        title: String,
        text: String,
        scroll: usize,
    },
}

/// A line being typed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Prompt {
    pub text: String,
    /// In characters.
    pub cursor: usize,
    /// What `tab` would put there.
    pub completions: Vec<String>,
    pub chosen: Option<usize>,
    /// Where in the history `up` has got to.
    pub recalled: Option<usize>,
    /// The text before the first key, for `esc`.
    pub before: String,
}
