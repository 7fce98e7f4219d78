//! What `-o json` and `-o yaml` print, as types: the published schema is generated from them.
//! Sizes are bytes, shares are 0 to 1, times are RFC 3339. What is not known is `null`, never zero.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::picture::Picture;
use crate::domain::board::Verdict;
use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::finding::Finding;
use crate::domain::findings::{Case, explain};
use crate::domain::inventory::Unit;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::metric::{Forecast, MetricsState};
use crate::domain::pod::Pod;
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::Snapshot;
use crate::domain::volume::Volume;
use crate::domain::workload::Set;
use crate::domain::workspace::Workspace;

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
    #[schemars(with = "String")]
    pub(super) created: Timestamp,
    pub(super) usage: Option<UsageItem>,
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
    pub(super) used_by: Vec<String>,
    pub(super) disk: Option<DiskItem>,
    /// When the data of the newest ready snapshot was cut; `null` with `snapshots` live: there is none.
    #[schemars(with = "Option<String>")]
    pub(super) newest_snapshot: Option<Timestamp>,
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
    pub(super) templates: Vec<String>,
    #[schemars(with = "String")]
    pub(super) created: Timestamp,
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
    pub(super) steps: Vec<String>,
    pub(super) runbook: String,
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

fn owned(text: Option<&Text>) -> Option<String> {
    text.map(ToString::to_string)
}

fn bytes(quantity: Option<Quantity>) -> Option<i64> {
    quantity.map(Quantity::value)
}

/// Makes items from what was read.
#[derive(Clone, Copy)]
pub(super) struct Items<'a>(pub(super) &'a Picture);

impl Items<'_> {
    pub(super) fn freshness(self) -> BTreeMap<String, Known> {
        crate::cluster::watch::KINDS
            .into_iter()
            .map(|kind| {
                let freshness = self.0.inventory.freshness().get(kind);
                let known = Known {
                    state: freshness.word().to_owned(),
                    why: freshness.why().map(str::to_owned),
                };
                (kind.resource().to_owned(), known)
            })
            .collect()
    }

    pub(super) fn metrics(self) -> Known {
        let state = match self.0.metrics.state() {
            MetricsState::Never => "never",
            MetricsState::Live { .. } => "live",
            MetricsState::Stale { .. } => "stale",
            MetricsState::Off { .. } => "off",
            MetricsState::Denied { .. } => "denied",
            MetricsState::Choose { .. } => "choose",
        };
        Known {
            state: state.to_owned(),
            why: self.0.metrics_gap(),
        }
    }

    pub(super) fn workspace(self, workspace: &Workspace) -> WorkspaceItem {
        let picture = self.0;
        let inventory = &picture.inventory;
        let key = &workspace.key;
        let pod = inventory.pods.get(key);
        let node = pod.and_then(|p| p.node.as_ref());
        let (state, missing) = match picture.board.verdict(inventory, workspace) {
            Verdict::Hurt(_) => ("hurt", Vec::new()),
            Verdict::Unknown { missing, .. } => {
                ("unknown", missing.into_iter().map(Kind::resource).collect())
            }
            Verdict::Parked => ("parked", Vec::new()),
            Verdict::Fine => ("ok", Vec::new()),
        };
        let unit = Unit::Workspace(key.clone());
        let found = picture.board.of(&unit);
        let claims = workspace.claims.iter().map(|slot| {
            let claim = crate::domain::inventory::beside(key, &slot.claim);
            match inventory.claims.get(&claim) {
                Some(claim) => self.claim(claim),
                None => missing_claim(&claim),
            }
        });
        WorkspaceItem {
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            set: owned(workspace.set.as_ref()),
            ordinal: workspace.ordinal,
            origin: workspace.origin.to_string(),
            state,
            worst: found.first().map(|f| f.code.to_string()),
            missing,
            user: owned(inventory.user_of(workspace)),
            tier: owned(inventory.tier_of(workspace)),
            node: owned(node),
            zone: owned(
                node.and_then(|n| inventory.node(n))
                    .and_then(|n| n.zone.as_ref()),
            ),
            pod: pod.map(|pod| self.pod(pod)),
            claims: claims.collect(),
            findings: found.iter().map(|f| self.finding(&unit, f)).collect(),
        }
    }

    pub(super) fn pod(self, pod: &Pod) -> PodItem {
        let key = &pod.meta.key;
        let usage = self.0.metrics.usage(key).map(|usage| UsageItem {
            cpu_cores: usage.cpu,
            cpu_limit_cores: pod.cpu_limit.map(Quantity::as_f64),
            memory_bytes: usage.memory,
            memory_limit_bytes: pod.memory_limit.map(Quantity::as_f64),
            throttled_share: usage.throttled,
            restarts_last_hour: usage.restarts,
            at: usage.at,
            source: usage.source.to_string(),
            fresh: usage.fresh,
        });
        PodItem {
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            uid: pod.meta.uid.to_string(),
            status: pod.status().to_owned(),
            ready: pod.ready,
            restarts: pod.restarts,
            node: owned(pod.node.as_ref()),
            created: pod.meta.created,
            usage,
        }
    }

    pub(super) fn claim(self, claim: &Claim) -> ClaimItem {
        let key = &claim.meta.key;
        let inventory = &self.0.inventory;
        let disk = self.0.metrics.disk(key).map(|disk| DiskItem {
            capacity_bytes: disk.capacity,
            available_bytes: disk.available,
            used_share: disk.share(),
            inodes_share: disk.inodes,
            full_in_seconds: match disk.full_in {
                Forecast::In(left) => Some(left.as_secs()),
                Forecast::Never | Forecast::Unknown => None,
            },
            forecast: match disk.full_in {
                Forecast::In(_) => "fills",
                Forecast::Never => "does-not-fill",
                Forecast::Unknown => "unknown",
            },
            at: disk.at,
            source: disk.source.to_string(),
            fresh: disk.fresh,
        });
        let newest = inventory.newest_ready_snapshot(key);
        ClaimItem {
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            uid: Some(claim.meta.uid.to_string()),
            status: claim.status().to_owned(),
            request_bytes: bytes(claim.request),
            capacity_bytes: bytes(claim.capacity),
            class: owned(claim.storage_class.as_ref()),
            volume: owned(claim.volume.as_ref()),
            created: Some(claim.meta.created),
            used_by: inventory
                .pods_of_claim(key)
                .map(|p| p.meta.key.name.to_string())
                .collect(),
            disk,
            newest_snapshot: newest.map(Snapshot::point_in_time),
        }
    }

    pub(super) fn finding(self, unit: &Unit, finding: &Finding) -> FindingItem {
        let picture = self.0;
        let case = Case::new(
            &picture.inventory,
            &picture.metrics,
            &picture.policy,
            picture.at,
        )
        .after(picture.board.of(unit));
        let told = explain(&case, finding);
        FindingItem {
            code: finding.code.into(),
            severity: finding.severity.to_string(),
            subject_kind: finding.subject.kind.object(),
            namespace: finding.subject.key.namespace.to_string(),
            subject: finding.subject.key.name.to_string(),
            workspace: match unit {
                Unit::Workspace(key) => Some(key.name.to_string()),
                Unit::Object(..) => None,
            },
            since: finding.since,
            sentence: told.sentence,
            evidence: (told.evidence.into_iter())
                .map(|e| EvidenceItem {
                    text: e.text,
                    at: e.at,
                    source: e.source,
                })
                .collect(),
            clears: told.clears,
            steps: told.steps.into_iter().map(|step| step.text).collect(),
            runbook: format!("docs/runbooks/{}.md", <&str>::from(finding.code)),
        }
    }

    pub(super) fn volume(self, volume: &Volume) -> VolumeItem {
        let name = &volume.meta.key.name;
        let attachments = self.0.inventory.attachments_of(name);
        VolumeItem {
            name: name.to_string(),
            status: volume.phase.to_string(),
            capacity_bytes: bytes(volume.capacity),
            reclaim: volume.reclaim.to_string(),
            class: owned(volume.storage_class.as_ref()),
            claim: volume.claim.as_ref().map(|c| c.key.to_string()),
            driver: owned(volume.driver.as_ref()),
            handle: owned(volume.handle.as_ref()),
            zone: owned(volume.zone.as_ref()),
            attached_to: attachments.map(|a| a.node.to_string()).collect(),
            created: volume.meta.created,
        }
    }
}

fn missing_claim(key: &ObjectKey) -> ClaimItem {
    ClaimItem {
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: None,
        status: "missing".into(),
        request_bytes: None,
        capacity_bytes: None,
        class: None,
        volume: None,
        created: None,
        used_by: Vec::new(),
        disk: None,
        newest_snapshot: None,
    }
}

pub(super) fn snapshot(snapshot: &Snapshot) -> SnapshotItem {
    SnapshotItem {
        namespace: snapshot.meta.key.namespace.to_string(),
        name: snapshot.meta.key.name.to_string(),
        claim: owned(snapshot.claim.as_ref()),
        ready: snapshot.ready,
        error: snapshot.error.as_ref().map(|(why, _)| why.to_string()),
        taken: snapshot.taken,
        size_bytes: bytes(snapshot.size),
        class: owned(snapshot.class.as_ref()),
        content: owned(snapshot.content.as_ref()),
        created: snapshot.meta.created,
    }
}

pub(super) fn set(set: &Set) -> SetItem {
    SetItem {
        namespace: set.meta.key.namespace.to_string(),
        name: set.meta.key.name.to_string(),
        replicas: set.replicas,
        ready: set.ready,
        first_ordinal: set.start,
        templates: set.templates.iter().map(|t| t.name.to_string()).collect(),
        created: set.meta.created,
    }
}

pub(super) fn event(event: &Event) -> EventItem {
    EventItem {
        namespace: event.meta.key.namespace.to_string(),
        name: event.meta.key.name.to_string(),
        warning: event.warning,
        reason: event.reason.to_string(),
        object: format!("{}/{}", event.object_kind, event.object.name),
        count: event.count,
        first: event.first,
        last: event.last,
        message: event.message.to_string(),
    }
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
