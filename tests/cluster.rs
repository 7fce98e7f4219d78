//! The program against a real cluster, named by `WSDASH_E2E_KUBECONFIG`. Reads only.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests, and a test that did not run says so"
)]

use assert_cmd::Command;
use serde_json::Value;

/// The kubeconfig, or a loud word that the test did not run.
fn kubeconfig(test: &str) -> Option<String> {
    let path = std::env::var("WSDASH_E2E_KUBECONFIG").ok();
    if path.is_none() {
        eprintln!("NOT RUN: {test} needs WSDASH_E2E_KUBECONFIG");
    }
    path
}

fn get(kubeconfig: &str, args: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::cargo_bin("wsdash").unwrap();
    let output = command
        .args(["--kubeconfig", kubeconfig])
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), serde_json::from_str(&text).unwrap())
}

#[test]
fn pods_of_all_namespaces_are_read_and_live() {
    let Some(kubeconfig) = kubeconfig("pods_of_all_namespaces") else {
        return;
    };
    let (code, document) = get(&kubeconfig, &["get", "pods", "-A", "-o", "json"]);
    assert_eq!(code, Some(0));
    assert_eq!(document["freshness"]["pods"]["state"], "live");
    let names: Vec<&str> = document["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|i| i["pod"].as_str())
        .collect();
    assert!(names.contains(&"prometheus-0"), "{names:?}");
}

#[test]
fn without_rights_the_answer_is_denied_and_never_empty_and_fine() {
    let Some(kubeconfig) = kubeconfig("without_rights") else {
        return;
    };
    let oncall = kubeconfig.replace("admin.kubeconfig", "viewer.kubeconfig");
    let (code, document) = get(&oncall, &["get", "workspaces", "-o", "json"]);
    assert_eq!(code, Some(3));
    assert_eq!(document["freshness"]["pods"]["state"], "denied");
}
