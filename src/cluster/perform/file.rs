//! Journals on disk: one file for each job in the state folder, readable by the user alone,
//! flushed to the disk line by line, locked while a process works on the job.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail};

use crate::action::journal::{self, Job, Record};
use crate::action::plan::RunId;
use crate::action::refusal::{Refusal, RefusalKind};

/// Beyond this many jobs those that are of no more use are forgotten (see [`journal::spent`]).
const KEPT: usize = 500;
/// A journal larger than this was not written by this program.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The folder of all journals.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// The journal of one job, locked for this process.
#[derive(Debug)]
pub struct JournalFile {
    file: Arc<File>,
    path: PathBuf,
}

/// Where this process keeps its jobs, if not in the state folder.
static ELSEWHERE: OnceLock<PathBuf> = OnceLock::new();

impl Folder {
    /// `jobs` in the state folder, or where [`Self::keep_elsewhere`] says.
    pub fn of_user() -> Result<Self> {
        if let Some(path) = ELSEWHERE.get() {
            return Ok(Self(path.clone()));
        }
        let state = crate::config::state_folder().context("finding the state folder")?;
        Ok(Self(state.join("jobs")))
    }

    /// Has this process keep its jobs in `path`, for a cluster that ends with it: nobody could go on
    /// with them, or take them back. The first word counts.
    pub fn keep_elsewhere(path: PathBuf) {
        ELSEWHERE.get_or_init(|| path);
    }

    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self, id: &RunId) -> PathBuf {
        self.0.join(format!("{id}.jsonl"))
    }

    /// The file of what claims were seen as, beside the folder.
    pub fn sightings(&self) -> PathBuf {
        self.0.with_file_name("sightings.json")
    }

    fn make(&self) -> Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("making the folder {}", self.0.display()))
    }

    /// Starts the journal of a new job.
    pub fn create(&self, id: &RunId) -> Result<JournalFile> {
        self.make()?;
        self.forget_old(id);
        let path = self.path(id);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("making the journal {}", path.display()))?;
        lock(&file, &path)?;
        // the name must survive a crash of the computer, too
        File::open(&self.0)
            .and_then(|folder| folder.sync_all())
            .with_context(|| format!("flushing {}", self.0.display()))?;
        Ok(JournalFile {
            file: Arc::new(file),
            path,
        })
    }

    /// Opens a journal to go on with its job; refused while another process works on it.
    pub fn open(&self, id: &RunId) -> Result<(JournalFile, Job)> {
        let path = self.path(id);
        self.check(id)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("opening the journal {}", path.display()))?;
        lock(&file, &path)?;
        let text = read(&mut file, &path)?;
        let job = replay(&text, &path)?;
        mend(&mut file, &text, job.torn)
            .with_context(|| format!("mending the journal {}", path.display()))?;
        let file = Arc::new(file);
        Ok((JournalFile { file, path }, job))
    }

    /// Reads a job without touching it.
    pub fn read(&self, id: &RunId) -> Result<Job> {
        let path = self.path(id);
        self.check(id)?;
        let mut file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let text = read(&mut file, &path)?;
        replay(&text, &path)
    }

    fn check(&self, id: &RunId) -> Result<()> {
        let is_name = id
            .as_str()
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_name || !self.path(id).is_file() {
            bail!(Refusal::new(
                RefusalKind::NotFound,
                format!("there is no job `{id}`"),
                "`wsdash jobs` lists them",
            ));
        }
        Ok(())
    }

    /// Whether a living process works on the job.
    pub fn is_worked_on(&self, id: &RunId) -> bool {
        File::open(self.path(id))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The ids of all jobs, the newest first.
    fn ids(&self) -> Vec<RunId> {
        let mut ids: Vec<RunId> = std::fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                Some(RunId(name.strip_suffix(".jsonl")?.to_owned()))
            })
            .collect();
        ids.sort_by_key(|id| std::cmp::Reverse(id.time_part()));
        ids
    }

    /// All jobs, the newest first. A journal that cannot be read is told by its error.
    pub fn list(&self) -> Vec<(RunId, Result<Job>)> {
        self.ids()
            .into_iter()
            .map(|id| {
                let job = self.read(&id);
                (id, job)
            })
            .collect()
    }

    /// Forgets what is of no more use, beyond the newest [`KEPT`], of which only those are read
    /// that are about other jobs.
    fn forget_old(&self, newest: &RunId) {
        let ids = self.ids();
        let (Some((new, old)), Some(now)) = (ids.split_at_checked(KEPT), newest.made()) else {
            return;
        };
        let is_about = |id: &&RunId| ["undo-", "purge-"].iter().any(|a| id.0.starts_with(a));
        let about: Result<Vec<Job>> = new
            .iter()
            .filter(is_about)
            .map(|id| self.read(id))
            .collect();
        // what cannot be read may be about any of them
        let Ok(about) = about else { return };
        let old: Vec<Job> = old.iter().filter_map(|id| self.read(id).ok()).collect();
        for id in journal::spent(&old, &about, now) {
            if !self.is_worked_on(id) {
                let _ = std::fs::remove_file(self.path(id));
            }
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => bail!(Refusal::new(
            RefusalKind::Locked,
            "another wsdash on this computer works on this job",
            "wait until it has ended, or end it first",
        )),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// Ends a journal that was cut off where its last whole line ends: what is torn goes, and a line
/// that lacks nothing but its newline gets it.
fn mend(file: &mut File, text: &str, torn: bool) -> std::io::Result<()> {
    if text.is_empty() || text.ends_with('\n') {
        return Ok(());
    }
    if torn {
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
    } else {
        file.write_all(b"\n")?;
    }
    file.sync_data()
}

fn read(file: &mut File, path: &Path) -> Result<String> {
    let what = || format!("reading the journal {}", path.display());
    let length = file.metadata().with_context(what)?.len();
    if length > LARGEST {
        bail!("{} is too large to be a journal", path.display());
    }
    file.seek(SeekFrom::Start(0)).with_context(what)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(what)?;
    // a crash may tear a character, too
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn replay(text: &str, path: &Path) -> Result<Job> {
    let (records, torn) = journal::decode(text).map_err(|broken| {
        anyhow::anyhow!(
            "line {} of the journal {} makes no sense ({}); move the file away to go on without it",
            broken.line,
            path.display(),
            broken.why
        )
    })?;
    Job::replay(&records, torn).ok_or_else(|| {
        Refusal::new(
            RefusalKind::NotFound,
            format!(
                "the journal {} holds no plan: nothing was done",
                path.display()
            ),
            "plan the action anew",
        )
        .into()
    })
}

impl JournalFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line and returns when it is on the disk.
    pub async fn write(&self, record: &Record) -> Result<()> {
        let line = journal::encode(record).context("writing a journal line")?;
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || {
            (&*file).write_all(line.as_bytes())?;
            file.sync_data()
        });
        written
            .await
            .context("the journal's writer was interrupted")?
            .with_context(|| {
                format!(
                    "writing the journal {}; nothing is done without it",
                    self.path.display()
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_was_cut_off_takes_whole_lines_again() {
        for (text, torn, mended) in [
            ("{}\n{\"a", true, "{}\n"),
            ("{}\n{}", false, "{}\n{}\n"),
            ("{}\n", false, "{}\n"),
            ("{\"a", true, ""),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("j");
            std::fs::write(&path, text).unwrap();
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .open(&path)
                .unwrap();
            mend(&mut file, text, torn).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), mended);
        }
    }

    #[test]
    fn a_journal_is_of_one_process_and_of_one_user() {
        use std::os::unix::fs::PermissionsExt as _;
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path().join("jobs"));
        let id = RunId("evict-20261121-000000-0001".to_owned());
        let journal = folder.create(&id).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(journal.path()), 0o600);
        assert_eq!(mode(temp.path().join("jobs").as_path()), 0o700);
        assert!(folder.is_worked_on(&id));
        assert!(folder.create(&id).is_err(), "an id is used once");
        let error = folder.open(&id).unwrap_err();
        let refusal = error.downcast_ref::<Refusal>().unwrap();
        assert_eq!(refusal.kind, RefusalKind::Locked);
        drop(journal);
        assert!(!folder.is_worked_on(&id));
        for name in ["../x", "", "a/b"] {
            assert!(folder.read(&RunId(name.to_owned())).is_err(), "{name}");
        }
    }
}
