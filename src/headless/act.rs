//! Actions without a screen: the same plans as in the dashboard, printed, confirmed, performed.
//!
//! `--dry-run` prints the plan and has the server judge its calls; `--yes` performs; otherwise a
//! terminal is asked. Progress goes to standard error, the result to standard output.

mod report;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{FAILED, UNKNOWN, USAGE, picture, say, warn};
use crate::action::journal::{End, Entry, Job, Record};
use crate::action::plan::{Plan, RunId};
use crate::action::request::{ActionName, Growth, Request};
use crate::action::{Refusal, RefusalKind, Right, kubectl, right, verify};
use crate::cli::{Act, ActionFlags, Size, TextFormat};
use crate::cluster::connect::{Connection, Environment, Interaction, connect};
use crate::cluster::perform::{Folder, Performer, Tried};
use crate::config::Loaded;
use crate::domain::key::ObjectKey;
use crate::metrics;

/// Lines of progress that may wait to be printed.
const LINES: usize = 64;

/// Runs one of the commands that act. Refusals are printed, with exit code 1.
pub(super) async fn run(loaded: &Loaded, act: &Act) -> Result<u8> {
    match Box::pin(attempt(loaded, act)).await {
        Ok(code) => Ok(code),
        Err(error) => {
            let Some(refusal) = error.downcast_ref::<Refusal>() else {
                warn(&format!("{error:#}"))?;
                return Ok(FAILED);
            };
            warn(&format!("refused: {refusal}"))?;
            Ok(match refusal.kind {
                RefusalKind::NotKnown => UNKNOWN,
                RefusalKind::Request => USAGE,
                _ => FAILED,
            })
        }
    }
}

async fn attempt(loaded: &Loaded, act: &Act) -> Result<u8> {
    match act {
        Act::Snapshot(args) => {
            let session = Session::open(loaded, ActionName::Snapshot).await?;
            let workspaces = session.keys(&args.names)?;
            let request = Request::Snapshot {
                workspaces,
                wait: args.wait,
            };
            Box::pin(session.perform(&request, &args.action)).await
        }
        Act::Resize(args) => {
            let session = Session::open(loaded, ActionName::Resize).await?;
            let request = Request::Resize {
                claim: session.key(&args.claim)?,
                to: match args.size {
                    Size::To(size) => Growth::To(size),
                    Size::By(size) => Growth::By(size),
                    Size::ByPercent(percent) => Growth::ByPercent(percent),
                },
            };
            Box::pin(session.perform(&request, &args.action)).await
        }
        Act::Evict(args) => {
            let session = Session::open(loaded, ActionName::Evict).await?;
            let workspaces = session.keys(&args.names)?;
            let request = Request::Evict { workspaces };
            Box::pin(session.perform(&request, &args.action)).await
        }
        Act::Template(args) => {
            let session = Session::open(loaded, ActionName::Template).await?;
            let request = Request::Template {
                set: session.key(&args.set)?,
                source_fixed: args.source_fixed,
            };
            Box::pin(session.perform(&request, &args.action)).await
        }
        Act::Restore(args) => Box::pin(super::restore::run(loaded, args)).await,
        Act::Purge(args) => Box::pin(super::restore::purge(loaded, args)).await,
        Act::Orphans(args) => Box::pin(super::orphans::run(loaded, args)).await,
        Act::Verify(args) => Box::pin(super::verify::run(loaded, args)).await,
        Act::Jobs { text } => jobs(text.format),
        Act::Resume { id, action } => {
            let id = RunId(id.clone());
            let name = Folder::of_user()?.read(&id)?.plan.action;
            let session = Session::open_as(loaded, name, id).await?;
            session.resume(action).await
        }
        Act::Undo { id, action } => {
            let session = Session::open(loaded, ActionName::Undo).await?;
            let request = Request::Undo { job: id.clone() };
            Box::pin(session.perform(&request, action)).await
        }
        _ => bail!("this command is not built yet; `wsdash --help` names the others"),
    }
}

/// One run of one action over one connection.
pub(super) struct Session {
    connection: Connection,
    performer: Performer,
    run: RunId,
}

impl Session {
    pub(super) async fn open(loaded: &Loaded, action: ActionName) -> Result<Self> {
        let now = Timestamp::now();
        // two runs of one second differ by process and by the part of the second
        let salt = std::process::id() ^ now.subsec_nanosecond().unsigned_abs() >> 10;
        let run = RunId::new(action, now, (salt & 0xffff) as u16);
        Self::open_as(loaded, action, run).await
    }

    async fn open_as(loaded: &Loaded, action: ActionName, run: RunId) -> Result<Self> {
        let mut target = super::target(&loaded.config);
        target.run = run.to_string();
        let connection = connect(&target, Interaction::Allowed).await?;
        if let Some(why) = loaded.config.read_only(&connection.context) {
            let next = "nothing was done";
            bail!(Refusal::new(
                RefusalKind::Policy,
                format!("{action} is not offered: {why}"),
                next
            ));
        }
        connection.probe().await?;
        let environment = Environment::of_process();
        let config = Arc::new(loaded.config.clone());
        let figures = metrics::figures(picture::settings(&connection, &config), None);
        let performer = Performer::new(
            &connection,
            loaded.config.policy(),
            loaded.config.settings(),
            environment.person(),
            Folder::of_user()?,
        )?
        .with_figures(figures);
        Ok(Self {
            connection,
            performer,
            run,
        })
    }

    /// `NAME` in the namespace that is looked at, or `NAMESPACE/NAME`.
    pub(super) fn key(&self, name: &str) -> Result<ObjectKey> {
        if let Some((namespace, name)) = name.split_once('/') {
            return Ok(ObjectKey::new(namespace, name));
        }
        match self.connection.namespace.namespace() {
            Some(namespace) => Ok(ObjectKey::new(namespace, name)),
            None => bail!(Refusal::new(
                RefusalKind::Request,
                format!("in which namespace {name} is cannot be told with -A"),
                format!("write NAMESPACE/{name}, or use -n"),
            )),
        }
    }

    /// All names, each once.
    pub(super) fn distinct(&self, names: &[String]) -> Result<Vec<ObjectKey>> {
        let mut keys: Vec<ObjectKey> = Vec::new();
        for name in names {
            let key = self.key(name)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// All names, which must be of one namespace: rights and leases are of one.
    pub(super) fn keys(&self, names: &[String]) -> Result<Vec<ObjectKey>> {
        let keys = self.distinct(names)?;
        if keys
            .windows(2)
            .any(|pair| pair[0].namespace != pair[1].namespace)
        {
            bail!(Refusal::new(
                RefusalKind::Request,
                "the names are of several namespaces",
                "act on one namespace at a time",
            ));
        }
        Ok(keys)
    }

    /// Plans, shows, asks, performs, and tells how it went.
    pub(super) async fn perform(self, request: &Request, flags: &ActionFlags) -> Result<u8> {
        let format = flags.text.format;
        match Box::pin(self.attempt(request, flags)).await? {
            Went::Rehearsed(rehearsal) => rehearsal.tell(format),
            Went::Declined => Ok(FAILED),
            Went::Over(job) => tell(&job, format),
        }
    }

    /// Plans, shows, asks, performs.
    pub(super) async fn attempt(self, request: &Request, flags: &ActionFlags) -> Result<Went> {
        let plan = self.performer.plan(request, &self.run).await?;
        let missing = self.performer.missing_rights(&plan.rights).await;
        if flags.dry_run {
            let tried = self.performer.dry_run(&plan).await;
            return Ok(Went::Rehearsed(Box::new(Rehearsal {
                plan,
                missing,
                tried,
            })));
        }
        if !missing.is_empty() {
            let list: Vec<String> = missing.iter().map(Right::to_string).collect();
            bail!(Refusal::new(
                RefusalKind::Right,
                format!("no right to {}", list.join(", ")),
                format!("`{}` prints the Role that is needed", self.rbac(request)),
            ));
        }
        if !flags.yes && !confirmed(&plan)? {
            return Ok(Went::Declined);
        }
        let job = self
            .follow(
                |performer, lines, cancel| async move { performer.run(plan, lines, cancel).await },
            )
            .await?;
        Ok(Went::Over(Box::new(job)))
    }

    /// The command that prints what a request needs; of an undo, what it takes back says that.
    fn rbac(&self, request: &Request) -> String {
        let undone = match request {
            Request::Undo { job } => self.performer.folder().read(&RunId(job.clone())).ok(),
            _ => None,
        };
        match undone {
            Some(job) => right::command(&job.plan.request, true),
            None => right::command(request, false),
        }
    }

    async fn resume(self, flags: &ActionFlags) -> Result<u8> {
        let job = self.performer.folder().read(&self.run)?;
        if flags.dry_run {
            say(report::job(&job).trim_end())?;
            return Ok(0);
        }
        if !flags.yes && !confirmed(&job.plan)? {
            return Ok(FAILED);
        }
        let run = self.run.clone();
        let job = self
            .follow(|performer, lines, cancel| async move {
                performer.resume(&run, lines, cancel).await
            })
            .await?;
        tell(&job, flags.text.format)
    }

    /// Prints progress until the job has ended; ctrl-c ends it between two steps.
    async fn follow<F>(
        self,
        work: impl FnOnce(Performer, mpsc::Sender<Record>, CancellationToken) -> F,
    ) -> Result<Job>
    where
        F: Future<Output = Result<Job>>,
    {
        let (lines, mut arriving) = mpsc::channel::<Record>(LINES);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let signals = tokio::spawn(async move {
            if interrupted().await.is_ok() {
                stop.cancel();
            }
        });
        let printing = async {
            let mut titles = Vec::new();
            while let Some(record) = arriving.recv().await {
                if let Entry::Planned { plan } = &record.entry {
                    titles = plan.steps.iter().map(|s| s.title.clone()).collect();
                }
                if let Some(line) = report::line(&record, &titles) {
                    warn(&line)?;
                }
            }
            anyhow::Ok(())
        };
        let (job, printed) = tokio::join!(work(self.performer, lines, cancel), printing);
        signals.abort();
        printed?;
        job
    }
}

/// What came of a request.
pub(super) enum Went {
    /// Nothing was changed; the server judged it.
    Rehearsed(Box<Rehearsal>),
    /// The person said no.
    Declined,
    Over(Box<Job>),
}

/// How a job went. A test is told by its report.
pub(super) fn tell(job: &Job, format: TextFormat) -> Result<u8> {
    if let Some(report) = verify::report(job) {
        return super::verify::tell(&[report], &[], format);
    }
    match format {
        TextFormat::Json => say(&serde_json::to_string_pretty(&report::document(job))?)?,
        TextFormat::Text => say(report::job(job).trim_end())?,
    }
    Ok(match &job.end {
        Some((_, End::Done)) => 0,
        _ if job.is_unproven() => UNKNOWN,
        _ => FAILED,
    })
}

async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut ends = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = ends.recv() => Ok(()),
        ended = tokio::signal::ctrl_c() => ended,
    }
}

/// What the server says of a plan that is not carried out.
pub(super) struct Rehearsal {
    plan: Plan,
    missing: Vec<Right>,
    tried: Vec<Tried>,
}

impl Rehearsal {
    pub(super) fn code(&self) -> u8 {
        let is_refused = |one: &Tried| matches!(one.verdict, Some(Err(_)));
        if self.missing.is_empty() && !self.tried.iter().any(is_refused) {
            0
        } else {
            FAILED
        }
    }

    pub(super) fn tell(&self, format: TextFormat) -> Result<u8> {
        match format {
            TextFormat::Json => say(&serde_json::to_string_pretty(&self.document())?)?,
            TextFormat::Text => self.say()?,
        }
        Ok(self.code())
    }

    pub(super) fn document(&self) -> Value {
        let verdicts: Vec<Value> = self
            .tried
            .iter()
            .map(|one| match &one.verdict {
                None => json!({"step": one.step, "verdict": "later"}),
                Some(Ok(())) => json!({"step": one.step, "verdict": "accepted"}),
                Some(Err(fault)) => {
                    json!({"step": one.step, "verdict": "refused", "why": fault.to_string()})
                }
            })
            .collect();
        let missing: Vec<String> = self.missing.iter().map(Right::to_string).collect();
        json!({"plan": self.plan, "missing_rights": missing, "server": verdicts,
            "kubectl": kubectl::lines(&self.plan)})
    }

    fn say(&self) -> Result<()> {
        say(report::plan(&self.plan).trim_end())?;
        for one in &self.tried {
            say(&match &one.verdict {
                None => format!(
                    "server: {} can be judged only when it comes to it",
                    one.step
                ),
                Some(Ok(())) => format!("server: {} would be accepted", one.step),
                Some(Err(fault)) => format!("server: {} would be refused: {fault}", one.step),
            })?;
        }
        for right in &self.missing {
            say(&format!("missing right: {right}"))?;
        }
        say("nothing was changed (--dry-run)")
    }
}

/// Shows the plan and asks. Where data can be lost the name must be typed.
fn confirmed(plan: &Plan) -> Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        bail!(Refusal::new(
            RefusalKind::Request,
            "there is no terminal to ask on",
            "--yes performs without asking, --dry-run only shows the plan",
        ));
    }
    warn(report::plan(plan).trim_end())?;
    let (question, wanted) = match &plan.typed_name {
        Some(name) => (format!("type {name} to go on: "), name.as_str()),
        None => ("go on? [yes/no] ".to_owned(), "yes"),
    };
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .context("reading the answer")?;
    if answer.trim() == wanted {
        return Ok(true);
    }
    warn("nothing was done")?;
    Ok(false)
}

fn jobs(format: TextFormat) -> Result<u8> {
    let folder = Folder::of_user()?;
    let jobs = folder.list();
    if format == TextFormat::Json {
        let documents: Vec<Value> = jobs
            .iter()
            .map(|(id, job)| match job {
                Ok(job) => {
                    let mut document = report::document(job);
                    document["state"] = json!(report::state(job, folder.is_worked_on(id)));
                    document
                }
                Err(error) => {
                    json!({"id": id.as_str(), "state": "unreadable", "why": format!("{error:#}")})
                }
            })
            .collect();
        say(&serde_json::to_string_pretty(&documents)?)?;
        return Ok(0);
    }
    if jobs.is_empty() {
        say("no jobs")?;
    }
    for (id, job) in &jobs {
        say(&match job {
            Ok(job) => {
                let class = verify::report(job).filter(|_| job.end.is_some());
                let class = class.map_or_else(String::new, |r| format!(": {}", r.class));
                format!(
                    "{id}  {:<12}  {}{class}",
                    report::state(job, folder.is_worked_on(id)),
                    job.plan.title
                )
            }
            Err(error) => format!("{id}  unreadable    {error:#}"),
        })?;
    }
    Ok(0)
}
