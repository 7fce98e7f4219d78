//! Label and field selectors, as strings of a request and as `LabelSelector` objects.

use super::failure::Failure;
use super::object::{Fields, Object};
use super::resource::Kind;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// A conjunction of rules on labels; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Rule>);

impl Labels {
    /// The `labelSelector` parameter: `a=b,c!=d,e in (f,g),!h`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            rules.push(rule(part).ok_or_else(|| {
                Failure::bad_request(format!(
                    "unable to parse requirement: found {part:?}, expected: identifier, '!', in, notin, =, == or !="
                ))
            })?);
        }
        Ok(Self(rules))
    }

    /// A `metav1.LabelSelector`. A selector that is missing matches nothing: `None`.
    pub(crate) fn of(selector: &Object) -> Option<Self> {
        let map = selector.as_object()?;
        let mut rules = Vec::new();
        for (key, value) in map
            .get("matchLabels")
            .and_then(Object::as_object)
            .into_iter()
            .flatten()
        {
            rules.push(Rule::In(
                key.clone(),
                vec![value.as_str().unwrap_or("").to_owned()],
            ));
        }
        for expression in selector.items("matchExpressions") {
            let key = expression.text("key").to_owned();
            let values = expression
                .items("values")
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect();
            rules.push(match expression.text("operator") {
                "In" => Rule::In(key, values),
                "NotIn" => Rule::NotIn(key, values),
                "Exists" => Rule::Exists(key),
                _ => Rule::Missing(key),
            });
        }
        Some(Self(rules))
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        self.0.iter().all(|rule| match rule {
            Rule::In(key, values) => object
                .label(key)
                .is_some_and(|v| values.iter().any(|x| x == v)),
            Rule::NotIn(key, values) => object
                .label(key)
                .is_none_or(|v| values.iter().all(|x| x != v)),
            Rule::Exists(key) => object.label(key).is_some(),
            Rule::Missing(key) => object.label(key).is_none(),
        })
    }

    /// The string form, which the `scale` subresource shows.
    pub(crate) fn print(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|rule| match rule {
                Rule::In(key, values) if values.len() == 1 => {
                    format!("{key}={}", values.join(","))
                }
                Rule::In(key, values) => format!("{key} in ({})", values.join(",")),
                Rule::NotIn(key, values) => format!("{key} notin ({})", values.join(",")),
                Rule::Exists(key) => key.clone(),
                Rule::Missing(key) => format!("!{key}"),
            })
            .collect();
        parts.join(",")
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn rule(part: &str) -> Option<Rule> {
    let valid = |key: &str| {
        !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    };
    let checked = |key: &str| valid(key.trim()).then(|| key.trim().to_owned());
    let set = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Rule::NotIn(checked(key)?, vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = part.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Some(Rule::In(checked(key)?, vec![value.trim().to_owned()]));
    }
    if let Some((key, values)) = part.split_once(" notin ") {
        return Some(Rule::NotIn(checked(key)?, set(values)?));
    }
    if let Some((key, values)) = part.split_once(" in ") {
        return Some(Rule::In(checked(key)?, set(values)?));
    }
    match part.strip_prefix('!') {
        Some(key) => Some(Rule::Missing(checked(key)?)),
        None => Some(Rule::Exists(checked(part)?)),
    }
}

/// The `fieldSelector` parameter; only the fields that the real server knows for the kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldRules(Vec<(String, bool, String)>);

impl FieldRules {
    pub(crate) fn parse(kind: Kind, text: &str) -> Result<Self, Failure> {
        let mut rules = Vec::new();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once('=') {
                (field, true, value.strip_prefix('=').unwrap_or(value))
            } else {
                return Err(Failure::bad_request(format!(
                    "invalid selector: '{part}'; can't understand '{part}'"
                )));
            };
            if !known_field(kind, field.trim()) {
                return Err(Failure::bad_request(format!(
                    "field label not supported: {}",
                    field.trim()
                )));
            }
            rules.push((
                field.trim().replace('.', "/"),
                equal,
                value.trim().to_owned(),
            ));
        }
        Ok(Self(rules))
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        self.0.iter().all(|(field, equal, value)| {
            let found = match object.at(field) {
                Object::String(text) => text.clone(),
                Object::Null if field == "spec/unschedulable" => "false".to_owned(),
                Object::Null => String::new(),
                other => other.to_string(),
            };
            (found == *value) == *equal
        })
    }
}

fn known_field(kind: Kind, field: &str) -> bool {
    if matches!(field, "metadata.name" | "metadata.namespace") {
        return true;
    }
    match kind {
        Kind::Pod => matches!(
            field,
            "spec.nodeName"
                | "spec.restartPolicy"
                | "spec.schedulerName"
                | "spec.serviceAccountName"
                | "status.phase"
                | "status.podIP"
                | "status.nominatedNodeName"
        ),
        Kind::Event => {
            field.starts_with("involvedObject.")
                || matches!(
                    field,
                    "reason" | "reportingComponent" | "source" | "type" | "source.component"
                )
        }
        Kind::Node => field == "spec.unschedulable",
        Kind::Namespace => field == "status.phase",
        Kind::Secret => field == "type",
        Kind::Job => field == "status.successful",
        Kind::ReplicaSet => field == "status.replicas",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("", true)]
    #[case("app=ide", true)]
    #[case("app==ide,tier!=pro", true)]
    #[case("app in (a, ide),user", true)]
    #[case("app notin (ide)", false)]
    #[case("!app", false)]
    #[case("!nothing", true)]
    fn label_selectors_match_as_the_real_ones(#[case] text: &str, #[case] expected: bool) {
        let object = json!({"metadata": {"labels": {"app": "ide", "user": "ada"}}});
        assert_eq!(Labels::parse(text).unwrap().matches(&object), expected);
    }

    #[test]
    fn a_selector_that_makes_no_sense_is_an_error() {
        assert!(Labels::parse("a b c").is_err());
        assert!(FieldRules::parse(Kind::Claim, "spec.volumeName=x").is_err());
        assert!(FieldRules::parse(Kind::Pod, "spec.nodeName=x").is_ok());
    }
}
