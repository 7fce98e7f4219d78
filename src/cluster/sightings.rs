//! What claims were seen as, kept from one run to the next: a small file in the state folder,
//! locked while it is changed. Losing it costs time, never a claim.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};

use crate::domain::inventory::Inventory;
use crate::domain::key::Uid;
use crate::domain::ownership::{self, Class, Sightings};

/// A claim that was not seen for so long is of a cluster that nobody asks about any more.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What was seen before. No file, or one that makes no sense, is nothing seen: it begins anew.
pub fn read(path: &Path) -> Result<Sightings> {
    match File::open(path) {
        Ok(file) => {
            file.lock_shared()
                .with_context(|| format!("locking {}", path.display()))?;
            parse(&file, path)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Sightings::default()),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn parse(mut file: &File, path: &Path) -> Result<Sightings> {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .with_context(|| format!("reading {}", path.display()))?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Writes down what every claim is seen as now, and answers all that was seen.
pub fn record(path: &Path, inventory: &Inventory, now: Timestamp) -> Result<Sightings> {
    let seen = inventory.claims.values().filter_map(|claim| {
        let (class, _) = ownership::classify(inventory, &claim.meta.key)?;
        Some((claim.meta.uid.clone(), class))
    });
    note(path, seen, now)
}

/// Writes down what these claims are seen as now, and answers all that was seen.
pub fn note(
    path: &Path,
    claims: impl IntoIterator<Item = (Uid, Class)>,
    now: Timestamp,
) -> Result<Sightings> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    file.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    let mut seen = parse(&file, path)?;
    for (claim, class) in claims {
        seen.see(&claim, class, now);
    }
    seen.forget_before(now.saturating_sub(FORGOTTEN).unwrap_or(Timestamp::MIN));
    let text = serde_json::to_string(&seen)?;
    let write = |file: &mut File| -> std::io::Result<()> {
        file.seek(SeekFrom::Start(0))?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    };
    write(&mut file).with_context(|| format!("writing {}", path.display()))?;
    Ok(seen)
}
