//! Looks at every claim now and then, a few at a time, and has written down what each is: a claim
//! must be seen more than once as one that nothing needs before it may be deleted.

use jiff::{SignedDuration, Timestamp};

use crate::app::effect::Effect;
use crate::app::model::Model;
use crate::domain::key::{ObjectKey, Uid};
use crate::domain::ownership::{self, Class};

/// Claims of one tick: classifying one costs a few microseconds, and keys wait meanwhile.
const AT_ONCE: usize = 250;
/// From one sweep to the next, unless the policy asks for looks that lie closer together.
const PAUSE: SignedDuration = SignedDuration::from_mins(5);
const SHORTEST: SignedDuration = SignedDuration::from_secs(5);

/// How far it has got.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pending: Vec<ObjectKey>,
    seen: Vec<(Uid, Class)>,
    next: Option<Timestamp>,
}

/// Goes on with the sweep; what came of a whole one is an effect.
pub(super) fn go_on(model: &mut Model) -> Vec<Effect> {
    let inventory = &model.inventory;
    let all_live = (ownership::NEEDED.iter()).all(|kind| inventory.freshness().is_live(*kind));
    if !all_live {
        return Vec::new();
    }
    let sweep = &mut model.sweep;
    if sweep.pending.is_empty() {
        if sweep.next.is_some_and(|next| model.now < next) {
            return Vec::new();
        }
        sweep.pending = inventory.claims.keys().cloned().collect();
        let pause = model.orphans.apart.clamp(SHORTEST, PAUSE);
        sweep.next = model.now.checked_add(pause).ok();
    }
    let left = sweep.pending.len().saturating_sub(AT_ONCE);
    for key in sweep.pending.drain(left..) {
        if let Some(claim) = inventory.claims.get(&key)
            && let Some((class, _)) = ownership::classify(inventory, &key)
        {
            sweep.seen.push((claim.meta.uid.clone(), class));
        }
    }
    if left > 0 || sweep.seen.is_empty() {
        return Vec::new();
    }
    let seen = std::mem::take(&mut sweep.seen);
    vec![Effect::Sight { seen }]
}
