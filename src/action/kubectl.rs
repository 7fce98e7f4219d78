//! A plan as a script of kubectl for a POSIX shell, to be copied: for reading, and for the day
//! without wsdash.
//!
//! The calls carry the preconditions that ours carry. The script is one group: a part of it that is
//! pasted does nothing, and it ends at the first command that fails. What kubectl cannot judge (the
//! looks before something is deleted) a person is asked about; without a terminal it ends there.

mod wait;
mod word;

use super::RUN_LABEL;
use super::call::{Call, Expect, Identity, PatchType, Stdin};
use super::plan::{Capture, Do, OnFailure, Plan, Source, Step};
use super::wire::Wire;
use crate::domain::key::{Kind, ObjectKey};
use wait::waited;
use word::{captured, path, quoted, reading, variable};

/// What a person is asked, how long something may take, and whether it is what was meant.
const HELPERS: [&str; 3] = [
    r#"ask() { printf '%s\nenter: it is so; ctrl-c: stop ' "$1" >/dev/tty && read -r _ </dev/tty; }"#,
    r#"await() { n=$1; until eval "$2"; do n=$((n - 1)); [ "$n" -gt 0 ] || { echo 'it takes too long' >&2; return 1; }; sleep 1; done; }"#,
    r#"same() { [ "$1" = "$2" ] || { echo "$3 is not what was meant" >&2; return 1; }; }"#,
];

/// The uid of what the run itself made, as a captured value.
const OUR_UID: &str = "our-uid";

/// One command, and what it reads.
struct Command {
    text: String,
    here: Option<String>,
}

impl Command {
    fn new(text: String) -> Self {
        Self { text, here: None }
    }
}

/// The lines of the script.
pub fn lines(plan: &Plan) -> Vec<String> {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || " -_./,".contains(c) {
            c
        } else {
            ' '
        }
    };
    let title: String = plan.title.chars().map(plain).collect();
    let mut lines = vec![
        format!(
            "# {title}. kubectl keeps no journal and holds no lease, so nothing resumes or undoes this, \
             it asks you where wsdash looks for itself, and it repeats nothing"
        ),
        "( set -eu".to_owned(),
    ];
    let context = match plan.place.context.as_str() {
        "in-cluster" => String::new(),
        context => format!(" --context {}", quoted(context)),
    };
    lines.push(format!("k() {{ kubectl{context} \"$@\"; }}"));
    lines.extend(HELPERS.map(str::to_owned));
    let names = plan.names().into_iter();
    let marks = names.map(|name| (name.clone(), captured(&name))).collect();
    let steps: Vec<Step> = plan.steps.iter().map(|step| step.filled(&marks)).collect();
    if let Some(step) = steps.iter().find(|step| computes(step)) {
        let why = format!(
            "kubectl cannot do this: the step `{}` writes bytes that wsdash computes",
            step.title
        );
        lines.push(format!("echo {} >&2; exit 1", quoted(&why)));
    }
    for (at, step) in (1..).zip(&steps) {
        lines.push(format!(
            "echo {} >&2",
            quoted(&format!("{at} {}", step.title))
        ));
        lines.extend(one(step));
    }
    lines.push(")".to_owned());
    lines
}

/// Whether it reads what is not in the plan but computed from it.
fn computes(step: &Step) -> bool {
    let Do::Call { call, .. } = &step.what else {
        return false;
    };
    matches!(
        call,
        Call::Exec {
            stdin: Stdin::Payload { .. },
            ..
        }
    )
}

fn one(step: &Step) -> Vec<String> {
    let mut commands = match &step.what {
        Do::Call { call, .. } => called(call, &step.captures),
        Do::Wait { until, ceiling } => waited(until, *ceiling, &step.title),
        Do::Reread { .. } => vec![Command::new(format!("ask {}", quoted(&step.title)))],
    };
    commands.extend(
        step.captures
            .iter()
            .filter_map(|capture| read(step, capture)),
    );
    let count = commands.len();
    let mut lines = Vec::new();
    let outcomes: Vec<(String, &str, &str)> = (step.captures.iter())
        .filter_map(|capture| match &capture.from {
            Source::Outcome { done, failed } => {
                Some((variable(&capture.name), done.as_str(), failed.as_str()))
            }
            _ => None,
        })
        .collect();
    let may_fail = step.on_failure == OnFailure::Continue;
    if may_fail {
        lines.push("if".to_owned());
    }
    for (at, command) in (1..).zip(commands) {
        // a failure in the middle of a list ends it, also where `set -e` does not hold
        let joint = if at < count { " &&" } else { "" };
        lines.push(format!("{}{joint}", command.text));
        lines.extend(command.here);
    }
    if may_fail {
        let set = |value: fn(&(String, &str, &str)) -> String| {
            let all: Vec<String> = outcomes.iter().map(value).collect();
            all.join("; ")
        };
        let done = set(|(name, done, _)| format!("{name}={}", quoted(done)));
        let failed = set(|(name, _, failed)| format!("{name}={}", quoted(failed)));
        let or = |text: String, other: &str| {
            if text.is_empty() {
                other.to_owned()
            } else {
                text
            }
        };
        lines.push(format!(
            "then {}; else {}; fi",
            or(done, ":"),
            or(failed, "echo 'went without' >&2")
        ));
    } else {
        lines.extend(
            outcomes
                .iter()
                .map(|(name, done, _)| format!("{name}={}", quoted(done))),
        );
    }
    lines
}

/// One call, with whatever must be compared before it.
fn called(call: &Call, captures: &[Capture]) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut uid = String::new();
    if let Some(target) = call.target() {
        let name = format!("{} {}", target.kind.object(), target.key);
        match &target.identity {
            Identity::Uid(wanted) => {
                uid.clone_from(wanted);
                let is_compared = match call {
                    Call::Patch { subresource, .. } => subresource.is_some(),
                    Call::Scale { .. } | Call::Exec { .. } => true,
                    Call::Create { .. } | Call::Delete { .. } | Call::Evict { .. } => false,
                };
                if is_compared {
                    let found = get(target.kind, &target.key, "/metadata/uid");
                    let line = format!("same \"$({found})\" {} {}", quoted(wanted), quoted(&name));
                    commands.push(Command::new(line));
                }
            }
            Identity::Ours(run) => {
                uid = captured(OUR_UID);
                let label = format!("/metadata/labels/{}", RUN_LABEL.replace('/', "~1"));
                let found = get(target.kind, &target.key, &label);
                let line = format!("same \"$({found})\" {} {}", quoted(run), quoted(&name));
                commands.push(Command::new(line));
                let found = get(target.kind, &target.key, "/metadata/uid");
                commands.push(Command::new(format!("{}=$({found})", variable(OUR_UID))));
            }
            Identity::Named => {}
        }
    }
    match call.wire(&uid, false) {
        Some(wire) => commands.push(sent(call, &wire)),
        None => commands.extend(executed(call, captures)),
    }
    commands
}

/// A request. What kubectl prints of it nobody needs.
fn sent(call: &Call, wire: &Wire) -> Command {
    let manager = "--field-manager=wsdash";
    let body = wire.body.to_string();
    match call {
        Call::Create {
            kind, namespace, ..
        } => {
            let scope = scope(*kind, namespace);
            reading(&format!("k {scope}create {manager} -f - >/dev/null"), &body)
        }
        Call::Patch { target, .. } | Call::Scale { set: target, .. } => {
            let json = PatchType::Json;
            let is_json = matches!(call, Call::Patch { patch_type, .. } if *patch_type == json);
            let sub = match call {
                Call::Patch { subresource, .. } => subresource.as_deref(),
                _ => Some("scale"),
            };
            let sub = sub.map_or_else(String::new, |sub| format!("--subresource={sub} "));
            Command::new(format!(
                "k {}patch {} --type={} {sub}{manager} -p {} >/dev/null",
                scope(target.kind, &target.key.namespace),
                named(target.kind, &target.key),
                if is_json { "json" } else { "merge" },
                quoted(&body)
            ))
        }
        // with a body, which has the preconditions
        Call::Delete { .. } | Call::Evict { .. } | Call::Exec { .. } => {
            let verb = if wire.method == "DELETE" {
                "delete"
            } else {
                "create"
            };
            let line = format!("k {verb} --raw {} -f - >/dev/null", quoted(&wire.path));
            reading(&line, &body)
        }
    }
}

fn executed(call: &Call, captures: &[Capture]) -> Option<Command> {
    let Call::Exec {
        pod,
        container,
        command,
        stdin,
        expect,
        ..
    } = call
    else {
        return None;
    };
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    let line = |flag: &str| {
        format!(
            "k {}exec {flag}{} -c {} -- {}",
            scope(pod.kind, &pod.key.namespace),
            quoted(&pod.key.name),
            quoted(container),
            words.join(" ")
        )
    };
    let run = match stdin {
        Stdin::None => line(""),
        Stdin::Text(text) => format!("printf '%s' {} | {}", quoted(text), line("-i ")),
        Stdin::Payload { .. } => "false".to_owned(),
    };
    let of = |wanted: &Source| captures.iter().find(|capture| capture.from == *wanted);
    let (output, exit) = (of(&Source::Stdout), of(&Source::Exit));
    let mut text = match (output, expect) {
        (Some(capture), _) => format!("{}=$({run})", variable(&capture.name)),
        (None, Expect::Prints(wanted)) => format!(
            "same \"$({run})\" {} {}",
            quoted(wanted),
            quoted("what it printed")
        ),
        (None, _) => format!("{run} >/dev/null"),
    };
    match (expect, exit) {
        (Expect::Any, Some(exit)) => {
            let name = variable(&exit.name);
            text = format!("{{ {text} && {name}=0 || {name}=$?; }}");
        }
        (Expect::Any, None) => text = format!("{{ {text} || :; }}"),
        _ => {}
    }
    Some(Command::new(text))
}

/// A value that later commands need; what a command printed is taken where it runs.
fn read(step: &Step, capture: &Capture) -> Option<Command> {
    let (kind, key, pointer) = match &capture.from {
        Source::Object { kind, key, pointer } => (*kind, key.clone(), pointer),
        Source::Answer { pointer } => {
            let Do::Call { call, .. } = &step.what else {
                return None;
            };
            let (kind, key) = call.object();
            (kind, key, pointer)
        }
        Source::Outcome { .. } | Source::Stdout | Source::Exit => return None,
    };
    let name = variable(&capture.name);
    Some(Command::new(format!(
        "{name}=$({})",
        get(kind, &key, pointer)
    )))
}

fn get(kind: Kind, key: &ObjectKey, pointer: &str) -> String {
    format!(
        "k {}get {} -o {}",
        scope(kind, &key.namespace),
        named(kind, key),
        quoted(&format!("jsonpath={{{}}}", path(pointer)))
    )
}

fn resource(kind: Kind) -> String {
    match kind.group() {
        "" => kind.resource().to_owned(),
        group => format!("{}.{group}", kind.resource()),
    }
}

fn named(kind: Kind, key: &ObjectKey) -> String {
    quoted(&format!("{}/{}", resource(kind), key.name))
}

fn scope(kind: Kind, namespace: &str) -> String {
    if kind.namespaced() && !namespace.is_empty() {
        format!("-n {} ", quoted(namespace))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::action::{Propagation, Target};

    fn pod() -> Target {
        Target::new(Kind::Pod, ObjectKey::new("team", "ide-0"), "u-1").at(Some("7".into()))
    }

    fn text(call: &Call) -> String {
        let step = Step::call("x-1", "x", call.clone(), super::super::Probe::Harmless);
        one(&step).join("\n")
    }

    #[test]
    fn what_is_deleted_or_evicted_must_be_what_was_meant() {
        let delete = Call::Delete {
            target: pod(),
            propagation: Propagation::Background,
        };
        let said = text(&delete);
        assert!(
            said.starts_with(
                "k delete --raw /api/v1/namespaces/team/pods/ide-0 -f - >/dev/null <<'EOF'\n"
            ),
            "{said}"
        );
        let body: Value = serde_json::from_str(said.lines().nth(1).unwrap()).unwrap();
        let wanted = json!({"uid": "u-1", "resourceVersion": "7"});
        assert_eq!(body["preconditions"], wanted);
        let said = text(&Call::Evict { pod: pod() });
        let body: Value = serde_json::from_str(said.lines().nth(1).unwrap()).unwrap();
        assert_eq!(body["deleteOptions"]["preconditions"]["uid"], "u-1");
    }

    #[test]
    fn a_command_is_run_in_the_pod_that_was_meant_and_reads_what_it_should() {
        let exec = Call::Exec {
            pod: pod(),
            container: "main".into(),
            command: vec!["sh".into(), "-c".into(), "echo 'a'; rm $x".into()],
            stdin: Stdin::Text("one\ntwo".into()),
            limit: 1,
            expect: Expect::Success,
        };
        assert_eq!(
            text(&exec),
            "same \"$(k -n team get pods/ide-0 -o 'jsonpath={.metadata.uid}')\" u-1 'Pod team/ide-0' &&\n\
             printf '%s' 'one\ntwo' | k -n team exec -i ide-0 -c main -- sh -c 'echo '\\''a'\\''; rm $x' \
             >/dev/null"
        );
    }
}
