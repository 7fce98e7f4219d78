//! A file system in memory: directories, files, links, modes, times. File contents are shared between copies,
//! so a snapshot of a disk costs little and really holds its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

const BLOCK: u64 = 4096;
/// What an empty ext4 file system of the size of a workspace uses for itself.
const ROOT: u64 = 2;

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Directory(BTreeMap<String, u64>),
    Bytes(Arc<Vec<u8>>),
    /// Stands for `files` files of `bytes` in sum, without their content: caches, dependencies, logs.
    Filler {
        bytes: u64,
        files: u64,
    },
    Link(String),
    /// So many zero bytes, on the disk but not in memory.
    Zeros(u64),
    /// Reads empty, swallows writes.
    Null,
    /// Reads zeros.
    Zero,
    /// Reads chance.
    Random,
    /// The mount table.
    Mounts,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<u64, Node>,
    next: u64,
}

impl Node {
    pub(crate) fn len(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Filler { bytes, .. } | Content::Zeros(bytes) => *bytes,
            Content::Link(to) => to.len() as u64,
            Content::Directory(_) => BLOCK,
            _ => 0,
        }
    }

    /// Bytes on the disk, in whole blocks.
    pub(crate) fn blocks(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => (bytes.len() as u64).div_ceil(BLOCK) * BLOCK,
            Content::Filler { bytes, .. } | Content::Zeros(bytes) => bytes.div_ceil(BLOCK) * BLOCK,
            Content::Directory(_) => BLOCK,
            _ => 0,
        }
    }

    pub(crate) fn inodes(&self) -> u64 {
        match &self.content {
            Content::Filler { files, .. } => (*files).max(1),
            _ => 1,
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(
            self.content,
            Content::Bytes(_) | Content::Filler { .. } | Content::Zeros(_)
        )
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory(_))
    }
}

impl Tree {
    pub(crate) fn new(now: Timestamp, owner: (u32, u32)) -> Self {
        let root = Node {
            content: Content::Directory(BTreeMap::new()),
            mode: 0o775,
            owner,
            modified: now,
        };
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: 11,
        }
    }

    pub(crate) const fn root() -> u64 {
        ROOT
    }

    /// Inodes that were ever given out.
    pub(crate) fn made(&self) -> u64 {
        self.next
    }

    /// Files and directories that are kept one by one.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, inode: u64) -> Option<&Node> {
        self.nodes.get(&inode)
    }

    pub(crate) fn node_mut(&mut self, inode: u64) -> Option<&mut Node> {
        self.nodes.get_mut(&inode)
    }

    pub(crate) fn child(&self, directory: u64, name: &str) -> Option<u64> {
        match &self.nodes.get(&directory)?.content {
            Content::Directory(entries) => entries.get(name).copied(),
            _ => None,
        }
    }

    pub(crate) fn children(&self, directory: u64) -> Vec<(String, u64)> {
        match self.nodes.get(&directory).map(|n| &n.content) {
            Some(Content::Directory(entries)) => {
                entries.iter().map(|(n, i)| (n.clone(), *i)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Adds an entry; the caller has checked that the name is free.
    pub(crate) fn add(&mut self, directory: u64, name: &str, node: Node) -> u64 {
        let inode = self.next;
        self.next += 1;
        let now = node.modified;
        self.nodes.insert(inode, node);
        self.link(directory, name, inode, now);
        inode
    }

    fn link(&mut self, directory: u64, name: &str, inode: u64, now: Timestamp) {
        if let Some(parent) = self.nodes.get_mut(&directory) {
            parent.modified = now;
            if let Content::Directory(entries) = &mut parent.content {
                entries.insert(name.to_owned(), inode);
            }
        }
    }

    fn unlink(&mut self, directory: u64, name: &str, now: Timestamp) -> Option<u64> {
        let parent = self.nodes.get_mut(&directory)?;
        parent.modified = now;
        match &mut parent.content {
            Content::Directory(entries) => entries.remove(name),
            _ => None,
        }
    }

    /// Removes an entry with everything below it.
    pub(crate) fn remove(&mut self, directory: u64, name: &str, now: Timestamp) {
        let Some(inode) = self.unlink(directory, name, now) else {
            return;
        };
        let mut doomed = vec![inode];
        while let Some(next) = doomed.pop() {
            doomed.extend(self.children(next).into_iter().map(|(_, i)| i));
            self.nodes.remove(&next);
        }
    }

    /// Moves an entry inside this tree, replacing what has the new name.
    pub(crate) fn rename(&mut self, from: (u64, &str), to: (u64, &str), now: Timestamp) {
        if self.child(from.0, from.1) == self.child(to.0, to.1) {
            return;
        }
        self.remove(to.0, to.1, now);
        if let Some(inode) = self.unlink(from.0, from.1, now) {
            self.link(to.0, to.1, inode, now);
        }
    }

    /// Copies an entry of another tree to here, as `mv` between file systems does.
    #[expect(
        clippy::only_used_in_recursion,
        reason = "the time goes to every entry below"
    )]
    pub(crate) fn graft(
        &mut self,
        source: &Tree,
        inode: u64,
        to: (u64, &str),
        now: Timestamp,
    ) -> Option<u64> {
        let mut node = source.node(inode)?.clone();
        let children = source.children(inode);
        if node.is_directory() {
            node.content = Content::Directory(BTreeMap::new());
        }
        let modified = node.modified;
        let made = self.add(to.0, to.1, node);
        for (name, child) in children {
            self.graft(source, child, (made, &name), now);
        }
        if let Some(node) = self.node_mut(made) {
            node.modified = modified;
        }
        Some(made)
    }

    /// Bytes and inodes in use, below `inode`.
    pub(crate) fn usage(&self, inode: u64) -> (u64, u64) {
        let mut sum = (0, 0);
        let mut todo = vec![inode];
        while let Some(next) = todo.pop() {
            if let Some(node) = self.nodes.get(&next) {
                sum.0 += node.blocks();
                sum.1 += node.inodes();
            }
            todo.extend(self.children(next).into_iter().map(|(_, i)| i));
        }
        sum
    }

    /// Makes a directory with those above it, where they are missing.
    pub(crate) fn plant_directory(&mut self, path: &str, now: Timestamp) {
        let mut here = ROOT;
        for step in path.split('/').filter(|s| !s.is_empty()) {
            here = self.child(here, step).unwrap_or_else(|| {
                let node = Node {
                    content: Content::Directory(BTreeMap::new()),
                    mode: 0o755,
                    owner: (0, 0),
                    modified: now,
                };
                self.add(here, step, node)
            });
        }
    }

    /// Makes the directories of `path` and puts `content` there. For building worlds, not for shells.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the content moves into the tree"
    )]
    pub(crate) fn plant(
        &mut self,
        path: &str,
        content: Content,
        now: Timestamp,
        owner: (u32, u32),
    ) {
        let mut here = ROOT;
        let mut steps = path.split('/').filter(|s| !s.is_empty()).peekable();
        while let Some(step) = steps.next() {
            let last = steps.peek().is_none();
            here = match self.child(here, step) {
                Some(inode) if !last => inode,
                found => {
                    if found.is_some() {
                        self.remove(here, step, now);
                    }
                    let content = if last {
                        content.clone()
                    } else {
                        Content::Directory(BTreeMap::new())
                    };
                    let directory = matches!(content, Content::Directory(_));
                    let node = Node {
                        content,
                        mode: if directory { 0o755 } else { 0o644 },
                        owner,
                        modified: now,
                    };
                    self.add(here, step, node)
                }
            };
        }
    }
}
