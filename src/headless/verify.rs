//! `wsdash verify`: the persistence test of workspaces, one after another, told as a report. The
//! first that does not come through ends the round: who is behind it keeps its session.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::act::{Rehearsal, Session, Went};
use super::{FAILED, UNKNOWN, say, warn};
use crate::action::refusal::Refusal;
use crate::action::request::{ActionName, Request};
use crate::action::verify::{Class, PHASES, Report, refused, report, unknown};
use crate::cli::{TextFormat, VerifyArgs};
use crate::config::Loaded;
use crate::domain::key::ObjectKey;

pub(super) async fn run(loaded: &Loaded, args: &VerifyArgs) -> Result<u8> {
    let format = args.action.text.format;
    let keys = Session::open(loaded, ActionName::Verify)
        .await?
        .distinct(&args.names)?;
    let mut round = Round::default();
    for (at, workspace) in keys.iter().enumerate() {
        let went = Box::pin(one(loaded, args, workspace)).await;
        if round.take(workspace, went)? {
            round.skipped = keys.iter().skip(at + 1).cloned().collect();
            break;
        }
    }
    if args.action.dry_run {
        return round.tell_rehearsals(format);
    }
    if round.reports.is_empty() {
        return Ok(FAILED);
    }
    tell(&round.reports, &round.skipped, format)
}

async fn one(loaded: &Loaded, args: &VerifyArgs, workspace: &ObjectKey) -> Result<Went> {
    let session = Session::open(loaded, ActionName::Verify).await?;
    let request = Request::Verify {
        workspace: workspace.clone(),
        force: args.force,
        other_node: args.other_node,
    };
    Box::pin(session.attempt(&request, &args.action)).await
}

/// What came of the workspaces so far.
#[derive(Default)]
struct Round {
    reports: Vec<Report>,
    rehearsals: Vec<Rehearsal>,
    skipped: Vec<ObjectKey>,
}

impl Round {
    /// Takes in one more; answers whether the round ends with it. Who was refused was left alone:
    /// then it goes on.
    fn take(&mut self, workspace: &ObjectKey, went: Result<Went>) -> Result<bool> {
        let report = match went {
            Ok(Went::Rehearsed(rehearsal)) => {
                self.rehearsals.push(*rehearsal);
                return Ok(false);
            }
            Ok(Went::Declined) => return Ok(true),
            Ok(Went::Over(job)) => {
                let none = || unknown(workspace, "the journal tells of no test".to_owned());
                let report = report(&job).unwrap_or_else(none);
                let ends = !report.class.has_passed();
                self.reports.push(report);
                return Ok(ends);
            }
            Err(error) => match error.downcast_ref::<Refusal>() {
                Some(refusal) => {
                    warn(&format!("refused: {refusal}"))?;
                    refused(workspace, refusal)
                }
                // nothing is known of the others either; what was tested is told all the same
                None if self.reports.is_empty() && self.rehearsals.is_empty() => {
                    return Err(error);
                }
                None => {
                    warn(&format!("{error:#}"))?;
                    self.reports.push(unknown(workspace, format!("{error:#}")));
                    return Ok(true);
                }
            },
        };
        self.reports.push(report);
        Ok(false)
    }

    fn tell_rehearsals(&self, format: TextFormat) -> Result<u8> {
        let worst = self.rehearsals.iter().map(Rehearsal::code).max();
        match (format, self.rehearsals.as_slice()) {
            (TextFormat::Json, [one]) if self.reports.is_empty() => {
                say(&serde_json::to_string_pretty(&one.document())?)?;
            }
            (TextFormat::Json, all) => {
                let plans: Vec<Value> = all.iter().map(Rehearsal::document).collect();
                let document = json!({"plans": plans, "refused": self.reports});
                say(&serde_json::to_string_pretty(&document)?)?;
            }
            (TextFormat::Text, all) => {
                for rehearsal in all {
                    rehearsal.tell(format)?;
                }
                for report in &self.reports {
                    say(text(report).trim_end())?;
                }
            }
        }
        Ok(worst.unwrap_or(0).max(code(&self.reports)))
    }
}

/// Prints the reports of a round.
pub(super) fn tell(reports: &[Report], skipped: &[ObjectKey], format: TextFormat) -> Result<u8> {
    match format {
        TextFormat::Json => {
            let document = json!({"results": reports, "skipped": skipped});
            say(&serde_json::to_string_pretty(&document)?)?;
        }
        TextFormat::Text => {
            for report in reports {
                say(text(report).trim_end())?;
            }
            for workspace in skipped {
                say(&format!(
                    "{workspace}: not tested, an earlier one did not pass"
                ))?;
            }
        }
    }
    Ok(code(reports))
}

/// 0 = all passed; 3 = nothing worse than that something is not known.
fn code(reports: &[Report]) -> u8 {
    let failed = reports.iter().filter(|report| !report.class.has_passed());
    let classes: Vec<Class> = failed.map(|report| report.class).collect();
    match classes.as_slice() {
        [] => 0,
        all if all.iter().all(|class| *class == Class::F12) => UNKNOWN,
        _ => FAILED,
    }
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{}: {} {}\n  {}\n  {}\n",
        report.workspace, report.class, report.word, report.means, report.says
    );
    for claim in &report.claims {
        let _ = writeln!(
            text,
            "  {} at {}: {}, {}",
            claim.claim.name, claim.path, claim.class, claim.says
        );
    }
    if !report.seconds.is_empty() {
        let phases: Vec<String> = PHASES
            .iter()
            .filter_map(|phase| Some(format!("{phase} {} s", report.seconds.get(phase)?)))
            .collect();
        let _ = writeln!(text, "  after the eviction: {}", phases.join(", "));
    }
    for left in &report.leftovers {
        let _ = writeln!(text, "  left behind: {left}");
    }
    if let Some(next) = &report.next {
        let _ = writeln!(text, "  next: {next}");
    }
    if let Some(job) = &report.job {
        let _ = writeln!(text, "  job {job}");
    }
    text
}
