//! The import rule: `domain` is pure, `demo` does not know the product, `cluster` knows no screen.

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
    ("demo", &["crate::cluster", "crate::headless", "ratatui"]),
    ("cluster", &["crate::headless", "ratatui"]),
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
