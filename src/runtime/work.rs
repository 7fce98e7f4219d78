//! What takes time and needs no terminal: reading one object, charts, logs. Each piece of work is
//! one task with an owner here; a newer one of its sort ends the older.

use kube::Client;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::app::Msg;
use crate::app::detail::{LogSource, LogState};
use crate::app::listing::RowId;
use crate::cluster::exec::PodTarget;
use crate::cluster::fault::Fault;
use crate::cluster::logs::{self, LogEvent, LogRequest};
use crate::cluster::object;
use crate::domain::key::{Kind, ObjectKey, Text};

/// Lines of the past that a log starts with.
const TAIL: u32 = 1000;

/// The tasks that work for the screen.
pub(super) struct Work {
    messages: mpsc::Sender<Msg>,
    yaml: Option<AbortOnDropHandle<()>>,
    logs: Option<AbortOnDropHandle<()>>,
}

impl Work {
    pub(super) const fn new(messages: mpsc::Sender<Msg>) -> Self {
        Self {
            messages,
            yaml: None,
            logs: None,
        }
    }

    /// Ends everything, for another connection.
    pub(super) fn stop(&mut self) {
        self.yaml = None;
        self.logs = None;
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

pub(super) fn sentence(fault: &Fault) -> Text {
    fault.to_string().into()
}
