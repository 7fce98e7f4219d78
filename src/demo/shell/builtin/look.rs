//! The commands that look at files and file systems.

use super::super::files::{self, Errno, FileSystem, Files};
use super::super::glob::Pattern;
use super::super::{account, stat};
use super::Call;
use super::options::{Options, SIZES, amount};
use crate::demo::tree::{Content, Node};

pub(super) fn run(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let done = match name {
        "ls" => ls(call, words),
        "stat" => status(call, words),
        "df" => df(call, words),
        "du" => du(call, words),
        "readlink" | "realpath" => resolve(call, name, words),
        "mount" => mount(call, words),
        "find" => find(call, words),
        "sync" => sync(call, words),
        _ => return None,
    };
    if done.is_none() {
        call.failed = true;
    }
    Some(call.code())
}

/// Each of these answers `None` when it has already said why it does nothing.
type Done = Option<()>;
type Entry = (String, Node, u64);

fn or_here(targets: Vec<String>) -> Vec<String> {
    if targets.is_empty() {
        vec![".".to_owned()]
    } else {
        targets
    }
}

fn below(path: &str, name: &str) -> String {
    format!("{}/{name}", path.trim_end_matches('/'))
}

fn ls(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "1aAdhilnrRtS")?;
    let targets = or_here(o.rest.clone());
    let (mut plain, mut directories) = (Vec::new(), Vec::new());
    for target in &targets {
        let path = call.shell.path(target);
        // a link to a directory is listed as one, unless its own line is asked for
        let follow = !o.has("ld") || target.ends_with('/');
        let found = call.files(|f| f.node(&path, follow).or_else(|_| f.node(&path, false)));
        match found {
            Ok((node, _)) if node.is_directory() && !o.has("d") => directories.push(target.clone()),
            Ok((node, inode)) => plain.push((target.clone(), node, inode)),
            Err(why) => call.fail(&format!("{target}: {why}")),
        }
    }
    let headed = targets.len() > 1 || o.has("R");
    let mut is_first = plain.is_empty();
    print(call, &o, plain);
    directories.reverse();
    while let Some(directory) = directories.pop() {
        let path = call.shell.path(&directory);
        let entries = match call.files(|f| entries(f, &path, &o)) {
            Ok(entries) => entries,
            Err(why) => {
                call.fail(&format!("{directory}: {why}"));
                continue;
            }
        };
        if headed {
            let gap = if is_first { "" } else { "\n" };
            call.print(&format!("{gap}{directory}:\n"));
        }
        is_first = false;
        if o.has("ln") {
            let blocks: u64 = entries.iter().map(|(_, node, _)| node.blocks()).sum();
            call.print(&format!("total {}\n", blocks / 1024));
        }
        let entries = print(call, &o, entries);
        if o.has("R") {
            let inner = entries.iter().filter(|(name, node, _)| {
                node.is_directory() && !matches!(name.as_str(), "." | "..")
            });
            directories.extend(inner.rev().map(|(name, ..)| below(&directory, name)));
        }
    }
    Some(())
}

fn entries(files: &Files<'_>, path: &str, o: &Options) -> Result<Vec<Entry>, Errno> {
    let mut entries = files.list(path)?;
    if o.has("a") {
        for own in [".", ".."] {
            let (node, inode) = files.node(&below(path, own), true)?;
            entries.push((own.to_owned(), node, inode));
        }
    } else if !o.has("A") {
        entries.retain(|(name, ..)| !name.starts_with('.'));
    }
    Ok(entries)
}

/// Prints them in the order that is asked for.
fn print(call: &mut Call<'_, '_>, o: &Options, mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| {
        let order = match o.last_of("tS") {
            Some('t') => b.1.modified.cmp(&a.1.modified),
            Some(_) => b.1.len().cmp(&a.1.len()),
            None => std::cmp::Ordering::Equal,
        };
        order.then_with(|| a.0.cmp(&b.0))
    });
    if o.has("r") {
        entries.reverse();
    }
    for (name, node, inode) in &entries {
        let mut line = String::new();
        if o.has("i") {
            line = format!("{inode} ");
        }
        if o.has("ln") {
            let mut owner = (None, None);
            if !o.has("n") {
                call.host
                    .files(&mut |f| owner = account::names(f, node.owner));
            }
            let size = if o.has("h") {
                format!("{:>7}", stat::human(node.len()))
            } else {
                format!("{:>9}", node.len())
            };
            line.push_str(&stat::long(name, node, &owner, &size));
        } else {
            line.push_str(name);
            line.push('\n');
        }
        call.print(&line);
    }
    entries
}

fn status(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.operands(words, "c:fL", 1, "[-fL] [-c FMT] FILE...")?;
    for target in &o.rest {
        let path = call.shell.path(target);
        let text = if o.has("f") {
            let format = o.value('c').unwrap_or(stat::SYSTEM);
            let system = call.files(|f| f.file_system(&path));
            system
                .map(|fs| stat::system(format, target, &fs))
                .map_err(|why| format!("can't read file system information for '{target}': {why}"))
        } else {
            let format = o.value('c').unwrap_or(stat::FILE);
            let found = call.files(|f| {
                let (node, inode) = f.node(&path, o.has("L"))?;
                let owner = account::names(f, node.owner);
                Ok((node, inode, owner))
            });
            found
                .map(|(node, inode, owner)| stat::file(format, target, &node, inode, &owner))
                .map_err(|why| format!("can't stat '{target}': {why}"))
        };
        match text {
            Ok(text) => call.print(&text),
            Err(why) => call.fail(&why),
        }
    }
    Some(())
}

/// The unit that `-k`, `-m`, `-h` and `-B` ask for.
fn unit(call: &mut Call<'_, '_>, o: &Options) -> Option<stat::Unit> {
    if let Some(text) = o.value('B').filter(|_| o.last_of("kmhB") == Some('B')) {
        let Some(bytes) = amount(text, SIZES).filter(|n| *n > 0) else {
            call.fail(&format!("invalid number '{text}'"));
            return None;
        };
        return Some(stat::Unit::Bytes(bytes));
    }
    Some(match o.last_of("kmh") {
        Some('h') => stat::Unit::Human,
        Some('m') => stat::Unit::Bytes(1 << 20),
        _ => stat::Unit::Bytes(1 << 10),
    })
}

fn df(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "PkmhiB:")?;
    let unit = unit(call, &o)?;
    let targets = if o.rest.is_empty() {
        let mut all = vec!["/".to_owned()];
        all.extend(mounted(call));
        all
    } else {
        o.rest.clone()
    };
    let mut systems: Vec<FileSystem> = Vec::new();
    let mut missing = Vec::new();
    for target in &targets {
        let path = call.shell.path(target);
        match call.files(|f| f.file_system(&path)) {
            Ok(fs) => systems.push(fs),
            Err(_) => missing.push(target),
        }
    }
    let text = stat::df(&systems, unit, o.has("i"), o.has("P"));
    call.print(&text);
    for target in missing {
        call.fail(&format!("{target}: can't find mount point"));
    }
    Some(())
}

/// Where something is mounted, beside the root.
fn mounted(call: &mut Call<'_, '_>) -> Vec<String> {
    let table = call.files(|f| f.read("/proc/self/mountinfo"));
    let table = table.unwrap_or_default();
    let text = String::from_utf8_lossy(&table);
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|p| *p != "/").map(str::to_owned).collect()
}

fn du(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "acd:hkmsx")?;
    let unit = unit(call, &o)?;
    let mut depth = usize::MAX;
    if let Some(text) = o.value('d') {
        let Ok(number) = text.parse() else {
            call.fail(&format!("invalid number '{text}'"));
            return None;
        };
        depth = number;
    }
    let walk = stat::Usage {
        unit,
        depth: if o.has("s") { 0 } else { depth },
        files: o.has("a"),
        one_system: o.has("x"),
    };
    let mut total = 0;
    for target in or_here(o.rest.clone()) {
        let path = call.shell.path(&target);
        match call.files(|f| walk.of(f, &target, &path)) {
            Ok((text, bytes)) => {
                total += bytes;
                call.print(&text);
            }
            Err(why) => call.fail(&format!("{target}: {why}")),
        }
    }
    if o.has("c") {
        call.print(&format!("{}\ttotal\n", unit.show(total)));
    }
    Some(())
}

fn resolve(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Done {
    let o = if name == "realpath" {
        call.operands(words, "", 1, "FILE...")?
    } else {
        call.operands(words, "fn", 1, "[-fn] FILE")?
    };
    for target in &o.rest {
        let path = call.shell.path(target);
        let found = call.files(|f| {
            if name == "realpath" {
                f.node(&path, true)?;
            }
            if name == "realpath" || o.has("f") {
                return f.canonical(&path, true);
            }
            match f.node(&path, false)?.0.content {
                Content::Link(to) => Ok(to),
                _ => Err(files::EINVAL),
            }
        });
        match found {
            Ok(text) => call.print(&format!("{text}{}", if o.has("n") { "" } else { "\n" })),
            Err(why) if name == "realpath" => call.fail(&format!("{target}: {why}")),
            Err(_) => call.failed = true,
        }
    }
    Some(())
}

fn mount(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    if words.len() > 1 {
        call.fail("permission denied (are you root?)");
        return None;
    }
    match call.files(|f| f.read("/proc/self/mountinfo")) {
        Ok(bytes) => call.bytes(&bytes),
        Err(why) => call.fail(&format!("/proc/self/mountinfo: {why}")),
    }
    Some(())
}

/// Everything is on the disk at once; only the names are looked at.
fn sync(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "df")?;
    for target in &o.rest {
        let path = call.shell.path(target);
        if let Err(why) = call.files(|f| f.node(&path, true)) {
            call.fail(&format!("can't open '{target}': {why}"));
        }
    }
    Some(())
}

/// What `find` asks of a path.
#[derive(Default)]
struct Query {
    kind: Option<String>,
    name: Option<Pattern>,
    depths: (usize, Option<usize>),
    one_system: bool,
}

impl Query {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut found = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if !matches!(word.as_str(), "-type" | "-name" | "-maxdepth" | "-mindepth") {
                match word.as_str() {
                    "-print" => {}
                    "-xdev" => found.one_system = true,
                    _ => return Err(format!("unrecognized: {word}")),
                }
                continue;
            }
            let value = words
                .next()
                .ok_or_else(|| format!("{word} requires an argument"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|_wrong| format!("invalid number '{value}'"))
            };
            match word.as_str() {
                "-name" => found.name = Some(Pattern::parse(value)),
                "-maxdepth" => found.depths.1 = Some(number()?),
                "-mindepth" => found.depths.0 = number()?,
                _ if matches!(value.as_str(), "f" | "d" | "l" | "c") => {
                    found.kind = Some(value.clone());
                }
                _ => return Err(format!("invalid argument '{value}' to '{word}'")),
            }
        }
        Ok(found)
    }

    fn fits(&self, path: &str, node: &Node, depth: usize) -> bool {
        let kind = match self.kind.as_deref() {
            Some("f") => node.is_file() || matches!(node.content, Content::Mounts),
            Some("d") => node.is_directory(),
            Some("l") => matches!(node.content, Content::Link(_)),
            Some(_) => matches!(
                node.content,
                Content::Null | Content::Zero | Content::Random
            ),
            None => true,
        };
        let last = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or(path);
        kind && depth >= self.depths.0 && self.name.as_ref().is_none_or(|n| n.matches(last))
    }
}

fn find(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let words = words.get(1..).unwrap_or_default();
    let operands = words.iter().take_while(|w| !w.starts_with('-')).count();
    let (targets, expression) = words.split_at(operands);
    let query = match Query::parse(expression) {
        Ok(query) => query,
        Err(why) => {
            call.fail(&why);
            return None;
        }
    };
    for target in or_here(targets.to_vec()) {
        let start = call.shell.path(&target);
        let home = call.files(|f| f.file_system(&start)).map(|fs| fs.id);
        let mut todo = vec![(target, 0)];
        while let Some((next, depth)) = todo.pop() {
            let path = call.shell.path(&next);
            let node = match call.files(|f| f.node(&path, false)) {
                Ok((node, _)) => node,
                Err(why) => {
                    call.fail(&format!("{next}: {why}"));
                    continue;
                }
            };
            if query.fits(&next, &node, depth) {
                call.print(&format!("{next}\n"));
            }
            let system = call.files(|f| f.file_system(&path)).map(|fs| fs.id);
            let ends = query.depths.1.is_some_and(|most| depth >= most)
                || query.one_system && system != home;
            if node.is_directory() && !ends {
                let inner = call.files(|f| f.list(&path)).unwrap_or_default();
                let inner = inner.iter().rev();
                todo.extend(inner.map(|(name, ..)| (below(&next, name), depth + 1)));
            }
        }
    }
    Some(())
}
