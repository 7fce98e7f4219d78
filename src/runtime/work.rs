//! What takes time and needs no terminal: reading one object, charts, logs. Each piece of work is
//! one task with an owner here; a newer one of its sort ends the older.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::action::Right;
use crate::action::request::ActionName;
use crate::action::right::{self, Form};
use crate::app::Msg;
use crate::app::detail::{Chart, Line, LogSource, LogState, Measure, Range};
use crate::app::listing::RowId;
use crate::cluster::access::{Access, Rule, Verdict};
use crate::cluster::exec::PodTarget;
use crate::cluster::fault::Fault;
use crate::cluster::logs::{self, LogEvent, LogRequest};
use crate::cluster::object;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::metrics::{self, Found, Series, Settings, Wanted};

/// Lines of the past that a log starts with.
const TAIL: u32 = 1000;

/// The tasks that work for the screen.
pub(super) struct Work {
    messages: mpsc::Sender<Msg>,
    yaml: Option<AbortOnDropHandle<()>>,
    logs: Option<AbortOnDropHandle<()>>,
    chart: Option<AbortOnDropHandle<()>>,
    review: Option<AbortOnDropHandle<()>>,
}

/// How far back from when a chart looks.
#[derive(Clone, Copy)]
pub(super) struct Back {
    pub(super) range: Range,
    pub(super) now: Timestamp,
}

impl Work {
    pub(super) const fn new(messages: mpsc::Sender<Msg>) -> Self {
        Self {
            messages,
            yaml: None,
            logs: None,
            chart: None,
            review: None,
        }
    }

    /// Ends everything, for another connection.
    pub(super) fn stop(&mut self) {
        self.yaml = None;
        self.logs = None;
        self.chart = None;
    }

    /// Asks what the user may do; a command that is not allowed says which right is missing.
    pub(super) fn review(&mut self, client: Client, namespace: Option<Text>) {
        let messages = self.messages.clone();
        self.review = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let access = Access::new(client);
            // A shell is the first thing that somebody wants, and takes the fewest questions.
            for needs in [looking(namespace.as_deref()), acting(namespace.as_deref())] {
                let mut asked: Vec<Rule> =
                    needs.iter().flat_map(|(_, rules)| rules.clone()).collect();
                asked.sort();
                asked.dedup();
                let verdicts = access.check(&asked).await;
                // What nobody could say is no prohibition: the server has the last word anyway.
                let denied = |rule: &Rule| {
                    let at = asked.binary_search(rule).ok()?;
                    matches!(verdicts.get(at)?, Verdict::Denied { .. }).then(|| rule.clone())
                };
                let told = needs.iter().map(|(name, rules)| {
                    let missing = rules.iter().find_map(denied);
                    let why = missing.map(|rule| format!("the missing right is `{rule}`").into());
                    (*name, why)
                });
                // The loop is gone: then nobody presses a key.
                let _ = messages.send(Msg::Disabled(told.collect())).await;
            }
        })));
    }

    pub(super) fn fetch_yaml(&mut self, client: Client, of: RowId, kind: Kind, key: ObjectKey) {
        let messages = self.messages.clone();
        self.yaml = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let result = object::yaml(&client, kind, &key).await;
            let result = result.map_err(|fault| sentence(&fault));
            // The loop is gone: then nobody looks.
            let _ = messages.send(Msg::Yaml { of, result }).await;
        })));
    }

    /// Reads the lines of a chart; ceilings are the model's, which knows limits and capacities.
    pub(super) fn fetch_chart(
        &mut self,
        (settings, candidate): (Settings, Option<String>),
        of: RowId,
        (claims, pod): (Vec<ObjectKey>, Option<ObjectKey>),
        back: Back,
    ) {
        let messages = self.messages.clone();
        let seconds = u64::try_from(back.range.seconds()).unwrap_or(3600);
        let wanted = Wanted {
            claims,
            pod,
            back: Duration::from_secs(seconds),
            now: back.now,
            limit: settings.config.metrics.range_timeout,
        };
        self.chart = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let result = match metrics::locate(&settings, candidate.as_deref()).await {
                Ok(Found::One(endpoint)) => metrics::range(&endpoint, &wanted)
                    .await
                    .map(|lines| chart(back.range, lines))
                    .map_err(|fault| sentence(&fault)),
                Ok(Found::Several(_)) => {
                    Err("several Prometheus services were found; M chooses".into())
                }
                Ok(Found::Nothing) => Err(
                    "charts need a Prometheus, and none was found; set metrics.prometheus".into(),
                ),
                Ok(Found::Denied(rule)) => Err(format!(
                    "no Prometheus may be looked for; the missing right is `{rule}`"
                )
                .into()),
                Err(fault) => Err(sentence(&fault)),
            };
            // The loop is gone: then nobody looks.
            let _ = messages.send(Msg::Chart { of, result }).await;
        })));
    }

    pub(super) fn follow_logs(&mut self, client: Client, of: LogSource) {
        let messages = self.messages.clone();
        // Not before the new one: two logs at once would mix.
        self.logs = None;
        self.logs = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let target = PodTarget::new(&*of.pod.namespace, &*of.pod.name);
            let request = LogRequest {
                container: of.container.as_deref().map(str::to_owned),
                follow: !of.previous,
                previous: of.previous,
                tail: Some(TAIL),
                since: None,
            };
            let mut stream = logs::stream(client, target, request, CancellationToken::new());
            while let Some(event) = stream.next().await {
                let msg = match event {
                    LogEvent::Lines(lines) => Msg::LogLines {
                        of: of.clone(),
                        lines: lines.into_iter().map(|line| line.text).collect(),
                    },
                    LogEvent::Ended => Msg::LogState {
                        of: of.clone(),
                        state: LogState::Ended,
                    },
                    LogEvent::Failed(fault) => Msg::LogState {
                        of: of.clone(),
                        state: LogState::Failed(sentence(&fault)),
                    },
                };
                if messages.send(msg).await.is_err() {
                    return;
                }
            }
        })));
    }

    pub(super) fn stop_logs(&mut self) {
        self.logs = None;
    }
}

type Needs = Vec<(&'static str, Vec<Rule>)>;

/// What the commands that look into a pod need.
fn looking(namespace: Option<&str>) -> Needs {
    let of = |verb, resource| vec![Rule::from(&Right::new(verb, "", resource, namespace))];
    vec![
        ("shell", of("create", "pods/exec")),
        ("logs", of("get", "pods/log")),
        ("previous-logs", of("get", "pods/log")),
    ]
}

/// What the actions need at the least: a restore may be beside the workspace, and a plan that needs
/// more says so in its dialog.
fn acting(namespace: Option<&str>) -> Needs {
    let place = namespace.unwrap_or_default();
    let actions = [
        ("snapshot", ActionName::Snapshot),
        ("restore", ActionName::Restore),
        ("resize", ActionName::Resize),
        ("verify", ActionName::Verify),
        ("orphans", ActionName::Orphans),
        ("template", ActionName::Template),
        ("evict", ActionName::Evict),
    ];
    let of = |(name, action): (&'static str, ActionName)| {
        let rights = right::of(action, Form::default(), place);
        (name, rights.iter().map(Rule::from).collect())
    };
    actions.into_iter().map(of).collect()
}

fn chart(range: Range, lines: Vec<Series>) -> Chart {
    let line = |series: Series| Line {
        name: series.name,
        measure: match series.measure {
            metrics::Measure::DiskBytes => Measure::DiskBytes,
            metrics::Measure::Cores => Measure::Cores,
            metrics::Measure::MemoryBytes => Measure::MemoryBytes,
        },
        points: series.points,
        ceiling: None,
    };
    Chart {
        range,
        lines: lines.into_iter().map(line).collect(),
    }
}

pub(super) fn sentence(fault: &Fault) -> Text {
    fault.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_only_restore_beside_a_workspace_is_offered_to_restore() {
        let needs = acting(Some("team"));
        let (_, rules) = needs.iter().find(|(name, _)| *name == "restore").unwrap();
        let beside = right::of(ActionName::Restore, Form::default(), "team");
        let beside: Vec<Rule> = beside.iter().map(Rule::from).collect();
        assert_eq!(*rules, beside);
        let swap = Rule::from(&Right::on("delete", Kind::Claim, "team"));
        assert!(!rules.contains(&swap));
    }
}
