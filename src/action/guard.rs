//! What must still be true in the middle of a job, judged from a fresh look at the cluster.

use serde::{Deserialize, Serialize};

use super::refusal::{Refusal, RefusalKind};
use super::seen::Seen;
use crate::domain::key::{Kind, ObjectKey};

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
    },
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
            Self::Same { objects } => {
                for (kind, key, uid) in objects {
                    let now = seen.objects.text(*kind, key, "/metadata/uid");
                    if now != Some(uid) {
                        return Err(changed(
                            *kind,
                            key,
                            now.map_or("it is gone", |_| "another object has taken its name"),
                        ));
                    }
                    if seen
                        .objects
                        .text(*kind, key, "/metadata/deletionTimestamp")
                        .is_some()
                    {
                        return Err(changed(*kind, key, "it is being deleted"));
                    }
                }
                Ok(())
            }
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
            Self::Orphan { .. } => Err(Refusal::new(
                RefusalKind::NotBuilt,
                "deleting claims is not built yet",
                "leave the claim where it is",
            )),
        }
    }
}

fn changed(kind: Kind, key: &ObjectKey, why: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Changed,
        format!("{} {key} is not as it was: {why}", kind.object()),
        "look at it again and decide anew",
    )
}
