//! The document of the format, made from the types: `docs/scenarios.md`.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::Value;

use super::Scenario;

fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        return kind(&kinds[0]);
    }
    let word = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str(),
        one => one.as_str(),
    };
    match word {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("string") => "text".to_owned(),
        Some("object") => "table".to_owned(),
        Some(word) => word.to_owned(),
        None => panic!("no type: {schema}"),
    }
}

/// The fields of a table, one to a line.
fn fields(schema: &Value, first: Option<(&str, &str)>) -> String {
    let mut text = "| key | type | without it | |\n|---|---|---|---|\n".to_owned();
    if let Some((key, word)) = first {
        writeln!(text, "| `{key}` | text | an error | `\"{word}\"` |").unwrap();
    }
    let required: Vec<&str> = (schema["required"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    for (key, field) in schema["properties"].as_object().into_iter().flatten() {
        let without = match &field["default"] {
            _ if required.contains(&key.as_str()) => "an error".to_owned(),
            Value::Null => String::new(),
            Value::Array(list) if list.is_empty() => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            value => format!("`{value}`"),
        };
        let (kind, about) = (kind(field), about(field, key));
        writeln!(text, "| `{key}` | {kind} | {without} | {about} |").unwrap();
    }
    text
}

fn about(schema: &Value, name: &str) -> String {
    let text = schema["description"].as_str();
    let text = text.unwrap_or_else(|| panic!("{name} has no description"));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An enum whose `tag` names the variant.
fn variants(name: &str, schema: &Value, tag: &str) -> String {
    let mut text = format!("## {name}\n\n{}\n", about(schema, name));
    for variant in schema["oneOf"].as_array().unwrap() {
        let (word, inside) = variant["properties"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        write!(
            text,
            "\n### {word}\n\n{}\n\n{}",
            about(variant, word),
            fields(inside, Some((tag, word)))
        )
        .unwrap();
    }
    text
}

fn reference() -> String {
    let schema = schema_for!(Scenario).to_value();
    let of = |name: &str| schema["$defs"][name].clone();
    let mut parts = vec![format!("## The file\n\n{}", fields(&schema, None))];
    for name in [
        "Node",
        "Class",
        "Set",
        "Volume",
        "Workspace",
        "Behaviour",
        "Drill",
    ] {
        let schema = of(name);
        let text = format!(
            "## {name}\n\n{}\n\n{}",
            about(&schema, name),
            fields(&schema, None)
        );
        parts.push(text);
    }
    parts.push(variants("Check", &of("Check"), "is"));
    let entry = "## Entry\n\nOne thing that happens: `at`, the simulated seconds after the start, and the keys of an \
                 [Action](#action).\n";
    parts.push(entry.to_owned());
    parts.push(variants("Action", &of("Action"), "do"));
    let optional =
        "## Optional\n\nAn API that a cluster can lack: `\"snapshots\"` or `\"metrics\"`.\n";
    parts.push(optional.to_owned());
    parts.join("\n")
}

const GENERATED: &str = "<!-- the rest is generated from src/demo/scenario.rs -->";

#[test]
fn the_document_of_the_format_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scenarios.md");
    let found = std::fs::read_to_string(path).unwrap();
    let (intro, _) = (found.split_once(GENERATED)).expect("the line before the tables is there");
    let wanted = format!("{intro}{GENERATED}\n\n{}", reference());
    if std::env::var_os("WSDASH_TEST_UPDATE").is_some() {
        std::fs::write(path, &wanted).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "docs/scenarios.md is not current: WSDASH_TEST_UPDATE=1 cargo test --lib demo:: writes it"
    );
}
