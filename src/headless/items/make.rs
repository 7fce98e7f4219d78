//! Items from the rows of the inventory and from what was found in them.

use std::collections::BTreeMap;

use super::{
    ClaimItem, ConditionItem, ContainerItem, DiskItem, EventItem, EvidenceItem, ExitItem,
    FindingItem, Items, Known, PodItem, ResizeItem, SetItem, SnapshotItem, StepItem, TemplateItem,
    UsageItem, VolumeItem, WorkspaceItem,
};
use crate::domain::board::Verdict;
use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::finding::Finding;
use crate::domain::findings::{Case, explain};
use crate::domain::inventory::{Unit, beside};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::metric::{Forecast, MetricsState};
use crate::domain::pod::{Container, Pod};
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::Snapshot;
use crate::domain::volume::Volume;
use crate::domain::workload::Set;
use crate::domain::workspace::Workspace;

fn owned(text: Option<&Text>) -> Option<String> {
    text.map(ToString::to_string)
}

fn bytes(quantity: Option<Quantity>) -> Option<i64> {
    quantity.map(Quantity::value)
}

impl Items<'_> {
    pub(in crate::headless) fn freshness(self) -> BTreeMap<String, Known> {
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

    pub(in crate::headless) fn metrics(self) -> Known {
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

    pub(in crate::headless) fn workspace(self, workspace: &Workspace) -> WorkspaceItem {
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
            let claim = beside(key, &slot.claim);
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
            volumes: self.volumes_of(workspace),
            snapshots: self.snapshots_of(workspace),
            events: self.events_of(workspace),
            findings: found.iter().map(|f| self.finding(&unit, f)).collect(),
        }
    }

    fn volumes_of(self, workspace: &Workspace) -> Vec<VolumeItem> {
        let inventory = &self.0.inventory;
        let claims = inventory.claims_of(workspace);
        let volumes = claims.filter_map(|(_, claim)| inventory.volume_of(claim));
        volumes.map(|volume| self.volume(volume)).collect()
    }

    fn snapshots_of(self, workspace: &Workspace) -> Vec<SnapshotItem> {
        let inventory = &self.0.inventory;
        // Also of a claim that is gone: that is when they are wanted.
        let claims: Vec<ObjectKey> = (workspace.claims.iter())
            .map(|slot| beside(&workspace.key, &slot.claim))
            .collect();
        let mut all: Vec<&Snapshot> = (claims.iter())
            .flat_map(|claim| inventory.snapshots_of(claim))
            .collect();
        all.sort_by_key(|s| std::cmp::Reverse(s.point_in_time()));
        all.into_iter().map(snapshot).collect()
    }

    fn events_of(self, workspace: &Workspace) -> Vec<EventItem> {
        let events = self.0.inventory.events_of_workspace(workspace);
        events.into_iter().map(event).collect()
    }

    pub(in crate::headless) fn pod(self, pod: &Pod) -> PodItem {
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
            owner: (pod.owner.as_ref()).map(|o| format!("{}/{}", o.kind, o.name)),
            created: pod.meta.created,
            containers: pod.containers.iter().map(container).collect(),
            usage,
        }
    }

    pub(in crate::headless) fn claim(self, claim: &Claim) -> ClaimItem {
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
            resize: claim.is_resizing().then(|| ResizeItem {
                to_bytes: bytes(claim.request),
                stage: owned(claim.resize_status.as_ref()),
            }),
            conditions: (claim.conditions.iter())
                .filter(|c| c.status)
                .map(|c| ConditionItem {
                    kind: c.kind.to_string(),
                    reason: owned(c.reason.as_ref()),
                    message: owned(c.message.as_ref()),
                    since: c.since,
                })
                .collect(),
            disk,
            newest_snapshot: newest.map(Snapshot::point_in_time),
        }
    }

    pub(in crate::headless) fn finding(self, unit: &Unit, finding: &Finding) -> FindingItem {
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
            steps: (told.steps.into_iter())
                .map(|step| StepItem {
                    command: step.command,
                    text: step.text,
                })
                .collect(),
            runbook: format!("docs/runbooks/{}.md", <&str>::from(finding.code)),
        }
    }

    pub(in crate::headless) fn volume(self, volume: &Volume) -> VolumeItem {
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

fn container(container: &Container) -> ContainerItem {
    ContainerItem {
        name: container.name.to_string(),
        image: container.image.to_string(),
        init: container.init,
        ready: container.ready,
        restarts: container.restarts,
        waiting: owned(container.waiting.as_ref()),
        message: owned(container.message.as_ref()),
        running_since: container.running_since,
        last_exit: container.last_exit.as_ref().map(|exit| ExitItem {
            code: exit.code,
            reason: exit.reason.to_string(),
            at: exit.at,
        }),
    }
}

const fn retention(delete: bool) -> &'static str {
    if delete { "Delete" } else { "Retain" }
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
        resize: None,
        conditions: Vec::new(),
        disk: None,
        newest_snapshot: None,
    }
}

pub(in crate::headless) fn snapshot(snapshot: &Snapshot) -> SnapshotItem {
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
        set_id: owned(snapshot.set_id.as_ref()),
        consistency: owned(snapshot.consistency.as_ref()),
        created: snapshot.meta.created,
    }
}

pub(in crate::headless) fn set(set: &Set) -> SetItem {
    SetItem {
        namespace: set.meta.key.namespace.to_string(),
        name: set.meta.key.name.to_string(),
        replicas: set.replicas,
        ready: set.ready,
        first_ordinal: set.start,
        policy: if set.parallel {
            "Parallel"
        } else {
            "OrderedReady"
        },
        when_deleted: retention(set.when_deleted_delete),
        when_scaled: retention(set.when_scaled_delete),
        managed_by: owned(set.managed_by.as_ref()),
        templates: (set.templates.iter())
            .map(|template| TemplateItem {
                name: template.name.to_string(),
                request_bytes: bytes(template.request),
                class: owned(template.storage_class.as_ref()),
            })
            .collect(),
        created: set.meta.created,
    }
}

pub(in crate::headless) fn event(event: &Event) -> EventItem {
    EventItem {
        namespace: event.meta.key.namespace.to_string(),
        name: event.meta.key.name.to_string(),
        warning: event.warning,
        reason: event.reason.to_string(),
        object: format!("{}/{}", event.object_kind, event.object.name),
        count: event.count,
        first: event.first,
        last: event.last,
        source: event.source.to_string(),
        message: event.message.to_string(),
    }
}
