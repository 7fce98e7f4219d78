//! Whether somebody works in a pod: what the gateway wrote down, and connections to the port of
//! the session. What cannot be told is not "nobody".

use jiff::Timestamp;

use super::call::{Call, Expect, Probe, Stdin, Target};
use super::plan::Step;
use super::refusal::{Refusal, RefusalKind};
use super::seen::Seen;
use crate::domain::findings::human_duration;
use crate::domain::key::Kind;
use crate::domain::pod::{Phase, Pod};

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
    let Some(name) = seen.settings.activity_annotation.as_deref() else {
        return Ok(());
    };
    let Some(last) = text(name).and_then(|text| text.parse().ok()) else {
        return Ok(());
    };
    let age = seen.now.duration_since(last);
    if age < seen.settings.verify.session_idle {
        return no(format!("the last activity was {} ago", human_duration(age)));
    }
    Ok(())
}

/// Refuses when it cannot be told whether somebody works in the pod: an annotation that should
/// say it says nothing, or there is no port to look at.
pub(super) fn refuse_untold(seen: &Seen<'_>, pod: &Pod) -> Result<(), Refusal> {
    let key = &pod.meta.key;
    let no = |why: String, next: &str| {
        let sentence = format!("whether somebody works in {key} cannot be told: {why}");
        Err(Refusal::new(RefusalKind::Session, sentence, next))
    };
    if let Some(name) = seen.settings.activity_annotation.as_deref() {
        let object = seen.objects.get(Kind::Pod, key);
        let text = object.and_then(|pod| pod["metadata"]["annotations"][name].as_str());
        if text
            .and_then(|text| text.parse::<Timestamp>().ok())
            .is_none()
        {
            return no(
                format!("its annotation {name} is no time"),
                "let the gateway set it, or use --force",
            );
        }
    }
    if check(seen, pod, "").is_none() {
        return no(
            "no session port is configured".to_owned(),
            "set workspaces.session_port, or use --force",
        );
    }
    Ok(())
}

/// Looks for connections from inside of the pod. `None` = it does not run, so nobody is in it, or
/// no port is configured.
pub(super) fn check(seen: &Seen<'_>, pod: &Pod, id: &str) -> Option<Step> {
    let port = seen.settings.session_port;
    if port == 0 || pod.phase != Phase::Running || pod.meta.deleted.is_some() {
        return None;
    }
    let running = |c: &&crate::domain::pod::Container| !c.init && c.running_since.is_some();
    let container = pod.containers.iter().find(running)?;
    Some(Step::call(
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
    ))
}
