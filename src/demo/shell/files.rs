//! The files of one container: its own file system and the volumes mounted into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::super::disk::Disk;
use super::super::sandbox::{MountPoint, Sandbox};
use super::super::tree::{Content, Node, Tree};

mod content;

pub(crate) use content::{LIMIT, Run};

/// An error as `strerror` words it.
pub(crate) type Errno = &'static str;

pub(crate) const ENOENT: Errno = "No such file or directory";
pub(crate) const ENOTDIR: Errno = "Not a directory";
pub(crate) const EISDIR: Errno = "Is a directory";
pub(crate) const EEXIST: Errno = "File exists";
pub(crate) const ENOSPC: Errno = "No space left on device";
pub(crate) const EROFS: Errno = "Read-only file system";
pub(crate) const ENOTEMPTY: Errno = "Directory not empty";
pub(crate) const ELOOP: Errno = "Too many levels of symbolic links";
pub(crate) const EBUSY: Errno = "Device or resource busy";
pub(crate) const EFBIG: Errno = "File too large";
pub(crate) const EINVAL: Errno = "Invalid argument";
pub(crate) const EPERM: Errno = "Operation not permitted";

/// What the containers' images have taken of a node's disk, and what they have left.
const IMAGES: u64 = 23 << 30;
const SPARE: u64 = 77 << 30;

/// Where a path is: the number of its mount (`None` is the container's own file system) and its inode.
type Place = (Option<usize>, u64);

pub(crate) struct Files<'a> {
    root: &'a mut Tree,
    disks: &'a mut BTreeMap<String, Disk>,
    mounts: Vec<MountPoint>,
    read_only: BTreeSet<usize>,
    changed: BTreeSet<usize>,
    pub(crate) now: Timestamp,
}

impl<'a> Files<'a> {
    pub(crate) fn new(
        sandbox: &'a mut Sandbox,
        disks: &'a mut BTreeMap<String, Disk>,
        broken: &BTreeSet<String>,
        container: &str,
        now: Timestamp,
    ) -> Self {
        let mounts: Vec<MountPoint> = sandbox
            .mounts
            .iter()
            .filter(|m| m.container == container)
            .cloned()
            .collect();
        let mut read_only = BTreeSet::new();
        for (i, mount) in mounts.iter().enumerate() {
            if mount.read_only || broken.contains(&format!("{}/{}", sandbox.namespace, mount.claim))
            {
                read_only.insert(i);
            }
            if let Some(disk) = disks.get_mut(&mount.handle) {
                disk.settle(now);
                if !mount.sub_path.is_empty() && disk.find(&mount.sub_path).is_none() {
                    disk.tree.plant(
                        &mount.sub_path,
                        Content::Directory(BTreeMap::new()),
                        now,
                        (0, 1000),
                    );
                }
            }
            sandbox.root.plant_directory(&mount.path, now);
        }
        Self {
            root: &mut sandbox.root,
            disks,
            mounts,
            read_only,
            changed: BTreeSet::new(),
            now,
        }
    }

    /// Writes the usage of what changed into the curves of the disks.
    pub(crate) fn close(self) {
        for i in &self.changed {
            if let Some(disk) = self
                .mounts
                .get(*i)
                .and_then(|m| self.disks.get_mut(&m.handle))
            {
                disk.mark(self.now);
            }
        }
    }

    fn tree(&self, mount: Option<usize>) -> &Tree {
        mount
            .and_then(|i| self.mounts.get(i))
            .and_then(|m| self.disks.get(&m.handle))
            .map_or(&*self.root, |d| &d.tree)
    }

    fn tree_mut(&mut self, mount: Option<usize>) -> &mut Tree {
        let disk = mount
            .and_then(|i| self.mounts.get(i))
            .and_then(|m| self.disks.get_mut(&m.handle));
        if let Some(i) = mount {
            self.changed.insert(i);
        }
        disk.map_or(&mut *self.root, |d| &mut d.tree)
    }

    fn start(&self, mount: Option<usize>) -> u64 {
        let sub = mount
            .and_then(|i| self.mounts.get(i))
            .filter(|m| !m.sub_path.is_empty());
        sub.and_then(|m| self.disks.get(&m.handle)?.find(&m.sub_path))
            .unwrap_or(Tree::root())
    }

    fn mount_at(&self, path: &str) -> Option<usize> {
        self.mounts.iter().position(|m| m.path == path)
    }

    /// The mount that a canonical path is in.
    fn mount_of(&self, path: &str) -> Option<usize> {
        self.mounts
            .iter()
            .enumerate()
            .filter(|(_, m)| {
                path == m.path
                    || path
                        .strip_prefix(m.path.as_str())
                        .is_some_and(|r| r.starts_with('/'))
            })
            .max_by_key(|(_, m)| m.path.len())
            .map(|(i, _)| i)
    }

    /// The path without links, dots and doubled slashes. The last step need not exist.
    pub(crate) fn canonical(&self, path: &str, follow: bool) -> Result<String, Errno> {
        let mut todo: Vec<String> = path
            .split('/')
            .rev()
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(step) = todo.pop() {
            match step.as_str() {
                "." => {}
                ".." => {
                    done.pop();
                }
                _ => {
                    done.push(step);
                    let here = format!("/{}", done.join("/"));
                    let last = todo.is_empty();
                    match self
                        .plain(&here)
                        .and_then(|p| self.tree(p.0).node(p.1))
                        .map(|n| &n.content)
                    {
                        Some(Content::Link(to)) if follow || !last => {
                            links += 1;
                            if links > 16 {
                                return Err(ELOOP);
                            }
                            done.pop();
                            if to.starts_with('/') {
                                done.clear();
                            }
                            todo.extend(
                                to.split('/')
                                    .rev()
                                    .filter(|s| !s.is_empty())
                                    .map(str::to_owned),
                            );
                        }
                        Some(Content::Directory(_)) => {}
                        Some(_) if !last => return Err(ENOTDIR),
                        None if !last => return Err(ENOENT),
                        _ => {}
                    }
                }
            }
        }
        Ok(format!("/{}", done.join("/")))
    }

    /// Looks a canonical path up.
    fn plain(&self, path: &str) -> Option<Place> {
        let mount = self.mount_of(path);
        let inside = match mount.and_then(|i| self.mounts.get(i)) {
            Some(m) => path.strip_prefix(m.path.as_str())?,
            None => path,
        };
        let tree = self.tree(mount);
        let inode = inside
            .split('/')
            .filter(|s| !s.is_empty())
            .try_fold(self.start(mount), |here, step| tree.child(here, step))?;
        Some((mount, inode))
    }

    pub(crate) fn find(&self, path: &str, follow: bool) -> Result<Place, Errno> {
        self.plain(&self.canonical(path, follow)?).ok_or(ENOENT)
    }

    pub(crate) fn node(&self, path: &str, follow: bool) -> Result<(Node, u64), Errno> {
        let place = self.find(path, follow)?;
        self.tree(place.0)
            .node(place.1)
            .map(|n| (n.clone(), place.1))
            .ok_or(ENOENT)
    }

    /// The directory that holds the last step, and that step.
    fn parent(&self, path: &str, follow: bool) -> Result<(Place, String), Errno> {
        let whole = self.canonical(path, follow)?;
        let (parent, name) = whole.rsplit_once('/').ok_or(ENOENT)?;
        let place = self
            .plain(if parent.is_empty() { "/" } else { parent })
            .ok_or(ENOENT)?;
        if !self
            .tree(place.0)
            .node(place.1)
            .is_some_and(Node::is_directory)
        {
            return Err(ENOTDIR);
        }
        if name.is_empty() || self.mount_at(&whole).is_some() {
            return Err(EBUSY);
        }
        Ok((place, name.to_owned()))
    }

    fn writable(&self, mount: Option<usize>) -> Result<(), Errno> {
        if mount.is_some_and(|i| self.read_only.contains(&i)) {
            Err(EROFS)
        } else {
            Ok(())
        }
    }

    /// Bytes that can still be written.
    fn free(&self, mount: Option<usize>) -> u64 {
        let disk = mount
            .and_then(|i| self.mounts.get(i))
            .and_then(|m| self.disks.get(&m.handle));
        disk.map_or_else(
            || SPARE.saturating_sub(self.root.usage(Tree::root()).0),
            Disk::available,
        )
    }

    fn room(&self, mount: Option<usize>, bytes: u64, inodes: u64) -> Result<(), Errno> {
        let disk = mount
            .and_then(|i| self.mounts.get(i))
            .and_then(|m| self.disks.get(&m.handle));
        if self.free(mount) < bytes || disk.is_some_and(|d| d.inodes_free() < inodes) {
            Err(ENOSPC)
        } else {
            Ok(())
        }
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<(String, Node, u64)>, Errno> {
        let place = self.find(path, true)?;
        let tree = self.tree(place.0);
        if !tree.node(place.1).is_some_and(Node::is_directory) {
            return Err(ENOTDIR);
        }
        let base = self.canonical(path, true)?;
        Ok(tree
            .children(place.1)
            .into_iter()
            .filter_map(|(name, inode)| {
                let full = format!("{}/{name}", base.trim_end_matches('/'));
                // What is mounted there hides what lies below.
                if self.mount_at(&full).is_some() {
                    return self
                        .node(&full, false)
                        .ok()
                        .map(|(node, inode)| (name, node, inode));
                }
                Some((name, tree.node(inode)?.clone(), inode))
            })
            .collect())
    }

    pub(crate) fn read(&self, path: &str) -> Result<Arc<Vec<u8>>, Errno> {
        let (node, _) = self.node(path, true)?;
        match node.content {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Directory(_) => Err(EISDIR),
            Content::Mounts => Ok(Arc::new(self.mount_table().into_bytes())),
            Content::Zeros(length) if length > LIMIT => Err(EFBIG),
            Content::Zeros(length) => Ok(Arc::new(vec![0; usize::try_from(length).unwrap_or(0)])),
            // Nobody reads gigabytes of filler; a megabyte of it shows what it is.
            Content::Filler { bytes, .. } => Ok(Arc::new(vec![
                b'#';
                usize::try_from(bytes.min(1 << 20))
                    .unwrap_or(0)
            ])),
            _ => Ok(Arc::new(Vec::new())),
        }
    }

    /// Writes a file, from its beginning or at its end.
    pub(crate) fn write(&mut self, path: &str, bytes: &[u8], append: bool) -> Result<(), Errno> {
        let found = self.node(path, true).map(|(node, _)| node.len());
        let end = match found {
            Ok(length) if append => length,
            Ok(_) => {
                self.resize(path, 0)?;
                0
            }
            Err(_) => {
                self.add(path, Content::Bytes(Arc::default()), 0o644)?;
                0
            }
        };
        let whole = bytes.len() as u64;
        match self.write_at(path, end, Run::Bytes(bytes))? {
            written if written < whole => Err(ENOSPC),
            _ => Ok(()),
        }
    }

    /// Adds an entry that is not there yet.
    pub(crate) fn add(&mut self, path: &str, content: Content, mode: u32) -> Result<(), Errno> {
        let follow = matches!(content, Content::Bytes(_));
        if self.find(path, follow).is_ok() {
            return Err(EEXIST);
        }
        let (place, name) = self.parent(path, follow)?;
        self.writable(place.0)?;
        let node = Node {
            content,
            mode,
            owner: (1000, 1000),
            modified: self.now,
        };
        self.room(place.0, node.blocks(), 1)?;
        self.tree_mut(place.0).add(place.1, &name, node);
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &str, recursive: bool) -> Result<(), Errno> {
        let (place, name) = self.parent(path, false)?;
        let inode = self.tree(place.0).child(place.1, &name).ok_or(ENOENT)?;
        self.writable(place.0)?;
        if self
            .tree(place.0)
            .node(inode)
            .is_some_and(Node::is_directory)
            && !recursive
        {
            return Err(EISDIR);
        }
        let now = self.now;
        self.tree_mut(place.0).remove(place.1, &name, now);
        Ok(())
    }

    pub(crate) fn remove_directory(&mut self, path: &str) -> Result<(), Errno> {
        if !self.list(path)?.is_empty() {
            return Err(ENOTEMPTY);
        }
        self.remove(path, true)
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (source, name) = self.parent(from, false)?;
        let inode = self.tree(source.0).child(source.1, &name).ok_or(ENOENT)?;
        let (target, new) = self.parent(to, false)?;
        self.writable(source.0)?;
        self.writable(target.0)?;
        let now = self.now;
        if source.0 == target.0 {
            self.tree_mut(source.0)
                .rename((source.1, &name), (target.1, &new), now);
            return Ok(());
        }
        self.copy_node(source.0, inode, target, &new)?;
        self.tree_mut(source.0).remove(source.1, &name, now);
        Ok(())
    }

    /// Copies a file or a whole directory, with its modes, owners and times.
    pub(crate) fn copy(&mut self, from: &str, to: &str, follow: bool) -> Result<(), Errno> {
        let source = self.find(from, follow)?;
        let (target, new) = self.parent(to, true)?;
        self.writable(target.0)?;
        self.copy_node(source.0, source.1, target, &new)
    }

    fn copy_node(
        &mut self,
        mount: Option<usize>,
        inode: u64,
        target: Place,
        name: &str,
    ) -> Result<(), Errno> {
        let (bytes, inodes) = self.tree(mount).usage(inode);
        self.room(target.0, bytes, inodes)?;
        let source = self.tree(mount).clone();
        let now = self.now;
        let tree = self.tree_mut(target.0);
        tree.remove(target.1, name, now);
        tree.graft(&source, inode, (target.1, name), now);
        Ok(())
    }

    /// Changes a node's mode, times, owner.
    pub(crate) fn change(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut Node),
    ) -> Result<(), Errno> {
        self.change_at(self.find(path, true)?, change)
    }

    /// The same of a link, not of what it leads to.
    pub(crate) fn change_itself(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut Node),
    ) -> Result<(), Errno> {
        self.change_at(self.find(path, false)?, change)
    }

    fn change_at(&mut self, place: Place, change: impl FnOnce(&mut Node)) -> Result<(), Errno> {
        self.writable(place.0)?;
        if let Some(node) = self.tree_mut(place.0).node_mut(place.1) {
            change(node);
        }
        Ok(())
    }

    /// Inodes that the file system of a directory ever gave out: no two files were made at the same count.
    pub(crate) fn made(&self, path: &str) -> Result<u64, Errno> {
        Ok(self.tree(self.find(path, true)?.0).made())
    }

    /// The file system that a path is on.
    pub(crate) fn file_system(&self, path: &str) -> Result<FileSystem, Errno> {
        let whole = self.canonical(path, true)?;
        self.plain(&whole).ok_or(ENOENT)?;
        let mount = self.mount_of(&whole);
        let found = mount.and_then(|i| Some((i, self.mounts.get(i)?)));
        Ok(
            match found.and_then(|(i, m)| Some((i, m, self.disks.get(&m.handle)?))) {
                Some((i, m, d)) => FileSystem {
                    device: device(i),
                    mounted: m.path.clone(),
                    size: d.capacity(),
                    used: d.used(),
                    free: d.available(),
                    inodes: d.inodes(),
                    inodes_free: d.inodes_free(),
                    id: d.id,
                },
                None => FileSystem {
                    device: "overlay".to_owned(),
                    mounted: "/".to_owned(),
                    size: IMAGES + SPARE,
                    used: (IMAGES + SPARE).saturating_sub(self.free(None)),
                    free: self.free(None),
                    inodes: 6_553_600,
                    inodes_free: 6_000_000,
                    id: 0x00de_0000,
                },
            },
        )
    }

    fn mount_table(&self) -> String {
        let mut text = "100 90 0:60 / / rw,relatime - overlay overlay rw\n".to_owned();
        for (i, m) in self.mounts.iter().enumerate() {
            let mode = if self.read_only.contains(&i) {
                "ro"
            } else {
                "rw"
            };
            let sub = if m.sub_path.is_empty() {
                "/".to_owned()
            } else {
                format!("/{}", m.sub_path)
            };
            let line = format!(
                "{} 100 8:{} {sub} {} {mode},relatime - ext4 {} {mode}\n",
                101 + i,
                16 * (i + 1),
                m.path,
                device(i)
            );
            text.push_str(&line);
        }
        text
    }
}

fn device(number: usize) -> String {
    let letter = u8::try_from(number)
        .ok()
        .map_or('z', |n| char::from(b'b' + n % 24));
    format!("/dev/sd{letter}")
}

/// What `df` and `stat -f` show.
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub(crate) device: String,
    pub(crate) mounted: String,
    pub(crate) size: u64,
    pub(crate) used: u64,
    pub(crate) free: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
    pub(crate) id: u64,
}
