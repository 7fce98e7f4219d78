//! The few protobuf bodies that kubectl's typed clients send. Anything else stays JSON.

use serde_json::{Map, Value, json};

use super::super::object::Fields;

#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Texts,
    /// Entries of a key and a text.
    Map,
    Message(&'static [(u64, &'static str, Shape)]),
}

type Layout = &'static [(u64, &'static str, Shape)];

const META: Layout = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (6, "resourceVersion", Shape::Text),
    (11, "labels", Shape::Map),
    (12, "annotations", Shape::Map),
];
const DELETE: Layout = &[
    (1, "gracePeriodSeconds", Shape::Number),
    (
        2,
        "preconditions",
        Shape::Message(&[(1, "uid", Shape::Text), (2, "resourceVersion", Shape::Text)]),
    ),
    (4, "propagationPolicy", Shape::Text),
    (5, "dryRun", Shape::Texts),
];
const ATTRIBUTES: Layout = &[
    (1, "namespace", Shape::Text),
    (2, "verb", Shape::Text),
    (3, "group", Shape::Text),
    (4, "version", Shape::Text),
    (5, "resource", Shape::Text),
    (6, "subresource", Shape::Text),
    (7, "name", Shape::Text),
];

fn layout(kind: &str) -> Option<Layout> {
    Some(match kind {
        "Namespace" | "ServiceAccount" => &[(1, "metadata", Shape::Message(META))],
        "ConfigMap" => &[
            (1, "metadata", Shape::Message(META)),
            (2, "data", Shape::Map),
        ],
        "DeleteOptions" => DELETE,
        "Eviction" => &[
            (1, "metadata", Shape::Message(META)),
            (2, "deleteOptions", Shape::Message(DELETE)),
        ],
        "Scale" => &[
            (1, "metadata", Shape::Message(META)),
            (2, "spec", Shape::Message(&[(1, "replicas", Shape::Number)])),
        ],
        "SelfSubjectAccessReview" => &[(
            2,
            "spec",
            Shape::Message(&[(1, "resourceAttributes", Shape::Message(ATTRIBUTES))]),
        )],
        "SelfSubjectRulesReview" => {
            &[(2, "spec", Shape::Message(&[(1, "namespace", Shape::Text)]))]
        }
        "SelfSubjectReview" => &[],
        _ => return None,
    })
}

/// The JSON of a body in the Kubernetes protobuf envelope.
pub(crate) fn decode(body: &[u8]) -> Option<Value> {
    let envelope = body.strip_prefix(b"k8s\0")?;
    let mut kind = Value::Null;
    let mut raw: &[u8] = &[];
    for (field, content) in fields(envelope)? {
        match (field, content) {
            (1, Content::Bytes(bytes)) => {
                kind = message(
                    bytes,
                    &[(1, "apiVersion", Shape::Text), (2, "kind", Shape::Text)],
                )?;
            }
            (2, Content::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = message(raw, layout(kind.text("kind"))?)?;
    for field in ["apiVersion", "kind"] {
        object.put(field, kind.at(field).clone());
    }
    Some(object)
}

enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn message(bytes: &[u8], layout: Layout) -> Option<Value> {
    let mut map = Map::new();
    for (number, content) in fields(bytes)? {
        let Some((_, name, shape)) = layout.iter().find(|(n, _, _)| *n == number) else {
            continue;
        };
        let value = match (shape, content) {
            (Shape::Number, Content::Number(n)) => json!(n),
            (Shape::Text, Content::Bytes(b)) => json!(std::str::from_utf8(b).ok()?),
            (Shape::Texts, Content::Bytes(b)) => json!([std::str::from_utf8(b).ok()?]),
            (Shape::Map, Content::Bytes(b)) => {
                let entry = message(b, &[(1, "key", Shape::Text), (2, "value", Shape::Text)])?;
                let entries = map.entry(*name).or_insert_with(|| json!({}));
                if let Value::Object(entries) = entries {
                    entries.insert(entry.text("key").to_owned(), json!(entry.text("value")));
                }
                continue;
            }
            (Shape::Message(inner), Content::Bytes(b)) => message(b, inner)?,
            _ => continue,
        };
        map.insert((*name).to_owned(), value);
    }
    Some(Value::Object(map))
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Content<'_>)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let content = match tag & 7 {
            0 => Content::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (inner, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Content::Bytes(inner)
            }
            1 => {
                bytes = bytes.get(8..)?;
                continue;
            }
            5 => {
                bytes = bytes.get(4..)?;
                continue;
            }
            _ => return None,
        };
        all.push((tag >> 3, content));
    }
    Some(all)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
