//! Runs of the binary that are followed by their journal: waited for in the middle, killed there,
//! and taken up again.

use std::collections::BTreeSet;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{Stage, said};

/// No run takes longer to its next step, even on a slow computer.
const CEILING: Duration = Duration::from_secs(120);

/// Every how many lines of its journal a run is killed where each point needs a run of its own:
/// all of them when asked for.
pub(crate) fn stride(usual: usize) -> usize {
    match std::env::var_os("WSDASH_EVERY_STEP") {
        Some(_) => 1,
        None => usual,
    }
}

/// The id of the only run.
pub(crate) fn id(stage: &Stage) -> String {
    id_of(&stage.journal())
}

fn id_of(journal: &[Value]) -> String {
    journal[0]["plan"]["id"].as_str().unwrap().to_owned()
}

fn has_ended(journal: &[Value]) -> bool {
    journal.iter().any(|line| line["entry"] == json!("ended"))
}

/// Exit code, standard output and standard error at the end of a run.
pub(crate) async fn ended(child: Child) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await;
    said(&output.unwrap())
}

/// Looks again and again until it says so, or the run has ended by itself.
async fn until(child: &mut Child, what: &str, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + CEILING;
    loop {
        if is_so() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            // what it wrote last
            return is_so();
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Starts a run, and answers once its journal has this entry of this step.
pub(crate) async fn started(stage: &Stage, args: &[&str], entry: &str, step: &str) -> Child {
    stage.forget_journals();
    let mut child = stage.spawn(args);
    let is_it = |line: &Value| line["entry"] == json!(entry) && line["id"] == json!(step);
    let what = format!("{} {args:?}: never {entry} {step}", stage.name);
    if until(&mut child, &what, || stage.journal().iter().any(is_it)).await {
        return child;
    }
    panic!("{what}: {:?}", ended(child).await);
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kills a run when its journal has so many lines. Answers whether it was cut off.
pub(crate) async fn killed_at(stage: &Stage, args: &[&str], lines: usize) -> bool {
    stage.forget_journals();
    let mut child = stage.spawn(args);
    let what = format!("{args:?} never wrote {lines} lines");
    if !until(&mut child, &what, || stage.journal().len() >= lines).await {
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 0, "{} {args:?}: {out}{err}", stage.name);
        return false;
    }
    kill(child);
    !has_ended(&stage.journal())
}

/// One run that is killed at every step: just after its journal says that the step was begun, and
/// again just after it says that it was answered. Each time it is taken up again, until it comes to
/// its end. Answers the last output.
pub(crate) async fn killed_at_every_step(stage: &Stage, args: &[&str]) -> String {
    let before: Vec<String> = stage.journals().into_iter().map(|(name, _)| name).collect();
    let journal = || {
        let mut all = stage.journals().into_iter();
        let ours = all.find(|(name, _)| !before.contains(name));
        ours.map(|(_, lines)| lines).unwrap_or_default()
    };
    let points = || -> BTreeSet<String> {
        let steps = journal().into_iter().filter(|line| line["step"].is_u64());
        let steps = steps.filter(|line| line["entry"] != json!("stage"));
        steps
            .map(|line| format!("{} {}", line["entry"], line["step"]))
            .collect()
    };
    let mut known = BTreeSet::new();
    let mut child = stage.spawn(args);
    for kills in 0.. {
        let what = format!("{} {args:?}: nothing after {known:?}", stage.name);
        let is_new = until(&mut child, &what, || !points().is_subset(&known)).await;
        if !is_new || has_ended(&journal()) {
            let (code, out, err) = ended(child).await;
            assert_eq!(code, 0, "{} {args:?}: {out}{err}", stage.name);
            assert!(has_ended(&journal()), "{} {args:?}: {out}", stage.name);
            let steps = journal()[0]["plan"]["steps"].as_array().unwrap().len();
            eprintln!(
                "{} {args:?}: killed {kills} times in {steps} steps",
                stage.name
            );
            // a step that takes no time is begun and answered at one look
            assert!(kills >= steps / 2, "{}: {kills} of {steps}", stage.name);
            return out;
        }
        kill(child);
        known = points();
        let mut again = vec!["resume".to_owned(), id_of(&journal()), "--yes".to_owned()];
        // as it was asked for at first
        again.extend(
            args.iter()
                .skip_while(|a| **a != "-o")
                .map(|a| (*a).to_owned()),
        );
        let again: Vec<&str> = again.iter().map(String::as_str).collect();
        child = stage.spawn(&again);
    }
    unreachable!("it has an end");
}
