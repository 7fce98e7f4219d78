//! PersistentVolumeClaims, as rows.

use std::sync::Arc;

use jiff::Timestamp;

use super::key::{Meta, Owner, Text};
use super::quantity::Quantity;

#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub meta: Meta,
    /// All of `ownerReferences`: the owner decides over the claim's end (KEP-1847).
    pub owners: Box<[Owner]>,
    pub phase: ClaimPhase,
    pub volume: Option<Text>,
    pub storage_class: Option<Text>,
    pub request: Option<Quantity>,
    /// `status.capacity.storage`: what the file system is known to have.
    pub capacity: Option<Quantity>,
    /// `status.allocatedResources.storage`: what a resize aims at.
    pub allocated: Option<Quantity>,
    /// `status.allocatedResourceStatuses.storage`, verbatim.
    pub resize_status: Option<Text>,
    /// Conditions other than `Unused`, verbatim: unknown types must be shown, not dropped.
    pub conditions: Box<[Condition]>,
    /// The `Unused=True` condition's transition time (KEP-5541); absent = unknown.
    pub unused_since: Option<Timestamp>,
    /// The user's last activity, as the configured annotation says it.
    pub active: Option<Timestamp>,
    /// Shared: most claims have the same.
    pub finalizers: Arc<[Text]>,
    /// The `hold` label or annotation is there.
    pub held: bool,
    pub user: Option<Text>,
    pub tier: Option<Text>,
    /// Values of the labels, for claims whose set is gone: selector labels are copied to them.
    pub label_values: Arc<[Text]>,
    pub block: bool,
    /// Name of the snapshot in `dataSourceRef`, while it was restored from one.
    pub source_snapshot: Option<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
pub enum ClaimPhase {
    Pending,
    Bound,
    Lost,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub kind: Text,
    pub status: bool,
    pub reason: Option<Text>,
    pub message: Option<Text>,
    pub since: Option<Timestamp>,
}

impl Claim {
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|c| &*c.kind == kind && c.status)
    }

    /// Whether more was asked for than the file system has. Stages: external-resizer
    /// `pkg/controller/resize_status.go`.
    pub fn is_resizing(&self) -> bool {
        match (self.request, self.capacity) {
            (Some(request), Some(capacity)) => {
                self.phase == ClaimPhase::Bound && request > capacity
            }
            _ => false,
        }
    }

    /// Whether its disk may be in the middle of growing. The node's status that stays behind after
    /// it has grown (kubernetes#131402) says nothing.
    pub fn is_growing(&self) -> bool {
        let Some(status) = self.resize_status.as_deref() else {
            return self.is_resizing();
        };
        let has_grown = match (self.request, self.capacity) {
            (Some(request), Some(capacity)) => {
                request <= capacity && self.allocated.is_none_or(|aim| aim <= capacity)
            }
            _ => false,
        };
        !(status == "NodeResizePending" && has_grown)
    }

    /// The word of kubectl's STATUS column.
    pub fn status(&self) -> &'static str {
        if self.meta.deleted.is_some() {
            return "Terminating";
        }
        match self.phase {
            ClaimPhase::Pending => "Pending",
            ClaimPhase::Bound => "Bound",
            ClaimPhase::Lost => "Lost",
        }
    }
}
