//! One object in sentences, for its own row and as a part of its workspace.

use ratatui::text::Line;

use super::Writer;
use crate::domain::claim::Claim;
use crate::domain::findings::{ago, human_duration};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::ownership::{self, Hints};
use crate::domain::quantity::{Quantity, human_bytes};
use crate::ui::look::Role;

impl Writer<'_> {
    pub(super) fn object(&self, kind: Kind, key: &ObjectKey) -> Vec<Line<'static>> {
        match kind {
            Kind::Pod => self.pod(key),
            Kind::Claim => self.claim(key),
            Kind::Volume => self.volume(key),
            Kind::Snapshot => self.snapshot(key),
            Kind::Set => self.set(key),
            Kind::Event => self.event(key),
            _ => vec![self.pair(kind.object(), key.to_string())],
        }
    }

    fn pod(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let Some(pod) = model.inventory.pods.get(key) else {
            return Vec::new();
        };
        let age = human_duration(model.now.duration_since(pod.meta.created));
        let (ready, all) = pod.ready_containers();
        let node = pod.node.as_deref().unwrap_or("no node");
        let mut lines = vec![self.pair(
            "pod",
            format!(
                "{}, {ready}/{all} ready, {} restarts, {node}, {age} old",
                pod.status(),
                pod.restarts
            ),
        )];
        for container in &pod.containers {
            let state = match (&container.waiting, container.ready) {
                (Some(reason), _) => reason.to_string(),
                (None, true) => "ready".into(),
                (None, false) if container.running_since.is_some() => "running, not ready".into(),
                (None, false) => "not running".into(),
            };
            let exit = container
                .last_exit
                .as_ref()
                .map_or_else(String::new, |exit| {
                    let at = exit
                        .at
                        .map_or_else(String::new, |at| format!(" {} ago", ago(model.now, at)));
                    format!(", last exit {} ({}){at}", exit.code, exit.reason)
                });
            let text = format!("{}: {state}{exit}", container.name);
            lines.push(self.pair("", text));
        }
        if let Some(usage) = model.metrics.usage(key) {
            let of = |limit: Option<Quantity>, unit: &dyn Fn(f64) -> String| {
                limit.map_or_else(
                    || ", no limit".to_owned(),
                    |l| format!(" of {}", unit(l.as_f64())),
                )
            };
            let cores = |value: f64| format!("{value:.2} cores");
            let mut parts = Vec::new();
            if let Some(cpu) = usage.cpu {
                parts.push(format!("cpu {}{}", cores(cpu), of(pod.cpu_limit, &cores)));
            }
            if let Some(memory) = usage.memory {
                parts.push(format!(
                    "memory {}{}",
                    human_bytes(memory),
                    of(pod.memory_limit, &human_bytes)
                ));
            }
            if let Some(throttled) = usage.throttled {
                parts.push(format!("throttled {:.0} %", throttled * 100.0));
            }
            let old = if usage.fresh { "" } else { "last known, " };
            parts.push(format!(
                "({old}{}, {} ago)",
                usage.source,
                ago(model.now, usage.at)
            ));
            lines.push(self.pair("usage", parts.join(" · ")));
        }
        lines
    }

    fn claim(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let inventory = &model.inventory;
        let Some(claim) = inventory.claims.get(key) else {
            return vec![self.pair("claim", format!("{key} is gone"))];
        };
        let size = claim
            .capacity
            .or(claim.request)
            .map_or_else(|| "?".into(), Quantity::human);
        let class = claim.storage_class.as_deref().unwrap_or("no class");
        let mut lines = vec![self.pair(
            "claim",
            format!("{}: {}, {size}, {class}", key.name, claim.status()),
        )];
        if let Some(disk) = model.metrics.disk(key) {
            let old = if disk.fresh { "" } else { "last known, " };
            let inodes = disk
                .inodes
                .map_or_else(String::new, |i| format!(" · inodes {:.0} %", i * 100.0));
            let text = format!(
                "{:.0} % full, {} free of {}{inodes} ({old}{}, {} ago)",
                (disk.share() * 100.0).floor(),
                human_bytes(disk.available),
                human_bytes(disk.capacity),
                disk.source,
                ago(model.now, disk.at)
            );
            lines.push(self.pair("  disk", text));
        }
        if claim.is_resizing() {
            let to = claim.request.map_or_else(String::new, Quantity::human);
            let stage = claim.resize_status.as_deref().unwrap_or("asked for");
            lines.push(self.pair("  resize", format!("to {to}: {stage}")));
        }
        for condition in claim.conditions.iter().filter(|c| c.status) {
            let message = condition.message.as_deref().unwrap_or_default();
            lines.push(self.pair("  condition", format!("{} {message}", condition.kind)));
        }
        if let Some(volume) = inventory.volume_of(claim) {
            let on: Vec<&str> = inventory
                .attachments_of(&volume.meta.key.name)
                .map(|a| &*a.node)
                .collect();
            let on = if on.is_empty() {
                String::new()
            } else {
                format!(", attached to {}", on.join(", "))
            };
            let text = format!(
                "{}, {}, then {}{on}",
                volume.meta.key.name, volume.phase, volume.reclaim
            );
            lines.push(self.pair("  volume", text));
        } else if let Some(volume) = &claim.volume {
            lines.push(self.pair("  volume", format!("{volume} (not seen)")));
        }
        let newest = inventory.newest_ready_snapshot(key);
        let known = inventory.freshness().get(Kind::Snapshot).was_complete();
        let text = match newest {
            Some(s) => format!(
                "{} ago, {}",
                ago(model.now, s.point_in_time()),
                s.meta.key.name
            ),
            None if known => "none".into(),
            None => "? not known".into(),
        };
        lines.push(self.pair("  snapshot", text));
        lines.extend(self.need(claim));
        lines
    }

    /// Who needs the claim, by what evidence, and why it may not be deleted.
    fn need(&self, claim: &Claim) -> Vec<Line<'static>> {
        let model = self.model;
        let key = &claim.meta.key;
        let hints = Hints::of(&model.metrics, &model.inventory, claim);
        let seen = model.sightings.get(&claim.meta.uid);
        let settings = &model.orphans;
        let judged = ownership::judge(&model.inventory, key, settings, &hints, seen, model.now);
        let Some(verdict) = judged else {
            return Vec::new();
        };
        let class = verdict.class;
        let mut says = verdict.evidence.iter().map(|line| line.says.clone());
        let first = says.next().unwrap_or_default();
        let mut lines = vec![self.pair("  need", format!("{class}: {first}"))];
        lines.extend(says.map(|text| self.pair("", text)));
        if !class.is_candidate() {
            return lines;
        }
        match verdict.inactive.since {
            Some(since) => {
                lines.push(self.pair("  unused", format!("for {}", ago(model.now, since))));
            }
            None => lines.push(self.pair("  unused", "? since when is not known")),
        }
        if verdict.is_deletable() {
            lines.extend(self.step(Some("orphans"), "delete it, after a snapshot"));
        }
        for blocker in verdict.blockers {
            lines.push(self.pair("  keep", blocker));
        }
        lines
    }

    fn volume(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let Some(volume) = self.model.inventory.volumes.get(key) else {
            return Vec::new();
        };
        let or_none = |t: Option<&Text>| t.map_or_else(|| "none".to_owned(), ToString::to_string);
        vec![
            self.pair(
                "volume",
                format!("{}, on release {}", volume.phase, volume.reclaim),
            ),
            self.pair(
                "size",
                volume.capacity.map_or_else(|| "?".into(), Quantity::human),
            ),
            self.pair(
                "claim",
                volume
                    .claim
                    .as_ref()
                    .map_or_else(|| "none".into(), |c| c.key.to_string()),
            ),
            self.pair("class", or_none(volume.storage_class.as_ref())),
            self.pair("driver", or_none(volume.driver.as_ref())),
            self.pair("handle", or_none(volume.handle.as_ref())),
            self.pair("zone", or_none(volume.zone.as_ref())),
        ]
    }

    fn snapshot(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let Some(snapshot) = model.inventory.snapshots.get(key) else {
            return Vec::new();
        };
        let or_none = |t: Option<&Text>| t.map_or_else(|| "none".to_owned(), ToString::to_string);
        let mut lines = vec![
            self.pair("claim", or_none(snapshot.claim.as_ref())),
            self.pair(
                "taken",
                snapshot.taken.map_or_else(
                    || "not yet".into(),
                    |at| format!("{} ago", ago(model.now, at)),
                ),
            ),
            self.pair(
                "size",
                snapshot.size.map_or_else(|| "?".into(), Quantity::human),
            ),
            self.pair("class", or_none(snapshot.class.as_ref())),
            self.pair("content", or_none(snapshot.content.as_ref())),
        ];
        if let Some((why, _)) = &snapshot.error {
            lines.extend(self.wrapped(why, Role::Bad, 0));
        }
        if let Some(level) = &snapshot.consistency {
            lines.push(self.pair("consistent", level));
        }
        lines
    }

    fn set(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let Some(set) = self.model.inventory.sets.get(key) else {
            return Vec::new();
        };
        let mut lines = vec![
            self.pair("ready", format!("{} of {}", set.ready, set.replicas)),
            self.pair(
                "policy",
                if set.parallel {
                    "Parallel"
                } else {
                    "OrderedReady: the first bad ordinal blocks the rest"
                },
            ),
            self.pair(
                "claims",
                format!(
                    "{} when deleted, {} when scaled down",
                    if set.when_deleted_delete {
                        "deleted"
                    } else {
                        "kept"
                    },
                    if set.when_scaled_delete {
                        "deleted"
                    } else {
                        "kept"
                    },
                ),
            ),
        ];
        let mut is_outgrown = false;
        for template in &set.templates {
            let size = template.request.map_or_else(|| "?".into(), Quantity::human);
            let class = template.storage_class.as_deref().unwrap_or("default class");
            lines.push(self.pair("template", format!("{}: {size}, {class}", template.name)));
            let largest = self.model.inventory.largest_claim(set, &template.name);
            if let Some(largest) = largest.filter(|largest| Some(*largest) > template.request) {
                let text = format!("its claims have grown to {}", largest.human());
                lines.extend(self.wrapped(&text, Role::Warn, 11));
                is_outgrown = true;
            }
        }
        if is_outgrown {
            let what = "make the templates as large, or new ordinals get less than the others have";
            lines.extend(self.step(Some("template"), what));
        }
        if let Some(owner) = &set.managed_by {
            lines.push(self.pair("managed by", owner));
        }
        lines
    }

    fn event(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let Some(event) = model.inventory.events.get(key) else {
            return Vec::new();
        };
        let mut lines = vec![
            self.pair("reason", &event.reason),
            self.pair("object", format!("{} {}", event.object_kind, event.object)),
            self.pair(
                "seen",
                format!(
                    "{} times, first {} ago, last {} ago",
                    event.count,
                    ago(model.now, event.first),
                    ago(model.now, event.last)
                ),
            ),
            self.pair("from", &event.source),
            Line::raw(""),
        ];
        lines.extend(self.wrapped(&event.message.replace('\n', " "), Role::Text, 0));
        lines
    }
}
