//! Evaluates PromQL over the series of the world.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{Expr, Matchers, Matching};
use super::pattern::Pattern;
use super::series::{self, Labels, SCRAPE, Series};
use crate::demo::world::World;

/// Points that one query may look at; the simulated `--query.max-samples`.
const MOST: f64 = 30_000_000.0;

pub(crate) type Points = Vec<(f64, f64)>;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(f64),
    Text(String),
    /// Labels, value, time of the sample.
    Vector(Vec<(Labels, f64, f64)>),
    Matrix(Vec<(Labels, Points)>),
}

type Result<T> = std::result::Result<T, String>;

pub(crate) struct Evaluator<'w> {
    world: &'w World,
    /// Only series of these labels matter; `None` = all do.
    only: Option<BTreeSet<Labels>>,
}

impl<'w> Evaluator<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self { world, only: None }
    }

    pub(crate) fn select(&self, matchers: &Matchers) -> Result<Vec<Series<'w>>> {
        let mut tests: Vec<(&str, bool, Pattern)> = Vec::new();
        for (label, op, value) in matchers {
            if op.ends_with('~') {
                tests.push((label, *op == "=~", Pattern::parse(value)?));
            }
        }
        let fits = |labels: &Labels| {
            let of = |label: &str| labels.get(label).map_or("", String::as_str);
            matchers.iter().all(|(label, op, value)| match *op {
                "=" => of(label) == value,
                "!=" => of(label) != value,
                _ => true,
            }) && tests
                .iter()
                .all(|(label, wanted, pattern)| pattern.matches(of(label)) == *wanted)
        };
        let exact = matchers
            .iter()
            .find(|(l, op, _)| l == "__name__" && *op == "=")
            .map(|(_, _, v)| v.as_str());
        let names: Vec<&str> = exact.map_or_else(|| series::NAMES.to_vec(), |name| vec![name]);
        Ok(names
            .into_iter()
            .flat_map(|n| series::named(self.world, n))
            .filter(|s| fits(&s.labels))
            .filter(|s| {
                let among = |only: &BTreeSet<Labels>| only.contains(&nameless(s.labels.clone()));
                self.only.as_ref().is_none_or(among)
            })
            .collect())
    }

    pub(crate) fn run(&self, expr: &Expr, at: f64) -> Result<Value> {
        match expr {
            Expr::Number(n) => Ok(Value::Scalar(*n)),
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            Expr::Negative(inner) => Ok(match self.run(inner, at)? {
                Value::Scalar(n) => Value::Scalar(-n),
                Value::Vector(all) => Value::Vector(
                    all.into_iter()
                        .map(|(l, v, t)| (nameless(l), -v, t))
                        .collect(),
                ),
                other => other,
            }),
            Expr::Selector {
                matchers,
                range: None,
                offset,
            } => {
                let when = at - offset;
                let scrape = (when / SCRAPE).floor() * SCRAPE;
                let found = self.select(matchers)?;
                Ok(Value::Vector(
                    found
                        .into_iter()
                        .filter_map(|s| Some((s.labels.clone(), s.at(scrape)?, scrape)))
                        .collect(),
                ))
            }
            Expr::Selector {
                matchers,
                range: Some(range),
                offset,
            } => self.range(matchers, *range, at - offset, usize::MAX),
            Expr::Subquery {
                inner,
                range,
                step,
                offset,
            } => self.subquery(inner, *range, step.unwrap_or(60.0), at - offset),
            Expr::Call(name, arguments) => self.call(name, arguments, at),
            Expr::Aggregate {
                op,
                by,
                labels,
                parameter,
                inner,
            } => {
                let parameter = match parameter {
                    Some(p) => match self.run(p, at)? {
                        Value::Scalar(n) => Some(n),
                        _ => {
                            return Err(format!(
                                "expected type scalar in aggregation parameter of {op}"
                            ));
                        }
                    },
                    None => None,
                };
                let Value::Vector(all) = self.run(inner, at)? else {
                    return Err(format!(
                        "expected type instant vector in aggregation expression of {op}"
                    ));
                };
                aggregate(op, *by, labels, parameter, all, at)
            }
            Expr::Binary {
                op,
                bool_result,
                matching,
                left,
                right,
            } => {
                let left = self.run(left, at)?;
                let right = match &left {
                    // What is not on the left need not be computed, such as a fit over hours for every disk.
                    Value::Vector(all)
                        if *op == "and" && matching.is_plain() && right.is_each() =>
                    {
                        let only = all.iter().map(|(l, _, _)| nameless(l.clone())).collect();
                        let inner = Self {
                            world: self.world,
                            only: Some(only),
                        };
                        inner.run(right, at)?
                    }
                    _ => self.run(right, at)?,
                };
                binary(op, *bool_result, matching, left, right, at)
            }
        }
    }

    /// The `newest` points of each series at the most.
    fn range(&self, matchers: &Matchers, range: f64, at: f64, newest: usize) -> Result<Value> {
        let found = self.select(matchers)?;
        let range = range.min(crate::demo::history::RETENTION_SECONDS + SCRAPE);
        let mut all = Vec::new();
        for series in found {
            let mut points = Vec::new();
            let mut t = (at / SCRAPE).floor() * SCRAPE;
            while t > at - range && points.len() < newest {
                if let Some(v) = series.at(t) {
                    points.push((t, v));
                }
                t -= SCRAPE;
            }
            if !points.is_empty() {
                points.reverse();
                all.push((series.labels, points));
            }
        }
        Ok(Value::Matrix(all))
    }

    fn subquery(&self, inner: &Expr, range: f64, step: f64, at: f64) -> Result<Value> {
        let range = range.min(crate::demo::history::RETENTION_SECONDS);
        if range / step > MOST / 1000.0 {
            return Err(
                "query processing would load too many samples into memory in query execution"
                    .to_owned(),
            );
        }
        let mut sums: BTreeMap<Labels, Points> = BTreeMap::new();
        let mut t = ((at - range) / step).floor() * step + step;
        while t <= at {
            match self.run(inner, t)? {
                Value::Vector(all) => {
                    for (labels, value, _) in all {
                        sums.entry(labels).or_default().push((t, value));
                    }
                }
                Value::Scalar(n) => sums.entry(Labels::new()).or_default().push((t, n)),
                _ => return Err("subquery is only allowed on instant vector".to_owned()),
            }
            t += step;
        }
        Ok(Value::Matrix(sums.into_iter().collect()))
    }

    fn call(&self, name: &str, arguments: &[Expr], at: f64) -> Result<Value> {
        let argument = |n: usize| {
            arguments
                .get(n)
                .ok_or_else(|| format!("expected {} argument(s) in call to {name:?}", n + 1))
                .and_then(|e| self.run(e, at))
        };
        let number = |n: usize| match argument(n)? {
            Value::Scalar(v) => Ok(v),
            _ => Err(format!("expected type scalar in call to function {name:?}")),
        };
        let text = |n: usize| match argument(n)? {
            Value::Text(t) => Ok(t),
            _ => Err(format!("expected type string in call to function {name:?}")),
        };
        match name {
            "time" => return Ok(Value::Scalar(at)),
            "vector" => return Ok(Value::Vector(vec![(Labels::new(), number(0)?, at)])),
            "scalar" => {
                let Value::Vector(all) = argument(0)? else {
                    return Err(
                        "expected type instant vector in call to function \"scalar\"".to_owned(),
                    );
                };
                return Ok(Value::Scalar(if let [(_, v, _)] = all.as_slice() {
                    *v
                } else {
                    f64::NAN
                }));
            }
            _ => {}
        }
        if let Some(over) = over_time(name) {
            let parameter = match name {
                "predict_linear" => Some(number(1)?),
                "quantile_over_time" => Some(number(0)?),
                _ => None,
            };
            let at_argument = usize::from(name == "quantile_over_time");
            let matrix = match arguments.get(at_argument) {
                // a long look back over every disk would compute all points
                Some(Expr::Selector {
                    matchers,
                    range: Some(range),
                    offset,
                }) if matches!(name, "present_over_time" | "last_over_time") => {
                    self.range(matchers, *range, at - offset, 1)?
                }
                _ => argument(at_argument)?,
            };
            let Value::Matrix(all) = matrix else {
                return Err(format!(
                    "expected type range vector in call to function {name:?}, got instant vector"
                ));
            };
            let range = match arguments.get(at_argument) {
                Some(Expr::Selector { range: Some(r), .. } | Expr::Subquery { range: r, .. }) => *r,
                _ => 0.0,
            };
            let keep = name == "last_over_time";
            let values = all.into_iter().filter_map(|(labels, points)| {
                let value = over(
                    &points,
                    &Window {
                        at,
                        range,
                        parameter,
                    },
                )?;
                Some((if keep { labels } else { nameless(labels) }, value, at))
            });
            return Ok(Value::Vector(values.collect()));
        }
        let Value::Vector(all) = argument(0)? else {
            return Err(format!(
                "expected type instant vector in call to function {name:?}"
            ));
        };
        let map = |f: &dyn Fn(f64) -> f64| {
            Value::Vector(
                all.iter()
                    .map(|(l, v, t)| (nameless(l.clone()), f(*v), *t))
                    .collect(),
            )
        };
        Ok(match name {
            "timestamp" => Value::Vector(
                all.into_iter()
                    .map(|(l, _, t)| (nameless(l), t, at))
                    .collect(),
            ),
            "abs" => map(&f64::abs),
            "ceil" => map(&f64::ceil),
            "floor" => map(&f64::floor),
            "round" => map(&f64::round),
            "sqrt" => map(&f64::sqrt),
            "clamp_min" => {
                let least = number(1)?;
                map(&|v| v.max(least))
            }
            "clamp_max" => {
                let most = number(1)?;
                map(&|v| v.min(most))
            }
            "absent" => Value::Vector(if all.is_empty() {
                vec![(Labels::new(), 1.0, at)]
            } else {
                Vec::new()
            }),
            "sort" | "sort_desc" => {
                let mut sorted = all;
                sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
                if name == "sort_desc" {
                    sorted.reverse();
                }
                Value::Vector(sorted)
            }
            "label_replace" => {
                let (target, replacement, source) = (text(1)?, text(2)?, text(3)?);
                if text(4)? != "(.*)" {
                    return Err(
                        "label_replace is only known with the regex \"(.*)\" here".to_owned()
                    );
                }
                Value::Vector(
                    all.into_iter()
                        .map(|(mut l, v, t)| {
                            let value = replacement
                                .replace("$1", l.get(&source).map_or("", String::as_str));
                            l.insert(target.clone(), value);
                            (l, v, t)
                        })
                        .collect(),
                )
            }
            _ => return Err(format!("unknown function with name {name:?}")),
        })
    }
}

impl Matching {
    fn is_plain(&self) -> bool {
        !self.on && self.labels.is_empty() && self.group.is_none()
    }
}

impl Expr {
    /// Each series of the result comes of the series with the same labels, and of no other.
    fn is_each(&self) -> bool {
        match self {
            Self::Number(_) | Self::Selector { .. } => true,
            Self::Call(name, arguments) => {
                over_time(name).is_some() && arguments.iter().all(Self::is_each)
            }
            Self::Binary {
                matching,
                left,
                right,
                ..
            } => matching.is_plain() && left.is_each() && right.is_each(),
            _ => false,
        }
    }
}

fn nameless(mut labels: Labels) -> Labels {
    labels.remove("__name__");
    labels
}

/// What a function over a range needs beside the points.
struct Window {
    at: f64,
    range: f64,
    parameter: Option<f64>,
}

type Over = fn(&[(f64, f64)], &Window) -> Option<f64>;

#[expect(clippy::cast_precision_loss, reason = "counts of points are small")]
fn over_time(name: &str) -> Option<Over> {
    Some(match name {
        "avg_over_time" => |p, _| Some(p.iter().map(|x| x.1).sum::<f64>() / p.len() as f64),
        "sum_over_time" => |p, _| Some(p.iter().map(|x| x.1).sum()),
        "min_over_time" => |p, _| p.iter().map(|x| x.1).reduce(f64::min),
        "max_over_time" => |p, _| p.iter().map(|x| x.1).reduce(f64::max),
        "count_over_time" => |p, _| Some(p.len() as f64),
        "last_over_time" => |p, _| p.last().map(|x| x.1),
        "present_over_time" => |_, _| Some(1.0),
        "quantile_over_time" => {
            |p, w| quantile(p.iter().map(|x| x.1).collect(), w.parameter.unwrap_or(0.5))
        }
        "changes" => |p, _| {
            Some(
                p.windows(2)
                    .filter(|w| w[0].1.to_bits() != w[1].1.to_bits())
                    .count() as f64,
            )
        },
        "resets" => |p, _| Some(p.windows(2).filter(|w| w[1].1 < w[0].1).count() as f64),
        "rate" => |p, w| Some(growth(p, w, true)? / w.range),
        "increase" => |p, w| growth(p, w, true),
        "delta" => |p, w| growth(p, w, false),
        "irate" => |p, _| match p {
            [.., a, b] => Some((if b.1 < a.1 { b.1 } else { b.1 - a.1 }) / (b.0 - a.0)),
            _ => None,
        },
        "deriv" => |p, w| Some(line(p, w.at)?.0),
        "predict_linear" => |p, w| {
            let (slope, now) = line(p, w.at)?;
            Some(now + slope * w.parameter.unwrap_or(0.0))
        },
        _ => return None,
    })
}

/// Prometheus' extrapolated increase: to the edges of the window when the samples reach near them.
#[expect(clippy::cast_precision_loss, reason = "counts of points are small")]
fn growth(points: &[(f64, f64)], window: &Window, counter: bool) -> Option<f64> {
    let ([first, ..], [.., last]) = (points, points) else {
        return None;
    };
    if points.len() < 2 {
        return None;
    }
    let mut sum = last.1 - first.1;
    if counter {
        sum += points
            .windows(2)
            .filter(|w| w[1].1 < w[0].1)
            .map(|w| w[0].1)
            .sum::<f64>();
    }
    let sampled = last.0 - first.0;
    let average = sampled / (points.len() - 1) as f64;
    let near = average * 1.1;
    let mut before = first.0 - (window.at - window.range);
    let mut after = window.at - last.0;
    if before >= near {
        before = average / 2.0;
    }
    if counter && sum > 0.0 && first.1 >= 0.0 {
        before = before.min(sampled * first.1 / sum);
    }
    if after >= near {
        after = average / 2.0;
    }
    Some(sum * (sampled + before + after) / sampled)
}

/// Least squares: slope per second, and the value at `at`.
#[expect(clippy::cast_precision_loss, reason = "counts of points are small")]
fn line(points: &[(f64, f64)], at: f64) -> Option<(f64, f64)> {
    if points.len() < 2 {
        return None;
    }
    let n = points.len() as f64;
    let (mean_t, mean_v) = (
        points.iter().map(|p| p.0 - at).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let covariance: f64 = points
        .iter()
        .map(|p| (p.0 - at - mean_t) * (p.1 - mean_v))
        .sum();
    let variance: f64 = points.iter().map(|p| (p.0 - at - mean_t).powi(2)).sum();
    let slope = covariance / variance;
    Some((slope, mean_v - slope * mean_t))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks of a short list"
)]
fn quantile(mut values: Vec<f64>, q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    if q < 0.0 {
        return Some(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return Some(f64::INFINITY);
    }
    let rank = q * (values.len().checked_sub(1)?) as f64;
    let (low, high) = (
        values.get(rank.floor() as usize)?,
        values.get(rank.ceil() as usize)?,
    );
    Some(low + (high - low) * rank.fract())
}

type Samples = Vec<(Labels, f64, f64)>;

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of series are small"
)]
fn aggregate(
    op: &str,
    by: bool,
    labels: &[String],
    parameter: Option<f64>,
    all: Samples,
    at: f64,
) -> Result<Value> {
    let mut groups: BTreeMap<Labels, Vec<(Labels, f64)>> = BTreeMap::new();
    for (own, value, _) in all {
        let key: Labels = own
            .iter()
            .filter(|(k, _)| labels.contains(k) == by && *k != "__name__")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        groups.entry(key).or_default().push((own, value));
    }
    let mut out = Vec::new();
    for (key, members) in groups {
        let values: Vec<f64> = members.iter().map(|m| m.1).collect();
        let n = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let value = match op {
            "sum" => Some(sum),
            "avg" => Some(sum / n),
            "count" => Some(n),
            "group" => Some(1.0),
            "min" => values.into_iter().reduce(f64::min),
            "max" => values.into_iter().reduce(f64::max),
            "stddev" => {
                Some((values.iter().map(|v| (v - sum / n).powi(2)).sum::<f64>() / n).sqrt())
            }
            "quantile" => quantile(values, parameter.ok_or("quantile needs a number")?),
            _ => {
                let mut ranked = members;
                ranked.sort_by(|a, b| {
                    if op == "topk" {
                        b.1.total_cmp(&a.1)
                    } else {
                        a.1.total_cmp(&b.1)
                    }
                });
                let k = parameter
                    .ok_or_else(|| format!("{op} needs a number"))?
                    .max(0.0) as usize;
                out.extend(ranked.into_iter().take(k).map(|(l, v)| (l, v, at)));
                None
            }
        };
        out.extend(value.map(|v| (key, v, at)));
    }
    Ok(Value::Vector(out))
}

fn arithmetic(op: &str, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "%" => a % b,
        "^" => a.powf(b),
        _ => return None,
    })
}

#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
fn compare(op: &str, a: f64, b: f64) -> bool {
    match op {
        "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    }
}

/// Result of one pair: `None` when a comparison filters it out. `kept` is the value that a filter keeps.
fn pair(op: &str, bool_result: bool, a: f64, b: f64, kept: f64) -> Option<f64> {
    arithmetic(op, a, b).or_else(|| match (compare(op, a, b), bool_result) {
        (hit, true) => Some(f64::from(u8::from(hit))),
        (true, false) => Some(kept),
        (false, false) => None,
    })
}

fn signature(matching: &Matching, labels: &Labels) -> Labels {
    labels
        .iter()
        .filter(|(k, _)| *k != "__name__" && matching.labels.contains(k) == matching.on)
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

fn binary(
    op: &'static str,
    bool_result: bool,
    matching: &Matching,
    left: Value,
    right: Value,
    at: f64,
) -> Result<Value> {
    let filter = arithmetic(op, 1.0, 1.0).is_none();
    let strip = |l: Labels| {
        if filter && !bool_result {
            l
        } else {
            nameless(l)
        }
    };
    match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => {
            if filter && !bool_result {
                return Err("comparisons between scalars must use BOOL modifier".to_owned());
            }
            Ok(Value::Scalar(
                pair(op, bool_result, a, b, a).unwrap_or(f64::NAN),
            ))
        }
        (Value::Vector(all), Value::Scalar(b)) => Ok(Value::Vector(
            all.into_iter()
                .filter_map(|(l, a, t)| Some((strip(l), pair(op, bool_result, a, b, a)?, t)))
                .collect(),
        )),
        (Value::Scalar(a), Value::Vector(all)) => Ok(Value::Vector(
            all.into_iter()
                .filter_map(|(l, b, t)| Some((strip(l), pair(op, bool_result, a, b, b)?, t)))
                .collect(),
        )),
        (Value::Vector(left), Value::Vector(right)) if matches!(op, "and" | "or" | "unless") => {
            let keys = |all: &Samples| {
                all.iter()
                    .map(|(l, _, _)| signature(matching, l))
                    .collect::<std::collections::BTreeSet<_>>()
            };
            Ok(Value::Vector(match op {
                "and" | "unless" => {
                    let there = keys(&right);
                    left.into_iter()
                        .filter(|(l, _, _)| {
                            there.contains(&signature(matching, l)) == (op == "and")
                        })
                        .collect()
                }
                _ => {
                    let there = keys(&left);
                    let more = right
                        .into_iter()
                        .filter(|(l, _, _)| !there.contains(&signature(matching, l)));
                    left.iter().cloned().chain(more).collect()
                }
            }))
        }
        (Value::Vector(left), Value::Vector(right)) => {
            vectors(op, bool_result, matching, left, right, at)
        }
        _ => Err(format!(
            "binary expression must contain only scalar and instant vector types, around {op}"
        )),
    }
}

fn vectors(
    op: &'static str,
    bool_result: bool,
    matching: &Matching,
    left: Samples,
    right: Samples,
    at: f64,
) -> Result<Value> {
    let group_right = matches!(matching.group, Some((false, _)));
    let (many, one) = if group_right {
        (right, left)
    } else {
        (left, right)
    };
    let mut index: BTreeMap<Labels, (Labels, f64)> = BTreeMap::new();
    for (labels, value, _) in one {
        let key = signature(matching, &labels);
        if index.insert(key, (labels, value)).is_some() {
            return Err("found duplicate series for the match group on one side of the operation;many-to-many matching not allowed: matching labels must be unique on one side".to_owned());
        }
    }
    let mut out: Vec<(Labels, f64, f64)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let filter = arithmetic(op, 1.0, 1.0).is_none() && !bool_result;
    for (labels, value, _) in many {
        let key = signature(matching, &labels);
        let Some((other, single)) = index.get(&key) else {
            continue;
        };
        if matching.group.is_none() && !seen.insert(key.clone()) {
            return Err("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".to_owned());
        }
        let (a, b) = if group_right {
            (*single, value)
        } else {
            (value, *single)
        };
        let Some(result) = pair(op, bool_result, a, b, a) else {
            continue;
        };
        let mut own = match (&matching.group, filter) {
            (Some(_), _) => nameless(labels),
            (None, true) => labels,
            (None, false) => key,
        };
        for label in matching.group.iter().flat_map(|(_, extra)| extra) {
            match other.get(label) {
                Some(v) => own.insert(label.clone(), v.clone()),
                None => own.remove(label),
            };
        }
        out.push((own, result, at));
    }
    Ok(Value::Vector(out))
}
