//! `wsdash restore` and `wsdash purge`: which point in time, and which jobs.

use std::sync::Arc;

use anyhow::{Result, bail};
use jiff::Timestamp;

use super::act::Session;
use super::picture::Picture;
use super::{say, target};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::request::{ActionName, Request};
use crate::action::restore::{Point, points};
use crate::cli::{PurgeArgs, RestoreArgs};
use crate::cluster::connect::{Interaction, connect};
use crate::cluster::perform::Folder;
use crate::config::Loaded;
use crate::domain::key::ObjectKey;

pub(super) async fn run(loaded: &Loaded, args: &RestoreArgs) -> Result<u8> {
    let session = Session::open(loaded, ActionName::Restore).await?;
    let workspace = session.key(&args.name)?;
    let from = match args.at {
        Some(at) => Some(at_or_before(loaded, &workspace, at).await?),
        None => args.from.clone(),
    };
    let request = Request::Restore {
        workspace,
        from,
        in_place: args.in_place,
        claims: Vec::new(),
        force: args.force,
    };
    Box::pin(session.perform(&request, &args.action)).await
}

/// The newest complete set that is not younger than that time.
async fn at_or_before(loaded: &Loaded, key: &ObjectKey, at: Timestamp) -> Result<String> {
    let connection = connect(&target(&loaded.config), Interaction::Allowed).await?;
    let config = Arc::new(loaded.config.clone());
    let picture = Picture::take(&connection, &config).await;
    let Some(workspace) = picture.inventory.workspace(key) else {
        bail!("there is no workspace {key}");
    };
    let all = points(&picture.inventory, workspace);
    let fits = |point: &&Point| point.complete && point.at <= at;
    let Some(point) = all.iter().find(fits) else {
        bail!(Refusal::new(
            RefusalKind::NotFound,
            format!("workspace {key} has no complete set of snapshots of {at} or before"),
            "`wsdash get snapshots` lists them",
        ));
    };
    Ok(point.id.to_string())
}

/// Purges the jobs that are named, or all whose time is over.
pub(super) async fn purge(loaded: &Loaded, args: &PurgeArgs) -> Result<u8> {
    let jobs = if args.ids.is_empty() {
        over(loaded, Timestamp::now())?
    } else {
        args.ids.clone()
    };
    if jobs.is_empty() {
        say("nothing is kept longer than it should be; name a job to purge it sooner")?;
        return Ok(0);
    }
    let session = Session::open(loaded, ActionName::Purge).await?;
    let request = Request::Purge { jobs };
    Box::pin(session.perform(&request, &args.action)).await
}

/// Jobs of one namespace whose time to be kept is over and that were not purged yet.
fn over(loaded: &Loaded, now: Timestamp) -> Result<Vec<String>> {
    let keep = loaded.config.orphans.keep;
    let all = Folder::of_user()?.list();
    let jobs: Vec<_> = all
        .iter()
        .filter_map(|(_, job)| job.as_ref().ok())
        .collect();
    let purged: Vec<&String> = jobs
        .iter()
        .filter(|job| job.is_done())
        .filter_map(|job| match &job.plan.request {
            Request::Purge { jobs } => Some(jobs),
            _ => None,
        })
        .flatten()
        .collect();
    let mut found: Vec<(&str, String)> = jobs
        .iter()
        .filter(|job| {
            let is_over = job.is_done() || job.undone_by.is_some();
            let made = job.plan.id.made();
            let until = made.and_then(|made| made.checked_add(keep).ok());
            job.plan.request.keeps() && is_over && until.is_some_and(|until| until < now)
        })
        .map(|job| (job.plan.namespace(), job.plan.id.to_string()))
        .filter(|(_, id)| !purged.contains(&id))
        .collect();
    // rights and leases are of one namespace
    let first = found.first().map(|(namespace, _)| *namespace);
    found.retain(|(namespace, _)| Some(*namespace) == first);
    Ok(found.into_iter().map(|(_, id)| id).collect())
}
