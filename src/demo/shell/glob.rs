//! Patterns of names: `*`, `?` and brackets, matched against one name, and expanded to the paths that there are.
//! A backslash takes the meaning of the character that follows it.

use super::files::Files;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
    /// Ranges and named classes; negated or not.
    Set(Vec<Range>, bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Range {
    Between(char, char),
    Class(String),
}

impl Range {
    fn holds(&self, c: char) -> bool {
        match self {
            Self::Between(from, to) => (*from..=*to).contains(&c),
            Self::Class(name) => match name.as_str() {
                "alnum" => c.is_alphanumeric(),
                "alpha" => c.is_alphabetic(),
                "blank" => c == ' ' || c == '\t',
                "cntrl" => c.is_control(),
                "digit" => c.is_ascii_digit(),
                "graph" => c.is_ascii_graphic(),
                "lower" => c.is_lowercase(),
                "print" => c.is_ascii_graphic() || c == ' ',
                "punct" => c.is_ascii_punctuation(),
                "space" => c.is_whitespace(),
                "upper" => c.is_uppercase(),
                "xdigit" => c.is_ascii_hexdigit(),
                _ => false,
            },
        }
    }
}

/// What a name, or one step of a path, must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

impl Pattern {
    pub(crate) fn parse(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = rest.get(c.len_utf8()..).unwrap_or("");
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                '\\' => {
                    let escaped = rest.chars().next().unwrap_or(c);
                    rest = rest.strip_prefix(escaped).unwrap_or("");
                    Token::Char(escaped)
                }
                '[' => match set(rest) {
                    Some((token, after)) => {
                        rest = after;
                        token
                    }
                    None => Token::Char(c),
                },
                c => Token::Char(c),
            });
        }
        Self(tokens)
    }

    /// The only name that it fits, when nothing in it is a pattern.
    fn literal(&self) -> Option<String> {
        let chars = self.0.iter().map(|token| match token {
            Token::Char(c) => Some(*c),
            _ => None,
        });
        chars.collect()
    }

    fn begins_with_dot(&self) -> bool {
        self.0.first() == Some(&Token::Char('.'))
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let chars: Vec<char> = name.chars().collect();
        let (mut token, mut at) = (0, 0);
        // the last `*`, and how far it reached
        let mut star: Option<(usize, usize)> = None;
        loop {
            let fits = match (self.0.get(token), chars.get(at)) {
                (None, None) => return true,
                (Some(Token::Many), _) => {
                    star = Some((token, at));
                    token += 1;
                    continue;
                }
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Char(wanted)), Some(c)) => wanted == c,
                (Some(Token::Set(ranges, negated)), Some(c)) => {
                    ranges.iter().any(|r| r.holds(*c)) != *negated
                }
                _ => false,
            };
            if fits {
                token += 1;
                at += 1;
                continue;
            }
            let Some((many, reached)) = star.filter(|(_, reached)| *reached < chars.len()) else {
                return false;
            };
            star = Some((many, reached + 1));
            token = many + 1;
            at = reached + 1;
        }
    }
}

/// What stands in brackets, and what follows them; `None` when they are not closed.
fn set(text: &str) -> Option<(Token, &str)> {
    let negated = text.starts_with(['!', '^']);
    let mut rest = text.get(usize::from(negated)..)?;
    let mut ranges = Vec::new();
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !first) {
            return Some((Token::Set(ranges, negated), after));
        }
        first = false;
        if let Some((name, after)) = rest.strip_prefix("[:").and_then(|r| r.split_once(":]")) {
            ranges.push(Range::Class(name.to_owned()));
            rest = after;
            continue;
        }
        let (from, after) = member(rest)?;
        rest = after;
        let end = rest.strip_prefix('-').filter(|r| !r.starts_with(']'));
        let (to, after) = end.map_or(Some((from, rest)), member)?;
        rest = after;
        ranges.push(Range::Between(from, to));
    }
}

/// The next character of a bracket, escaped or not.
fn member(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    match chars.next()? {
        '\\' => Some((chars.next()?, chars.as_str())),
        c => Some((c, chars.as_str())),
    }
}

/// Takes the meaning of every character that means something in a pattern.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "*?[]\\!^-:".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The paths that fit, sorted; none when the text is no pattern or nothing fits it.
pub(crate) fn expand(files: &Files<'_>, directory: &str, text: &str) -> Vec<String> {
    let lead = text.len() - text.trim_start_matches('/').len();
    let (slashes, mut rest) = text.split_at(lead);
    let mut found = vec![slashes.to_owned()];
    let absolute = |path: &str| match path {
        path if path.starts_with('/') => path.to_owned(),
        path => format!("{directory}/{path}"),
    };
    let mut magic = false;
    while !rest.is_empty() && !found.is_empty() {
        let end = rest.find('/').unwrap_or(rest.len());
        let (step, after) = rest.split_at(end);
        rest = after.trim_start_matches('/');
        let (slashes, _) = after.split_at(after.len() - rest.len());
        let pattern = Pattern::parse(step);
        let next: Vec<String> = if let Some(name) = pattern.literal() {
            found.iter().map(|path| format!("{path}{name}")).collect()
        } else {
            magic = true;
            let fitting = |path: &String| names(files, &absolute(path), &pattern);
            let all = found.iter().map(|path| (path, fitting(path)));
            all.flat_map(|(path, names)| names.into_iter().map(move |n| format!("{path}{n}")))
                .collect()
        };
        let there = |path: &String| {
            let node = files.node(&absolute(path), !slashes.is_empty());
            node.is_ok_and(|(node, _)| slashes.is_empty() || node.is_directory())
        };
        found = next.into_iter().filter(there).collect();
        for path in &mut found {
            path.push_str(slashes);
        }
    }
    if !magic {
        return Vec::new();
    }
    found.sort_unstable();
    found
}

/// The names in a directory that fit; hidden ones only when the pattern begins with a dot.
fn names(files: &Files<'_>, directory: &str, pattern: &Pattern) -> Vec<String> {
    let Ok(entries) = files.list(directory) else {
        return Vec::new();
    };
    let own = [".", ".."].map(str::to_owned).into_iter();
    own.chain(entries.into_iter().map(|(name, ..)| name))
        .filter(|name| pattern.begins_with_dot() || !name.starts_with('.'))
        .filter(|name| pattern.matches(name))
        .collect()
}
