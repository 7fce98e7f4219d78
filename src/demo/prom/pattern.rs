//! Anchored regular expressions of label matchers: literals, `.`, classes, `* + ?`, groups, alternatives.

#[derive(Clone, Debug)]
enum Atom {
    Any,
    Char(char),
    Class(Vec<(char, char)>, bool),
    Group(Vec<Vec<Step>>),
}

#[derive(Clone, Debug)]
struct Step {
    atom: Atom,
    least: u8,
    many: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Vec<Step>>);

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let found = alternatives(&chars, &mut at)?;
        if at < chars.len() {
            return Err(format!("error parsing regexp: unexpected ): `{text}`"));
        }
        Ok(Self(found))
    }

    /// The whole text fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        self.0
            .iter()
            .any(|steps| fits(steps, &chars, 0, &mut |end| end == chars.len()))
    }
}

fn alternatives(chars: &[char], at: &mut usize) -> Result<Vec<Vec<Step>>, String> {
    let mut all = vec![Vec::new()];
    while let Some(c) = chars.get(*at).copied() {
        *at += 1;
        let atom = match c {
            '|' => {
                all.push(Vec::new());
                continue;
            }
            ')' => {
                *at -= 1;
                break;
            }
            '(' => {
                if chars.get(*at..*at + 2) == Some(&['?', ':']) {
                    *at += 2;
                }
                let inner = alternatives(chars, at)?;
                if chars.get(*at) != Some(&')') {
                    return Err("error parsing regexp: missing closing )".to_owned());
                }
                *at += 1;
                Atom::Group(inner)
            }
            '.' => Atom::Any,
            '^' | '$' => continue,
            '[' => class(chars, at)?,
            '\\' => {
                let escaped = chars
                    .get(*at)
                    .copied()
                    .ok_or("error parsing regexp: trailing backslash")?;
                *at += 1;
                match escaped {
                    'd' => Atom::Class(vec![('0', '9')], false),
                    'w' => Atom::Class(vec![('0', '9'), ('a', 'z'), ('A', 'Z'), ('_', '_')], false),
                    c if c.is_alphanumeric() => {
                        return Err(format!("error parsing regexp: \\{c} is not supported here"));
                    }
                    c => Atom::Char(c),
                }
            }
            '*' | '+' | '?' | '{' => {
                return Err(format!("error parsing regexp: {c} is not supported here"));
            }
            c => Atom::Char(c),
        };
        let (least, many) = match chars.get(*at) {
            Some('*') => (0, true),
            Some('+') => (1, true),
            Some('?') => (0, false),
            _ => (1, false),
        };
        *at += usize::from(matches!(chars.get(*at), Some('*' | '+' | '?')));
        if let Some(last) = all.last_mut() {
            last.push(Step { atom, least, many });
        }
    }
    Ok(all)
}

fn class(chars: &[char], at: &mut usize) -> Result<Atom, String> {
    let negated = chars.get(*at) == Some(&'^');
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    loop {
        let from = chars
            .get(*at)
            .copied()
            .ok_or("error parsing regexp: missing closing ]")?;
        *at += 1;
        if from == ']' {
            return Ok(Atom::Class(ranges, negated));
        }
        if chars.get(*at) == Some(&'-') && chars.get(*at + 1).is_some_and(|c| *c != ']') {
            ranges.push((from, chars.get(*at + 1).copied().unwrap_or(from)));
            *at += 2;
        } else {
            ranges.push((from, from));
        }
    }
}

fn fits(steps: &[Step], text: &[char], at: usize, done: &mut dyn FnMut(usize) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return done(at);
    };
    if step.least == 0 && !step.many {
        return once(&step.atom, text, at, &mut |end| fits(rest, text, end, done))
            || fits(rest, text, at, done);
    }
    if step.many {
        let again = Step {
            atom: step.atom.clone(),
            least: 0,
            many: true,
        };
        let mut more: Vec<Step> = vec![again];
        more.extend(rest.iter().cloned());
        let taken = once(&step.atom, text, at, &mut |end| {
            end > at && fits(&more, text, end, done)
        });
        return taken || step.least == 0 && fits(rest, text, at, done);
    }
    once(&step.atom, text, at, &mut |end| fits(rest, text, end, done))
}

fn once(atom: &Atom, text: &[char], at: usize, done: &mut dyn FnMut(usize) -> bool) -> bool {
    if let Atom::Group(alternatives) = atom {
        return alternatives.iter().any(|steps| fits(steps, text, at, done));
    }
    let Some(c) = text.get(at) else {
        return false;
    };
    let hit = match atom {
        Atom::Any => true,
        Atom::Char(x) => x == c,
        Atom::Class(ranges, negated) => ranges.iter().any(|(a, b)| a <= c && c <= b) != *negated,
        Atom::Group(_) => false,
    };
    hit && done(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a|b", "b", true)]
    #[case("ws-.*", "ws-1-x", true)]
    #[case("ws-.+", "ws-", false)]
    #[case("coditect-(pro|starter)-[0-9]+", "coditect-pro-12", true)]
    #[case("a\\.b", "axb", false)]
    #[case("", "", true)]
    #[case(".*", "", true)]
    fn patterns_are_anchored(#[case] pattern: &str, #[case] text: &str, #[case] hit: bool) {
        assert_eq!(Pattern::parse(pattern).unwrap().matches(text), hit);
    }
}
