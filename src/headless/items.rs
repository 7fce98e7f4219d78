//! What `-o json` and `-o yaml` print, as types: the published schema is generated from them.
//! Sizes are bytes, shares are 0 to 1, times are RFC 3339. What is not known is `null`, never zero.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::picture::Picture;

mod make;

pub(super) use make::{event, set, snapshot};

/// Makes items from what was read.
#[derive(Clone, Copy)]
pub(super) struct Items<'a>(pub(super) &'a Picture);

/// One answer of `wsdash get`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<T> {
    /// `workspaces`, `claims` …
    pub(super) kind: String,
    /// When it was read.
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    pub(super) context: String,
    /// `null`: all namespaces.
    pub(super) namespace: Option<String>,
    /// By resource: how much of it is known. Anything but `live` may hide rows.
    pub(super) freshness: BTreeMap<String, Known>,
    pub(super) metrics: Known,
    pub(super) items: Vec<T>,
}

/// How much of something is known.
#[derive(Serialize, JsonSchema, Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// `live`, `syncing`, `stale`, `denied`, `absent`, `off`, `never`, `choose`.
    pub(super) state: String,
    /// Why it is not live, or what of it is missing.
    pub(super) why: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WorkspaceItem {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) set: Option<String>,
    pub(super) ordinal: Option<u32>,
    /// `live`, `parked`, `leftover`, `unpersisted`.
    pub(super) origin: String,
    /// `ok`, `hurt`, `parked`, `unknown`.
    pub(super) state: &'static str,
    /// Code of the worst finding.
    pub(super) worst: Option<String>,
    /// Resources that the verdict lacks.
    pub(super) missing: Vec<&'static str>,
    pub(super) user: Option<String>,
    pub(super) tier: Option<String>,
    pub(super) node: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) pod: Option<PodItem>,
    pub(super) claims: Vec<ClaimItem>,
    /// The volumes of these claims, as far as volumes are known.
    pub(super) volumes: Vec<VolumeItem>,
    /// All snapshots of these claims, the newest first.
    pub(super) snapshots: Vec<SnapshotItem>,
    /// Events of all these objects and of the set, the newest first.
    pub(super) events: Vec<EventItem>,
    pub(super) findings: Vec<FindingItem>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PodItem {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) status: String,
    pub(super) ready: bool,
    pub(super) restarts: u32,
    pub(super) node: Option<String>,
    /// `Kind/name` of its controller.
    pub(super) owner: Option<String>,
    #[schemars(with = "String")]
    pub(super) created: Timestamp,
    pub(super) containers: Vec<ContainerItem>,
    pub(super) usage: Option<UsageItem>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ContainerItem {
    pub(super) name: String,
    /// Repository without tag and digest.
    pub(super) image: String,
    pub(super) init: bool,
    pub(super) ready: bool,
    pub(super) restarts: u32,
    /// Why it waits, for instance `CrashLoopBackOff`.
    pub(super) waiting: Option<String>,
    pub(super) message: Option<String>,
    #[schemars(with = "Option<String>")]
    pub(super) running_since: Option<Timestamp>,
    pub(super) last_exit: Option<ExitItem>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ExitItem {
    pub(super) code: i32,
    pub(super) reason: String,
    #[schemars(with = "Option<String>")]
    pub(super) at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct UsageItem {
    pub(super) cpu_cores: Option<f64>,
    pub(super) cpu_limit_cores: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
    pub(super) memory_limit_bytes: Option<f64>,
    pub(super) throttled_share: Option<f64>,
    pub(super) restarts_last_hour: Option<f64>,
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    pub(super) source: String,
    /// Of now; else the last that is known.
    pub(super) fresh: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ClaimItem {
    pub(super) namespace: String,
    pub(super) name: String,
    /// `null`: it should exist and does not.
    pub(super) uid: Option<String>,
    pub(super) status: String,
    pub(super) request_bytes: Option<i64>,
    pub(super) capacity_bytes: Option<i64>,
    pub(super) class: Option<String>,
    pub(super) volume: Option<String>,
    #[schemars(with = "Option<String>")]
    pub(super) created: Option<Timestamp>,
    /// Pods.
    pub(super) used_by: Vec<String>,
    /// `null`: no resize is under way.
    pub(super) resize: Option<ResizeItem>,
    /// Conditions that hold, as the API writes them.
    pub(super) conditions: Vec<ConditionItem>,
    pub(super) disk: Option<DiskItem>,
    /// When the data of the newest ready snapshot was cut; `null` with `snapshots` live: there is none.
    #[schemars(with = "Option<String>")]
    pub(super) newest_snapshot: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ResizeItem {
    pub(super) to_bytes: Option<i64>,
    /// `status.allocatedResourceStatuses`; `null`: asked for, nobody has begun.
    pub(super) stage: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ConditionItem {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    #[schemars(with = "Option<String>")]
    pub(super) since: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct DiskItem {
    pub(super) capacity_bytes: f64,
    pub(super) available_bytes: f64,
    pub(super) used_share: f64,
    pub(super) inodes_share: Option<f64>,
    /// Seconds until it is full; `null`: it does not fill, or nothing can be said.
    pub(super) full_in_seconds: Option<i64>,
    /// Whether anything can be said of the future.
    pub(super) forecast: &'static str,
    #[schemars(with = "String")]
    pub(super) at: Timestamp,
    pub(super) source: String,
    pub(super) fresh: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SnapshotItem {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) claim: Option<String>,
    /// `null`: no controller has said anything yet.
    pub(super) ready: Option<bool>,
    pub(super) error: Option<String>,
    #[schemars(with = "Option<String>")]
    pub(super) taken: Option<Timestamp>,
    pub(super) size_bytes: Option<i64>,
    pub(super) class: Option<String>,
    pub(super) content: Option<String>,
    /// Id of the set of snapshots that were taken together.
    pub(super) set_id: Option<String>,
    /// What was recorded of it when it was taken: `clean`, `synced`, `frozen`, `crash`.
    pub(super) consistency: Option<String>,
    #[schemars(with = "String")]
    pub(super) created: Timestamp,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SetItem {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) replicas: u32,
    pub(super) ready: u32,
    pub(super) first_ordinal: u32,
    /// `OrderedReady` (the first bad ordinal blocks the rest) or `Parallel`.
    pub(super) policy: &'static str,
    /// What becomes of the claims when the set is deleted: `Retain`, `Delete`.
    pub(super) when_deleted: &'static str,
    /// What becomes of the claims of ordinals that are scaled away: `Retain`, `Delete`.
    pub(super) when_scaled: &'static str,
    /// Who would undo a change of the set: Helm, Argo CD, Flux …
    pub(super) managed_by: Option<String>,
    pub(super) templates: Vec<TemplateItem>,
    #[schemars(with = "String")]
    pub(super) created: Timestamp,
}

/// One of the claims that a set makes for each ordinal.
#[derive(Serialize, JsonSchema)]
pub(super) struct TemplateItem {
    pub(super) name: String,
    pub(super) request_bytes: Option<i64>,
    /// `null`: the default class.
    pub(super) class: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct VolumeItem {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) capacity_bytes: Option<i64>,
    pub(super) reclaim: String,
    pub(super) class: Option<String>,
    /// `namespace/name`.
    pub(super) claim: Option<String>,
    pub(super) driver: Option<String>,
    pub(super) handle: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) attached_to: Vec<String>,
    #[schemars(with = "String")]
    pub(super) created: Timestamp,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct FindingItem {
    pub(super) code: &'static str,
    pub(super) severity: String,
    /// The object's `kind`, as the API writes it.
    pub(super) subject_kind: &'static str,
    pub(super) namespace: String,
    pub(super) subject: String,
    pub(super) workspace: Option<String>,
    #[schemars(with = "Option<String>")]
    pub(super) since: Option<Timestamp>,
    pub(super) sentence: String,
    pub(super) evidence: Vec<EvidenceItem>,
    pub(super) clears: String,
    /// Next safe steps, the best first.
    pub(super) steps: Vec<StepItem>,
    pub(super) runbook: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StepItem {
    /// The command of wsdash that does it, if one does.
    pub(super) command: Option<&'static str>,
    pub(super) text: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct EvidenceItem {
    pub(super) text: String,
    #[schemars(with = "Option<String>")]
    pub(super) at: Option<Timestamp>,
    pub(super) source: &'static str,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct EventItem {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) warning: bool,
    pub(super) reason: String,
    /// `Kind/name`.
    pub(super) object: String,
    pub(super) count: u32,
    #[schemars(with = "String")]
    pub(super) first: Timestamp,
    #[schemars(with = "String")]
    pub(super) last: Timestamp,
    /// The component that reported it.
    pub(super) source: String,
    pub(super) message: String,
}

/// One answer of `wsdash check`.
#[derive(Serialize, JsonSchema)]
pub(super) struct CheckItem {
    /// `OK`, `WARNING`, `CRITICAL`, `UNKNOWN`.
    pub(super) status: &'static str,
    /// The exit code.
    pub(super) code: u8,
    pub(super) workspaces: usize,
    /// Number of findings by severity.
    pub(super) findings: BTreeMap<String, usize>,
    pub(super) freshness: BTreeMap<String, Known>,
    pub(super) metrics: Known,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `WSDASH_WRITE_DOCS=1 cargo test schema` writes them anew.
    #[test]
    fn the_published_schema_is_that_of_the_code() {
        let schemas = [
            ("workspaces", schemars::schema_for!(Document<WorkspaceItem>)),
            ("sets", schemars::schema_for!(Document<SetItem>)),
            ("pods", schemars::schema_for!(Document<PodItem>)),
            ("claims", schemars::schema_for!(Document<ClaimItem>)),
            ("snapshots", schemars::schema_for!(Document<SnapshotItem>)),
            ("volumes", schemars::schema_for!(Document<VolumeItem>)),
            ("findings", schemars::schema_for!(Document<FindingItem>)),
            ("events", schemars::schema_for!(Document<EventItem>)),
            ("check", schemars::schema_for!(CheckItem)),
        ];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
        for (name, schema) in schemas {
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            let file = folder.join(format!("{name}.json"));
            if std::env::var_os("WSDASH_WRITE_DOCS").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, &text).unwrap();
            }
            let published = std::fs::read_to_string(&file).unwrap();
            assert_eq!(published, text, "{}", file.display());
        }
    }
}
