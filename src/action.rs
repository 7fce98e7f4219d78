//! Acting, as plain data: what is asked for ([`Request`]), what would be done about it ([`Plan`]),
//! why it is not done ([`Refusal`]), and what was done ([`journal`]).
//!
//! Pure: a plan is computed from what is known, printed, confirmed, journaled and only then carried
//! out by `cluster::perform`. Must not use tokio, a kube client or the clock; `now` is handed in.
//!
//! How a plan survives a crash: every step that changes something is journaled before and after.
//! What was begun and not answered is looked for with its [`Probe`] before it is repeated; what a
//! later step needs of an earlier one is a captured value (`${name}`), kept in the journal; the
//! steps that take a step back lie beside it ([`Step::undo`]).

pub mod autoscaler;
pub mod call;
pub mod condition;
pub mod delete_claims;
pub mod evict;
pub mod guard;
pub mod journal;
mod keep;
pub mod kubectl;
pub mod plan;
pub mod purge;
mod recreate;
pub mod refusal;
pub mod request;
pub mod resize;
pub mod restore;
pub mod right;
pub mod role;
pub mod seen;
mod session;
pub mod snapshot;
pub mod template;
pub mod undo;
pub mod verify;
pub mod wire;

pub use call::{Call, Expect, Identity, PatchType, Probe, Propagation, Stdin, Target};
pub use condition::{Condition, Observed, Read, Standing};
pub use guard::Guard;
pub use journal::{Job, Record};
pub use plan::{Capture, Do, OnFailure, Place, Plan, RunId, Source, Step, Subject};
pub use refusal::{Refusal, RefusalKind};
pub use request::{ActionName, Request};
pub use right::Right;
pub use seen::{Objects, Seen, Settings};

/// Label of every object that an action makes: the id of the run. What carries it is ours.
pub const RUN_LABEL: &str = "wsdash.dev/run-id";
/// Label of the snapshots that were taken together.
pub const SET_LABEL: &str = "wsdash.dev/snapshot-set";
/// Label with the consistency level of a snapshot: clean, synced, frozen or crash.
pub const CONSISTENCY_LABEL: &str = "wsdash.dev/consistency";
/// Label with the workspace that an object was made for.
pub const WORKSPACE_LABEL: &str = "wsdash.dev/workspace";
/// Annotations of what an action made or changed.
pub const ACTION_ANNOTATION: &str = "wsdash.dev/last-action";
pub const BY_ANNOTATION: &str = "wsdash.dev/by";
/// Annotation of a volume: the reclaim policy that it had before it was kept for an undo.
pub const RECLAIM_ANNOTATION: &str = "wsdash.dev/reclaim-policy-before";
/// Annotation of a volume that is kept for an undo: the run, and until when.
pub const KEPT_ANNOTATION: &str = "wsdash.dev/kept-by";
pub const PURGE_ANNOTATION: &str = "wsdash.dev/purge-after";

/// The plan of a request, from what is seen. `jobs` are those that the request names: of an undo
/// or a purge.
pub fn plan(seen: &Seen<'_>, request: &Request, jobs: &[Job]) -> Result<Plan, Refusal> {
    match request {
        Request::Snapshot { workspaces, wait } => snapshot::plan(seen, workspaces, *wait),
        Request::Resize { claim, to } => resize::plan(seen, claim, *to),
        Request::Evict { workspaces } => evict::plan(seen, workspaces),
        Request::Undo { job } => match jobs {
            [job] => undo::plan(seen, job),
            _ => Err(Refusal::new(
                RefusalKind::NotFound,
                format!("there is no job `{job}`"),
                "`wsdash jobs` lists them",
            )),
        },
        Request::Orphans { claims } => delete_claims::plan(seen, claims),
        Request::Purge { .. } => purge::plan(seen, jobs),
        Request::Restore {
            workspace,
            from,
            in_place,
            claims,
            force,
        } => {
            let how = restore::How {
                in_place: *in_place,
                force: *force,
            };
            restore::plan(seen, workspace, from.as_deref(), how, claims)
        }
        Request::Template { set, source_fixed } => template::plan(seen, set, *source_fixed),
        Request::Verify {
            workspace,
            force,
            other_node,
        } => verify::plan(seen, workspace, *force, *other_node),
    }
}

#[cfg(test)]
mod tests;
