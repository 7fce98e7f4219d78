//! What the program wants done. Plain values: the runtime carries them out.

use crate::action::{Plan, Request};

use super::detail::{LogSource, Range};
use super::listing::RowId;
use crate::domain::key::{Kind, ObjectKey, Text, Uid};
use crate::domain::ownership::Class;

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Read the whole object, secrets and managedFields hidden; answered by `Msg::Yaml`.
    FetchYaml {
        of: RowId,
        kind: Kind,
        key: ObjectKey,
    },
    /// Range queries; answered by `Msg::Chart`.
    FetchChart {
        of: RowId,
        claims: Vec<ObjectKey>,
        pod: Option<ObjectKey>,
        range: Range,
    },
    /// Stream logs; whatever streamed before ends. Answered by `Msg::LogLines`.
    FollowLogs {
        of: LogSource,
    },
    StopLogs,
    /// Put text on the terminal's clipboard (OSC 52).
    Copy {
        text: String,
    },
    /// Watch another namespace (`None` = all).
    SwitchNamespace {
        namespace: Option<Text>,
    },
    SwitchContext {
        context: Text,
    },
    /// Build the client anew and start all watches again.
    Reconnect,
    /// This Prometheus, of several.
    UseMetrics {
        candidate: String,
    },
    /// Lend the terminal to a shell in the pod.
    Shell {
        pod: ObjectKey,
        container: Option<Text>,
    },
    /// Plan what is asked for; answered by `Msg::Proposed`.
    Propose {
        request: Request,
    },
    /// Have the server check the plan's calls; answered by `Msg::Rehearsed`.
    Rehearse {
        plan: Box<Plan>,
    },
    /// Carry the plan out; its journal comes back line by line.
    Perform {
        plan: Box<Plan>,
    },
    /// Go on with a job that was cut off.
    Resume {
        run: String,
    },
    /// Write down what claims were seen as; answered by `Msg::Sightings`.
    Sight {
        seen: Vec<(Uid, Class)>,
    },
    /// Stop the process as ctrl-z does, and come back.
    Suspend,
    /// Clear and draw everything again.
    Redraw,
}
