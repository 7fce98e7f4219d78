//! Plans and jobs. Each run has a connection of its own, so that the audit log of the server names
//! it; a job outlives every view, and leaving the program ends it between two steps.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::session::Session;
use crate::action::{Job, Plan, Record, Request, RunId};
use crate::app::Msg;
use crate::app::job::{JobRow, Proposal};
use crate::cluster::connect::{Environment, Interaction, Target, connect};
use crate::cluster::perform::{Clock, Figures, Folder, Performer};
use crate::cluster::sightings;
use crate::config::Config;
use crate::domain::key::Uid;
use crate::domain::ownership::Class;
use crate::metrics;

/// Lines of a journal that may wait for the screen.
const LINES: usize = 64;
/// A job that was asked to stop ends after its step, or is left to `resume`.
const LAST_STEP: Duration = Duration::from_secs(10);

pub(super) struct Acting {
    config: Arc<Config>,
    clock: Clock,
    messages: mpsc::Sender<Msg>,
    /// Performers of plans that wait for a word, by run.
    planned: Arc<tokio::sync::Mutex<HashMap<String, Arc<Performer>>>>,
    running: Vec<(CancellationToken, JoinHandle<()>)>,
}

impl Acting {
    pub(super) fn new(config: Arc<Config>, clock: Clock, messages: mpsc::Sender<Msg>) -> Self {
        Self {
            config,
            clock,
            messages,
            planned: Arc::default(),
            running: Vec::new(),
        }
    }

    /// The jobs of the journal.
    pub(super) fn load(&self) {
        let messages = self.messages.clone();
        tokio::task::spawn_blocking(move || {
            let Ok(folder) = Folder::of_user() else {
                return;
            };
            let jobs = folder.list().into_iter().filter_map(|(id, job)| {
                let row = JobRow {
                    running: folder.is_worked_on(&id),
                    job: job.ok()?,
                };
                Some((id.to_string(), row))
            });
            // The loop is gone: then nobody looks.
            let _ = messages.blocking_send(Msg::Jobs(jobs.collect()));
        });
    }

    /// Writes down what claims were seen as, for the policy that asks for more than one look.
    pub(super) fn sight(&self, seen: Vec<(Uid, Class)>) {
        let (messages, now) = (self.messages.clone(), (self.clock)());
        tokio::task::spawn_blocking(move || {
            let path = Folder::of_user().map(|folder| folder.sightings());
            match path.and_then(|path| sightings::note(&path, seen, now)) {
                // The loop is gone: then nobody looks.
                Ok(all) => drop(messages.blocking_send(Msg::Sightings(all))),
                Err(error) => tracing::warn!("what claims were seen as is not kept: {error:#}"),
            }
        });
    }

    /// Looks at the cluster and plans.
    pub(super) fn propose(&self, session: &Session, request: Request) {
        let (config, messages) = (Arc::clone(&self.config), self.messages.clone());
        let (target, planned) = (session.target(), Arc::clone(&self.planned));
        let clock = Arc::clone(&self.clock);
        let figures = session.metrics();
        let figures = figures.map(|(settings, candidate)| metrics::figures(settings, candidate));
        tokio::spawn(async move {
            let result = propose(&config, clock, (target, figures), &request).await;
            let result = match result {
                Ok((proposal, performer)) => {
                    let mut planned = planned.lock().await;
                    // One dialog at a time: what nobody said yes to is forgotten.
                    planned.clear();
                    planned.insert(proposal.plan.id.to_string(), Arc::new(performer));
                    Ok(Box::new(proposal))
                }
                Err(error) => Err(format!("{error:#}").into()),
            };
            // The loop is gone: then nobody waits for it.
            let _ = messages.send(Msg::Proposed(result)).await;
        });
    }

    /// Has the server check every call that can be checked now.
    pub(super) fn rehearse(&self, plan: Plan) {
        let (messages, planned) = (self.messages.clone(), Arc::clone(&self.planned));
        tokio::spawn(async move {
            let run = plan.id.to_string();
            let performer = planned.lock().await.get(&run).cloned();
            let lines = match performer {
                Some(performer) => performer
                    .dry_run(&plan)
                    .await
                    .into_iter()
                    .map(|tried| match tried.verdict {
                        None => format!("{}: can be told when it comes to it", tried.step),
                        Some(Ok(())) => format!("{}: would be accepted", tried.step),
                        Some(Err(fault)) => format!("{}: would be refused: {fault}", tried.step),
                    })
                    .collect(),
                None => vec!["this plan is no longer there; ask for it again".to_owned()],
            };
            let _ = messages.send(Msg::Rehearsed { run, lines }).await;
        });
    }

    /// Carries a plan out.
    pub(super) fn perform(&mut self, plan: Plan) {
        let planned = Arc::clone(&self.planned);
        let run = plan.id.to_string();
        let key = run.clone();
        self.work(run, move |lines, cancel| async move {
            let Some(performer) = planned.lock().await.remove(&key) else {
                bail!("this plan is no longer there; ask for it again");
            };
            performer.run(plan, lines, cancel).await
        });
    }

    /// Goes on with a job that was cut off.
    pub(super) fn resume(&mut self, session: &Session, run: String) {
        let (config, mut target) = (Arc::clone(&self.config), session.target());
        let clock = Arc::clone(&self.clock);
        let id = RunId(run.clone());
        self.work(run, move |lines, cancel| async move {
            let job = Folder::of_user()?.read(&id)?;
            // Where it was begun, wherever one looks now.
            target.context = Some(job.plan.place.context.clone()).filter(|c| c != "in-cluster");
            target.namespace = Some(job.plan.namespace().to_owned());
            target.all_namespaces = false;
            target.run = id.to_string();
            let performer = performer(&config, clock, &target, None).await?;
            performer.resume(&id, lines, cancel).await
        });
    }

    fn work<F>(
        &mut self,
        run: String,
        job: impl FnOnce(mpsc::Sender<Record>, CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<Job>> + Send + 'static,
    {
        let messages = self.messages.clone();
        let cancel = CancellationToken::new();
        let until = cancel.clone();
        let task = tokio::spawn(async move {
            let (lines, mut arriving) = mpsc::channel::<Record>(LINES);
            let forward = async {
                while let Some(record) = arriving.recv().await {
                    let record = Box::new(record);
                    let run = run.clone();
                    // A screen that is gone stops no job: its journal is the file's.
                    let _ = messages.send(Msg::Journal { run, record }).await;
                }
            };
            let (ended, ()) = tokio::join!(job(lines, until), forward);
            let result = ended
                .map(Box::new)
                .map_err(|error| format!("{error:#}").into());
            let _ = messages.send(Msg::JobEnded { run, result }).await;
        });
        self.running.retain(|(_, task)| !task.is_finished());
        self.running.push((cancel, task));
    }

    /// Ends what runs between two steps; what does not come to one is left to `resume`.
    pub(super) async fn stop(&mut self) {
        for (cancel, _) in &self.running {
            cancel.cancel();
        }
        let all = futures::future::join_all(self.running.drain(..).map(|(_, task)| task));
        if tokio::time::timeout(LAST_STEP, all).await.is_err() {
            tracing::warn!("a job was left in the middle of a step; `wsdash jobs` shows it");
        }
    }
}

async fn performer(
    config: &Config,
    clock: Clock,
    target: &Target,
    figures: Option<Arc<dyn Figures>>,
) -> Result<Performer> {
    let connection = connect(target, Interaction::Never).await?;
    if let Some(why) = config.read_only(&connection.context) {
        bail!("{why}");
    }
    let performer = Performer::new(
        &connection,
        config.policy(),
        config.settings(),
        Environment::of_process().person(),
        Folder::of_user()?,
    )?
    .with_clock(clock);
    Ok(match figures {
        Some(figures) => performer.with_figures(figures),
        None => performer,
    })
}

async fn propose(
    config: &Config,
    clock: Clock,
    (mut target, figures): (Target, Option<Arc<dyn Figures>>),
    request: &Request,
) -> Result<(Proposal, Performer)> {
    let now = clock();
    // Two runs of one second differ by process and by the part of the second.
    let salt = std::process::id() ^ now.subsec_nanosecond().unsigned_abs() >> 10;
    let run = RunId::new(request.action(), now, (salt & 0xffff) as u16);
    target.run = run.to_string();
    if let Some(namespace) = request.namespace() {
        target.namespace = Some(namespace.to_owned());
        target.all_namespaces = false;
    }
    let performer = performer(config, clock, &target, figures).await?;
    let plan = performer.plan(request, &run).await?;
    let missing = performer.missing_rights(&plan.rights).await;
    let missing = missing.iter().map(ToString::to_string).collect();
    Ok((Proposal::new(plan, missing), performer))
}
