//! Why something is not done: a sentence, and what to do instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a plan is not made or not carried out, as far as callers branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum RefusalKind {
    /// There is no such object.
    NotFound,
    /// A kind that the proof needs is not live: unknown is never yes.
    NotKnown,
    /// The world is not as it was when the plan was made.
    Changed,
    /// The object is not in a state in which this can be done.
    State,
    /// The object is being deleted.
    Terminating,
    /// The class, the driver or the API cannot.
    Unsupported,
    /// A claim cannot become smaller.
    Shrink,
    Quota,
    /// The provider allows only so many in a time.
    RateLimit,
    /// A disruption budget does not allow it.
    Budget,
    /// Somebody works there, or nobody can tell.
    Session,
    /// Data would be lost without a proven way back.
    NoWayBack,
    /// A hold label, a policy, a read-only context.
    Policy,
    /// Another run works on the same workspace.
    Locked,
    /// A right is missing.
    Right,
    /// The server's dry run says no.
    DryRun,
    /// The request makes no sense.
    Request,
    NotBuilt,
}

/// `Display` is one sentence: what stands in the way, a semicolon, the next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// Without a full stop.
    pub sentence: String,
    /// The next step, without a full stop.
    pub next: String,
}

impl Refusal {
    pub fn new(kind: RefusalKind, sentence: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        if self.next.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.next)
    }
}

impl std::error::Error for Refusal {}
