//! What must still be true in the middle of a job, judged from a fresh look at the cluster.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::delete_claims;
use super::keep;
use super::purge;
use super::recreate;
use super::refusal::{Refusal, RefusalKind};
use super::request::ActionName;
use super::restore;
use super::seen::Seen;
use super::session;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::ownership::Class;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum Guard {
    /// These objects are still the same ones, and not being deleted.
    Same {
        objects: Vec<(Kind, ObjectKey, String)>,
    },
    /// The claim (of this uid, on this volume) is still one that nothing needs.
    Orphan {
        claim: ObjectKey,
        uid: String,
        volume: String,
        class: Class,
        /// Its way back, which must still be ready.
        snapshot: ObjectKey,
        run: String,
    },
    /// Nobody changed what the set wants since the plan was made.
    Unchanged {
        set: ObjectKey,
        uid: String,
        /// Of the object; every change of its spec makes another.
        generation: i64,
        /// `recreate::digest` of what is put back; `None` = the set stays where it is.
        #[serde(default)]
        digest: Option<String>,
    },
    /// The pod is the same one, and nothing says that somebody works in it.
    Quiet { pod: ObjectKey, uid: String },
    /// What a listing found is not nothing, unless the other listing found nothing, too.
    Filled {
        claim: String,
        listing: String,
        /// Of what it takes the place of; empty = it could not be listed.
        before: String,
    },
    /// None of these pods (name, uid, restarts) was made anew or restarted.
    Undisturbed { pods: Vec<(ObjectKey, String, u32)> },
    /// The volume is still kept by that run, and free.
    Kept {
        volume: String,
        uid: String,
        run: String,
    },
    /// The claim (of this uid) can go: its volume is kept by that run and names it, and no pod uses
    /// it.
    Replaceable {
        claim: ObjectKey,
        uid: String,
        volume: String,
        run: String,
    },
    /// No claim of this name exists, or only one on this volume, which is still there.
    Rebind { claim: ObjectKey, volume: String },
    /// No object of this name exists, or only one that this run made.
    Free {
        kind: Kind,
        key: ObjectKey,
        run: String,
    },
}

impl Guard {
    /// Judges from a fresh look. `seen.objects` holds what the step asked for.
    pub fn check(&self, seen: &Seen<'_>) -> Result<(), Refusal> {
        match self {
            Self::Same { objects } => are_same(seen, objects),
            Self::Free { kind, key, run } => {
                let Some(object) = seen.objects.get(*kind, key) else {
                    return Ok(());
                };
                let label = &object["metadata"]["labels"][super::RUN_LABEL];
                if label.as_str() == Some(run) {
                    return Ok(());
                }
                Err(changed(
                    *kind,
                    key,
                    "one that this run did not make stands there",
                ))
            }
            Self::Unchanged {
                set,
                uid,
                generation,
                digest,
            } => is_unchanged(seen, (set, uid), *generation, digest.as_deref()),
            Self::Quiet { pod, uid } => is_quiet(seen, pod, uid),
            Self::Filled {
                claim,
                listing,
                before,
            } => restore::refuse_empty(claim, listing, before),
            Self::Undisturbed { pods } => are_undisturbed(seen, pods),
            Self::Kept { volume, uid, run } => purge::still_kept(seen, volume, uid, run),
            Self::Replaceable {
                claim,
                uid,
                volume,
                run,
            } => is_replaceable(seen, claim, uid, volume, run),
            Self::Rebind { claim, volume } => {
                let disk = ObjectKey::new("", volume.as_str());
                if seen.objects.get(Kind::Volume, &disk).is_none() {
                    return Err(changed(Kind::Volume, &disk, "it is gone"));
                }
                if seen.objects.get(Kind::Claim, claim).is_none() {
                    return Ok(());
                }
                let of = seen.objects.text(Kind::Claim, claim, "/spec/volumeName");
                if of == Some(volume) {
                    return Ok(());
                }
                Err(Refusal::new(
                    RefusalKind::Changed,
                    format!("the name of claim {claim} is taken: one on another volume has it"),
                    format!(
                        "nothing was deleted; volume {volume} is kept: bind it under another name, \
                         or free this one"
                    ),
                ))
            }
            Self::Orphan {
                claim,
                uid,
                volume,
                class,
                snapshot,
                run,
            } => delete_claims::still_an_orphan(
                seen,
                &delete_claims::Last {
                    claim,
                    uid,
                    volume,
                    class: *class,
                    snapshot,
                    run,
                },
            ),
        }
    }
}

fn are_same(seen: &Seen<'_>, objects: &[(Kind, ObjectKey, String)]) -> Result<(), Refusal> {
    for (kind, key, uid) in objects {
        let text = |pointer: &str| seen.objects.text(*kind, key, pointer);
        let now = text("/metadata/uid");
        if now != Some(uid) {
            let why = now.map_or("it is gone", |_| "another object has taken its name");
            return Err(changed(*kind, key, why));
        }
        if text("/metadata/deletionTimestamp").is_some() {
            return Err(changed(*kind, key, "it is being deleted"));
        }
    }
    Ok(())
}

fn is_replaceable(
    seen: &Seen<'_>,
    claim: &ObjectKey,
    uid: &str,
    volume: &str,
    run: &str,
) -> Result<(), Refusal> {
    seen.needs(&[Kind::Pod])?;
    are_same(seen, &[(Kind::Claim, claim.clone(), uid.to_owned())])?;
    let disk = ObjectKey::new("", volume);
    let text = |pointer: &str| seen.objects.text(Kind::Volume, &disk, pointer);
    let no = |why: &str| Err(changed(Kind::Volume, &disk, why));
    if text("/spec/persistentVolumeReclaimPolicy") != Some("Retain")
        || text(keep::KEPT_POINTER) != Some(run)
    {
        return no("it is not kept by this run any more");
    }
    if text("/spec/claimRef/uid") != Some(uid) {
        return no("it names another claim");
    }
    match seen.inventory.pods_of_claim(claim).next() {
        Some(pod) => Err(changed(
            Kind::Claim,
            claim,
            &format!("pod {} uses it", pod.meta.key.name),
        )),
        None => Ok(()),
    }
}

fn is_unchanged(
    seen: &Seen<'_>,
    (set, uid): (&ObjectKey, &str),
    generation: i64,
    digest: Option<&str>,
) -> Result<(), Refusal> {
    are_same(seen, &[(Kind::Set, set.clone(), uid.to_owned())])?;
    let other = |why: &str| {
        let mut refusal = changed(Kind::Set, set, why);
        // nothing takes an undo back
        if seen.run.action() != Some(ActionName::Undo) {
            let run = seen.run;
            refusal.next =
                format!("plan it anew; `wsdash undo {run}` takes back what was made so far");
        }
        Err(refusal)
    };
    let whole = seen.objects.get(Kind::Set, set);
    let is_of = |whole: &Value| whole["metadata"]["generation"] == generation;
    if !whole.is_some_and(is_of) {
        return other("somebody changed its spec");
    }
    let now = whole.map(|whole| recreate::digest(&recreate::as_it_was(whole)));
    if digest.is_some_and(|digest| now.as_deref() != Some(digest)) {
        return other("somebody changed its labels or annotations");
    }
    Ok(())
}

fn is_quiet(seen: &Seen<'_>, pod: &ObjectKey, uid: &str) -> Result<(), Refusal> {
    are_same(seen, &[(Kind::Pod, pod.clone(), uid.to_owned())])?;
    match seen.inventory.pods.get(pod) {
        Some(pod) => session::refuse_open(seen, pod),
        None => Err(changed(Kind::Pod, pod, "it cannot be read")),
    }
}

fn are_undisturbed(seen: &Seen<'_>, pods: &[(ObjectKey, String, u32)]) -> Result<(), Refusal> {
    seen.needs(&[Kind::Pod])?;
    for (key, uid, restarts) in pods {
        let now = seen.inventory.pods.get(key);
        if !now.is_some_and(|pod| pod.meta.uid.to_string() == *uid && pod.restarts == *restarts) {
            return Err(changed(Kind::Pod, key, "it was restarted or made anew"));
        }
    }
    Ok(())
}

/// In every sentence that says that a look found something else than before, not that it failed.
const FOUND: &str = "is not as it was";

/// Whether the sentence of a step that failed tells what a look found.
pub fn is_finding(sentence: &str) -> bool {
    sentence.contains(FOUND)
}

fn changed(kind: Kind, key: &ObjectKey, why: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Changed,
        format!("{} {key} {FOUND}: {why}", kind.object()),
        "look at it again and decide anew",
    )
}
