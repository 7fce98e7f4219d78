//! StatefulSets, and the other workloads only as far as they name claims or own pods.

use std::sync::Arc;

use jiff::Timestamp;

use super::key::{Kind, Meta, ObjectKey, Owner, Text};
use super::quantity::Quantity;

/// A StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    pub meta: Meta,
    pub owner: Option<Owner>,
    pub replicas: u32,
    /// `spec.ordinals.start` (KEP-3335), 0 by default.
    pub start: u32,
    pub ready: u32,
    pub current: u32,
    pub updated: u32,
    pub generation: i64,
    pub observed_generation: i64,
    pub current_revision: Option<Text>,
    pub update_revision: Option<Text>,
    /// `OrderedReady` blocks on the first bad ordinal, `Parallel` does not.
    pub parallel: bool,
    pub on_delete: bool,
    /// Claim retention (KEP-1847): whether scaling down or deletion takes the claims along.
    pub when_scaled_delete: bool,
    pub when_deleted_delete: bool,
    pub templates: Vec<ClaimTemplate>,
    /// `matchLabels` of the selector.
    pub selector: Vec<(Text, Text)>,
    /// Claims that the pod template itself names.
    pub claims: Box<[Text]>,
    /// Image repositories of the template's containers, without tag.
    pub images: Box<[Text]>,
    /// Helm, Argo, Flux …: who would undo a change of the set.
    pub managed_by: Option<Text>,
}

/// One of `volumeClaimTemplates`; immutable (k8s ≤ 1.37).
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimTemplate {
    pub name: Text,
    pub request: Option<Quantity>,
    pub storage_class: Option<Text>,
}

impl Set {
    /// The ordinals that must exist: `[start, start + replicas)`.
    pub fn ordinals(&self) -> std::ops::Range<u32> {
        self.start..self.start.saturating_add(self.replicas)
    }

    /// Whether its last change was seen, rolled out, and every pod is ready.
    pub fn is_settled(&self) -> bool {
        self.observed_generation >= self.generation
            && self.ready >= self.replicas
            && self.current_revision == self.update_revision
    }

    pub fn pod_name(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.meta.key.name)
    }

    /// `getPersistentVolumeClaimName` of the StatefulSet controller.
    pub fn claim_name(&self, template: &str, ordinal: u32) -> String {
        format!("{template}-{}-{ordinal}", self.meta.key.name)
    }
}

/// Deployment, ReplicaSet, DaemonSet, Job or CronJob.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub kind: Kind,
    pub meta: Meta,
    pub owner: Option<Owner>,
    pub replicas: Option<u32>,
    pub ready: u32,
    /// Claims that its pod template names, even with no pod running.
    pub claims: Box<[Text]>,
}

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub meta: Meta,
    pub selector: Vec<(Text, Text)>,
    /// `matchExpressions` are there, so that `selector` alone does not decide.
    pub expressions: bool,
    pub disruptions_allowed: i32,
    pub expected_pods: i32,
    pub current_healthy: i32,
    pub desired_healthy: i32,
}

/// A ResourceQuota: hard and used by resource name, for example `requests.storage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    pub meta: Meta,
    pub hard: Vec<(Text, Quantity)>,
    pub used: Vec<(Text, Quantity)>,
}

/// `<prefix>-<ordinal>` split at its last dash. The ordinal must be canonical (`00` is not an
/// ordinal of any set; parent regex of the StatefulSet controller: `(.*)-([0-9]+)$`).
pub fn split_ordinal(name: &str) -> Option<(&str, u32)> {
    let (prefix, digits) = name.rsplit_once('-')?;
    let canonical = digits == "0" || !digits.starts_with('0');
    if prefix.is_empty() || !canonical || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Ordinals are int32 in the API.
    let ordinal: u32 = digits.parse().ok()?;
    (ordinal <= i32::MAX.unsigned_abs()).then_some((prefix, ordinal))
}

/// When an object came to be, for ages; rows without it (a broken server) are as old as now.
pub fn age(created: Timestamp, now: Timestamp) -> jiff::SignedDuration {
    now.duration_since(created)
}

/// The key of an object that lives beside `key`.
pub fn beside(key: &ObjectKey, name: &Text) -> ObjectKey {
    ObjectKey {
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("workspace-coditect-ide-12", Some(("workspace-coditect-ide", 12)))]
    #[case("a-0", Some(("a", 0)))]
    #[case("a-00", None)]
    #[case("a-01", None)]
    #[case("a-", None)]
    #[case("-3", None)]
    #[case("plain", None)]
    #[case("a-99999999999", None)]
    #[case("a-1x", None)]
    fn only_canonical_ordinals_are_ordinals(
        #[case] name: &str,
        #[case] split: Option<(&str, u32)>,
    ) {
        assert_eq!(split_ordinal(name), split);
    }
}
