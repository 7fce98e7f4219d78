//! `dd`: bytes from one place to another, in blocks; what the disk has no room for is not written.

use super::options::{SIZES, amount};
use super::{Call, device_bytes};
use crate::demo::shell::files::{LIMIT, Run};

const USAGE: &str = "[if=FILE] [of=FILE] [ibs=N obs=N/bs=N] [count=N] [skip=N] [seek=N]\n\
    \t[conv=notrunc|noerror|sync|fsync]\n\
    \t[iflag=skip_bytes|count_bytes|fullblock|direct] [oflag=seek_bytes|append|direct]";

struct Operands {
    source: Option<String>,
    target: Option<String>,
    /// Bytes of a block that is read, and of one that is written.
    blocks: (u64, u64),
    count: Option<u64>,
    skip: u64,
    seek: u64,
    conversions: Vec<String>,
    input_flags: Vec<String>,
    output_flags: Vec<String>,
    status: bool,
}

/// What is read: endless on a device.
enum Source {
    Zeros,
    Random,
    Bytes(Vec<u8>),
}

impl Operands {
    /// `None` is a call that makes no sense at all.
    fn parse(words: &[String]) -> Result<Self, Option<String>> {
        let mut found = Self {
            source: None,
            target: None,
            blocks: (512, 512),
            count: None,
            skip: 0,
            seek: 0,
            conversions: Vec::new(),
            input_flags: Vec::new(),
            output_flags: Vec::new(),
            status: true,
        };
        for word in words.iter().skip(1) {
            let (key, value) = word.split_once('=').ok_or(None)?;
            match key {
                "if" => found.source = Some(value.to_owned()),
                "of" => found.target = Some(value.to_owned()),
                "bs" => found.blocks = (block(value)?, block(value)?),
                "ibs" => found.blocks.0 = block(value)?,
                "obs" => found.blocks.1 = block(value)?,
                "count" => found.count = Some(number(value)?),
                "skip" => found.skip = number(value)?,
                "seek" => found.seek = number(value)?,
                "conv" => {
                    found.conversions = list(key, value, &["notrunc", "noerror", "sync", "fsync"])?;
                }
                "iflag" => {
                    let known = ["skip_bytes", "count_bytes", "fullblock", "direct"];
                    found.input_flags = list(key, value, &known)?;
                }
                "oflag" => {
                    found.output_flags = list(key, value, &["seek_bytes", "append", "direct"])?;
                }
                "status" => {
                    found.status = list(key, value, &["none", "noxfer"])? != ["none"];
                }
                _ => return Err(None),
            }
        }
        let unit = |flags: &[String], flag: &str, block| if has(flags, flag) { 1 } else { block };
        let (input, output) = found.blocks;
        let skipped = found
            .skip
            .checked_mul(unit(&found.input_flags, "skip_bytes", input));
        let sought = found
            .seek
            .checked_mul(unit(&found.output_flags, "seek_bytes", output));
        found.skip = skipped.unwrap_or(u64::MAX);
        found.seek = sought.unwrap_or(u64::MAX);
        let counted = unit(&found.input_flags, "count_bytes", input);
        found.count = found.count.map(|count| count.saturating_mul(counted));
        Ok(found)
    }
}

fn has(flags: &[String], flag: &str) -> bool {
    flags.iter().any(|f| f == flag)
}

fn number(text: &str) -> Result<u64, Option<String>> {
    const OWN: [(&str, u64); 3] = [("c", 1), ("w", 2), ("b", 512)];
    let number = amount(text, SIZES).or_else(|| amount(text, &OWN));
    number.ok_or_else(|| Some(format!("invalid number '{text}'")))
}

fn block(text: &str) -> Result<u64, Option<String>> {
    match number(text)? {
        0 => Err(Some(format!(
            "number {text} is not in 1..9223372036854775807 range"
        ))),
        size => Ok(size),
    }
}

fn list(key: &str, value: &str, known: &[&str]) -> Result<Vec<String>, Option<String>> {
    match value.split(',').find(|item| !known.contains(item)) {
        Some(item) => Err(Some(format!("invalid argument '{item}' to '{key}'"))),
        None => Ok(value.split(',').map(str::to_owned).collect()),
    }
}

pub(super) fn dd(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    let operands = match Operands::parse(words) {
        Ok(operands) => operands,
        Err(Some(why)) => {
            call.fail(&why);
            return 1;
        }
        Err(None) => {
            call.usage(USAGE);
            return 1;
        }
    };
    let Some(source) = open(call, &operands) else {
        return 1;
    };
    let (mut read, read_whole) = match &source {
        Source::Bytes(bytes) => {
            let there = (bytes.len() as u64).saturating_sub(operands.skip);
            (there.min(operands.count.unwrap_or(u64::MAX)), true)
        }
        _ => (operands.count.unwrap_or(u64::MAX), false),
    };
    let block = operands.blocks.0;
    let mut length = read;
    if has(&operands.conversions, "sync") && read_whole {
        length = read.div_ceil(block) * block;
    }
    let bytes = match &source {
        Source::Zeros if operands.target.is_some() => None,
        _ if length > LIMIT => {
            call.fail("out of memory");
            return 1;
        }
        source => Some(content(source, operands.skip, read, length)),
    };
    let run = bytes.as_deref().map_or(Run::Zeros(length), Run::Bytes);
    let written = match &operands.target {
        Some(target) => into_file(call, &operands, target, run),
        None if operands.seek > 0 => {
            call.fail("standard output: Illegal seek");
            return 1;
        }
        None => {
            call.bytes(bytes.as_deref().unwrap_or_default());
            Some(length)
        }
    };
    let Some(written) = written else {
        return 1;
    };
    if written < length {
        read = written.saturating_add(block).min(read);
    }
    if operands.status {
        let records = |bytes: u64, block: u64| {
            format!(
                "{}+{}",
                bytes / block,
                u64::from(!bytes.is_multiple_of(block))
            )
        };
        let text = format!(
            "{} records in\n{} records out\n",
            records(read, block),
            records(written, operands.blocks.1)
        );
        let sink = call.io.err.clone();
        call.shell.write(&sink, text.as_bytes(), call.host);
    }
    call.code()
}

fn open(call: &mut Call<'_, '_>, operands: &Operands) -> Option<Source> {
    let Some(name) = &operands.source else {
        return Some(Source::Bytes(call.input()));
    };
    let path = call.shell.path(name);
    match path.as_str() {
        "/dev/zero" => return Some(Source::Zeros),
        "/dev/urandom" | "/dev/random" => return Some(Source::Random),
        _ => {}
    }
    match call.files(|f| f.read(&path)) {
        Ok(bytes) => Some(Source::Bytes(bytes.to_vec())),
        Err(why) if why == super::super::files::EISDIR => {
            call.fail(&format!("{name}: {why}"));
            None
        }
        Err(why) => {
            call.fail(&format!("can't open '{name}': {why}"));
            None
        }
    }
}

/// What is read, filled up with zeros to `length`.
fn content(source: &Source, skip: u64, read: u64, length: u64) -> Vec<u8> {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut bytes = match source {
        Source::Bytes(bytes) => {
            let rest = bytes.get(number(skip)..).unwrap_or_default();
            rest.get(..number(read)).unwrap_or(rest).to_vec()
        }
        Source::Random => device_bytes(true, number(read)),
        Source::Zeros => Vec::new(),
    };
    bytes.resize(number(length), 0);
    bytes
}

/// Answers how many bytes were written; `None` when none could be.
fn into_file(
    call: &mut Call<'_, '_>,
    operands: &Operands,
    target: &str,
    run: Run<'_>,
) -> Option<u64> {
    let path = call.shell.path(target);
    if let Err(why) = call.files(|f| f.write(&path, b"", true)) {
        call.fail(&format!("can't open '{target}': {why}"));
        return None;
    }
    let cut = !has(&operands.conversions, "notrunc");
    let append = has(&operands.output_flags, "append");
    let written = call.files(|f| {
        if cut && f.node(&path, true)?.0.is_file() {
            f.resize(&path, operands.seek)?;
        }
        let end = f.node(&path, true)?.0.len();
        f.write_at(&path, if append { end } else { operands.seek }, run)
    });
    match written {
        Ok(written) => {
            if written < run.len() {
                call.fail(&format!(
                    "error writing '{target}': {}",
                    super::super::files::ENOSPC
                ));
            }
            Some(written)
        }
        Err(why) => {
            call.fail(&format!("error writing '{target}': {why}"));
            None
        }
    }
}
