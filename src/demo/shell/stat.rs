//! `stat`, `df`, `du` and `ls -l`: what files and file systems look like.

use jiff::Timestamp;

use super::super::tree::{Content, Node};
use super::files::{Errno, FileSystem, Files};

fn kind(node: &Node) -> &'static str {
    match &node.content {
        Content::Directory(_) => "directory",
        Content::Link(_) => "symbolic link",
        Content::Bytes(b) if b.is_empty() => "regular empty file",
        Content::Bytes(_) | Content::Filler { .. } | Content::Zeros(_) | Content::Mounts => {
            "regular file"
        }
        _ => "character special file",
    }
}

/// What `stat` shows of a file without a format.
pub(crate) const FILE: &str =
    "  File: %n\n  Size: %s\tBlocks: %b\t%F\nAccess: (%a) Uid: (%u) Gid: (%g)\nModify: %y";
/// The same of a file system.
pub(crate) const SYSTEM: &str = "  File: \"%n\"\n    ID: %i Namelen: %l Type: %T\nBlock size: %s\n\
    Blocks: Total: %b Free: %f Available: %a\nInodes: Total: %c Free: %d";

/// The names of an owner and a group, where the container knows them.
pub(crate) type Names = (Option<String>, Option<String>);

/// `stat -c FORMAT`.
pub(crate) fn file(format: &str, name: &str, node: &Node, inode: u64, owner: &Names) -> String {
    let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "UNKNOWN".to_owned());
    expand(format, |c| match c {
        'a' => format!("{:o}", node.mode),
        'A' => mode(node),
        's' => node.len().to_string(),
        'b' => (node.blocks() / 512).to_string(),
        'Y' => node.modified.as_second().to_string(),
        'y' => node
            .modified
            .strftime("%Y-%m-%d %H:%M:%S.%9f +0000")
            .to_string(),
        'u' => node.owner.0.to_string(),
        'g' => node.owner.1.to_string(),
        'U' => known(&owner.0),
        'G' => known(&owner.1),
        'i' => inode.to_string(),
        'h' => "1".to_owned(),
        'n' => name.to_owned(),
        'N' => match &node.content {
            Content::Link(to) => format!("'{name}' -> '{to}'"),
            _ => name.to_owned(),
        },
        'F' => kind(node).to_owned(),
        _ => "?".to_owned(),
    })
}

/// `stat -f -c FORMAT`.
pub(crate) fn system(format: &str, name: &str, fs: &FileSystem) -> String {
    expand(format, |c| match c {
        'i' => format!("{:x}", fs.id),
        'b' => (fs.size / 4096).to_string(),
        'f' | 'a' => (fs.free / 4096).to_string(),
        's' | 'S' => "4096".to_owned(),
        'c' => fs.inodes.to_string(),
        'd' => fs.inodes_free.to_string(),
        'n' => name.to_owned(),
        'T' => "ext2/ext3".to_owned(),
        't' => "ef53".to_owned(),
        'l' => "255".to_owned(),
        _ => "?".to_owned(),
    })
}

fn expand(format: &str, value: impl Fn(char) -> String) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match (c, c == '%') {
            (_, true) => match chars.next() {
                Some('%') | None => out.push('%'),
                Some(c) => out.push_str(&value(c)),
            },
            (c, false) => out.push(c),
        }
    }
    out.push('\n');
    out
}

fn mode(node: &Node) -> String {
    let lead = match &node.content {
        Content::Directory(_) => 'd',
        Content::Link(_) => 'l',
        Content::Null | Content::Zero | Content::Random => 'c',
        _ => '-',
    };
    let mut bits: Vec<char> = (0..9)
        .map(|i| match node.mode >> (8 - i) & 1 {
            1 => ['r', 'w', 'x'][i % 3],
            _ => '-',
        })
        .collect();
    for (at, bit, shown) in [(2, 0o4000, 's'), (5, 0o2000, 's'), (8, 0o1000, 't')] {
        if let Some(place) = bits.get_mut(at).filter(|_| node.mode & bit != 0) {
            let runs = *place == 'x';
            *place = if runs {
                shown
            } else {
                shown.to_ascii_uppercase()
            };
        }
    }
    std::iter::once(lead).chain(bits).collect()
}

/// One line of `ls -l`.
pub(crate) fn long(name: &str, node: &Node, owner: &Names, size: &str) -> String {
    let at = node.modified.strftime("%b %e %H:%M");
    let to = match &node.content {
        Content::Link(to) => format!(" -> {to}"),
        _ => String::new(),
    };
    let user = owner.0.clone().unwrap_or_else(|| node.owner.0.to_string());
    let group = owner.1.clone().unwrap_or_else(|| node.owner.1.to_string());
    let mode = mode(node);
    format!("{mode}    1 {user:<8} {group:<8} {size} {at} {name}{to}\n")
}

/// Bytes with one decimal and the letter of the power of 1024 that fits them.
pub(crate) fn human(bytes: u64) -> String {
    let (mut whole, mut tenths) = (bytes, None);
    let mut letter = "";
    for next in ["K", "M", "G", "T", "P", "E"] {
        if whole < 1024 {
            break;
        }
        tenths = Some((whole % 1024 * 10 + 512) / 1024);
        whole /= 1024;
        letter = next;
    }
    match tenths {
        Some(10..) => format!("{}.0{letter}", whole + 1),
        Some(tenths) => format!("{whole}.{tenths}{letter}"),
        None => whole.to_string(),
    }
}

/// The unit of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes(u64),
    Human,
}

impl Unit {
    pub(crate) fn show(self, bytes: u64) -> String {
        match self {
            Self::Human => human(bytes),
            Self::Bytes(unit) => bytes.div_ceil(unit).to_string(),
        }
    }

    /// What `df` calls a block.
    fn block(self, posix: bool) -> String {
        let Self::Bytes(unit) = self else {
            return "     Size".to_owned();
        };
        let letters = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
        let short = letters.into_iter().find(|(_, n)| unit % n == 0);
        match short.filter(|_| !posix) {
            Some((letter, n)) => format!("{}{letter}-blocks", unit / n),
            None => format!("{unit}-blocks"),
        }
    }
}

/// `df`: blocks, or inodes.
pub(crate) fn df(systems: &[FileSystem], unit: Unit, inodes: bool, posix: bool) -> String {
    let header = match unit {
        _ if inodes => "   Inodes".to_owned(),
        unit => unit.block(posix),
    };
    let share = if posix { "Capacity" } else { "Use%" };
    let mut text = format!("Filesystem           {header:<15}Used Available {share} Mounted on\n");
    for fs in systems {
        let (size, used, free) = if inodes {
            (fs.inodes, fs.inodes - fs.inodes_free, fs.inodes_free)
        } else {
            (fs.size, fs.used, fs.free)
        };
        let show = |amount: u64| match unit {
            Unit::Bytes(_) if inodes => amount.to_string(),
            Unit::Bytes(unit) => ((amount + unit / 2) / unit).to_string(),
            Unit::Human => human(amount),
        };
        let all = (used + free).max(1);
        let share = (used * 100).div_ceil(all);
        let line = format!(
            "{:<20} {:>9} {:>9} {:>9} {share:>3}% {}\n",
            fs.device,
            show(size),
            show(used),
            show(free),
            fs.mounted
        );
        text.push_str(&line);
    }
    text
}

/// What `du` counts and shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) unit: Unit,
    pub(crate) depth: usize,
    pub(crate) files: bool,
    pub(crate) one_system: bool,
}

impl Usage {
    /// The lines of a path that is shown as `name`, and its bytes in sum.
    pub(crate) fn of(
        self,
        files: &Files<'_>,
        name: &str,
        path: &str,
    ) -> Result<(String, u64), Errno> {
        let mut text = String::new();
        let (node, _) = files.node(path, false)?;
        let mut sum = node.blocks();
        if node.is_directory() {
            let system = files.file_system(path)?.mounted;
            for (inner, node, _) in files.list(path)? {
                let join = |to: &str| format!("{}/{inner}", to.trim_end_matches('/'));
                let deeper = Self {
                    depth: self.depth.saturating_sub(1),
                    ..self
                };
                let path = join(path);
                let elsewhere = node.is_directory() && files.file_system(&path)?.mounted != system;
                if self.one_system && elsewhere {
                    continue;
                }
                let (lines, bytes) = deeper.of(files, &join(name), &path)?;
                sum += bytes;
                // A tree of small files stands as one node; it shows as the directory that it is.
                let shown = self.files
                    || node.is_directory()
                    || matches!(node.content, Content::Filler { files, .. } if files > 1);
                if self.depth > 0 && shown {
                    text.push_str(&lines);
                }
            }
        }
        let line = format!("{}\t{name}\n", self.unit.show(sum));
        text.push_str(&line);
        Ok((text, sum))
    }
}

/// `touch -d`: `@seconds`, or a date and time in UTC.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.replace(' ', "T").parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}
