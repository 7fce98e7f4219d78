//! Keys and other events of the terminal, read by a task of their own: the event stream of
//! crossterm remembers the first waker that polled it, so it must have one reader that only waits.

use std::io;

use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events that may wait; a held key makes some thirty a second.
const WAITING: usize = 256;

/// The reader of the terminal.
pub(super) struct Keys {
    events: mpsc::Receiver<io::Result<Event>>,
    reader: JoinHandle<()>,
}

impl Keys {
    /// Starts to read. The terminal must be ours.
    pub(super) fn read() -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        let reader = tokio::spawn(async move {
            let mut stream = EventStream::new();
            while let Some(event) = stream.next().await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        Self { events, reader }
    }

    /// The next event; `None` when there will be none any more. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.events.recv().await
    }

    /// An event that is there already.
    pub(super) fn take(&mut self) -> Option<io::Result<Event>> {
        self.events.try_recv().ok()
    }

    /// Stops reading: whoever has the terminal next gets every key from now on.
    pub(super) async fn stop(self) {
        self.reader.abort();
        // Aborted is what it was asked to be.
        let _ = self.reader.await;
    }
}
