//! Paths and queries of requests.

use super::super::failure::Failure;
use super::super::resource::{Key, Kind};

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) sub: String,
    /// Asked through `events.k8s.io`, where the fields of an Event have other names.
    pub(crate) modern_event: bool,
}

impl Target {
    pub(crate) fn key(&self) -> Key {
        Key::new(self.kind, &self.namespace, &self.name)
    }
}

pub(crate) fn parse(path: &str) -> Result<Target, Failure> {
    let steps: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let (group, version, rest) = match steps.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Failure::no_such_path()),
    };
    let modern_event = group == "events.k8s.io" && version == "v1";
    let group = if modern_event { "" } else { group };
    let target = |namespace: &str, plural: &str, tail: &[&str]| {
        let kind = Kind::find(group, version, plural)?;
        if !namespace.is_empty() && !kind.resource().namespaced {
            return Err(Failure::no_such_path());
        }
        let sub = tail.get(1).copied().unwrap_or("");
        if !sub.is_empty() && !kind.resource().subresources.contains(&sub) {
            return Err(Failure::no_such_path());
        }
        Ok(Target {
            kind,
            namespace: namespace.to_owned(),
            name: tail.first().copied().unwrap_or("").to_owned(),
            sub: sub.to_owned(),
            modern_event,
        })
    };
    match rest {
        ["namespaces", name, sub @ ("status" | "finalize")] => {
            target("", "namespaces", &[name, sub])
        }
        ["namespaces", name] => target("", "namespaces", &[name]),
        ["namespaces", namespace, plural, tail @ ..] => target(namespace, plural, tail),
        [plural, tail @ ..] => target("", plural, tail),
        [] => Err(Failure::no_such_path()),
    }
}

/// The query of a request, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|p| !p.is_empty())
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }

    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.parse().ok()
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                let hex = std::str::from_utf8(&pair).unwrap_or("3f");
                out.push(u8::from_str_radix(hex, 16).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_name() {
        let t = parse("/api/v1/namespaces/a/pods/b/log").unwrap();
        assert_eq!(
            (
                t.kind,
                t.namespace.as_str(),
                t.name.as_str(),
                t.sub.as_str()
            ),
            (Kind::Pod, "a", "b", "log")
        );
        let t = parse("/api/v1/namespaces/a").unwrap();
        assert_eq!((t.kind, t.name.as_str()), (Kind::Namespace, "a"));
        assert!(parse("/api/v1/namespaces/a/nodes").is_err());
        assert!(parse("/apis/apps/v1/widgets").is_err());
    }

    #[test]
    fn queries_are_decoded() {
        let q = Query::parse("labelSelector=app%3Dide%2Ctier+in&watch=1");
        assert_eq!(q.get("labelSelector"), Some("app=ide,tier in"));
        assert!(q.flag("watch"));
    }
}
