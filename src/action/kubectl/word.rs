//! Words of a shell: quoted, with captured values put in by the shell itself.

use super::Command;

/// What a captured value's name stands between: nothing that a manifest holds is taken for one.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// Where the shell puts a captured value in.
pub(super) fn captured(name: &str) -> String {
    format!("{OPEN}{name}{CLOSE}")
}

/// A JSON pointer as kubectl spells it.
pub(super) fn path(pointer: &str) -> String {
    let mut text = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.chars().all(|c| c.is_ascii_digit()) {
            text.extend(["[", &part, "]"]);
        } else {
            text.push('.');
            text.push_str(&part.replace('.', "\\."));
        }
    }
    text
}

/// A command with its input. Where captured values are put in, the shell does it.
pub(super) fn reading(command: &str, text: &str) -> Command {
    let parts = parts(text);
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return Command {
            text: format!("{command} <<'EOF'"),
            here: Some(format!("{text}\nEOF")),
        };
    }
    let mut here = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                for c in text.chars() {
                    if matches!(c, '\\' | '$' | '`') {
                        here.push('\\');
                    }
                    here.push(c);
                }
            }
            Part::Captured(name) => here.extend(["${", &variable(name), "}"]),
        }
    }
    Command {
        text: format!("{command} <<EOF"),
        here: Some(format!("{here}\nEOF")),
    }
}

enum Part<'a> {
    Text(&'a str),
    Captured(&'a str),
}

/// A text, taken apart where captured values stand in it.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once(OPEN)
        && let Some((name, after)) = tail.split_once(CLOSE)
    {
        parts.extend([Part::Text(before), Part::Captured(name)]);
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

/// The name of a captured value in the shell. Captured names have no capitals, so that no two
/// become one.
pub(super) fn variable(name: &str) -> String {
    format!("c_{}", name.replace('-', "_").replace('.', "D"))
}

/// For a POSIX shell: plain words stay, captured values are put in, all else is in single quotes.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::new();
    for part in parts(word) {
        match part {
            Part::Text("") => {}
            Part::Text(part) => text.push_str(&quoted_whole(part)),
            Part::Captured(name) => text.extend(["\"${", &variable(name), "}\""]),
        }
    }
    if text.is_empty() {
        text.push_str("''");
    }
    text
}

/// Word for word, whatever stands in it.
pub(super) fn quoted_whole(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a shell prints for it. Where there is none, nothing is checked by it.
    fn shell(script: &str) -> std::process::Output {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).output().unwrap()
    }

    #[test]
    fn captured_values_are_put_in_by_the_shell_and_nothing_else_is() {
        let mark = captured("uid-x.y");
        let text =
            format!("{{\"a\": \"{mark}\", \"b\": \"${{HOME}} ${{port-8080}} `id` \\\\ $x\"}}");
        let command = reading("cat", &text);
        let script = format!(
            "{}=it\n{}\n{}",
            variable("uid-x.y"),
            command.text,
            command.here.unwrap()
        );
        let output = shell(&script);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim_end(),
            text.replace(&mark, "it")
        );
        assert_ne!(variable("a.b"), variable("a-b"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_shell_reads_a_word_as_it_is(word in "[ -~\n]{0,30}") {
            let output = shell(&format!("printf '%s' {}", quoted(&word)));
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }
}
