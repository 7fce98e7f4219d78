//! One call, made at most once: repeated only when it is known that it did not happen, and only
//! within a deadline. Whether it happened is looked for, never guessed.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::look::{self, Found};
use super::walk::{Ended, Reason};
use super::{Answer, Caller};
use crate::action::call::NOT_TAKEN;
use crate::action::{Call, Probe};
use crate::cluster::fault::{Fault, FaultKind};

/// How long one call is tried again when the server is busy or away.
const DEADLINE: Duration = Duration::from_secs(120);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

pub(super) struct Attempt<'a> {
    pub(super) caller: &'a Caller,
    pub(super) call: &'a Call,
    pub(super) probe: &'a Probe,
    pub(super) cancel: &'a CancellationToken,
}

pub(super) enum Called {
    Answered(Answer),
    /// Looked for and found: it had happened before.
    Found(Answer),
    Ended(Ended),
}

/// What a failure says about whether the call happened.
enum Class {
    /// It did not, and it will not by being repeated.
    No,
    /// The object is not there, or its preconditions do not hold. Perhaps that is our own doing.
    Moved,
    /// It did not; later it may.
    NotYet,
    /// Nobody knows.
    Perhaps,
}

/// One turn: over, or to be tried again after a pause.
enum Turn {
    Over(Called),
    Again { fault: Fault, must_look: bool },
}

impl Attempt<'_> {
    /// Makes the call; with `must_look` only when it is not found to have happened already.
    pub(super) async fn make(&self, mut must_look: bool) -> Called {
        let deadline = Instant::now() + DEADLINE;
        let mut wait = FIRST_WAIT;
        loop {
            let fault = match self.turn(must_look).await {
                Turn::Over(called) => return called,
                Turn::Again {
                    fault,
                    must_look: look,
                } => {
                    must_look = look;
                    fault
                }
            };
            let pause = fault.retry_after.map_or(wait, |asked| asked.max(wait));
            if Instant::now() + pause > deadline {
                let mut fault = fault;
                fault.sentence =
                    format!("{NOT_TAKEN} {} s: {}", DEADLINE.as_secs(), fault.sentence);
                return Called::Ended(given_up(fault, must_look));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => wait = (wait * 2).min(LONGEST_WAIT),
                () = self.cancel.cancelled() => {
                    return Called::Ended(if must_look { given_up(fault, true) } else { Ended::Cancelled });
                }
            }
        }
    }

    async fn turn(&self, must_look: bool) -> Turn {
        if must_look {
            match look::probe(self.caller, self.probe).await {
                Ok(Found::Yes(object)) => {
                    return Turn::Over(Called::Found(Answer::of(object, "it had happened")));
                }
                Ok(Found::No) => {}
                Ok(Found::Foreign(why)) => {
                    let next = "look at it again and decide anew";
                    return Turn::Over(Called::Ended(Ended::Conflict(Reason::new(why, next))));
                }
                Err(fault) if fault.is_transient() => {
                    return Turn::Again {
                        fault,
                        must_look: true,
                    };
                }
                Err(fault) => return Turn::Over(Called::Ended(given_up(fault, true))),
            }
        }
        let fault = match self.caller.call(self.call, false).await {
            Ok(answer) => return Turn::Over(Called::Answered(answer)),
            Err(fault) => fault,
        };
        match class_of(&fault, self.call) {
            Class::No => Turn::Over(Called::Ended(given_up(fault, false))),
            Class::NotYet => Turn::Again {
                fault,
                must_look: false,
            },
            Class::Perhaps => Turn::Again {
                fault,
                must_look: *self.probe != Probe::Harmless,
            },
            Class::Moved => Turn::Over(match look::probe(self.caller, self.probe).await {
                Ok(Found::Yes(object)) => Called::Found(Answer::of(object, "it had happened")),
                // the request itself is right: what it asks for is not so
                _ if fault.kind == FaultKind::Invalid => {
                    let (kind, key) = self.call.object();
                    let why = format!("{} {key} is not as this step needs it", kind.object());
                    let next = "look at it again and decide anew";
                    Called::Ended(Ended::Conflict(Reason::new(why, next)))
                }
                _ => Called::Ended(Ended::Conflict(Reason::new(fault.sentence, fault.next))),
            }),
        }
    }
}

fn class_of(fault: &Fault, call: &Call) -> Class {
    match fault.kind {
        FaultKind::Conflict | FaultKind::NotFound | FaultKind::Gone => Class::Moved,
        FaultKind::Invalid if call.has_tests() => Class::Moved,
        FaultKind::TooManyRequests
        | FaultKind::Refused
        | FaultKind::Unreachable
        | FaultKind::Dns
        | FaultKind::Proxy
        | FaultKind::PluginTimeout => Class::NotYet,
        FaultKind::Timeout
        | FaultKind::Disconnected
        | FaultKind::ServerError
        | FaultKind::Garbage
        | FaultKind::Other => Class::Perhaps,
        _ => Class::No,
    }
}

fn given_up(fault: Fault, may_have_happened: bool) -> Ended {
    if may_have_happened {
        let next = "resume looks whether it happened";
        Ended::Unknown(Reason::new(fault.sentence, next))
    } else {
        Ended::Failed(Reason::new(fault.sentence, fault.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Target;
    use crate::domain::key::{Kind, ObjectKey};

    #[test]
    fn a_budget_says_no_and_a_busy_server_says_later() {
        let pod = Target::named(Kind::Pod, ObjectKey::new("team", "ide-0"));
        let call = Call::Evict { pod };
        let class = |kind| class_of(&Fault::new(kind, "", ""), &call);
        assert!(matches!(class(FaultKind::Budget), Class::No));
        assert!(matches!(class(FaultKind::TooManyRequests), Class::NotYet));
        assert!(matches!(class(FaultKind::ServerError), Class::Perhaps));
    }
}
