//! Nodes, as rows.

use jiff::Timestamp;

use super::key::{Meta, Text};

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub meta: Meta,
    /// The `Ready` condition; `None` = it has none, which is not the same as not ready.
    pub ready: Option<Readiness>,
    pub unschedulable: bool,
    pub zone: Option<Text>,
    /// Taints as `key=value:effect`.
    pub taints: Box<[Text]>,
    /// Pressure conditions that are true.
    pub pressures: Box<[Text]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Readiness {
    pub state: ReadyState,
    pub reason: Option<Text>,
    pub message: Option<Text>,
    pub since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    Ready,
    NotReady,
    /// The kubelet stopped reporting.
    Unknown,
}
