//! The commands that read and print text.

use super::super::files::LIMIT;
use super::options::{BLOCKS, amount};
use super::{Call, about, device_bytes, grep};
use crate::domain::digest;

pub(super) fn run(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let done = match name {
        "echo" => {
            echo(call, words);
            Some(())
        }
        "printf" => {
            let text = printf(words);
            call.print(&text);
            Some(())
        }
        "cat" => cat(call, words),
        "tee" => tee(call, words),
        "head" | "tail" => part(call, name == "head", words),
        "wc" => count(call, words),
        "grep" => return Some(grep::grep(call, words)),
        "sort" => sort(call, words),
        "uniq" | "cut" | "awk" | "sed" | "tr" => {
            call.fail("not part of this simulated image");
            return Some(127);
        }
        "sha256sum" => sum(call, words),
        "basename" | "dirname" => step(call, name == "basename", words),
        "seq" => seq(call, words),
        "hostname" | "whoami" | "id" | "uname" | "date" | "ps" => about::about(call, name, words),
        _ => return None,
    };
    if done.is_none() {
        call.failed = true;
    }
    Some(call.code())
}

/// Each of these answers `None` when it has already said why it does nothing.
type Done = Option<()>;

fn echo(call: &mut Call<'_, '_>, words: &[String]) {
    let flags = words
        .iter()
        .skip(1)
        .take_while(|w| matches!(w.as_str(), "-n" | "-e" | "-ne" | "-en"))
        .count();
    let given = words.get(1..=flags).unwrap_or(&[]).concat();
    let mut line = words.get(1 + flags..).unwrap_or(&[]).join(" ");
    if given.contains('e') {
        line = unescape(&line);
    }
    if !given.contains('n') {
        line.push('\n');
    }
    call.print(&line);
}

/// Escapes of `echo -e` and `printf`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out
}

fn printf(words: &[String]) -> String {
    let format = unescape(words.get(1).map_or("", String::as_str));
    let mut arguments = words.iter().skip(2);
    let mut out = String::new();
    loop {
        let mut used = false;
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.find(|c| c.is_alphabetic() || *c == '%') {
                Some('%') | None => out.push('%'),
                Some(kind) => {
                    let value = arguments.next().map_or("", String::as_str);
                    used = true;
                    match kind {
                        'b' => out.push_str(&unescape(value)),
                        'd' | 'i' | 'u' => {
                            out.push_str(&value.parse::<i64>().unwrap_or(0).to_string());
                        }
                        _ => out.push_str(value),
                    }
                }
            }
        }
        if !used || arguments.len() == 0 {
            return out;
        }
    }
}

fn cat(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    // what is written is unbuffered in any case
    let o = call.options(words, "u")?;
    if o.rest.is_empty() {
        while let Some(chunk) = call.chunk() {
            call.bytes(&chunk);
            if call.failed || call.shell.stopped().is_some() {
                break;
            }
        }
    }
    for name in &o.rest {
        for (_, bytes) in call.sources(std::slice::from_ref(name)) {
            call.bytes(&bytes);
        }
    }
    Some(())
}

fn tee(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "a")?;
    let bytes = call.input();
    for target in &o.rest {
        let path = call.shell.path(target);
        if let Err(why) = call.files(|f| f.write(&path, &bytes, o.has("a"))) {
            call.fail(&format!("{target}: {why}"));
        }
    }
    call.bytes(&bytes);
    Some(())
}

/// `head` and `tail`.
fn part(call: &mut Call<'_, '_>, head: bool, words: &[String]) -> Done {
    let mut words = words.to_vec();
    // `-5` is `-n 5`
    if let Some(first) = words.get_mut(1)
        && let Some(digits) = first.strip_prefix('-')
        && digits.starts_with(|c: char| c.is_ascii_digit())
    {
        *first = format!("-n{digits}");
    }
    let o = call.options(&words, if head { "n:c:qv" } else { "n:c:qvf" })?;
    let unit = o.last_of("nc").unwrap_or('n');
    let text = o.value(unit).unwrap_or("10");
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.chars().next(), digits),
        None => (None, text),
    };
    // from the other end: all but the last ones, or on from there
    let other = sign == Some(if head { '-' } else { '+' });
    let number = amount(digits, BLOCKS).and_then(|n| usize::try_from(n).ok());
    let Some(number) = number.filter(|_| other || sign.is_none() || !head) else {
        call.fail(&format!("invalid number '{text}'"));
        return None;
    };
    if o.has("f") {
        return follow(call, &o.rest);
    }
    let headed = (o.rest.len() > 1 || o.has("v")) && o.last_of("qv") != Some('q');
    let mut is_first = true;
    let names = if o.rest.is_empty() {
        vec!["-".to_owned()]
    } else {
        o.rest
    };
    for name in &names {
        let data = if matches!(name.as_str(), "/dev/zero" | "/dev/urandom" | "/dev/random") {
            if !head || unit != 'c' || other || number as u64 > LIMIT {
                call.fail("out of memory");
                return None;
            }
            device_bytes(name != "/dev/zero", number)
        } else {
            let Some((_, data)) = call.sources(std::slice::from_ref(name)).pop() else {
                continue;
            };
            let part = cut(&data, head, unit == 'n', number, other).unwrap_or_default();
            part.to_vec()
        };
        if headed {
            let gap = if is_first { "" } else { "\n" };
            call.print(&format!("{gap}==> {name} <==\n"));
        }
        is_first = false;
        call.bytes(&data);
    }
    Some(())
}

/// `tail -f` of a device, which brings nothing, keeps a container alive; nothing else is followed.
fn follow(call: &mut Call<'_, '_>, names: &[String]) -> Done {
    if names != ["/dev/null"] {
        call.fail("invalid option -- 'f'");
        return None;
    }
    call.failure = call.wait(f64::INFINITY);
    call.failed = call.failure != 0;
    Some(())
}

/// The first of them, or the last, counted from either end.
fn cut(data: &[u8], head: bool, by_line: bool, number: usize, other: bool) -> Option<&[u8]> {
    let mut ends: Vec<usize> = if by_line {
        let breaks = data.iter().enumerate().filter(|(_, b)| **b == b'\n');
        breaks.map(|(i, _)| i + 1).collect()
    } else {
        (1..=data.len()).collect()
    };
    if ends.last().copied().unwrap_or(0) < data.len() {
        ends.push(data.len());
    }
    let kept = match (head, other) {
        (true, false) => number.min(ends.len()),
        (true, true) | (false, false) => ends.len().saturating_sub(number),
        (false, true) => number.saturating_sub(1).min(ends.len()),
    };
    let at = match kept.checked_sub(1) {
        Some(last) => ends.get(last).copied()?,
        None => 0,
    };
    if head { data.get(..at) } else { data.get(at..) }
}

fn count(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "lwcm")?;
    let shown: Vec<char> = "lwmc".chars().filter(|c| o.has(&c.to_string())).collect();
    let shown = if shown.is_empty() {
        vec!['l', 'w', 'c']
    } else {
        shown
    };
    let mut totals = vec![0; shown.len()];
    let sources = call.sources(&o.rest);
    let is_short = shown.len() == 1 && o.rest.len() < 2;
    let line = |numbers: &[usize], name: &str| {
        let columns: Vec<String> = numbers
            .iter()
            .map(|n| {
                if is_short {
                    n.to_string()
                } else {
                    format!("{n:>9}")
                }
            })
            .collect();
        let name = if name.is_empty() {
            String::new()
        } else {
            format!(" {name}")
        };
        format!("{}{name}\n", columns.join(" "))
    };
    for (name, data) in sources {
        let text = String::from_utf8_lossy(&data);
        let numbers: Vec<usize> = shown
            .iter()
            .map(|what| match what {
                'l' => data.split(|b| *b == b'\n').count() - 1,
                'w' => text.split_whitespace().count(),
                'm' => text.chars().count(),
                _ => data.len(),
            })
            .collect();
        for (total, number) in totals.iter_mut().zip(&numbers) {
            *total += number;
        }
        let name = if o.rest.is_empty() { "" } else { &name };
        call.print(&line(&numbers, name));
    }
    if o.rest.len() > 1 {
        call.print(&line(&totals, "total"));
    }
    Some(())
}

/// A number at the start of a line; with its letter when `human`.
fn leading(line: &str, human: bool) -> (u8, f64) {
    let line = line.trim_start();
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let end = line
        .char_indices()
        .find(|(i, c)| !(number(*c) || *i == 0 && *c == '-'))
        .map_or(line.len(), |(i, _)| i);
    let (digits, rest) = line.split_at(end);
    let value = digits.parse::<f64>().unwrap_or(0.0);
    let rank = rest
        .chars()
        .next()
        .and_then(|c| "KMGTPE".find(c.to_ascii_uppercase()));
    match rank.filter(|_| human) {
        Some(rank) => (u8::try_from(rank + 1).unwrap_or(0), value),
        None => (0, value),
    }
}

fn sort(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    call.failure = 2;
    let o = call.options(words, "nhru")?;
    let mut all = String::new();
    for (_, data) in call.sources(&o.rest) {
        all.push_str(&String::from_utf8_lossy(&data));
        if !all.is_empty() && !all.ends_with('\n') {
            all.push('\n');
        }
    }
    if call.failed {
        return None;
    }
    let human = o.has("h");
    let key = |line: &str| {
        if human || o.has("n") {
            leading(line, human)
        } else {
            (0, 0.0)
        }
    };
    let order = |a: &&str, b: &&str| {
        let ((rank_a, a_value), (rank_b, b_value)) = (key(a), key(b));
        let ranks = rank_a.cmp(&rank_b);
        let by_key = ranks.then_with(|| a_value.total_cmp(&b_value));
        by_key.then_with(|| a.cmp(b))
    };
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_by(order);
    if o.has("u") {
        let numeric = human || o.has("n");
        lines.dedup_by(|a, b| if numeric { key(a) == key(b) } else { a == b });
    }
    if o.has("r") {
        lines.reverse();
    }
    let sorted: String = lines.iter().map(|l| format!("{l}\n")).collect();
    call.print(&sorted);
    Some(())
}

fn sum(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let o = call.options(words, "")?;
    for (name, data) in call.sources(&o.rest) {
        let line = format!("{}  {name}\n", digest::sha256(&data));
        call.print(&line);
    }
    Some(())
}

/// `basename` and `dirname`.
fn step(call: &mut Call<'_, '_>, last: bool, words: &[String]) -> Done {
    let o = call.operands(
        words,
        "",
        1,
        if last { "FILE [SUFFIX]" } else { "FILENAME" },
    )?;
    let path = o.rest.first()?;
    let trimmed = match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/",
        trimmed => trimmed,
    };
    let (parent, name) = trimmed.rsplit_once('/').unwrap_or((".", trimmed));
    let text = if !last {
        match parent.trim_end_matches('/') {
            "" => "/",
            parent => parent,
        }
    } else if trimmed == "/" {
        "/"
    } else {
        let suffix = o.rest.get(1).map_or("", String::as_str);
        name.strip_suffix(suffix)
            .filter(|stem| !stem.is_empty())
            .unwrap_or(name)
    };
    call.print(&format!("{text}\n"));
    Some(())
}

fn seq(call: &mut Call<'_, '_>, words: &[String]) -> Done {
    let numbers = words.get(1..).unwrap_or_default();
    let mut parsed = Vec::new();
    for word in numbers {
        let Ok(number) = word.parse::<i64>() else {
            call.fail(&format!("invalid number '{word}'"));
            return None;
        };
        parsed.push(number);
    }
    let (first, step, last) = match parsed.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => {
            call.usage("[FIRST [INC]] LAST");
            return None;
        }
    };
    let mut text = String::new();
    let mut next = first;
    while (step > 0 && next <= last || step < 0 && next >= last) && text.len() < 1 << 20 {
        text.push_str(&next.to_string());
        text.push('\n');
        next = next.saturating_add(step);
    }
    call.print(&text);
    Some(())
}
