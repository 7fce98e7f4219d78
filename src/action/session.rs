//! Whether somebody works in a pod: what the gateway wrote down, and connections to the port of
//! the session. What cannot be told is not "nobody".

use jiff::Timestamp;

use super::call::{Call, Expect, Probe, Stdin, Target};
use super::guard::Guard;
use super::plan::{Do, Step};
use super::refusal::{Refusal, RefusalKind};
use super::seen::Seen;
use crate::domain::findings::human_duration;
use crate::domain::key::Kind;
use crate::domain::pod::{Container, Phase, Pod};

/// Prints `idle` or `busy`; `$1` is the port in four hexadecimal digits. State 01 is established.
/// Fails where the kernel's tables cannot be read: nobody knows then.
const SCRIPT: &str = "[ -r /proc/net/tcp ] || { echo 'connections cannot be read'; exit 1; }; \
    if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q \"^ *[0-9]*: [0-9A-F]*:$1 [0-9A-F]*:[0-9A-F]* 01 \"; \
    then echo busy; else echo idle; fi";
/// Seconds.
const LIMIT: u32 = 20;

/// Refuses when an annotation says that a session is open, or was a moment ago.
pub(super) fn refuse_open(seen: &Seen<'_>, pod: &Pod) -> Result<(), Refusal> {
    let key = &pod.meta.key;
    let no = |why: String| {
        Err(Refusal::new(
            RefusalKind::Session,
            format!("somebody works in {key}: {why}"),
            "wait until the session is over, or end it",
        ))
    };
    let text = |name: &str| {
        let object = seen.objects.get(Kind::Pod, key)?;
        object["metadata"]["annotations"][name].as_str()
    };
    if let Some(name) = seen.settings.session_annotation.as_deref()
        && let Some(value) = text(name)
    {
        return no(format!("{name} is {value}"));
    }
    let Some(last) = last_activity(seen, pod) else {
        return Ok(());
    };
    let age = seen.now.duration_since(last);
    if age < seen.settings.verify.session_idle {
        return no(format!("the last activity was {} ago", human_duration(age)));
    }
    Ok(())
}

/// Refuses when it cannot be told whether somebody works in the pod.
pub(super) fn refuse_untold(seen: &Seen<'_>, pod: &Pod) -> Result<(), Refusal> {
    untold(seen, pod).map_or(Ok(()), Err)
}

/// Why it cannot be told whether somebody works in the pod: an annotation that should say it says
/// nothing, or there is no port to look at. `None` = it can be told.
pub(super) fn untold(seen: &Seen<'_>, pod: &Pod) -> Option<Refusal> {
    let key = &pod.meta.key;
    let no = |why: String, next: &str| {
        let sentence = format!("whether somebody works in {key} cannot be told: {why}");
        Some(Refusal::new(RefusalKind::Session, sentence, next))
    };
    if !runs(pod) {
        return None;
    }
    if let Some(name) = seen.settings.activity_annotation.as_deref()
        && last_activity(seen, pod).is_none()
    {
        return no(
            format!("its annotation {name} is no time"),
            "let the gateway set it, or use --force",
        );
    }
    if seen.settings.session_port == 0 {
        return no(
            "no session port is configured".to_owned(),
            "set workspaces.session_port, or use --force",
        );
    }
    None
}

/// What the gateway wrote down, in a sentence; connections are not looked at.
pub(super) fn activity(seen: &Seen<'_>, pod: &Pod) -> String {
    let key = &pod.meta.key;
    let known = match refuse_open(seen, pod) {
        Err(refusal) => return refusal.sentence,
        Ok(()) => last_activity(seen, pod).map(|last| seen.now.duration_since(last)),
    };
    known.map_or_else(
        || format!("whether somebody works in {key} is not known: no annotation tells it"),
        |age| format!("the last activity in {key} was {} ago", human_duration(age)),
    )
}

fn last_activity(seen: &Seen<'_>, pod: &Pod) -> Option<Timestamp> {
    let name = seen.settings.activity_annotation.as_deref()?;
    let object = seen.objects.get(Kind::Pod, &pod.meta.key)?;
    object["metadata"]["annotations"][name]
        .as_str()?
        .parse()
        .ok()
}

/// Whether anybody can be in it.
fn runs(pod: &Pod) -> bool {
    let running = |c: &Container| !c.init && c.running_since.is_some();
    pod.phase == Phase::Running && pod.meta.deleted.is_none() && pod.containers.iter().any(running)
}

/// Looks for connections from inside of the pod. `None` = it does not run, so nobody is in it, or
/// no port is configured.
pub(super) fn check(seen: &Seen<'_>, pod: &Pod, id: &str) -> Option<Step> {
    let port = seen.settings.session_port;
    if port == 0 || !runs(pod) {
        return None;
    }
    let running = |c: &&Container| !c.init && c.running_since.is_some();
    let container = pod.containers.iter().find(running)?;
    let step = Step::call(
        id,
        format!(
            "look whether somebody is connected to port {port} of {}",
            pod.meta.key.name
        ),
        Call::Exec {
            pod: Target::new(Kind::Pod, pod.meta.key.clone(), &pod.meta.uid),
            container: container.name.to_string(),
            command: ["sh", "-c", SCRIPT, "sh", &format!("{port:04X}")]
                .map(str::to_owned)
                .to_vec(),
            stdin: Stdin::None,
            limit: LIMIT,
            expect: Expect::Prints("idle".to_owned()),
        },
        Probe::Harmless,
    );
    Some(step.looking())
}

/// Reads the pod anew: it is the same one, and no annotation says that somebody works in it.
pub(super) fn still_quiet(pod: &Pod, id: &str) -> Step {
    let key = pod.meta.key.clone();
    Step::new(
        id,
        format!(
            "look whether anything says that somebody works in {}",
            key.name
        ),
        Do::Reread {
            kinds: Vec::new(),
            objects: vec![(Kind::Pod, key.clone())],
            guard: Guard::Quiet {
                pod: key,
                uid: pod.meta.uid.to_string(),
            },
        },
    )
}
