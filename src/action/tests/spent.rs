//! Which journals may be forgotten.

use proptest::prelude::*;

use super::*;
use crate::action::journal::{End, spent};

/// What somebody did, and what became of it.
#[derive(Clone, Debug)]
struct Life {
    request: Request,
    results: Vec<StepResult>,
    end: Option<End>,
    is_undone: bool,
    days: i64,
}

fn request_of(which: u8) -> Request {
    let restore = |in_place| Request::Restore {
        workspace: key("ide-0"),
        from: None,
        in_place,
        force: false,
        claims: Vec::new(),
    };
    match which {
        0 => of_ide_0(),
        1 => restore(false),
        2 => restore(true),
        _ => Request::Orphans {
            claims: vec![key("work-0")],
        },
    }
}

fn life() -> impl Strategy<Value = Life> {
    let failed = || End::Failed {
        why: "it broke".into(),
        next: "look".into(),
    };
    let end = prop_oneof![
        Just(None),
        Just(Some(End::Done)),
        Just(Some(failed())),
        Just(Some(End::Cancelled))
    ];
    let results = prop::collection::vec(result(), 0..4);
    (0_u8..4, results, end, any::<bool>(), 0_i64..200).prop_map(
        |(which, results, end, is_undone, days)| Life {
            request: request_of(which),
            results,
            end,
            is_undone,
            days,
        },
    )
}

/// Its steps are those of a snapshot, whatever it is of: what counts is what was asked for.
fn job(life: &Life) -> Job {
    let mut plan = desk_with_class(healthy()).plan(&of_ide_0()).unwrap();
    let made = now() - jiff::SignedDuration::from_hours(24 * life.days);
    plan.request = life.request.clone();
    plan.action = life.request.action();
    plan.id = RunId::new(plan.action, made, 7);
    let results: Vec<Option<StepResult>> = life.results.iter().cloned().map(Some).collect();
    let steps = plan.steps.len().min(results.len());
    let mut records = records(&plan, &results[..steps]);
    let mut add = |entry| records.push(Record { at: now(), entry });
    if let Some(end) = life.end.clone() {
        add(Entry::Ended { end });
    }
    if life.is_undone {
        let by = RunId("undo-1".into());
        add(Entry::Undone { by });
    }
    Job::replay(&records, false).unwrap()
}

/// A job about another one.
fn about(job: &Job, request: Request, is_done: bool) -> Job {
    let mut plan = job.plan.clone();
    plan.id = RunId::new(request.action(), now(), 8);
    plan.action = request.action();
    plan.request = request;
    plan.steps.iter_mut().for_each(|step| step.undo.clear());
    let mut records = records(&plan, &[]);
    if is_done {
        let entry = Entry::Ended { end: End::Done };
        records.push(Record { at: now(), entry });
    }
    Job::replay(&records, false).unwrap()
}

fn purge_of(job: &Job, is_done: bool) -> Job {
    let jobs = vec![job.plan.id.to_string()];
    about(job, Request::Purge { jobs }, is_done)
}

proptest! {
    /// What can be resumed, undone or purged, and has something to lose by it, is never forgotten.
    #[test]
    fn nothing_with_a_way_back_that_matters_is_forgotten(life in life()) {
        let job = job(&life);
        let jobs = [job.clone()];
        prop_assume!(!spent(&jobs, &[], now()).is_empty());
        if job.has_acted() {
            prop_assert!(job.is_done() || life.is_undone, "it can be resumed or undone");
            let is_bound_again = matches!(life.request, Request::Orphans { .. }) && life.is_undone;
            prop_assert!(!life.request.keeps() || is_bound_again, "volumes are kept for it");
            prop_assert!(life.is_undone || life.days > 90, "it can be undone");
        } else {
            prop_assert!(job.end.is_some() || life.is_undone, "it can be resumed");
        }
    }

    /// Whatever is under way about a job needs its journal.
    #[test]
    fn what_is_being_undone_or_purged_is_never_forgotten(life in life(), is_undo in any::<bool>()) {
        let job = job(&life);
        let id = job.plan.id.to_string();
        let request = if is_undo { Request::Undo { job: id } } else { Request::Purge { jobs: vec![id] } };
        let pending = about(&job, request, false);
        let jobs = [job];
        prop_assert_eq!(spent(&jobs, &[pending], now()), Vec::<&RunId>::new());
    }

    /// What was purged has nothing left, and the purge tells of it as long as it is there.
    #[test]
    fn what_was_purged_is_forgotten_and_its_purge_not_before_it(life in life()) {
        let life = Life { end: Some(End::Done), ..life };
        let job = job(&life);
        let purge = purge_of(&job, true);
        let both = [purge.clone(), job.clone()];
        let gone = spent(&both, &[], now());
        prop_assert!(gone.contains(&&job.plan.id) || !gone.contains(&&purge.plan.id));
        if life.request.keeps() {
            prop_assert_eq!(gone, [&job.plan.id, &purge.plan.id]);
        }
    }
}
