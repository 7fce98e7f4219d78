//! The grammar of PromQL, as far as the simulated Prometheus answers it. What it does not know is an error.

pub(crate) type Matchers = Vec<(String, &'static str, String)>;

#[derive(Clone, Debug)]
pub(crate) struct Matching {
    pub(crate) on: bool,
    pub(crate) labels: Vec<String>,
    /// `group_left` or `group_right`, with the labels to take over.
    pub(crate) group: Option<(bool, Vec<String>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Number(f64),
    Text(String),
    Selector {
        matchers: Matchers,
        range: Option<f64>,
        offset: f64,
    },
    Subquery {
        inner: Box<Expr>,
        range: f64,
        step: Option<f64>,
        offset: f64,
    },
    Call(String, Vec<Expr>),
    Aggregate {
        op: String,
        by: bool,
        labels: Vec<String>,
        parameter: Option<Box<Expr>>,
        inner: Box<Expr>,
    },
    Binary {
        op: &'static str,
        bool_result: bool,
        matching: Matching,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negative(Box<Expr>),
}

const AGGREGATIONS: &[&str] = &[
    "sum", "min", "max", "count", "avg", "group", "topk", "bottomk", "quantile", "stddev",
];
const OPERATORS: &[(&str, u8)] = &[
    ("or", 1),
    ("and", 2),
    ("unless", 2),
    ("==", 3),
    ("!=", 3),
    ("<=", 3),
    (">=", 3),
    ("<", 3),
    (">", 3),
    ("+", 4),
    ("-", 4),
    ("*", 5),
    ("/", 5),
    ("%", 5),
    ("^", 6),
];

pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text };
    let expr = parser.expression(0)?;
    parser.space();
    if parser.rest.is_empty() {
        Ok(expr)
    } else {
        Err(format!("unexpected {:?}", parser.rest))
    }
}

/// `1h30m`, in seconds.
pub(crate) fn duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let units = [
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
            ("d", 86_400.0),
            ("w", 604_800.0),
            ("y", 31_536_000.0),
        ];
        let (unit, size) = units.into_iter().find(|(u, _)| tail.starts_with(u))?;
        sum += number.parse::<f64>().ok()? * size;
        rest = tail.strip_prefix(unit)?;
    }
    (sum > 0.0).then_some(sum)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn space(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                return;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, r)| r);
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.eat(text) {
            Ok(())
        } else {
            Err(format!("expected {text:?} before {:?}", self.rest))
        }
    }

    fn name(&mut self) -> &'a str {
        self.space();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        name
    }

    fn word(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        if self.name() == wanted {
            return true;
        }
        self.rest = before;
        false
    }

    fn operator(&mut self, least: u8) -> Option<(&'static str, u8)> {
        self.space();
        let (op, rank) = OPERATORS.iter().find(|(op, _)| {
            self.rest.strip_prefix(op).is_some_and(|after| {
                !op.starts_with(char::is_alphabetic)
                    || !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            })
        })?;
        if *rank < least {
            return None;
        }
        self.rest = self.rest.strip_prefix(op)?;
        Some((op, *rank))
    }

    fn expression(&mut self, least: u8) -> Result<Expr, String> {
        let mut left = self.unary()?;
        while let Some((op, rank)) = self.operator(least.max(1)) {
            let bool_result = self.word("bool");
            let mut matching = Matching {
                on: false,
                labels: Vec::new(),
                group: None,
            };
            for (word, on) in [("on", true), ("ignoring", false)] {
                if self.word(word) {
                    matching.on = on;
                    matching.labels = self.labels()?;
                }
            }
            for (word, is_left) in [("group_left", true), ("group_right", false)] {
                if self.word(word) {
                    self.space();
                    let labels = if self.rest.starts_with('(') {
                        self.labels()?
                    } else {
                        Vec::new()
                    };
                    matching.group = Some((is_left, labels));
                }
            }
            let right = self.expression(if op == "^" { rank } else { rank + 1 })?;
            left = Expr::Binary {
                op,
                bool_result,
                matching,
                left: Box::new(left),
                right: Box::new(right),
            };
        }
        Ok(left)
    }

    fn labels(&mut self) -> Result<Vec<String>, String> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.eat(")") {
            let name = self.name();
            if name.is_empty() {
                return Err(format!("expected a label before {:?}", self.rest));
            }
            labels.push(name.to_owned());
            self.eat(",");
        }
        Ok(labels)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.eat("-") {
            return Ok(Expr::Negative(Box::new(self.unary()?)));
        }
        self.eat("+");
        let base = self.primary()?;
        self.suffixes(base)
    }

    fn suffixes(&mut self, base: Expr) -> Result<Expr, String> {
        let mut expr = base;
        loop {
            if self.eat("[") {
                let inside = self.rest;
                let (text, rest) = inside.split_once(']').ok_or("missing ]")?;
                self.rest = rest;
                let (range, step) = text
                    .split_once(':')
                    .map_or((text, None), |(r, s)| (r, Some(s)));
                let range =
                    duration(range.trim()).ok_or_else(|| format!("not a duration: {range:?}"))?;
                expr = match (expr, step) {
                    (
                        Expr::Selector {
                            matchers,
                            range: None,
                            offset,
                        },
                        None,
                    ) => Expr::Selector {
                        matchers,
                        range: Some(range),
                        offset,
                    },
                    (inner, Some(step)) => Expr::Subquery {
                        inner: Box::new(inner),
                        range,
                        step: duration(step.trim()),
                        offset: 0.0,
                    },
                    _ => return Err("ranges only allowed for vector selectors".to_owned()),
                };
            } else if self.word("offset") {
                self.space();
                let negative = self.eat("-");
                let text = self.name();
                let by = duration(text).ok_or_else(|| format!("not a duration: {text:?}"))?
                    * if negative { -1.0 } else { 1.0 };
                match &mut expr {
                    Expr::Selector { offset, .. } | Expr::Subquery { offset, .. } => *offset = by,
                    _ => return Err("offset modifier must be preceded by a selector".to_owned()),
                }
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        self.space();
        if self.eat("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.rest.starts_with(['"', '\'']) {
            return Ok(Expr::Text(self.string()?));
        }
        if self
            .rest
            .starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            let mut end = self
                .rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(self.rest.len());
            if let Some(tail) = self.rest.get(end..)
                && let Some(exponent) = tail.strip_prefix(['e', 'E'])
            {
                let signed = exponent.trim_start_matches(['+', '-']);
                let digits = signed
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(signed.len());
                end = self.rest.len() - signed.len() + digits;
            }
            let (number, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
            self.rest = rest;
            return number
                .parse()
                .map(Expr::Number)
                .map_err(|error| format!("bad number {number:?}: {error}"));
        }
        if self.rest.starts_with('{') {
            return self.selector("");
        }
        let name = self.name();
        if name.is_empty() {
            return Err(format!("unexpected {:?}", self.rest));
        }
        if matches!(name, "Inf" | "inf") {
            return Ok(Expr::Number(f64::INFINITY));
        }
        if matches!(name, "NaN" | "nan") {
            return Ok(Expr::Number(f64::NAN));
        }
        if AGGREGATIONS.contains(&name) {
            return self.aggregate(name);
        }
        self.space();
        if self.rest.starts_with('(') {
            let arguments = self.arguments()?;
            return Ok(Expr::Call(name.to_owned(), arguments));
        }
        self.selector(name)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, String> {
        self.expect("(")?;
        let mut all = Vec::new();
        while !self.eat(")") {
            all.push(self.expression(0)?);
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(all)
    }

    fn aggregate(&mut self, op: &str) -> Result<Expr, String> {
        let mut grouping = self.grouping()?;
        let mut arguments = self.arguments()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let (by, labels) = grouping.unwrap_or((true, Vec::new()));
        let inner = arguments.pop().ok_or("an aggregation of nothing")?;
        Ok(Expr::Aggregate {
            op: op.to_owned(),
            by,
            labels,
            parameter: arguments.pop().map(Box::new),
            inner: Box::new(inner),
        })
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, String> {
        for (word, by) in [("by", true), ("without", false)] {
            if self.word(word) {
                return Ok(Some((by, self.labels()?)));
            }
        }
        Ok(None)
    }

    fn string(&mut self) -> Result<String, String> {
        self.space();
        let mut chars = self.rest.chars();
        let quote = chars
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'))
            .ok_or("expected a string")?;
        let mut text = String::new();
        while let Some(c) = chars.next() {
            if c == quote {
                self.rest = chars.as_str();
                return Ok(text);
            }
            if c == '\\' && quote != '`' {
                match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(other) => text.push(other),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    fn selector(&mut self, name: &str) -> Result<Expr, String> {
        let mut matchers: Matchers = Vec::new();
        if !name.is_empty() {
            matchers.push(("__name__".to_owned(), "=", name.to_owned()));
        }
        if self.eat("{") {
            while !self.eat("}") {
                let label = self.name().to_owned();
                let op = ["=~", "!~", "!=", "="]
                    .into_iter()
                    .find(|op| self.eat(op))
                    .ok_or_else(|| format!("unexpected {:?} in label matching", self.rest))?;
                matchers.push((label, op, self.string()?));
                self.eat(",");
            }
        }
        if matchers.is_empty() {
            return Err("vector selector must contain at least one non-empty matcher".to_owned());
        }
        Ok(Expr::Selector {
            matchers,
            range: None,
            offset: 0.0,
        })
    }
}
