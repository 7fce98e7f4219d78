//! The commands that make, move and remove files.

use std::collections::BTreeMap;

use super::super::files::{self, EISDIR, ENOENT, Errno, Files};
use super::super::stat;
use super::options::{SIZES, amount};
use super::{Call, dd, rights};
use crate::demo::seed::Seed;
use crate::demo::tree::{Content, Node};

pub(super) fn run(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let done = match name {
        "mkdir" => mkdir(call, words),
        "rm" => rm(call, words),
        "rmdir" => rmdir(call, words),
        "mv" | "cp" => transfer(call, name, words),
        "ln" => ln(call, words),
        "touch" => touch(call, words),
        "truncate" => truncate(call, words),
        "mktemp" => mktemp(call, words),
        "chmod" => return Some(rights::chmod(call, words)),
        "chown" | "chgrp" => return Some(rights::chown(call, name, words)),
        "dd" => return Some(dd::dd(call, words)),
        _ => return None,
    };
    if done.is_none() {
        call.failed = true;
    }
    Some(call.code())
}

/// Each of these answers `None` when it has already said why it does nothing.
type Done = Option<()>;

fn mkdir(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.operands(words, "pm:", 1, "[-m MODE] [-p] DIRECTORY...")?;
    let mut mode = 0o755;
    if let Some(text) = o.value('m') {
        let Some(asked) = rights::mode(text, 0o777, true) else {
            call.fail(&format!("invalid mode '{text}'"));
            return None;
        };
        mode = asked;
    }
    for target in &o.rest {
        let path = call.shell.path(target);
        let whole = o.has("p");
        if let Err(why) = call.files(|f| make_directory(f, &path, whole, mode)) {
            call.fail(&format!("can't create directory '{target}': {why}"));
        }
    }
    Some(())
}

fn make_directory(files: &mut Files<'_>, path: &str, whole: bool, mode: u32) -> Result<(), Errno> {
    let directory = || Content::Directory(BTreeMap::new());
    if !whole {
        return files.add(path.trim_end_matches('/'), directory(), mode);
    }
    let mut here = String::new();
    let mut steps = path.split('/').filter(|s| !s.is_empty()).peekable();
    while let Some(step) = steps.next() {
        here = format!("{here}/{step}");
        let mode = if steps.peek().is_none() { mode } else { 0o755 };
        match files.node(&here, true) {
            Ok((node, _)) if node.is_directory() => {}
            Ok(_) => return Err(files::ENOTDIR),
            Err(_) => files.add(&here, directory(), mode)?,
        }
    }
    Ok(())
}

fn rm(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "rRf")?;
    let (recursive, force) = (o.has("rR"), o.has("f"));
    if o.rest.is_empty() && !force {
        call.usage("[-rf] FILE...");
        return None;
    }
    for target in &o.rest {
        let last = target.trim_end_matches('/').rsplit('/').next();
        if matches!(last, Some("." | "..")) {
            call.fail("can't remove '.' or '..'");
            continue;
        }
        let path = call.shell.path(target);
        match call.files(|f| f.remove(&path, recursive)) {
            Err(ENOENT) if force => {}
            Err(EISDIR) => call.fail(&format!("'{target}' is a directory")),
            Err(why) => call.fail(&format!("can't remove '{target}': {why}")),
            Ok(()) => {}
        }
    }
    Some(())
}

fn rmdir(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.operands(words, "p", 1, "[-p] DIRECTORY...")?;
    for target in &o.rest {
        let mut target = target.trim_end_matches('/');
        loop {
            let path = call.shell.path(target);
            if let Err(why) = call.files(|f| f.remove_directory(&path)) {
                call.fail(&format!("'{target}': {why}"));
                break;
            }
            match target.rsplit_once('/') {
                Some((parent, _)) if o.has("p") && !parent.is_empty() => target = parent,
                _ => break,
            }
        }
    }
    Some(())
}

fn transfer(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Done {
    let (known, usage) = match name {
        "mv" => (
            "fnT",
            "[-fnT] SOURCE DEST\nor: mv [-fn] SOURCE... DIRECTORY",
        ),
        _ => (
            "arRfpdPLnT",
            "[-arPLpfnT] SOURCE DEST\nor: cp [-arPLpfn] SOURCE... DIRECTORY",
        ),
    };
    let mut o = call.operands(words, known, 2, usage)?;
    let to = o.rest.pop()?;
    let into = !o.has("T") && {
        let path = call.shell.path(&to);
        call.files(|f| f.list(&path)).is_ok()
    };
    let many = o.rest.len() > 1 && !into;
    for source in &o.rest {
        let mut target = to.clone();
        if into || many {
            let last = source
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or("");
            target = format!("{}/{last}", to.trim_end_matches('/'));
        }
        let (from, at) = (call.shell.path(source), call.shell.path(&target));
        if o.has("n") && call.files(|f| f.node(&at, false)).is_ok() {
            continue;
        }
        if name == "mv" {
            if let Err(why) = call.files(|f| f.rename(&from, &at)) {
                call.fail(&format!("can't rename '{source}': {why}"));
            }
            continue;
        }
        let whole = o.has("arR");
        let follow = match o.last_of("adPL") {
            Some(option) => option == 'L',
            None => !whole,
        };
        let found = match call.files(|f| f.node(&from, follow)) {
            Ok((node, _)) => node,
            Err(why) => {
                call.fail(&format!("can't stat '{source}': {why}"));
                continue;
            }
        };
        if found.is_directory() && !whole {
            call.fail(&format!("omitting directory '{source}'"));
            continue;
        }
        let keep = o.has("ap");
        let result = call.files(|f| copy(f, &from, &at, follow, keep));
        if let Err(why) = result {
            call.fail(&format!("can't create '{target}': {why}"));
        }
    }
    Some(())
}

/// Copies; what is not to keep its owner and time belongs to who copies it, now.
fn copy(
    files: &mut Files<'_>,
    from: &str,
    to: &str,
    follow: bool,
    keep: bool,
) -> Result<(), Errno> {
    if files
        .node(to, true)
        .is_ok_and(|(node, _)| node.is_directory())
        && !files.node(from, follow)?.0.is_directory()
    {
        return Err(EISDIR);
    }
    files.copy(from, to, follow)?;
    if keep {
        return Ok(());
    }
    let now = files.now;
    let mut todo = vec![to.to_owned()];
    while let Some(path) = todo.pop() {
        files.change_itself(&path, |node| {
            node.modified = now;
            node.owner = (1000, 1000);
        })?;
        let (node, _) = files.node(&path, false)?;
        if node.is_directory() {
            let inner = files.list(&path)?;
            todo.extend(inner.iter().map(|(name, ..)| format!("{path}/{name}")));
        }
    }
    Ok(())
}

fn ln(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let usage = "-s [-fn] TARGET... LINK|DIR";
    let mut o = call.operands(words, "sfn", 1, usage)?;
    let last = |target: &str| {
        let name = target.trim_end_matches('/').rsplit('/').next();
        name.unwrap_or(target).to_owned()
    };
    let to = match o.rest.len() {
        1 => last(o.rest.first()?),
        _ => o.rest.pop()?,
    };
    let directory = call.shell.path(&to);
    let follow = !o.has("n");
    let into = call.files(|f| f.node(&directory, follow));
    let into = into.is_ok_and(|(node, _)| node.is_directory());
    for target in &o.rest {
        let at = if into {
            format!("{}/{}", to.trim_end_matches('/'), last(target))
        } else {
            to.clone()
        };
        let path = call.shell.path(&at);
        let result = call.files(|f| {
            // these file systems have no second names for one file
            if !o.has("s") {
                return Err(files::EPERM);
            }
            if o.has("f") && f.node(&path, false).is_ok() {
                f.remove(&path, false)?;
            }
            f.add(&path, Content::Link(target.clone()), 0o777)
        });
        if let Err(why) = result {
            call.fail(&format!("{at}: {why}"));
        }
    }
    Some(())
}

fn touch(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.operands(words, "cd:r:", 1, "[-c] [-d DATE] [-r FILE] FILE...")?;
    let mut at = None;
    if let Some(text) = o.value('d') {
        at = stat::date(text);
        if at.is_none() {
            call.fail(&format!("invalid date '{text}'"));
            return None;
        }
    }
    if let Some(like) = o.value('r') {
        let path = call.shell.path(like);
        match call.files(|f| f.node(&path, true)) {
            Ok((node, _)) => at = Some(node.modified),
            Err(why) => {
                call.fail(&format!("can't stat '{like}': {why}"));
                return None;
            }
        }
    }
    for target in &o.rest {
        let path = call.shell.path(target);
        let result = call.files(|f| {
            if f.node(&path, true).is_err() {
                if o.has("c") {
                    return Ok(());
                }
                f.write(&path, b"", true)?;
            }
            let now = f.now;
            f.change(&path, |n| n.modified = at.unwrap_or(now))
        });
        if let Err(why) = result {
            call.fail(&format!("{target}: {why}"));
        }
    }
    Some(())
}

fn truncate(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let usage = "[-c] -s SIZE FILE...";
    let o = call.operands(words, "cs:", 1, usage)?;
    let Some(text) = o.value('s') else {
        call.usage(usage);
        return None;
    };
    let Some(size) = amount(text.trim_start_matches(['+', '-']), SIZES)
        .filter(|_| text.chars().filter(|c| "+-".contains(*c)).count() <= 1)
    else {
        call.fail(&format!("invalid number '{text}'"));
        return None;
    };
    for target in &o.rest {
        let path = call.shell.path(target);
        let mut step = "open";
        let result = call.files(|f| {
            let there = f.node(&path, true).map(|(node, _)| node);
            if there.is_err() {
                if o.has("c") {
                    return Ok(());
                }
                f.write(&path, b"", true)?;
            }
            let old = there.as_ref().map_or(0, Node::len);
            let length = match text.chars().next() {
                Some('+') => old.saturating_add(size),
                Some('-') => old.saturating_sub(size),
                _ => size,
            };
            f.resize(&path, length).inspect_err(|why| {
                if matches!(*why, files::ENOSPC | files::EFBIG) {
                    step = "truncate";
                }
            })
        });
        if let Err(why) = result {
            call.fail(&format!("{target}: {step}: {why}"));
        }
    }
    Some(())
}

fn mktemp(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "dqutp:")?;
    if o.rest.len() > 1 {
        call.usage("[-dt] [-p DIR] [TEMPLATE]");
        return None;
    }
    let variable = call.shell.variables.get("TMPDIR").cloned();
    let folder = match o.value('p') {
        Some(folder) if !(o.has("t") && variable.is_some()) => folder.to_owned(),
        _ => variable
            .filter(|v| !v.is_empty())
            .unwrap_or_else(|| "/tmp".to_owned()),
    };
    let template = match o.rest.first() {
        Some(own) if o.has("tp") => format!("{folder}/{own}"),
        Some(own) => own.clone(),
        None => format!("{folder}/tmp.XXXXXX"),
    };
    let path = call.shell.path(&template);
    let made = call.files(|f| {
        let stem = path.strip_suffix("XXXXXX").ok_or(files::EINVAL)?;
        let parent = stem.rsplit_once('/').map_or("/", |(parent, _)| parent);
        let count = f.made(if parent.is_empty() { "/" } else { parent })?;
        let mut tries = (0_u64..).map(|n| Seed(count).suffix(&format!("{stem}{n}"), 6));
        let free = |s: &String| f.node(&format!("{stem}{s}"), false).is_err();
        let suffix = tries.find(free).ok_or(files::EEXIST)?;
        let name = format!("{stem}{suffix}");
        if !o.has("u") {
            let (content, mode) = if o.has("d") {
                (Content::Directory(BTreeMap::new()), 0o700)
            } else {
                (Content::Bytes(std::sync::Arc::default()), 0o600)
            };
            f.add(&name, content, mode)?;
        }
        Ok(suffix)
    });
    match made {
        Ok(suffix) => {
            let stem = template.strip_suffix("XXXXXX").unwrap_or(&template);
            call.print(&format!("{stem}{suffix}\n"));
            Some(())
        }
        Err(_) if o.has("q") => None,
        Err(why) => {
            call.fail(&format!("(null): {why}"));
            None
        }
    }
}
