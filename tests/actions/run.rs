//! Runs of the binary that are followed by their journal: waited for in the middle, killed there,
//! and taken up again.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
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
    let journal = stage.journal();
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

/// The journal of a run, read as it grows.
struct Tail {
    folder: PathBuf,
    /// Journals of other runs.
    others: Vec<OsString>,
    read: usize,
    /// Steps that were begun or answered, as far as it was read.
    points: BTreeSet<String>,
    /// `None` until its first line.
    id: Option<String>,
    steps: usize,
    has_ended: bool,
}

impl Tail {
    fn of(stage: &Stage) -> Self {
        let folder = stage.folder.path().join("wsdash/jobs");
        Self {
            others: names(&folder),
            folder,
            read: 0,
            points: BTreeSet::new(),
            id: None,
            steps: 0,
            has_ended: false,
        }
    }

    /// Reads on. Answers whether a step was begun or answered that was not known.
    fn has_news(&mut self) -> bool {
        let ours = names(&self.folder)
            .into_iter()
            .find(|name| !self.others.contains(name));
        let bytes = ours.map(|name| std::fs::read(self.folder.join(name)).unwrap_or_default());
        let bytes = bytes.unwrap_or_default();
        let news = bytes.get(self.read..).unwrap_or_default();
        let whole = news
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        self.read += whole;
        let known = self.points.len();
        for line in news[..whole]
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
        {
            self.take(&serde_json::from_slice(line).unwrap());
        }
        self.points.len() > known
    }

    fn take(&mut self, line: &Value) {
        match line["entry"].as_str().unwrap() {
            "planned" => {
                self.id = line["plan"]["id"].as_str().map(str::to_owned);
                self.steps = line["plan"]["steps"].as_array().unwrap().len();
            }
            word @ ("started" | "answered") => {
                self.points.insert(format!("{word} {}", line["step"]));
            }
            "ended" => self.has_ended = true,
            _ => {}
        }
    }
}

fn names(folder: &Path) -> Vec<OsString> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).collect()
}

/// Follows a run and kills it at its next step. Answers whether it was killed before its end; a run
/// that comes to its end by itself must come to a good one.
#[expect(
    clippy::disallowed_methods,
    reason = "it looks again and again, up to a ceiling, and a timer's tick is too long"
)]
fn kill_at_next_step(mut child: Child, tail: &mut Tail) -> bool {
    let deadline = Instant::now() + CEILING;
    while !tail.has_news() && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "nothing after {:?}", tail.points);
        std::thread::sleep(Duration::from_micros(200));
    }
    if child.try_wait().unwrap().is_none() && !tail.has_ended {
        child.kill().unwrap();
        child.wait().unwrap();
        // what it wrote while it was looked at
        tail.has_news();
        return !tail.has_ended;
    }
    let (code, out, err) = said(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    false
}

/// One run that is killed at every step: just after its journal says that the step was begun, and
/// again just after it says that it was answered. Each time it is taken up again, until it comes to
/// its end.
pub(crate) async fn killed_at_every_step(stage: &Stage, args: &[&str]) {
    let mut tail = Tail::of(stage);
    let mut child = stage.spawn(args);
    let mut kills = 0;
    loop {
        let turn = tokio::task::spawn_blocking(move || {
            let was_cut = kill_at_next_step(child, &mut tail);
            (tail, was_cut)
        });
        let was_cut;
        (tail, was_cut) = turn.await.unwrap();
        if !was_cut {
            break;
        }
        kills += 1;
        child = stage.spawn(&["resume", tail.id.as_deref().unwrap(), "--yes"]);
    }
    assert!(tail.has_ended, "{} {args:?}: it never ended", stage.name);
    eprintln!(
        "{} {args:?}: killed {kills} times in {} steps",
        stage.name, tail.steps
    );
    // steps that take no time are begun and answered at one look
    assert!(
        kills >= tail.steps / 4,
        "{} {args:?}: killed {kills} times only",
        stage.name
    );
}
