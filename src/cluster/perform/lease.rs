//! One Lease a workspace, so that two runs never work on the same: held while a job runs, renewed
//! by a task, given back in the end. Of a run that died it is taken over once it stood still for
//! longer than it was good for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Caller;
use crate::action::plan::RunId;
use crate::action::refusal::{Refusal, RefusalKind};
use crate::cluster::fault::{Fault, FaultKind};
use crate::domain::key::ObjectKey;

/// How long a lease is good for without being renewed.
const GOOD_FOR: Duration = Duration::from_secs(30);
const RENEW_EVERY: Duration = Duration::from_secs(8);
/// A lease that looks expired is watched this long before it is taken: another computer's clock may be wrong.
const WATCHED: Duration = Duration::from_secs(12);
const LABEL: &str = "app.kubernetes.io/managed-by";

/// Leases that are held. Dropping it cuts the renewal off; [`Leases::release`] gives them back.
pub(super) struct Leases {
    caller: Caller,
    held: Arc<Mutex<Vec<Held>>>,
    lost: Arc<AtomicBool>,
    renewal: AbortOnDropHandle<()>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Held {
    key: ObjectKey,
    lease: Value,
    renewed: Moment,
}

/// A time by both clocks: one never jumps but stands still while the computer sleeps, the other
/// goes on but may be set.
#[derive(Clone, Copy)]
struct Moment {
    steady: Instant,
    wall: Timestamp,
}

impl Moment {
    fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: Timestamp::now(),
        }
    }

    /// Whether both clocks say that less than `limit` went by until `now`; one that went
    /// backwards proves nothing.
    fn is_within(self, limit: Duration, now: Self) -> bool {
        let wall = Duration::try_from(now.wall.duration_since(self.wall));
        now.steady.saturating_duration_since(self.steady) < limit
            && wall.is_ok_and(|wall| wall < limit)
    }
}

/// Why a lease was not got.
pub(super) enum NotHeld {
    Refused(Refusal),
    Failed(Fault),
}

/// `wsdash-<workspace>`, within what a name may be long.
fn name(workspace: &ObjectKey) -> ObjectKey {
    let name: String = format!("wsdash-{}", workspace.name)
        .chars()
        .take(253)
        .collect();
    ObjectKey {
        namespace: Arc::clone(&workspace.namespace),
        name: name.into(),
    }
}

fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

impl Leases {
    /// Takes all of them, in order of name so that two runs never wait for each other, or none.
    /// Those of `dead`, a job whose process is surely gone, are taken over at once.
    pub(super) async fn take(
        caller: &Caller,
        workspaces: &[ObjectKey],
        run: &RunId,
        dead: Option<&RunId>,
    ) -> Result<Self, NotHeld> {
        let mut keys: Vec<ObjectKey> = workspaces.iter().map(name).collect();
        keys.sort();
        keys.dedup();
        let mut held: Vec<Held> = Vec::new();
        for key in keys {
            match take_one(caller, &key, run, dead).await {
                Ok((lease, renewed)) => held.push(Held {
                    key,
                    lease,
                    renewed,
                }),
                Err(why) => {
                    for one in held {
                        let _ = caller.delete_lease(&one.key, &one.lease).await;
                    }
                    return Err(why);
                }
            }
        }
        let held = Arc::new(Mutex::new(held));
        let lost = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let task = renew(
            caller.clone(),
            Arc::clone(&held),
            Arc::clone(&lost),
            stop.clone(),
        );
        let renewal = tokio::spawn(task);
        Ok(Self {
            caller: caller.clone(),
            held,
            lost,
            renewal: AbortOnDropHandle::new(renewal),
            stop,
        })
    }

    /// Whether all of them are surely ours for long enough to make one more call.
    pub(super) fn are_held(&self) -> bool {
        if self.lost.load(Ordering::Acquire) {
            return false;
        }
        let now = Moment::now();
        entries(&self.held).iter().all(|one| {
            one.renewed
                .is_within(GOOD_FOR.saturating_sub(RENEW_EVERY), now)
        })
    }

    /// Whether one of them is surely somebody else's.
    pub(super) fn are_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Gives them back; what fails is told.
    pub(super) async fn release(self) -> Vec<Fault> {
        let Self {
            caller,
            held,
            renewal,
            stop,
            ..
        } = self;
        // A renewal on its way that came after the deletion would make a lease of nobody.
        stop.cancel();
        let _ = renewal.await;
        let mut faults = Vec::new();
        let all = std::mem::take(&mut *entries(&held));
        for one in all {
            match caller.delete_lease(&one.key, &one.lease).await {
                Err(fault) if fault.kind == FaultKind::Conflict => {
                    // a renewal that was cut off may have been carried out
                    let now = caller.get_lease(&one.key).await;
                    if let Ok(Some(now)) = now
                        && now["spec"]["holderIdentity"] == one.lease["spec"]["holderIdentity"]
                    {
                        faults.extend(caller.delete_lease(&one.key, &now).await.err());
                    }
                }
                Err(fault) if fault.kind != FaultKind::NotFound => faults.push(fault),
                _ => {}
            }
        }
        faults
    }
}

async fn take_one(
    caller: &Caller,
    key: &ObjectKey,
    run: &RunId,
    dead: Option<&RunId>,
) -> Result<(Value, Moment), NotHeld> {
    let failed = |fault| NotHeld::Failed(fault);
    // a handful of rounds: each ends with the lease, a living holder, or a race that somebody won
    for _ in 0..5 {
        let found = caller.get_lease(key).await.map_err(failed)?;
        let mut lease = match &found {
            None => json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": &*key.name, "namespace": &*key.namespace, "labels": {LABEL: "wsdash"}},
                "spec": {"leaseTransitions": 0},
            }),
            Some(lease) => {
                let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
                let is_free = holder.is_empty() || dead.is_some_and(|dead| dead.as_str() == holder);
                if holder != run.as_str() && !is_free {
                    stands_still(caller, key, lease).await?;
                }
                let mut lease = lease.clone();
                let transitions = lease["spec"]["leaseTransitions"].as_i64().unwrap_or(0);
                lease["spec"]["leaseTransitions"] = json!(transitions + 1);
                lease
            }
        };
        // from before the call: it may arrive late
        let at = Moment::now();
        lease["spec"]["holderIdentity"] = json!(run.as_str());
        lease["spec"]["acquireTime"] = json!(micros(at.wall));
        lease["spec"]["renewTime"] = json!(micros(at.wall));
        lease["spec"]["leaseDurationSeconds"] = json!(GOOD_FOR.as_secs());
        match caller.put_lease(key, &lease).await {
            Ok(lease) => return Ok((lease, at)),
            // somebody was faster: look again
            Err(fault) if matches!(fault.kind, FaultKind::Conflict | FaultKind::NotFound) => {}
            Err(fault) => return Err(NotHeld::Failed(fault)),
        }
    }
    Err(NotHeld::Refused(busy(key, "others")))
}

fn busy(key: &ObjectKey, holder: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Locked,
        format!("{holder} works on the same workspace (lease {key})"),
        "wait until it has ended; `wsdash jobs` lists your own",
    )
}

/// Refuses while the holder lives: its lease is young, or is renewed while it is watched.
async fn stands_still(caller: &Caller, key: &ObjectKey, lease: &Value) -> Result<(), NotHeld> {
    let holder = lease["spec"]["holderIdentity"]
        .as_str()
        .unwrap_or("somebody");
    let seconds = lease["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(30);
    let renewed: Option<Timestamp> = lease["spec"]["renewTime"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let is_young = renewed.is_some_and(|at| {
        at + jiff::SignedDuration::from_secs(seconds.clamp(1, 3600)) > Timestamp::now()
    });
    if is_young {
        return Err(NotHeld::Refused(busy(key, holder)));
    }
    tokio::time::sleep(WATCHED).await;
    let again = caller.get_lease(key).await.map_err(NotHeld::Failed)?;
    match again {
        Some(again)
            if again["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] =>
        {
            Err(NotHeld::Refused(busy(key, holder)))
        }
        _ => Ok(()),
    }
}

fn entries(held: &Mutex<Vec<Held>>) -> MutexGuard<'_, Vec<Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn renew(
    caller: Caller,
    held: Arc<Mutex<Vec<Held>>>,
    lost: Arc<AtomicBool>,
    stop: CancellationToken,
) {
    while stop
        .run_until_cancelled(tokio::time::sleep(RENEW_EVERY))
        .await
        .is_some()
    {
        let all = entries(&held).clone();
        for (at, mut one) in all.into_iter().enumerate() {
            let renewed = Moment::now();
            match renew_one(&caller, &one, renewed).await {
                Ok(Some(lease)) => {
                    one.lease = lease;
                    one.renewed = renewed;
                    if let Some(entry) = entries(&held).get_mut(at) {
                        *entry = one;
                    }
                }
                Ok(None) => lost.store(true, Ordering::Release),
                // the next round tries again; `are_held` knows when it is too late
                Err(fault) => tracing::warn!(%fault, "a lease could not be renewed"),
            }
        }
    }
}

/// The lease as it is now; `None` = it is somebody else's.
async fn renew_one(caller: &Caller, one: &Held, at: Moment) -> Result<Option<Value>, Fault> {
    let mut lease = one.lease.clone();
    lease["spec"]["renewTime"] = json!(micros(at.wall));
    match caller.put_lease(&one.key, &lease).await {
        Ok(lease) => Ok(Some(lease)),
        Err(fault) if fault.kind == FaultKind::Conflict => {
            // our own renewal whose answer was lost, or somebody else's lease
            let now = caller.get_lease(&one.key).await?;
            Ok(now
                .filter(|now| now["spec"]["holderIdentity"] == one.lease["spec"]["holderIdentity"]))
        }
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(5, 5, true)]
    #[case(25, 25, false)]
    // the computer slept: the steady clock stood still
    #[case(1, 3600, false)]
    // the wall clock was set
    #[case(25, 1, false)]
    #[case(5, -60, false)]
    fn a_lease_is_good_only_while_both_clocks_say_so(
        #[case] steady: u64,
        #[case] wall: i64,
        #[case] is_good: bool,
    ) {
        let then = Moment {
            steady: Instant::now(),
            wall: Timestamp::UNIX_EPOCH,
        };
        let now = Moment {
            steady: then.steady + Duration::from_secs(steady),
            wall: Timestamp::from_second(wall).unwrap(),
        };
        assert_eq!(then.is_within(Duration::from_secs(22), now), is_good);
    }
}
