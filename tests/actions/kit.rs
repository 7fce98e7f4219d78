//! What tests of claims and their contents need beside the stage: commands in pods, settings, work.

use std::time::Duration;

use wsdash::cluster::exec::{self, PodTarget};

use super::stage::Stage;

/// A command in the main container of a pod, by `sh -c`: what it prints.
pub(crate) async fn sh(stage: &Stage, pod: &str, script: &str) -> String {
    let target = PodTarget::new(stage.namespace.as_str(), pod);
    let words = ["sh", "-c", script];
    let limit = Duration::from_secs(120);
    let ran = exec::run(&stage.client, &target, Some("main"), &words, &[], limit).await;
    let output = ran.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.code, 0, "{} {script}: {text} {said}", stage.name);
    text
}

/// Settings for this stage's runs, beside the defaults.
pub(crate) fn configure(stage: &Stage, toml: &str) {
    let folder = stage.folder.path().join("wsdash");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), toml).unwrap();
}

/// Writes files of some size on both claims; answers their checksums.
pub(crate) async fn work(stage: &Stage, pod: &str) -> String {
    let script = "cd /workspace && mkdir -p src && dd if=/dev/urandom of=src/a bs=1024 count=700 \
                  2>/dev/null && echo settings > /home/theia/.theia/settings && sync";
    sh(stage, pod, script).await;
    sums(stage, pod).await
}

pub(crate) async fn sums(stage: &Stage, pod: &str) -> String {
    let script = "sha256sum /workspace/src/a /home/theia/.theia/settings";
    sh(stage, pod, script).await
}
