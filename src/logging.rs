//! The log: a file in the state folder that only its owner can read, set aside when it has grown.
//! Never the terminal: a stray line ruins the screen. Must not log what a server answered or a
//! user typed, so the crates that would are held down whatever the level says.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::Log;

/// The name of the log in the state folder; older ones have a number behind it.
pub const FILE: &str = "wsdash.log";

/// Lines that may wait for the disk before new ones are dropped: a slow disk must not stop a key.
const WAITING_LINES: usize = 16 * 1024;

/// Writes what is still waiting when it is dropped: keep it until the end of `main`.
#[derive(Debug)]
#[must_use = "the log stops when this is dropped"]
pub struct Logging {
    /// The file that is written.
    pub file: PathBuf,
    _guard: WorkerGuard,
}

/// Starts the log in `folder`, which is made (0700) when it is missing. The file is 0600.
/// Fails when the folder cannot be written or when a log runs already; the program can go on
/// without a log, so callers warn and go on.
pub fn start(settings: &Log, folder: &Path) -> anyhow::Result<Logging> {
    let file = folder.join(FILE);
    let writing = || {
        format!(
            "opening the log {}; make the folder writable or set XDG_STATE_HOME",
            file.display()
        )
    };
    make_private(folder).with_context(writing)?;
    let rotated =
        Rotated::open(file.clone(), settings.max_bytes, settings.keep).with_context(writing)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(rotated);
    let filter = parse_filter(&settings.level)
        .with_context(|| format!("reading log.level `{}`", settings.level))?;
    subscriber(filter, writer)
        .try_init()
        .map_err(|error: TryInitError| anyhow::anyhow!(error))
        .context("starting the log a second time")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "wsdash starts");
    Ok(Logging {
        file,
        _guard: guard,
    })
}

fn subscriber<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_timer(TimeAndProcess)
        .with_writer(writer);
    tracing_subscriber::registry().with(
        lines
            .with_filter(filter_fn(is_harmless))
            .with_filter(filter),
    )
}

/// Reads a level or a list of filters.
pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Whether a line may be written at all. `kube_client` logs whole answers when it cannot parse them
/// (with secrets in them), the websocket crates log every byte of a shell.
fn is_harmless(line: &Metadata<'_>) -> bool {
    let from = |name: &str| {
        line.target()
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if from("kube_client") || from("kube") {
        *line.level() <= Level::ERROR
    } else if from("tungstenite") || from("tokio_tungstenite") || from("h2") || from("rustls") {
        *line.level() <= Level::WARN
    } else {
        true
    }
}

/// Makes a folder and its parents, readable by the owner alone.
pub fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Time in UTC and the process, since two wsdash may write to one log.
struct TimeAndProcess;

impl FormatTime for TimeAndProcess {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{:.3} {}", jiff::Timestamp::now(), std::process::id())
    }
}

/// A file that is renamed to `.1` when it is full; `.1` becomes `.2` and so on up to `keep`.
#[derive(Debug)]
struct Rotated {
    path: PathBuf,
    file: File,
    written: u64,
    max_bytes: u64,
    keep: u32,
}

impl Rotated {
    fn open(path: PathBuf, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let file = open_private(&path)?;
        let written = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            written,
            max_bytes,
            keep,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        // another wsdash may have set the file aside already: then only the new one is opened
        let ours = self.file.metadata()?.ino();
        if std::fs::metadata(&self.path).is_ok_and(|there| there.ino() == ours) {
            for number in (1..self.keep).rev() {
                let (from, to) = (self.aside(number), self.aside(number + 1));
                if from.exists() {
                    std::fs::rename(from, to)?;
                }
            }
            if self.keep == 0 {
                std::fs::remove_file(&self.path)?;
            } else {
                std::fs::rename(&self.path, self.aside(1))?;
            }
        }
        self.file = open_private(&self.path)?;
        self.written = self.file.metadata()?.len();
        Ok(())
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // one line is one write; a file that cannot be rotated is still written
        if self.written > 0 && self.written + line.len() as u64 > self.max_bytes {
            let _ = self.rotate();
        }
        let count = self.file.write(line)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn folder_and_file_belong_to_the_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state/wsdash");
        make_private(&folder).unwrap();
        let path = folder.join(FILE);
        Rotated::open(path.clone(), 100, 1).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_full_file_is_set_aside_and_only_so_many_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE);
        let mut log = Rotated::open(path.clone(), 10, 2).unwrap();
        for line in ["first\n", "second\n", "third\n", "fourth\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(
            names(root.path()),
            ["wsdash.log", "wsdash.log.1", "wsdash.log.2"]
        );
        let read = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap();
        assert_eq!(read("wsdash.log"), "fourth\n");
        assert_eq!(read("wsdash.log.1"), "third\n");
        assert_eq!(read("wsdash.log.2"), "second\n");
    }

    #[test]
    fn two_processes_on_one_log_do_not_rotate_each_others_new_file_away() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE);
        let mut one = Rotated::open(path.clone(), 10, 2).unwrap();
        let mut two = Rotated::open(path.clone(), 10, 2).unwrap();
        one.write_all(b"a one...\n").unwrap();
        two.write_all(b"a two...\n").unwrap();
        one.write_all(b"b one...\n").unwrap();
        two.write_all(b"b\n").unwrap();
        let old = std::fs::read_to_string(root.path().join("wsdash.log.1")).unwrap();
        assert!(old.contains("a one") && old.contains("a two"), "{old}");
        assert!(std::fs::read_to_string(&path).unwrap().contains("b one"));
    }

    #[test]
    fn answers_of_the_server_are_held_back_at_every_level() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE);
        let file = open_private(&path).unwrap();
        let filter = parse_filter("trace,kube_client=trace,kube_client::client=trace").unwrap();
        tracing::subscriber::with_default(subscriber(filter, file), || {
            tracing::warn!(target: "kube_client::client", "the body");
            tracing::debug!(target: "kube_client", "the body");
            tracing::trace!(target: "tungstenite::protocol", "the keys");
            tracing::error!(target: "kube_client::client", "status 500");
            tracing::trace!(target: "wsdash::cluster", "a step");
            tracing::trace!(target: "kube_client_like", "another crate");
        });
        let log = std::fs::read_to_string(&path).unwrap();
        for there in ["status 500", "a step", "another crate"] {
            assert!(log.contains(there), "{there} is missing in {log}");
        }
        for secret in ["the body", "the keys"] {
            assert!(!log.contains(secret), "{secret} is in {log}");
        }
    }
}
