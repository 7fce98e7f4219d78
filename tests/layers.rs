//! The import rule: `domain`, `action`, `app` and `ui` are pure, `demo` does not know the product,
//! `cluster` and `metrics` know no screen. Tests beside the code may do what they need.

use std::fs;
use std::path::{Path, PathBuf};

/// Folder, and what its files may not name.
const RULES: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "tokio",
            "kube::",
            "ratatui",
            "crossterm",
            "Timestamp::now",
            "SystemTime",
            "crate::cluster",
        ],
    ),
    (
        "action",
        &[
            "tokio",
            "kube::",
            "ratatui",
            "crossterm",
            "Timestamp::now",
            "SystemTime",
            "std::fs",
            "crate::cluster",
            "crate::app",
            "crate::config",
        ],
    ),
    (
        "app",
        &[
            "tokio",
            "kube::",
            "ratatui",
            "Timestamp::now",
            "SystemTime",
            "std::fs",
            "crate::cluster",
            "crate::metrics",
            "crate::ui",
            "crate::runtime",
        ],
    ),
    (
        "ui",
        &[
            "tokio",
            "kube::",
            "Timestamp::now",
            "SystemTime",
            "&mut Model,",
            "crate::cluster",
            "crate::metrics",
            "crate::runtime",
        ],
    ),
    (
        "demo",
        &[
            "crate::cluster",
            "crate::headless",
            "crate::app",
            "crate::ui",
            "ratatui",
        ],
    ),
    (
        "cluster",
        &["crate::headless", "crate::app", "crate::ui", "ratatui"],
    ),
    (
        "metrics",
        &["crate::headless", "crate::app", "crate::ui", "ratatui"],
    ),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Lines of code, comments aside, that name what they may not.
fn violations(text: &str, banned: &[&str]) -> Vec<String> {
    let code = text.lines().map(str::trim).filter(|l| !l.starts_with("//"));
    code.filter(|l| banned.iter().any(|b| l.contains(b)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_module_imports_only_what_it_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (folder, banned) in RULES {
        let mut found = vec![source.join(format!("{folder}.rs"))];
        files(&source.join(folder), &mut found);
        assert!(found.len() > 3, "{folder} has files");
        for file in found {
            if file.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            assert_eq!(
                violations(&text, banned),
                Vec::<String>::new(),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn a_violation_is_found() {
    let text = "// tokio in a comment\nuse tokio::sync::mpsc;\nlet now = Timestamp::now();";
    assert_eq!(violations(text, RULES[0].1).len(), 2);
}

/// What changes a cluster, as code writes it.
const MUTATIONS: &[&str] = &[
    "Method::POST",
    "Method::PUT",
    "Method::PATCH",
    "Method::DELETE",
    "Request::post(",
    "Request::put(",
    "Request::patch(",
    "Request::delete(",
    ".create(&PostParams",
    ".replace(",
    ".patch(",
    ".delete_collection(",
    ".evict(",
    "DeleteParams",
    "PatchParams",
    "PostParams",
    "create_subresource",
    "patch_subresource",
    "replace_subresource",
];

#[test]
fn exactly_one_file_changes_a_cluster() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    let mut mutating = Vec::new();
    for file in found {
        let name = file.strip_prefix(&source).unwrap().to_owned();
        // the simulated cluster is the other side of these calls
        if name.starts_with("demo") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap();
        let mut lines = violations(product, MUTATIONS);
        // a text replaced in a text, and the reviews of `access`, which store nothing
        lines.retain(|line| !line.contains(".replace(") || line.contains("Api"));
        if name == Path::new("cluster/access.rs") {
            lines.retain(|line| !line.contains("http::Request::post(path)"));
        }
        if !lines.is_empty() {
            mutating.push((name, lines));
        }
    }
    let names: Vec<&Path> = mutating.iter().map(|(name, _)| name.as_path()).collect();
    assert_eq!(names, [Path::new("cluster/perform.rs")], "{mutating:#?}");
}
