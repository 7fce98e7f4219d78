//! The commands that make, change and look at files and file systems.

use std::collections::BTreeMap;

use super::super::files::{EISDIR, Errno};
use super::super::{Files, stat};
use super::{Call, device_bytes, options};
use crate::demo::tree::Content;

/// Commands that change files.
pub(super) fn change(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let value_options = match name {
        "touch" => "drt",
        "mkdir" => "m",
        _ => "",
    };
    let o = options(words, value_options);
    match name {
        "mkdir" => {
            let mode = o
                .values
                .get(&'m')
                .and_then(|m| u32::from_str_radix(m, 8).ok())
                .unwrap_or(0o755);
            for target in &o.rest {
                let path = call.shell.path(target);
                let whole = o.flags.contains('p');
                if let Err(why) = call.files(|f| make_directory(f, &path, whole, mode)) {
                    call.fail(&format!("can't create directory '{target}': {why}"));
                }
            }
        }
        "rm" => {
            let (recursive, force) = (o.flags.contains(['r', 'R']), o.flags.contains('f'));
            for target in &o.rest {
                let path = call.shell.path(target);
                match call.files(|f| f.remove(&path, recursive)) {
                    Err(why) if !(force && why == super::super::files::ENOENT) => {
                        call.fail(&format!("can't remove '{target}': {why}"));
                    }
                    _ => {}
                }
            }
        }
        "rmdir" => {
            for target in &o.rest {
                let path = call.shell.path(target);
                if let Err(why) = call.files(|f| f.remove_directory(&path)) {
                    call.fail(&format!("'{target}': {why}"));
                }
            }
        }
        "mv" | "cp" => {
            let Some((to, from)) = o.rest.split_last() else {
                return Some(1);
            };
            for source in from {
                let (a, mut b) = (call.shell.path(source), call.shell.path(to));
                if call.files(|f| f.list(&b)).is_ok() {
                    b = format!(
                        "{}/{}",
                        b.trim_end_matches('/'),
                        a.trim_end_matches('/').rsplit('/').next().unwrap_or("")
                    );
                }
                let result = call.files(|f| {
                    if name == "mv" {
                        f.rename(&a, &b)
                    } else {
                        f.copy(&a, &b)
                    }
                });
                if let Err(why) = result {
                    call.fail(&format!(
                        "can't {} '{source}': {why}",
                        if name == "mv" { "rename" } else { "stat" }
                    ));
                }
            }
        }
        "ln" => {
            let [to, at] = o.rest.as_slice() else {
                call.fail("needs a target and a name");
                return Some(1);
            };
            let path = call.shell.path(at);
            let result = call.files(|f| {
                if o.flags.contains('f') {
                    let _absent_is_fine = f.remove(&path, false);
                }
                f.add(&path, Content::Link(to.clone()), 0o777)
            });
            if let Err(why) = result {
                call.fail(&format!("{at}: {why}"));
            }
        }
        "chmod" | "chown" | "chgrp" => {
            let Some((what, targets)) = o.rest.split_first() else {
                return Some(1);
            };
            let mode = u32::from_str_radix(what, 8).ok();
            for target in targets {
                let path = call.shell.path(target);
                let result = call.files(|f| {
                    f.change(&path, |n| {
                        if name == "chmod" {
                            n.mode =
                                mode.unwrap_or(n.mode | if what.contains('x') { 0o111 } else { 0 });
                        } else if let Some(id) = what.split(':').next().and_then(|i| i.parse().ok())
                        {
                            n.owner.0 = id;
                        }
                    })
                });
                if let Err(why) = result {
                    call.fail(&format!("{target}: {why}"));
                }
            }
        }
        "touch" => {
            let at = o.values.get(&'d').map(|d| stat::date(d));
            if at == Some(None) {
                call.fail("invalid date");
                return Some(1);
            }
            for target in &o.rest {
                let path = call.shell.path(target);
                let result = call.files(|f| {
                    f.write(&path, b"", true)?;
                    let now = f.now;
                    f.change(&path, |n| n.modified = at.flatten().unwrap_or(now))
                });
                if let Err(why) = result {
                    call.fail(&format!("{target}: {why}"));
                }
            }
        }
        "truncate" => return Some(0),
        "dd" => return Some(dd(call, words)),
        "mktemp" => {
            call.print("/tmp/tmp.demo\n");
            let _made = call.files(|f| f.write("/tmp/tmp.demo", b"", false));
        }
        _ => return None,
    }
    Some(call.code())
}

fn make_directory(files: &mut Files<'_>, path: &str, whole: bool, mode: u32) -> Result<(), Errno> {
    let directory = || Content::Directory(BTreeMap::new());
    if !whole {
        return files.add(path, directory(), mode);
    }
    let mut here = String::new();
    for step in path.split('/').filter(|s| !s.is_empty()) {
        here = format!("{here}/{step}");
        match files.node(&here, true) {
            Ok((node, _)) if node.is_directory() => {}
            Ok(_) => return Err(super::super::files::ENOTDIR),
            Err(_) => files.add(&here, directory(), mode)?,
        }
    }
    Ok(())
}

fn size(text: &str) -> usize {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match text.get(number.len()..).unwrap_or("") {
        "k" | "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 1,
    };
    number.parse::<usize>().unwrap_or(0).saturating_mul(unit)
}

fn dd(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    let value = |key: &str| {
        words
            .iter()
            .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
    };
    let block = value("bs").map_or(512, size).max(1);
    let count = value("count").map(size);
    let limit = count.map(|c| c.saturating_mul(block));
    let mut data = match value("if") {
        Some(device @ ("/dev/zero" | "/dev/urandom")) => {
            device_bytes(device == "/dev/urandom", limit.unwrap_or(0).min(1 << 30))
        }
        Some(path) => call
            .sources(&[path.to_owned()])
            .pop()
            .map(|s| s.1)
            .unwrap_or_default(),
        None => call.input(),
    };
    if let Some(limit) = limit {
        data.truncate(limit);
    }
    if let Some(target) = value("of") {
        let path = call.shell.path(target);
        if let Err(why) = call.files(|f| f.write(&path, &data, false)) {
            call.fail(&format!("error writing '{target}': {why}"));
            return 1;
        }
    } else {
        call.bytes(&data);
    }
    if value("status") != Some("none") {
        let (full, part) = (data.len() / block, usize::from(data.len() % block != 0));
        let text = format!("{full}+{part} records in\n{full}+{part} records out\n");
        let sink = call.io.err.clone();
        call.shell.write(&sink, text.as_bytes(), call.host);
    }
    call.code()
}

/// Commands that look at files.
pub(super) fn look(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    match name {
        "ls" => {
            let o = options(words, "");
            let targets = if o.rest.is_empty() {
                vec![".".to_owned()]
            } else {
                o.rest.clone()
            };
            for target in &targets {
                let path = call.shell.path(target);
                let (long, all) = (o.flags.contains('l'), o.flags.contains(['a', 'A']));
                let listed = call.files(|f| match f.list(&path) {
                    Ok(entries) if !o.flags.contains('d') => Ok(entries),
                    _ => f
                        .node(&path, false)
                        .map(|(n, i)| vec![(target.clone(), n, i)]),
                });
                match listed {
                    Ok(entries) => {
                        let shown = entries
                            .iter()
                            .filter(|(n, _, _)| all || !n.starts_with('.') || n == target);
                        let text: String = shown
                            .map(|(n, node, _)| {
                                if long {
                                    stat::long(n, node)
                                } else {
                                    format!("{n}\n")
                                }
                            })
                            .collect();
                        call.print(&text);
                    }
                    Err(why) => call.fail(&format!("{target}: {why}")),
                }
            }
        }
        "stat" => {
            let o = options(words, "c");
            let format = o.values.get(&'c').cloned().unwrap_or_else(|| "  File: %n\n  Size: %s\tBlocks: %b\t%F\nAccess: (%a) Uid: (%u) Gid: (%g)\nModify: %y".to_owned());
            for target in &o.rest {
                let path = call.shell.path(target);
                let system = o.flags.contains('f');
                let text = call.files(|f| {
                    if system {
                        f.file_system(&path)
                            .map(|fs| stat::system(&format, target, &fs))
                    } else {
                        f.node(&path, o.flags.contains('L'))
                            .map(|(n, i)| stat::file(&format, target, &n, i))
                    }
                });
                match text {
                    Ok(text) => call.print(&text),
                    Err(why) => call.fail(&format!("can't stat '{target}': {why}")),
                }
            }
        }
        "df" => {
            let o = options(words, "B");
            let unit = if o.flags.contains('i') {
                0
            } else {
                o.values.get(&'B').map_or(1024, |b| size(b).max(1) as u64)
            };
            let targets = if o.rest.is_empty() {
                vec!["/".to_owned(), call.shell.directory.clone()]
            } else {
                o.rest
            };
            let mut systems = Vec::new();
            for target in &targets {
                let path = call.shell.path(target);
                match call.files(|f| f.file_system(&path)) {
                    Ok(fs) => systems.push(fs),
                    Err(why) => call.fail(&format!("{target}: {why}")),
                }
            }
            let text = stat::df(&systems, unit);
            call.print(&text);
        }
        "du" => {
            let o = options(words, "dB");
            let depth = if o.flags.contains('s') {
                0
            } else {
                o.values
                    .get(&'d')
                    .and_then(|d| d.parse().ok())
                    .unwrap_or(16)
            };
            let unit = if o.flags.contains('b') {
                1
            } else {
                o.values
                    .get(&'B')
                    .map_or(if o.flags.contains('m') { 1 << 20 } else { 1024 }, |b| {
                        size(b).max(1) as u64
                    })
            };
            let targets = if o.rest.is_empty() {
                vec![".".to_owned()]
            } else {
                o.rest
            };
            for target in &targets {
                let path = call.shell.path(target);
                match call.files(|f| stat::du(f, &path, depth, unit)) {
                    Ok(text) => call.print(&text),
                    Err(why) => call.fail(&format!("{target}: {why}")),
                }
            }
        }
        "readlink" | "realpath" => {
            let o = options(words, "");
            for target in &o.rest {
                let path = call.shell.path(target);
                let found = call.files(|f| {
                    if name == "realpath" || o.flags.contains('f') {
                        return f.canonical(&path, true);
                    }
                    match f.node(&path, false)?.0.content {
                        Content::Link(to) => Ok(to),
                        _ => Err(EISDIR),
                    }
                });
                match found {
                    Ok(text) => call.print(&format!("{text}\n")),
                    Err(_) => call.failed = true,
                }
            }
        }
        "mount" => {
            if let Ok(bytes) = call.files(|f| f.read("/proc/self/mountinfo")) {
                call.bytes(&bytes);
            }
        }
        "find" => {
            let targets: Vec<String> = words
                .iter()
                .skip(1)
                .take_while(|w| !w.starts_with('-'))
                .cloned()
                .collect();
            let kind = words
                .iter()
                .position(|w| w == "-type")
                .and_then(|i| words.get(i + 1))
                .cloned();
            let mut todo: Vec<String> = targets.into_iter().rev().collect();
            while let Some(next) = todo.pop() {
                let path = call.shell.path(&next);
                let Ok((node, _)) = call.files(|f| f.node(&path, false)) else {
                    call.fail(&format!("{next}: No such file or directory"));
                    continue;
                };
                let wanted = match kind.as_deref() {
                    Some("f") => matches!(node.content, Content::Bytes(_) | Content::Filler { .. }),
                    Some("d") => node.is_directory(),
                    _ => true,
                };
                if wanted {
                    call.print(&format!("{next}\n"));
                }
                let inner = call.files(|f| f.list(&path)).unwrap_or_default();
                todo.extend(
                    inner
                        .into_iter()
                        .rev()
                        .map(|(n, _, _)| format!("{}/{n}", next.trim_end_matches('/'))),
                );
            }
        }
        _ => return None,
    }
    Some(call.code())
}
