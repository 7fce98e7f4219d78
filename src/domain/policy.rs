//! The limits that verdicts are measured against. Plain numbers: configuration fills them in,
//! defaults are those of kubernetes-mixin where it has one.

use jiff::SignedDuration;

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Used share of a claim's bytes, 0..1: first mention, serious, critical.
    pub disk_warn: f64,
    pub disk_high: f64,
    pub disk_critical: f64,
    /// Used share of a claim's inodes, 0..1.
    pub inodes_warn: f64,
    pub inodes_critical: f64,
    /// A disk that fills sooner than this is a finding.
    pub full_in: SignedDuration,
    /// The newest ready snapshot of a claim may be this old.
    pub snapshot_max_age: SignedDuration,
    /// A snapshot that is not ready after this is stuck.
    pub snapshot_ready_within: SignedDuration,
    pub pod_pending: SignedDuration,
    pub pod_not_ready: SignedDuration,
    /// A pod may stay in Terminating this much longer than its own grace period.
    pub pod_terminating: SignedDuration,
    pub claim_pending: SignedDuration,
    pub claim_terminating: SignedDuration,
    /// One stage of a resize may take this long.
    pub resize_stage: SignedDuration,
    /// Share of throttled CPU periods, 0..1.
    pub throttling: f64,
    pub cpu_warn: f64,
    pub cpu_critical: f64,
    pub memory_warn: f64,
    pub memory_critical: f64,
    /// Restarts within one hour.
    pub restarts: u32,
    /// Events older than this are no evidence any more.
    pub event_window: SignedDuration,
    /// Label keys whose value is the workspace's user and tier; the first that is there counts.
    pub user_labels: Vec<String>,
    pub tier_labels: Vec<String>,
    /// Claim template names that sets of workspaces use, for claims whose set is gone.
    pub claim_templates: Vec<String>,
    /// Mount paths where a user's work lies.
    pub persist_paths: Vec<String>,
    /// Label or annotation that says: this pod keeps nothing, leave it alone.
    pub stateless_label: String,
    /// Annotation with the time of the user's last activity (RFC 3339).
    pub activity_annotation: Option<String>,
    /// Labels or annotations that hold a claim for ever.
    pub hold_labels: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            disk_warn: 0.80,
            disk_high: 0.90,
            disk_critical: 0.97,
            inodes_warn: 0.85,
            inodes_critical: 0.97,
            full_in: SignedDuration::from_hours(96),
            snapshot_max_age: SignedDuration::from_hours(26),
            snapshot_ready_within: SignedDuration::from_mins(15),
            pod_pending: SignedDuration::from_mins(2),
            pod_not_ready: SignedDuration::from_mins(2),
            pod_terminating: SignedDuration::from_mins(1),
            claim_pending: SignedDuration::from_mins(2),
            claim_terminating: SignedDuration::from_mins(5),
            resize_stage: SignedDuration::from_mins(10),
            throttling: 0.25,
            cpu_warn: 0.70,
            cpu_critical: 0.90,
            memory_warn: 0.80,
            memory_critical: 0.95,
            restarts: 3,
            event_window: SignedDuration::from_hours(1),
            user_labels: vec!["user-id".into(), "coditect.io/user-id".into()],
            tier_labels: vec!["tier".into(), "coditect.io/tier".into()],
            claim_templates: vec!["workspace".into(), "theia-config".into()],
            persist_paths: vec!["/workspace".into(), "/home/theia/.theia".into()],
            stateless_label: "wsdash.dev/stateless".into(),
            activity_annotation: None,
            hold_labels: vec!["wsdash.dev/keep".into()],
        }
    }
}
