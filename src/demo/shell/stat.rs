//! `stat`, `df`, `du` and `ls -l`: what files and file systems look like.

use jiff::Timestamp;

use super::super::tree::{Content, Node};
use super::files::{Errno, FileSystem, Files};

fn kind(node: &Node) -> &'static str {
    match &node.content {
        Content::Directory(_) => "directory",
        Content::Link(_) => "symbolic link",
        Content::Bytes(b) if b.is_empty() => "regular empty file",
        Content::Bytes(_) | Content::Filler { .. } | Content::Mounts => "regular file",
        _ => "character special file",
    }
}

fn user(id: u32) -> &'static str {
    if id == 0 { "root" } else { "theia" }
}

/// `stat -c FORMAT`.
pub(crate) fn file(format: &str, name: &str, node: &Node, inode: u64) -> String {
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
        'U' => user(node.owner.0).to_owned(),
        'G' => user(node.owner.1).to_owned(),
        'i' => inode.to_string(),
        'h' => "1".to_owned(),
        'n' | 'N' => name.to_owned(),
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
    let bits: String = (0..9)
        .map(|i| {
            if node.mode >> (8 - i) & 1 == 1 {
                ['r', 'w', 'x'][i % 3]
            } else {
                '-'
            }
        })
        .collect();
    format!("{lead}{bits}")
}

/// One line of `ls -l`.
pub(crate) fn long(name: &str, node: &Node) -> String {
    let at = node.modified.strftime("%b %e %H:%M");
    let to = match &node.content {
        Content::Link(to) => format!(" -> {to}"),
        _ => String::new(),
    };
    format!(
        "{}    1 {:<8} {:<8} {:>9} {at} {name}{to}\n",
        mode(node),
        user(node.owner.0),
        user(node.owner.1),
        node.len()
    )
}

/// `df`: blocks of `unit` bytes, or inodes when it is 0.
pub(crate) fn df(systems: &[FileSystem], unit: u64) -> String {
    let mut text = match unit {
        0 => "Filesystem              Inodes      Used Available Use% Mounted on\n".to_owned(),
        1 => "Filesystem           1-blocks      Used Available Capacity Mounted on\n".to_owned(),
        1024 => {
            "Filesystem           1024-blocks    Used Available Capacity Mounted on\n".to_owned()
        }
        n => format!("Filesystem           {n}-blocks    Used Available Capacity Mounted on\n"),
    };
    for fs in systems {
        let (size, used, free) = if unit == 0 {
            (fs.inodes, fs.inodes - fs.inodes_free, fs.inodes_free)
        } else {
            (
                fs.size.div_ceil(unit),
                fs.used.div_ceil(unit),
                fs.free / unit,
            )
        };
        let share = (used * 100).checked_div(used + free).unwrap_or(0)
            + u64::from((used * 100) % (used + free).max(1) != 0);
        let line = format!(
            "{:<20} {size:>9} {used:>9} {free:>9} {share:>3}% {}\n",
            fs.device, fs.mounted
        );
        text.push_str(&line);
    }
    text
}

/// `du`: directories below a path down to a depth, in units.
pub(crate) fn du(files: &Files<'_>, path: &str, depth: usize, unit: u64) -> Result<String, Errno> {
    let mut text = String::new();
    if depth > 0
        && let Ok(entries) = files.list(path)
    {
        for (name, node, _) in entries {
            // A tree of small files stands as one node; it shows as the directory that it is.
            let shown = node.is_directory()
                || matches!(node.content, Content::Filler { files, .. } if files > 1);
            if shown {
                text.push_str(&du(
                    files,
                    &format!("{}/{name}", path.trim_end_matches('/')),
                    depth - 1,
                    unit,
                )?);
            }
        }
    }
    let line = format!("{}\t{path}\n", files.usage(path)?.0.div_ceil(unit));
    text.push_str(&line);
    Ok(text)
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
