//! Disks: the bytes behind a PersistentVolume, and the images that snapshots keep of them.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::object::seconds_between;
use super::tree::{Content, Tree};

/// ext4 keeps about this share of a device for itself.
const OVERHEAD: f64 = 0.0176;
/// ext4's default: one inode for each 16 KiB.
const BYTES_PER_INODE: u64 = 16_384;
/// Points of the usage curve that are kept; between two points usage is a straight line.
const POINTS: usize = 400;

/// What grows by itself on a disk.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    pub(crate) path: String,
    pub(crate) bytes_per_second: f64,
    pub(crate) files_per_second: f64,
}

/// Usage at an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    pub(crate) used: f64,
    pub(crate) inodes: f64,
    /// Bytes of the file system.
    pub(crate) capacity: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Bytes of the device.
    pub(crate) size: u64,
    /// Bytes of the device that the file system has taken; 0 until it is made.
    pub(crate) formatted: u64,
    /// `stat -f -c %i`: the file system's own id.
    pub(crate) id: u64,
    pub(crate) tree: Tree,
    pub(crate) growth: Option<Growth>,
    settled: Timestamp,
    curve: VecDeque<Point>,
}

/// The content of a disk at the time of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) tree: Tree,
    pub(crate) formatted: u64,
    pub(crate) id: u64,
    /// Bytes of the device it was taken from.
    pub(crate) size: u64,
    /// Handle of that device.
    pub(crate) origin: String,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of disks are far below 2^53 and never negative"
)]
impl Disk {
    pub(crate) fn new(size: u64, id: u64, now: Timestamp) -> Self {
        Self {
            size,
            formatted: 0,
            id,
            tree: Tree::new(now, (0, 0)),
            growth: None,
            settled: now,
            curve: VecDeque::new(),
        }
    }

    pub(crate) fn from_image(image: &Image, size: u64, now: Timestamp) -> Self {
        Self {
            size,
            formatted: image.formatted,
            id: image.id,
            tree: image.tree.clone(),
            growth: None,
            settled: now,
            curve: VecDeque::new(),
        }
    }

    pub(crate) fn image(&mut self, origin: &str, now: Timestamp) -> Image {
        self.settle(now);
        Image {
            tree: self.tree.clone(),
            formatted: self.formatted,
            id: self.id,
            size: self.size,
            origin: origin.to_owned(),
        }
    }

    /// Makes the file system when there is none, and grows it to the device, as mounting does.
    pub(crate) fn mount(&mut self, now: Timestamp) {
        self.settle(now);
        self.formatted = self.size;
        self.mark(now);
    }

    /// Bytes that `df` shows as the size.
    pub(crate) fn capacity(&self) -> u64 {
        (self.formatted as f64 * (1.0 - OVERHEAD)) as u64 / 4096 * 4096
    }

    pub(crate) fn used(&self) -> u64 {
        self.tree.usage(Tree::root()).0 + 20 * 1024
    }

    pub(crate) fn available(&self) -> u64 {
        self.capacity().saturating_sub(self.used())
    }

    pub(crate) fn inodes(&self) -> u64 {
        self.formatted / BYTES_PER_INODE
    }

    pub(crate) fn inodes_used(&self) -> u64 {
        self.tree.usage(Tree::root()).1 + 10
    }

    pub(crate) fn inodes_free(&self) -> u64 {
        self.inodes().saturating_sub(self.inodes_used())
    }

    /// Lets what grows by itself grow up to `now`, within what is free.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        let passed = seconds_between(self.settled, now);
        if passed <= 0.0 {
            return;
        }
        self.settled = now;
        let Some(growth) = self.growth.clone() else {
            return;
        };
        let more = ((growth.bytes_per_second * passed) as u64).min(self.available());
        let files = ((growth.files_per_second * passed) as u64).min(self.inodes_free());
        if more == 0 && files == 0 {
            return;
        }
        let old = self
            .find(&growth.path)
            .and_then(|inode| self.tree.node(inode))
            .map(|n| n.content.clone());
        let content = match old {
            Some(Content::Filler { bytes, files: n }) => Content::Filler {
                bytes: bytes + more,
                files: n + files,
            },
            _ => Content::Filler {
                bytes: more,
                files: files.max(1),
            },
        };
        self.tree.plant(&growth.path, content, now, (1000, 1000));
    }

    /// Writes a point of the usage curve. Call it before and after every jump.
    pub(crate) fn mark(&mut self, now: Timestamp) {
        let point = self.point(now);
        if let Some(last) = self.curve.back_mut()
            && last.at == now
            && self.curve.len() > 1
        {
            // A second point of one instant is the far side of a jump; a third replaces it.
            if self.curve.get(self.curve.len() - 2).map(|p| p.at) == Some(now) {
                self.curve.pop_back();
            }
        }
        self.curve.push_back(point);
        while self.curve.len() > POINTS {
            self.curve.pop_front();
        }
    }

    pub(crate) fn points(&self) -> usize {
        self.curve.len()
    }

    fn point(&self, at: Timestamp) -> Point {
        Point {
            at,
            used: self.used() as f64,
            inodes: self.inodes_used() as f64,
            capacity: self.capacity() as f64,
        }
    }

    /// Starts the curve anew: nothing before `now` is known.
    pub(crate) fn forget_past(&mut self, now: Timestamp) {
        self.settled = now;
        self.curve = VecDeque::from([self.point(now)]);
    }

    /// Puts `bytes` where growth goes, as if they had come at its pace up to `now`.
    pub(crate) fn grow_before(&mut self, bytes: f64, growth: Growth, now: Timestamp) {
        let rate = growth.bytes_per_second;
        if rate <= 0.0 {
            return;
        }
        let flat = self.point(now);
        let since = now - super::clock::seconds(bytes / rate);
        let path = growth.path.clone();
        let old = self
            .find(&path)
            .and_then(|inode| self.tree.node(inode))
            .map(|n| n.content.clone());
        let (was, files) = match old {
            Some(Content::Filler { bytes, files }) => (bytes, files),
            _ => (0, 1),
        };
        let content = Content::Filler {
            bytes: was + bytes as u64,
            files: files + (growth.files_per_second * bytes / rate) as u64,
        };
        self.tree.plant(&path, content, now, (1000, 1000));
        self.growth = Some(growth);
        self.settled = now;
        self.curve.push_back(Point { at: since, ..flat });
        self.curve.push_back(self.point(now));
    }

    /// Usage at `at`, along the curve and on from its end with what grows.
    pub(crate) fn usage_at(&self, at: Timestamp) -> Option<Point> {
        let after = self.curve.partition_point(|p| p.at <= at);
        let before = self.curve.get(after.checked_sub(1)?)?;
        if let Some(next) = self.curve.get(after) {
            let width = seconds_between(before.at, next.at);
            let share = if width > 0.0 {
                seconds_between(before.at, at) / width
            } else {
                0.0
            };
            return Some(Point {
                at,
                used: before.used + (next.used - before.used) * share,
                inodes: before.inodes + (next.inodes - before.inodes) * share,
                capacity: before.capacity,
            });
        }
        let passed = seconds_between(before.at, at);
        let (bytes, files) = self
            .growth
            .as_ref()
            .map_or((0.0, 0.0), |g| (g.bytes_per_second, g.files_per_second));
        let most_inodes = self.inodes() as f64;
        Some(Point {
            at,
            used: (before.used + bytes * passed).min(before.capacity),
            inodes: (before.inodes + files * passed).min(most_inodes),
            capacity: before.capacity,
        })
    }

    /// The inode at an absolute path of this disk, without following links.
    pub(crate) fn find(&self, path: &str) -> Option<u64> {
        path.split('/')
            .filter(|s| !s.is_empty())
            .try_fold(Tree::root(), |here, step| self.tree.child(here, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_disk_fills_along_a_line_and_stops_when_it_is_full() {
        let start = at("2026-01-01T00:00:00Z");
        let mut disk = Disk::new(1 << 30, 1, start);
        disk.mount(start);
        disk.growth = Some(Growth {
            path: "/cache".to_owned(),
            bytes_per_second: 1e6,
            files_per_second: 0.0,
        });
        let later = at("2026-01-01T00:05:00Z");
        let foretold = disk.usage_at(later).unwrap().used;
        disk.settle(later);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let real = disk.used() as f64;
        assert!((foretold - real).abs() < 20_000.0, "{foretold} {real}");
        disk.settle(at("2026-01-02T00:00:00Z"));
        assert_eq!(disk.available(), 0);
    }

    #[test]
    fn an_image_keeps_what_the_disk_loses() {
        let start = at("2026-01-01T00:00:00Z");
        let mut disk = Disk::new(1 << 30, 1, start);
        disk.mount(start);
        let content = Content::Bytes(std::sync::Arc::new(b"work".to_vec()));
        disk.tree.plant("/a/b", content, start, (0, 0));
        let image = disk.image("d", start);
        disk.tree.remove(Tree::root(), "a", start);
        assert!(disk.find("/a/b").is_none());
        let copy = Disk::from_image(&image, 2 << 30, start);
        let inode = copy.find("/a/b").unwrap();
        assert_eq!(copy.tree.node(inode).unwrap().len(), 4);
    }
}
