//! The cells of one object: a claim, a snapshot, a pod, a set, a volume, an event.

use ratatui::text::Line;

use super::{Brush, full_in};
use crate::domain::claim::Claim;
use crate::domain::finding::Severity;
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::ownership::{self, Class};
use crate::domain::quantity::human_bytes;
use crate::domain::snapshot::Snapshot;
use crate::ui::look::Role;

impl Brush<'_> {
    pub(super) fn object(
        self,
        kind: Kind,
        key: &ObjectKey,
        column: &str,
        width: u16,
    ) -> Line<'static> {
        match column {
            "namespace" => return self.plain(&key.namespace),
            "name" => return self.plain(&key.name),
            _ => {}
        }
        let inventory = &self.model.inventory;
        let drawn = match kind {
            Kind::Claim => inventory
                .claims
                .get(key)
                .map(|c| self.claim(c, column, width)),
            Kind::Snapshot => inventory
                .snapshots
                .get(key)
                .map(|s| self.snapshot(s, column)),
            Kind::Pod => self.pod(key, column, width),
            Kind::Set => self.set(key, column),
            Kind::Volume => self.volume(key, column),
            Kind::Event => self.event(key, column),
            _ => None,
        };
        drawn.unwrap_or_else(|| self.dash())
    }

    fn claim(self, claim: &Claim, column: &str, width: u16) -> Line<'static> {
        let key = &claim.meta.key;
        let inventory = &self.model.inventory;
        let disk = self.model.metrics.disk(key);
        match column {
            "status" => {
                let good = claim.status() == "Bound";
                self.say(claim.status(), if good { Role::Text } else { Role::Warn })
            }
            "disk" => disk.map_or_else(|| self.no_data(width), |d| self.disk(d, width)),
            "used" => {
                disk.map_or_else(|| self.no_data(width), |d| self.plain(&human_bytes(d.used)))
            }
            "size" => self.size(claim.capacity.or(claim.request)),
            "inodes" => match disk.and_then(|d| d.inodes) {
                Some(share) => self.plain(&format!("{:.0}%", share * 100.0)),
                None => self.dash(),
            },
            "full-in" => disk
                .and_then(full_in)
                .map_or_else(|| self.dash(), |left| self.full_in(left)),
            "used-by" => {
                let users: Vec<&str> = inventory
                    .pods_of_claim(key)
                    .map(|p| &*p.meta.key.name)
                    .collect();
                match users.as_slice() {
                    [] if self.is_known(Kind::Pod) => self.say("nobody", Role::Dim),
                    [] => self.unknown(),
                    some => self.plain(&some.join(",")),
                }
            }
            "need" => self.need(key),
            "class" => self.or_dash(claim.storage_class.as_deref()),
            "snapshot" if !self.is_known(Kind::Snapshot) => self.unknown(),
            "snapshot" => match inventory.newest_ready_snapshot(key) {
                Some(snapshot) => self.snapshot_age(snapshot.point_in_time()),
                None => self.say("none", Role::Dim),
            },
            "volume" => self.or_dash(claim.volume.as_deref()),
            "age" => self.age(claim.meta.created),
            _ => self.dash(),
        }
    }

    /// Who needs the claim, in one word.
    fn need(self, claim: &ObjectKey) -> Line<'static> {
        let Some((class, _)) = ownership::classify(&self.model.inventory, claim) else {
            return self.dash();
        };
        match class {
            Class::Unknown => self.unknown(),
            Class::InUse | Class::Expected | Class::Owned | Class::TemplateRef => {
                self.plain(&class.to_string())
            }
            _ => self.say(&class.to_string(), Role::Warn),
        }
    }

    fn snapshot(self, snapshot: &Snapshot, column: &str) -> Line<'static> {
        match column {
            "claim" => self.or_dash(snapshot.claim.as_deref()),
            "status" => match (snapshot.ready, &snapshot.error) {
                _ if snapshot.meta.deleted.is_some() => self.say("Terminating", Role::Warn),
                (Some(true), _) => self.say("ready", Role::Ok),
                (_, Some((why, _))) => self.say(&format!("failed: {why}"), Role::Bad),
                (Some(false), None) => self.say("not ready", Role::Warn),
                (None, None) => self.say("not started", Role::Unknown),
            },
            "size" => self.size(snapshot.size),
            "taken" => snapshot
                .taken
                .map_or_else(|| self.dash(), |at| self.age(at)),
            "class" => self.or_dash(snapshot.class.as_deref()),
            "content" => self.or_dash(snapshot.content.as_deref()),
            "deletion" => {
                let content = snapshot.content.as_ref();
                let content = content
                    .and_then(|c| self.model.inventory.contents.get(&ObjectKey::unscoped(c)));
                match content {
                    Some(content) if content.delete => self.plain("Delete"),
                    Some(_) => self.plain("Retain"),
                    None => self.unknown(),
                }
            }
            "age" => self.age(snapshot.meta.created),
            _ => self.dash(),
        }
    }

    fn pod(self, key: &ObjectKey, column: &str, width: u16) -> Option<Line<'static>> {
        let pod = self.model.inventory.pods.get(key)?;
        let usage = self.model.metrics.usage(key);
        Some(match column {
            "ready" => {
                let (ready, all) = pod.ready_containers();
                self.say(
                    &format!("{ready}/{all}"),
                    if ready == all { Role::Text } else { Role::Warn },
                )
            }
            "status" => {
                let good = matches!(pod.status(), "Running" | "Completed");
                self.say(pod.status(), if good { Role::Text } else { Role::Warn })
            }
            "restarts" => self.plain(&pod.restarts.to_string()),
            "cpu" => match usage.and_then(|u| u.cpu) {
                Some(cores) => self.plain(&format!("{:.0}m", cores * 1000.0)),
                None => self.no_data(width),
            },
            "memory" => match usage.and_then(|u| u.memory) {
                Some(bytes) => self.plain(&human_bytes(bytes)),
                None => self.no_data(width),
            },
            "node" => self.or_dash(pod.node.as_deref()),
            "owner" => self.or_dash(pod.owner.as_ref().map(|o| &*o.name)),
            "age" => self.age(pod.meta.created),
            _ => return None,
        })
    }

    fn set(self, key: &ObjectKey, column: &str) -> Option<Line<'static>> {
        let inventory = &self.model.inventory;
        let set = inventory.sets.get(key)?;
        let members = || {
            inventory
                .ordinals_of(key)
                .map(|n| beside(key, &set.pod_name(n).into()))
        };
        Some(match column {
            "ready" => {
                let role = if set.ready < set.replicas {
                    Role::Warn
                } else {
                    Role::Text
                };
                self.say(&format!("{}/{}", set.ready, set.replicas), role)
            }
            "hurt" => {
                let board = &self.model.board;
                let hurt =
                    members().filter(|w| board.rank(w).is_some_and(|(s, _)| s < Severity::Cost));
                match hurt.count() {
                    0 => self.plain("0"),
                    some => self.say(&some.to_string(), Role::Warn),
                }
            }
            "parked" => {
                let live = set.ordinals();
                let parked = inventory.ordinals_of(key).filter(|n| !live.contains(n));
                self.plain(&parked.count().to_string())
            }
            "ordinals" => match set.ordinals() {
                range if range.is_empty() => self.plain("none"),
                range => self.plain(&format!("{}..{}", range.start, range.end - 1)),
            },
            "update" => {
                let word = if set.on_delete {
                    "OnDelete"
                } else {
                    "RollingUpdate"
                };
                let done = set.current_revision == set.update_revision;
                let text = if done {
                    word.to_owned()
                } else {
                    format!("{word} {}/{}", set.updated, set.replicas)
                };
                self.say(&text, if done { Role::Text } else { Role::Warn })
            }
            "policy" => self.plain(if set.parallel {
                "Parallel"
            } else {
                "OrderedReady"
            }),
            "templates" => {
                let names: Vec<&str> = set.templates.iter().map(|t| &*t.name).collect();
                self.plain(&names.join(", "))
            }
            "age" => self.age(set.meta.created),
            _ => return None,
        })
    }

    fn volume(self, key: &ObjectKey, column: &str) -> Option<Line<'static>> {
        let volume = self.model.inventory.volumes.get(key)?;
        Some(match column {
            "status" => {
                let good = volume.phase == crate::domain::volume::VolumePhase::Bound;
                self.say(
                    &volume.phase.to_string(),
                    if good { Role::Text } else { Role::Warn },
                )
            }
            "size" => self.size(volume.capacity),
            "claim" => {
                let claim = volume.claim.as_ref().map(|c| c.key.to_string());
                self.or_dash(claim.as_deref())
            }
            "reclaim" => self.plain(&volume.reclaim.to_string()),
            "class" => self.or_dash(volume.storage_class.as_deref()),
            "zone" => self.or_dash(volume.zone.as_deref()),
            "attached" => {
                let nodes: Vec<&str> = (self.model.inventory.attachments_of(&key.name))
                    .map(|a| &*a.node)
                    .collect();
                match nodes.as_slice() {
                    [] if self.is_known(Kind::Attachment) => self.dash(),
                    [] => self.unknown(),
                    [one] => self.plain(one),
                    many => self.say(&many.join(","), Role::Bad),
                }
            }
            "handle" => self.or_dash(volume.handle.as_deref()),
            "age" => self.age(volume.meta.created),
            _ => return None,
        })
    }

    fn event(self, key: &ObjectKey, column: &str) -> Option<Line<'static>> {
        let event = self.model.inventory.events.get(key)?;
        Some(match column {
            "last" => self.age(event.last),
            "type" if event.warning => self.say("Warning", Role::Warn),
            "type" => self.say("Normal", Role::Dim),
            "reason" => self.plain(&event.reason),
            "object" => self.plain(&format!(
                "{}/{}",
                event.object_kind.to_lowercase(),
                event.object.name
            )),
            "count" => self.plain(&event.count.to_string()),
            "message" => self.plain(&event.message.replace('\n', " ")),
            _ => return None,
        })
    }
}
