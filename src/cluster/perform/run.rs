//! From a request to a job: looks, plans, has the server try it, looks again before the first
//! call, and keeps the journal and the leases around the walk through the steps.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::file::{Folder, JournalFile};
use super::lease::{Leases, NotHeld};
use super::look::{self, Fresh};
use super::walk::Walk;
use super::{Caller, Clock};
use crate::action::autoscaler::Autoscalers;
use crate::action::journal::{End, Entry, Job, Record};
use crate::action::plan::{Do, Place, Plan, RunId, Source, Step};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::request::{ActionName, Request};
use crate::action::seen::{Seen, Settings};
use crate::action::{self, Call, Right};
use crate::cluster::access::{Access, Rule, Verdict};
use crate::cluster::connect::{Connection, REQUEST_LIMIT};
use crate::cluster::fault::{Fault, FaultKind};
use crate::cluster::sightings;
use crate::domain::digest;
use crate::domain::key::ObjectKey;
use crate::domain::metric::Metrics;
use crate::domain::policy::Policy;

/// Plans and performs over one connection.
#[derive(Clone)]
pub struct Performer {
    caller: Caller,
    policy: Arc<Policy>,
    settings: Arc<Settings>,
    place: Place,
    by: String,
    folder: Folder,
    /// 256 bits that nobody can know beforehand.
    nonce: String,
}

/// Reads samples.
pub trait Figures: Send + Sync {
    /// The newest ones and the long look back: what must be known of the use of a claim before it
    /// is deleted.
    fn read(&self) -> BoxFuture<'_, Metrics>;

    /// Bytes of a claim's file system, and when its kubelet said so; `None` = nothing is known.
    fn file_system(
        &self,
        claim: ObjectKey,
    ) -> BoxFuture<'_, Result<Option<(u64, Timestamp)>, Fault>>;
}

/// What the server's dry run says of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Id of the step.
    pub step: String,
    /// `None` = it can be told only later, because the call needs what an earlier one makes.
    pub verdict: Option<Result<(), Fault>>,
}

impl Performer {
    /// `by` names the person, such as `ann@desk`. Connect with the run's id as `Target::run`, so
    /// that the audit log of the server names the run.
    pub fn new(
        connection: &Connection,
        policy: Policy,
        settings: Settings,
        by: impl Into<String>,
        folder: Folder,
    ) -> Result<Self> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).context("the system gives no random numbers")?;
        let limit = connection.limit.unwrap_or(REQUEST_LIMIT);
        Ok(Self {
            caller: Caller::new(connection.client.clone(), limit),
            policy: Arc::new(policy),
            settings: Arc::new(settings),
            place: Place {
                context: connection.context.clone(),
                server: connection.server.clone(),
                namespace: connection
                    .namespace
                    .namespace()
                    .unwrap_or_default()
                    .to_owned(),
            },
            by: by.into(),
            folder,
            nonce: digest::sha256(&nonce),
        })
    }

    /// With samples to judge by.
    #[must_use]
    pub fn with_figures(mut self, figures: Arc<dyn Figures>) -> Self {
        self.caller.figures = Some(figures);
        self
    }

    /// With the clock of a simulated cluster.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.caller.clock = clock;
        self
    }

    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Looks at most-recent and plans. Of an undo the job is read from the journals.
    pub async fn plan(&self, request: &Request, run: &RunId) -> Result<Plan> {
        let jobs = self.jobs_of(request)?;
        let metrics = match (request, &self.caller.figures) {
            (Request::Orphans { .. }, Some(figures)) => Box::new(figures.read().await),
            _ => Box::default(),
        };
        let namespace = self.namespace_of(request, &jobs);
        let autoscalers = if request.asks_for_autoscalers() {
            look::autoscalers(&self.caller, &namespace).await?
        } else {
            Autoscalers::default()
        };
        let mut fresh = look::look(
            &self.caller,
            &self.policy,
            &namespace,
            (&request.kinds(), &request.whole_kinds()),
            |inventory| request.objects(inventory, &jobs),
        )
        .await?;
        if matches!(request, Request::Orphans { .. }) {
            fresh.sightings = sightings::read(&self.folder.sightings())?;
        }
        fresh.autoscalers = autoscalers;
        let now = self.caller.now();
        let seen = self.seen(&fresh, &metrics, run, now);
        Ok(action::plan(&seen, request, &jobs)?)
    }

    fn jobs_of(&self, request: &Request) -> Result<Vec<Job>> {
        let jobs = request
            .jobs()
            .iter()
            .map(|id| self.folder.read(&RunId(id.clone())));
        let jobs: Vec<Job> = jobs.collect::<Result<_>>()?;
        for job in &jobs {
            self.is_here(&job.plan)?;
        }
        Ok(jobs)
    }

    /// A request says by its keys which namespace it is about; an undo says it by its job.
    fn namespace_of(&self, request: &Request, jobs: &[Job]) -> String {
        request
            .namespace()
            .or_else(|| jobs.first().map(|job| job.plan.namespace()))
            .map_or_else(|| self.place.namespace.clone(), str::to_owned)
    }

    pub(super) fn seen<'a>(
        &'a self,
        fresh: &'a Fresh,
        metrics: &'a Metrics,
        run: &'a RunId,
        now: Timestamp,
    ) -> Seen<'a> {
        Seen {
            inventory: &fresh.inventory,
            metrics,
            policy: &self.policy,
            settings: &self.settings,
            objects: &fresh.objects,
            sightings: &fresh.sightings,
            autoscalers: &fresh.autoscalers,
            place: &self.place,
            run,
            by: &self.by,
            nonce: &self.nonce,
            now,
        }
    }

    /// Refuses a plan that was made for another cluster.
    fn is_here(&self, plan: &Plan) -> Result<()> {
        if plan.place.server == self.place.server {
            return Ok(());
        }
        bail!(Refusal::new(
            RefusalKind::Request,
            format!(
                "the job is of the context {} ({}), not of {}",
                plan.place.context, plan.place.server, self.place.server
            ),
            format!("use --context {}", plan.place.context),
        ))
    }

    /// The rights that the plan needs and the user does not have. What cannot be asked is left to
    /// the calls themselves.
    pub async fn missing_rights(&self, rights: &[Right]) -> Vec<Right> {
        let rules: Vec<Rule> = rights.iter().map(Rule::from).collect();
        let access = Access::new(self.caller.client().clone());
        let verdicts = access.check_now(&rules).await;
        rights
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| matches!(verdict, Verdict::Denied { .. }))
            .map(|(right, _)| right.clone())
            .collect()
    }

    /// Has the server judge every call that can be told now; changes nothing.
    pub async fn dry_run(&self, plan: &Plan) -> Vec<Tried> {
        let mut tried = Vec::new();
        let names = plan.names();
        let mut likely = plan.likely();
        if plan.action == ActionName::Orphans {
            likely.extend(self.versions(plan).await);
        }
        for step in &plan.steps {
            let step = &step.filled(&likely).of_any_version();
            let Do::Call { call, .. } = &step.what else {
                continue;
            };
            let verdict = if call.can_be_tried() && step.missing(&names).is_empty() {
                match self.caller.call(call, true).await {
                    Ok(_) => Some(Ok(())),
                    // it is about what an earlier call of the same plan makes or takes away
                    Err(fault)
                        if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict)
                            && is_prepared(plan, step) =>
                    {
                        None
                    }
                    // it was touched since; the last look reads it anew
                    Err(fault)
                        if plan.action == ActionName::Orphans
                            && matches!(call, Call::Delete { .. })
                            && fault.kind == FaultKind::Conflict =>
                    {
                        None
                    }
                    // an undo looks first, and leaves alone what never came to be
                    Err(fault)
                        if plan.action == ActionName::Undo
                            && (matches!(
                                fault.kind,
                                FaultKind::NotFound | FaultKind::Conflict
                            ) || fault.kind == FaultKind::Invalid && call.has_tests()) =>
                    {
                        None
                    }
                    Err(fault) => Some(Err(fault)),
                }
            } else {
                None
            };
            tried.push(Tried {
                step: step.id.clone(),
                verdict,
            });
        }
        tried
    }

    /// The versions that later looks will capture, as they are now.
    async fn versions(&self, plan: &Plan) -> Vec<(String, String)> {
        let mut versions = Vec::new();
        for capture in plan.steps.iter().flat_map(|step| &step.captures) {
            let Source::Object { kind, key, pointer } = &capture.from else {
                continue;
            };
            // what cannot be read now is told when it comes to it
            if let Ok(Some(object)) = self.caller.get(*kind, key).await
                && let Some(value) = object.pointer(pointer).and_then(Value::as_str)
            {
                versions.push((capture.name.clone(), value.to_owned()));
            }
        }
        versions
    }

    /// Carries out a confirmed plan. Answers the job as its journal tells it, however it ended;
    /// an error means that nothing was done, or that the journal cannot be written.
    pub async fn run(
        &self,
        plan: Plan,
        progress: mpsc::Sender<Record>,
        cancel: CancellationToken,
    ) -> Result<Job> {
        self.is_here(&plan)?;
        // an undo owns the journal of what it takes back: its process is surely dead
        let undone = match &plan.request {
            Request::Undo { job } => Some(self.folder.open(&RunId(job.clone()))?),
            _ => None,
        };
        let dead = undone.as_ref().map(|(_, job)| job.plan.id.clone());
        let leases = self.take_leases(&plan, dead.as_ref()).await?;
        let plan = match self.confirm(&plan).await {
            Ok(plan) => plan,
            Err(error) => {
                leases.release().await;
                return Err(error);
            }
        };
        let started = async {
            let file = self.folder.create(&plan.id)?;
            let planned = Record {
                at: self.caller.now(),
                entry: Entry::Planned {
                    plan: Box::new(plan.clone()),
                },
            };
            file.write(&planned).await?;
            let _ = progress.send(planned.clone()).await;
            let job = Job::replay(&[planned], false).context("the plan was not understood")?;
            anyhow::Ok((file, job))
        };
        match started.await {
            Ok((file, job)) => {
                let lines = progress.clone();
                let job = Box::pin(self.carry(file, job, leases, progress, cancel)).await?;
                if let Some((file, _)) = undone {
                    mark_undone(&file, &job, self.caller.now()).await?;
                }
                self.tidy(job, lines).await
            }
            Err(error) => {
                leases.release().await;
                Err(error)
            }
        }
    }

    /// Goes on with a job that was cut off or failed.
    pub async fn resume(
        &self,
        id: &RunId,
        progress: mpsc::Sender<Record>,
        cancel: CancellationToken,
    ) -> Result<Job> {
        let (file, job) = self.folder.open(id)?;
        self.is_here(&job.plan)?;
        if let Some(by) = &job.undone_by {
            bail!(Refusal::new(
                RefusalKind::Request,
                format!("job {id} was taken back by {by}"),
                "plan the action anew",
            ));
        }
        if job.next().is_none() && job.is_done() {
            bail!(Refusal::new(
                RefusalKind::Request,
                format!("job {id} is done"),
                "there is nothing to resume",
            ));
        }
        let undone = match &job.plan.request {
            Request::Undo { job } => Some(self.folder.open(&RunId(job.clone()))?),
            _ => None,
        };
        let dead = undone.as_ref().map(|(_, job)| job.plan.id.clone());
        let leases = self.take_leases(&job.plan, dead.as_ref()).await?;
        let lines = progress.clone();
        let job = Box::pin(self.carry(file, job, leases, progress, cancel)).await?;
        if let Some((file, _)) = undone {
            mark_undone(&file, &job, self.caller.now()).await?;
        }
        self.tidy(job, lines).await
    }

    /// A test that ended before its pod was evicted takes back what it wrote, at once. When that
    /// cannot be done the job says so, and `undo` does it later.
    async fn tidy(&self, job: Job, progress: mpsc::Sender<Record>) -> Result<Job> {
        if !action::verify::is_to_be_cleaned(&job) {
            return Ok(job);
        }
        let id = job.plan.id.clone();
        let salt = self.caller.now().subsec_nanosecond().unsigned_abs() >> 10;
        let run = RunId::new(
            ActionName::Undo,
            self.caller.now(),
            ((salt ^ std::process::id()) & 0xffff) as u16,
        );
        let request = Request::Undo {
            job: id.to_string(),
        };
        // told by its own journal; whoever listens to the test hears only how it ends
        let (lines, _) = mpsc::channel(1);
        let taken_back = async {
            let plan = self.plan(&request, &run).await?;
            Box::pin(self.run(plan, lines, CancellationToken::new())).await
        };
        let why = match taken_back.await {
            Ok(undo) if undo.is_done() => None,
            Ok(undo) => match undo.end {
                Some((_, End::Failed { why, .. })) => Some(why),
                _ => Some("it was cut off".to_owned()),
            },
            Err(error) => Some(format!("{error:#}")),
        };
        let entry = match why {
            None => Entry::Undone { by: run },
            Some(why) => {
                let text =
                    format!("what was written was not removed: {why}; `wsdash undo {id}` does it");
                let at = self.caller.now();
                let entry = Entry::Noted { text };
                let (file, _) = self.folder.open(&id)?;
                let record = Record {
                    at,
                    entry: entry.clone(),
                };
                file.write(&record).await?;
                entry
            }
        };
        let at = self.caller.now();
        let _ = progress.send(Record { at, entry }).await;
        self.folder.read(&id)
    }

    async fn take_leases(&self, plan: &Plan, dead: Option<&RunId>) -> Result<Leases> {
        match Leases::take(&self.caller, &plan.locks, &plan.id, dead).await {
            Ok(leases) => Ok(leases),
            Err(NotHeld::Refused(refusal)) => bail!(refusal),
            Err(NotHeld::Failed(fault)) => bail!(fault),
        }
    }

    /// Looks and plans again just before the first call; refuses when that comes out differently.
    async fn confirm(&self, plan: &Plan) -> Result<Plan> {
        let again = self.plan(&plan.request, &plan.id).await?;
        if !plan.is_same_as(&again) {
            bail!(Refusal::new(
                RefusalKind::Changed,
                format!(
                    "the cluster changed since the plan was made: {}",
                    plan.difference(&again)
                ),
                "look at the new plan and confirm it again",
            ));
        }
        for tried in self.dry_run(&again).await {
            if let Some(Err(fault)) = tried.verdict
                && !fault.is_transient()
            {
                bail!(Refusal::new(
                    RefusalKind::DryRun,
                    format!("the server says no: {}", fault.sentence),
                    fault.next,
                ));
            }
        }
        Ok(again)
    }

    async fn carry(
        &self,
        file: JournalFile,
        job: Job,
        leases: Leases,
        progress: mpsc::Sender<Record>,
        cancel: CancellationToken,
    ) -> Result<Job> {
        let mut walk = Walk {
            performer: self,
            job,
            file,
            progress,
            leases: &leases,
            cancel,
        };
        let end = walk.whole().await;
        let Walk {
            mut job,
            file,
            progress,
            ..
        } = walk;
        let mut entries: Vec<Entry> = leases
            .release()
            .await
            .into_iter()
            .map(|fault| Entry::Noted {
                text: format!("a lease was not given back: {fault}"),
            })
            .collect();
        entries.push(Entry::Ended { end: end? });
        for entry in entries {
            let at = self.caller.now();
            let record = Record { at, entry };
            file.write(&record).await?;
            job.take(&record);
            let _ = progress.send(record).await;
        }
        Ok(job)
    }

    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    pub(super) fn by(&self) -> &str {
        &self.by
    }
}

/// Writes into the journal of a job that another one took it back.
async fn mark_undone(undone: &JournalFile, by: &Job, at: Timestamp) -> Result<()> {
    if !by.is_done() {
        return Ok(());
    }
    let by = by.plan.id.clone();
    let entry = Entry::Undone { by };
    undone.write(&Record { at, entry }).await
}

/// Whether an earlier step of the plan makes or deletes the object that this one is about.
fn is_prepared(plan: &Plan, step: &Step) -> bool {
    let Do::Call { call, .. } = &step.what else {
        return false;
    };
    let object = call.object();
    let mut earlier = plan.steps.iter().take_while(|s| s.id != step.id);
    earlier.any(|earlier| match &earlier.what {
        Do::Call {
            call: call @ (Call::Create { .. } | Call::Delete { .. }),
            ..
        } => call.object() == object,
        _ => false,
    })
}
