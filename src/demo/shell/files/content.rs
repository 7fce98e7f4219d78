//! What files hold: bytes written at a place, files cut and stretched, as far as the disk has room.
//! Long runs of zeros fill a disk without filling the memory of this computer.

use std::sync::Arc;

use super::super::super::tree::Content;
use super::{EFBIG, EISDIR, ENOSPC, Errno, Files};

/// Bytes of one file that are kept in memory; beyond that only zeros are.
pub(crate) const LIMIT: u64 = 1 << 28;
/// Zeros up to here are bytes like any other.
const SHORT: u64 = 1 << 20;
const BLOCK: u64 = 4096;

/// What is written in one go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run<'a> {
    Zeros(u64),
    Bytes(&'a [u8]),
}

impl Run<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Zeros(count) => *count,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn first(self, count: u64) -> Self {
        match self {
            Self::Zeros(all) => Self::Zeros(all.min(count)),
            Self::Bytes(bytes) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                Self::Bytes(bytes.get(..count).unwrap_or(bytes))
            }
        }
    }
}

impl Files<'_> {
    /// Makes a file longer, by zeros, or shorter.
    pub(crate) fn resize(&mut self, path: &str, length: u64) -> Result<(), Errno> {
        let place = self.find(path, true)?;
        self.writable(place.0)?;
        let now = self.now;
        let node = self.tree(place.0).node(place.1).ok_or(super::ENOENT)?;
        if node.is_directory() {
            return Err(EISDIR);
        }
        let more = (length.div_ceil(BLOCK) * BLOCK).saturating_sub(node.blocks());
        self.room(place.0, more, 0)?;
        if let Some(node) = self.tree_mut(place.0).node_mut(place.1) {
            resize(&mut node.content, length)?;
            node.modified = now;
        }
        Ok(())
    }

    /// Writes into a file that is there, from `offset` on. Answers how many bytes the disk had room for.
    pub(crate) fn write_at(&mut self, path: &str, offset: u64, run: Run<'_>) -> Result<u64, Errno> {
        let place = self.find(path, true)?;
        self.writable(place.0)?;
        let now = self.now;
        let node = self.tree(place.0).node(place.1).ok_or(super::ENOENT)?;
        match node.content {
            Content::Directory(_) => return Err(EISDIR),
            Content::Null | Content::Zero | Content::Random | Content::Mounts => {
                return Ok(run.len());
            }
            _ => {}
        }
        let most = node.blocks().saturating_add(self.free(place.0));
        let run = run.first(most.saturating_sub(offset));
        if run.len() > 0
            && let Some(node) = self.tree_mut(place.0).node_mut(place.1)
        {
            write(&mut node.content, offset, run)?;
            node.modified = now;
        }
        Ok(run.len())
    }
}

fn zeros(length: u64) -> Content {
    match usize::try_from(length) {
        Ok(short) if length <= SHORT => Content::Bytes(Arc::new(vec![0; short])),
        _ => Content::Zeros(length),
    }
}

/// The bytes of a file as far as memory is meant to hold them, at least `length` long.
fn bytes(content: &mut Content, length: u64) -> Result<&mut Vec<u8>, Errno> {
    let held = match content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Zeros(length) => *length,
        _ => 0,
    };
    let length = length.max(held);
    let short = usize::try_from(length).ok().filter(|_| length <= LIMIT);
    let short = short.ok_or(EFBIG)?;
    if !matches!(content, Content::Bytes(_)) {
        *content = Content::Bytes(Arc::new(Vec::new()));
    }
    let Content::Bytes(bytes) = content else {
        return Err(EFBIG);
    };
    let bytes = Arc::make_mut(bytes);
    bytes.resize(short, 0);
    Ok(bytes)
}

fn resize(content: &mut Content, length: u64) -> Result<(), Errno> {
    match content {
        Content::Filler { bytes, .. } => *bytes = length,
        Content::Zeros(_) => *content = zeros(length),
        Content::Bytes(held) if held.is_empty() => *content = zeros(length),
        Content::Bytes(held) if length <= held.len() as u64 => {
            Arc::make_mut(held).truncate(usize::try_from(length).unwrap_or(0));
        }
        Content::Bytes(_) => {
            bytes(content, length)?;
        }
        _ => {}
    }
    Ok(())
}

fn write(content: &mut Content, offset: u64, run: Run<'_>) -> Result<(), Errno> {
    let end = offset.checked_add(run.len()).ok_or(ENOSPC)?;
    match (&mut *content, run) {
        // what stands for files without their content cannot keep any
        (Content::Filler { bytes, .. }, _) => *bytes = end.max(*bytes),
        (Content::Zeros(held), Run::Zeros(_)) => *held = end.max(*held),
        (Content::Bytes(held), Run::Zeros(_)) if held.is_empty() => *content = zeros(end),
        _ => {
            let held = bytes(content, end)?;
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let to = usize::try_from(end).unwrap_or(usize::MAX);
            let target = held.get_mut(from..to).ok_or(EFBIG)?;
            match run {
                Run::Zeros(_) => target.fill(0),
                Run::Bytes(bytes) => target.copy_from_slice(bytes),
            }
        }
    }
    Ok(())
}
