//! The grammar of the small shell: lists, pipelines, redirections, quotes, and the usual compounds.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text; quoted text is never split.
    Text(String, bool),
    /// A variable with an operator such as `:-x`; quoted or not.
    Variable(String, Option<Operation>, bool),
    /// The output of a command; quoted or not.
    Output(String, bool),
    Arithmetic(String),
}

/// What is done with the value of a variable: an operator such as `:-`, and its text.
type Operation = (String, String);

/// The operation of `${#name}`.
pub(crate) const LENGTH: &str = "length";

pub(crate) type Word = Vec<Part>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) descriptor: u8,
    pub(crate) kind: &'static str,
    pub(crate) target: Word,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Simple {
        words: Vec<Word>,
        redirects: Vec<Redirect>,
    },
    /// In parentheses: whatever it sets or exits is its own.
    Subshell(Vec<Item>, Vec<Redirect>),
    /// In braces.
    Group(Vec<Item>, Vec<Redirect>),
    If(Vec<(Vec<Item>, Vec<Item>)>, Vec<Item>),
    For(String, Vec<Word>, Vec<Item>),
    While(Vec<Item>, Vec<Item>, bool),
}

/// A pipeline, whether its status is negated, and the operator before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) after: &'static str,
    pub(crate) negated: bool,
    pub(crate) pipeline: Vec<Command>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Word),
    Operator(&'static str),
    Redirect(u8, &'static str),
}

pub(crate) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0 };
    let list = parser.list(&[])?;
    match parser.peek() {
        None => Ok(list),
        Some(token) => Err(format!("syntax error: unexpected {token:?}")),
    }
}

const OPERATORS: &[&str] = &["&&", "||", ";;", ";", "|", "&", "(", ")", "\n"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text;
    let mut out = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        if let Some(after) = rest.strip_prefix("\\\n") {
            rest = after;
            continue;
        }
        if rest.starts_with('#') {
            rest = rest.find('\n').and_then(|i| rest.get(i..)).unwrap_or("");
        }
        if rest.is_empty() {
            return Ok(out);
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        if let Some(kind) = [">>", ">&", ">", "<"]
            .into_iter()
            .find(|k| tail.starts_with(k))
            .filter(|_| digits <= 1)
        {
            let default = u8::from(kind != "<");
            out.push(Token::Redirect(number.parse().unwrap_or(default), kind));
            rest = tail.get(kind.len()..).unwrap_or("");
            continue;
        }
        if let Some(operator) = OPERATORS.iter().find(|o| rest.starts_with(**o)) {
            out.push(Token::Operator(operator));
            rest = rest.get(operator.len()..).unwrap_or("");
            continue;
        }
        let (word, after) = word(rest)?;
        out.push(Token::Word(word));
        rest = after;
    }
}

fn word(text: &str) -> Result<(Word, &str), String> {
    let mut parts: Word = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
            '\'' => {
                let body = rest.get(1..).unwrap_or("");
                let (inner, after) = body.split_once('\'').ok_or("unterminated quoted string")?;
                parts.push(Part::Text(inner.to_owned(), true));
                rest = after;
            }
            '"' => rest = double_quoted(rest.get(1..).unwrap_or(""), &mut parts)?,
            '$' => rest = dollar(rest, &mut parts, false)?,
            '`' => {
                let body = rest.get(1..).unwrap_or("");
                let (inner, after) = body
                    .split_once('`')
                    .ok_or("unterminated command substitution")?;
                parts.push(Part::Output(inner.to_owned(), false));
                rest = after;
            }
            '\\' => {
                let mut chars = rest.chars();
                chars.next();
                if let Some(next) = chars.next().filter(|n| *n != '\n') {
                    parts.push(Part::Text(next.to_string(), true));
                }
                rest = chars.as_str();
            }
            _ => {
                let end = rest
                    .find([
                        ' ', '\t', '\n', ';', '|', '&', '(', ')', '<', '>', '\'', '"', '$', '`',
                        '\\',
                    ])
                    .unwrap_or(rest.len());
                let (plain, after) = rest.split_at(end);
                parts.push(Part::Text(plain.to_owned(), false));
                rest = after;
            }
        }
    }
    Ok((parts, rest))
}

fn double_quoted<'a>(text: &'a str, parts: &mut Word) -> Result<&'a str, String> {
    let mut rest = text;
    let mut plain = String::new();
    parts.push(Part::Text(String::new(), true));
    loop {
        let mut chars = rest.chars();
        match chars.next().ok_or("unterminated quoted string")? {
            '"' => {
                parts.push(Part::Text(plain, true));
                return Ok(chars.as_str());
            }
            '\\' => {
                match chars.next() {
                    Some(c @ ('"' | '\\' | '$' | '`')) => plain.push(c),
                    Some('\n') | None => {}
                    Some(c) => {
                        plain.push('\\');
                        plain.push(c);
                    }
                }
                rest = chars.as_str();
            }
            '$' => {
                parts.push(Part::Text(std::mem::take(&mut plain), true));
                rest = dollar(rest, parts, true)?;
            }
            c => {
                plain.push(c);
                rest = chars.as_str();
            }
        }
    }
}

/// Text up to the bracket that closes, and what follows it.
fn enclosed(text: &str, open: char, close: char) -> Result<(&str, &str), String> {
    let mut depth = 1;
    for (i, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                let after = text.get(i + c.len_utf8()..).unwrap_or("");
                return Ok((text.get(..i).unwrap_or(""), after));
            }
        }
    }
    Err(format!("syntax error: {close} is missing"))
}

fn dollar<'a>(text: &'a str, parts: &mut Word, quoted: bool) -> Result<&'a str, String> {
    let rest = text.get(1..).unwrap_or("");
    if let Some(body) = rest.strip_prefix("((") {
        let (inner, after) = enclosed(body, '(', ')')?;
        parts.push(Part::Arithmetic(inner.to_owned()));
        return after
            .strip_prefix(')')
            .ok_or_else(|| "syntax error in arithmetic".to_owned());
    }
    if let Some(body) = rest.strip_prefix('(') {
        let (inner, after) = enclosed(body, '(', ')')?;
        parts.push(Part::Output(inner.to_owned(), quoted));
        return Ok(after);
    }
    if let Some(body) = rest.strip_prefix('{') {
        let (inner, after) = enclosed(body, '{', '}')?;
        let (name, operation) = parameter(inner)?;
        parts.push(Part::Variable(name.to_owned(), operation, quoted));
        return Ok(after);
    }
    let special = rest
        .chars()
        .next()
        .filter(|c| "?$!#*@0123456789".contains(*c));
    let length = special.map_or_else(
        || {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        },
        char::len_utf8,
    );
    let (name, after) = rest.split_at(length);
    parts.push(if name.is_empty() {
        Part::Text("$".to_owned(), true)
    } else {
        Part::Variable(name.to_owned(), None, quoted)
    });
    Ok(after)
}

/// What stands in the braces of `${…}`: a name, and what is done with its value.
fn parameter(inner: &str) -> Result<(&str, Option<Operation>), String> {
    let is_name = |name: &str| {
        let is_special = name.len() == 1 && "?$!#*@".contains(name);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        is_special || !name.is_empty() && name.chars().all(is_word)
    };
    if let Some(name) = inner.strip_prefix('#').filter(|name| is_name(name)) {
        return Ok((name, Some((LENGTH.to_owned(), String::new()))));
    }
    let end = inner
        .char_indices()
        .find(|(at, c)| *at > 0 && !c.is_ascii_alphanumeric() && *c != '_')
        .map_or(inner.len(), |(at, _)| at);
    let (name, rest) = inner.split_at(end);
    let operators = [
        "##", "%%", ":-", ":+", ":=", ":?", "-", "+", "=", "?", "%", "#",
    ];
    let operation = operators.into_iter().find_map(|operator| {
        let text = rest.strip_prefix(operator)?;
        Some((operator.to_owned(), text.to_owned()))
    });
    if !is_name(name) || operation.is_none() && !rest.is_empty() {
        return Err("bad substitution".to_owned());
    }
    Ok((name, operation))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// The next token as a plain word, for keywords.
    fn keyword(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(parts)) => match parts.as_slice() {
                [Part::Text(text, false)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    fn operator(&self) -> Option<&'static str> {
        match self.peek() {
            Some(Token::Operator(o)) => Some(o),
            _ => None,
        }
    }

    fn expect(&mut self, keyword: &str) -> Result<(), String> {
        if self.keyword() == Some(keyword) {
            self.at += 1;
            return Ok(());
        }
        Err(format!("syntax error: expected {keyword}"))
    }

    fn list(&mut self, ends: &[&str]) -> Result<Vec<Item>, String> {
        let mut items = Vec::new();
        let mut after = ";";
        loop {
            while matches!(self.operator(), Some(";" | "\n" | "&")) {
                self.at += 1;
                after = ";";
            }
            let end = self.peek().is_none()
                || self.operator() == Some(")")
                || self.keyword().is_some_and(|k| ends.contains(&k));
            if end {
                return Ok(items);
            }
            let negated = self.keyword() == Some("!");
            self.at += usize::from(negated);
            let mut pipeline = vec![self.command()?];
            while self.operator() == Some("|") {
                self.at += 1;
                pipeline.push(self.command()?);
            }
            items.push(Item {
                after,
                negated,
                pipeline,
            });
            match self.operator() {
                Some(o @ ("&&" | "||")) => {
                    self.at += 1;
                    after = o;
                    while self.operator() == Some("\n") {
                        self.at += 1;
                    }
                }
                Some(";" | "\n" | "&") => {}
                None if self.peek().is_some()
                    && !self.keyword().is_some_and(|k| ends.contains(&k)) =>
                {
                    return Err("syntax error".to_owned());
                }
                _ => return Ok(items),
            }
        }
    }

    fn block(&mut self, ends: &[&str]) -> Result<Vec<Item>, String> {
        self.list(ends)
    }

    fn command(&mut self) -> Result<Command, String> {
        while self.operator() == Some("\n") {
            self.at += 1;
        }
        if self.operator() == Some("(") {
            self.at += 1;
            let inner = self.block(&[])?;
            if self.operator() != Some(")") {
                return Err("syntax error: ) is missing".to_owned());
            }
            self.at += 1;
            let redirects = self.redirects()?;
            return Ok(Command::Subshell(inner, redirects));
        }
        match self.keyword() {
            Some("{") => {
                self.at += 1;
                let inner = self.block(&["}"])?;
                self.expect("}")?;
                let redirects = self.redirects()?;
                Ok(Command::Group(inner, redirects))
            }
            Some("if") => self.conditional(),
            Some(word @ ("while" | "until")) => {
                let until = word == "until";
                self.at += 1;
                let condition = self.block(&["do"])?;
                self.expect("do")?;
                let body = self.block(&["done"])?;
                self.expect("done")?;
                Ok(Command::While(condition, body, until))
            }
            Some("for") => self.iteration(),
            _ => self.simple(),
        }
    }

    fn conditional(&mut self) -> Result<Command, String> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        self.at += 1;
        loop {
            let condition = self.block(&["then"])?;
            self.expect("then")?;
            let body = self.block(&["elif", "else", "fi"])?;
            branches.push((condition, body));
            match self.keyword() {
                Some("elif") => self.at += 1,
                Some("else") => {
                    self.at += 1;
                    otherwise = self.block(&["fi"])?;
                    break;
                }
                _ => break,
            }
        }
        self.expect("fi")?;
        Ok(Command::If(branches, otherwise))
    }

    fn iteration(&mut self) -> Result<Command, String> {
        self.at += 1;
        let name = self.keyword().ok_or("syntax error: for what?")?.to_owned();
        self.at += 1;
        let mut words = Vec::new();
        if self.keyword() == Some("in") {
            self.at += 1;
            while let Some(Token::Word(word)) = self.peek() {
                words.push(word.clone());
                self.at += 1;
            }
        }
        while matches!(self.operator(), Some(";" | "\n")) {
            self.at += 1;
        }
        self.expect("do")?;
        let body = self.block(&["done"])?;
        self.expect("done")?;
        Ok(Command::For(name, words, body))
    }

    fn redirects(&mut self) -> Result<Vec<Redirect>, String> {
        let mut redirects = Vec::new();
        while let Some(Token::Redirect(descriptor, kind)) = self.peek().cloned() {
            self.at += 1;
            let Some(Token::Word(target)) = self.peek().cloned() else {
                return Err("syntax error: redirection to nothing".to_owned());
            };
            self.at += 1;
            redirects.push(Redirect {
                descriptor,
                kind,
                target,
            });
        }
        Ok(redirects)
    }

    fn simple(&mut self) -> Result<Command, String> {
        let mut words = Vec::new();
        let mut redirects = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Word(word)) => {
                    words.push(word.clone());
                    self.at += 1;
                }
                Some(Token::Redirect(..)) => redirects.extend(self.redirects()?),
                _ => break,
            }
        }
        if words.is_empty() && redirects.is_empty() {
            return Err(format!("syntax error: unexpected {:?}", self.peek()));
        }
        Ok(Command::Simple { words, redirects })
    }
}
