//! `chmod`, `chown` and `chgrp`: the mode and the owner of files, of whole trees with `-R`.

use super::super::account::Owner;
use super::super::files::{Errno, Files};
use super::Call;
use crate::demo::tree::Content;

/// Bits that files are not made with.
const MASK: u32 = 0o022;
const ALL: u32 = 0o7777;
const WHO: [(char, u32); 4] = [('a', ALL), ('u', 0o4700), ('g', 0o2070), ('o', 0o0007)];
const PERMISSIONS: [(char, u32); 6] = [
    ('r', 0o444),
    ('w', 0o222),
    ('x', 0o111),
    ('X', 0o111),
    ('s', 0o6000),
    ('t', 0o1000),
];

/// What a mode, octal or symbolic, makes of the mode that a file has; `None` when it is none.
pub(super) fn mode(text: &str, now: u32, directory: bool) -> Option<u32> {
    if text.starts_with(|c: char| c.is_digit(8)) {
        let octal = text.bytes().all(|b| b.is_ascii_digit());
        let number = u32::from_str_radix(text, 8).ok();
        return number.filter(|number| octal && *number <= ALL);
    }
    text.split(',')
        .filter(|clause| !clause.is_empty())
        .try_fold(now, |next, text| clause(text, now, next, directory))
}

/// `u+rwx`, `go=`, `a+X-w` and the like: `now` is what is copied from, `next` what is changed.
fn clause(text: &str, now: u32, mut next: u32, directory: bool) -> Option<u32> {
    let operators = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at(operators);
    let who = who.chars().try_fold(0, |mask, c| {
        let named = WHO.iter().find(|(name, _)| *name == c)?;
        Some(mask | named.1)
    })?;
    while let Some(operator) = rest.chars().next() {
        rest = rest.get(1..)?;
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (letters, after) = rest.split_at(end);
        rest = after;
        let bits = bits(letters, now, directory)? & if who == 0 { !MASK } else { who };
        match operator {
            '+' => next |= bits,
            '-' => next &= !bits,
            '=' => next = (next & !(if who == 0 { ALL } else { who })) | bits,
            _ => return None,
        }
    }
    Some(next)
}

fn bits(letters: &str, now: u32, directory: bool) -> Option<u32> {
    // one of these alone: what it has now
    if let Some((_, mask)) = WHO
        .iter()
        .skip(1)
        .find(|(name, _)| letters == name.to_string())
    {
        let own = now & mask & 0o777;
        let for_all = PERMISSIONS.iter().take(3).filter(|(_, p)| own & p != 0);
        return Some(for_all.map(|(_, p)| p).sum());
    }
    letters.chars().try_fold(0, |all, c| {
        let (_, mask) = PERMISSIONS.iter().find(|(name, _)| *name == c)?;
        let counts = c != 'X' || directory || now & 0o111 != 0;
        Some(if counts { all | mask } else { all })
    })
}

enum Change {
    Mode(String),
    Owner(Owner),
}

pub(super) fn chmod(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    // `-x` and the like are modes, not options
    let leading = words.iter().skip(1).take_while(|w| w.starts_with('-'));
    let minus = leading
        .take_while(|w| *w != "--")
        .position(|w| !"-Rcvf".contains(w.get(1..2).unwrap_or("-")));
    let mut words = words.to_vec();
    if let Some(word) = minus.and_then(|at| words.get_mut(at + 1))
        && !word.starts_with("--")
    {
        word.insert(0, 'a');
    }
    let Some(mut o) = call.operands(&words, "R", 2, "[-R] MODE[,MODE]... FILE...") else {
        return 1;
    };
    let mut mode = o.rest.remove(0);
    if minus.is_some() && mode.starts_with("a-") {
        mode.remove(0);
    }
    let recursive = o.has("R");
    if self::mode(&mode, 0, false).is_none() {
        call.fail(&format!("invalid mode '{mode}'"));
        return 1;
    }
    apply(call, &o.rest, recursive, &Change::Mode(mode))
}

pub(super) fn chown(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> i64 {
    let usage = match name {
        "chown" => "[-R] USER[:[GRP]] FILE...",
        _ => "[-R] GROUP FILE...",
    };
    let Some(mut o) = call.operands(words, "R", 2, usage) else {
        return 1;
    };
    let text = o.rest.remove(0);
    let mut owner = Err(String::new());
    call.host.files(&mut |f| {
        owner = match name {
            "chown" => Owner::parse(f, &text),
            _ => Owner::group(f, &text),
        };
    });
    match owner {
        Ok(owner) => apply(call, &o.rest, o.has("R"), &Change::Owner(owner)),
        Err(why) => {
            call.fail(&why);
            1
        }
    }
}

fn apply(call: &mut Call<'_, '_>, targets: &[String], recursive: bool, change: &Change) -> i64 {
    for target in targets {
        let path = call.shell.path(target);
        let mut faults = Vec::new();
        call.host.files(&mut |f| {
            let one = Tree {
                recursive,
                change,
                base: &path,
            };
            one.walk(f, target, &path, &mut faults);
        });
        for (name, why) in faults {
            call.fail(&format!("{name}: {why}"));
        }
    }
    call.code()
}

/// What is named on the command line, with all that is below it.
struct Tree<'a> {
    recursive: bool,
    change: &'a Change,
    base: &'a str,
}

impl Tree<'_> {
    fn walk(
        &self,
        files: &mut Files<'_>,
        name: &str,
        path: &str,
        faults: &mut Vec<(String, Errno)>,
    ) {
        let is_top = path == self.base;
        let is_link = files
            .node(path, false)
            .is_ok_and(|(n, _)| matches!(n.content, Content::Link(_)));
        let done = match self.change {
            // links below have no mode of their own, and what they lead to is not below
            Change::Mode(_) if is_link && !is_top => Ok(()),
            Change::Mode(text) => files.change(path, |node| {
                let next = mode(text, node.mode, node.is_directory());
                node.mode = next.unwrap_or(node.mode);
            }),
            Change::Owner(owner) => {
                let change = |node: &mut crate::demo::tree::Node| {
                    node.owner.0 = owner.user.unwrap_or(node.owner.0);
                    node.owner.1 = owner.group.unwrap_or(node.owner.1);
                };
                if self.recursive {
                    files.change_itself(path, change)
                } else {
                    files.change(path, change)
                }
            }
        };
        if let Err(why) = done {
            faults.push((name.to_owned(), why));
            return;
        }
        if !self.recursive || is_link {
            return;
        }
        for (inner, ..) in files.list(path).unwrap_or_default() {
            let join = |to: &str| format!("{}/{inner}", to.trim_end_matches('/'));
            self.walk(files, &join(name), &join(path), faults);
        }
    }
}
