//! The documents: links lead somewhere, every finding has its runbook, and nothing speaks of the
//! computer that it was written on.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};

use strum::IntoEnumIterator as _;
use wsdash::domain::finding::Code;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap();
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let target = link.split('#').next().unwrap();
            let path = file.parent().unwrap().join(target);
            assert!(path.exists(), "{}: {link}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "links were found at all");
}

#[test]
fn every_finding_has_a_runbook_that_says_what_to_do() {
    for code in Code::iter() {
        let text = wsdash::runbook::text(code);
        assert!(text.contains("Confirm") && text.contains("Steps"), "{code}");
    }
}

#[test]
fn no_document_speaks_of_a_computer() {
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["/root/", "/work/", "/tmp/"] {
            assert!(!text.contains(word), "{}: {word}", file.display());
        }
    }
}
