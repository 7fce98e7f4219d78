//! What is broken in the world at present. Scenarios and drills set it, controllers and the server obey it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::scenario::read;

/// How the process of a workspace misbehaves.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Behaviour {
    /// Exits this long after each start.
    pub crash_after_seconds: Option<f64>,
    /// It exits only while the memory limit of its container is below this.
    #[serde(deserialize_with = "read::quantity_or_none")]
    pub needs_memory: Option<String>,
    /// It exits with this code (137 for memory).
    pub exit_code: i64,
    /// It exits with this reason (`OOMKilled` for memory).
    pub reason: String,
    /// The last lines of its log.
    pub log: Vec<String>,
    /// Hangs: fails its readiness probe until it is started anew.
    pub unready: bool,
    /// Does not react to SIGTERM: dies only at the end of the grace.
    pub ignores_term: bool,
    /// Its volumes cannot be mounted, with this message.
    pub mount_fails: Option<String>,
    /// Over the memory limit: working set as a share of the limit.
    pub memory_share: Option<f64>,
    /// CPU used as a share of the limit at the busiest hour.
    pub cpu_share: Option<f64>,
}

/// How the API server misbehaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ApiFault {
    /// Share of requests answered 503 or 429.
    pub(crate) error_share: f64,
    /// Answered before any work, in real milliseconds.
    pub(crate) delay_millis: u64,
    /// Watches are cut.
    pub(crate) cut_watches: bool,
    /// The token of the kubeconfig is no longer good.
    pub(crate) token_expired: bool,
    /// Everything is answered 503.
    pub(crate) down: bool,
}

/// A call of the CSI driver that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
pub enum DriverCall {
    CreateVolume,
    CreateSnapshot,
    ControllerExpandVolume,
    NodeExpandVolume,
    NodeStageVolume,
    NodePublishVolume,
}

/// What `CreateSnapshot` answers while more than so many snapshots are being cut.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotError {
    pub(crate) message: String,
    pub(crate) above: usize,
}

/// What `ControllerExpandVolume` answers to sizes above this.
#[derive(Clone, Debug)]
pub(crate) struct ExpandError {
    pub(crate) message: String,
    /// It will never work (`InvalidArgument` and the like).
    pub(crate) is_final: bool,
    pub(crate) above: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) api: ApiFault,
    /// Prometheus answers 503.
    pub(crate) prometheus_down: bool,
    pub(crate) no_snapshot_api: bool,
    pub(crate) no_metrics_api: bool,
    /// The snapshot controller does not run.
    pub(crate) snapshot_controller_down: bool,
    pub(crate) snapshot_error: Option<SnapshotError>,
    /// `CreateSnapshot` takes so many seconds longer.
    pub(crate) snapshot_delay: f64,
    pub(crate) expand_error: Option<ExpandError>,
    /// `NodeExpandVolume` answers this error.
    pub(crate) node_expand_error: Option<String>,
    /// `CreateVolume` answers this error.
    pub(crate) provision_error: Option<String>,
    /// `NodeStageVolume` and `NodePublishVolume` answer this error.
    pub(crate) mount_error: Option<String>,
    /// Nodes whose machine is off, and since when.
    pub(crate) nodes_down: BTreeMap<String, Timestamp>,
    /// By `namespace/pod`.
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
    /// Claims whose file system is mounted read-only, by `namespace/claim`.
    pub(crate) read_only: BTreeSet<String>,
}

impl Faults {
    /// What a call of the driver answers from now on; `None` = that it is done.
    pub(crate) fn set_driver(&mut self, call: DriverCall, error: Option<String>) {
        match call {
            DriverCall::CreateVolume => self.provision_error = error,
            DriverCall::CreateSnapshot => {
                self.snapshot_error = error.map(|message| SnapshotError { message, above: 0 });
            }
            DriverCall::ControllerExpandVolume => {
                self.expand_error = error.map(|message| ExpandError {
                    message,
                    is_final: false,
                    above: 0,
                });
            }
            DriverCall::NodeExpandVolume => self.node_expand_error = error,
            DriverCall::NodeStageVolume | DriverCall::NodePublishVolume => self.mount_error = error,
        }
    }

    pub(crate) fn behaviour(&self, namespace: &str, pod: &str) -> Behaviour {
        self.behaviours
            .get(&format!("{namespace}/{pod}"))
            .cloned()
            .unwrap_or_default()
    }
}
