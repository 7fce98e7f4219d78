//! Each action under exactly the Role that `wsdash rbac` prints, and refused under less.

use super::role::only_under_its_role;
use super::stage::{Stage, stages};

async fn undo(stage: &Stage, action: &str) {
    let id = stage.newest(action).await;
    only_under_its_role(stage, &[action, "--undo"], &["undo", &id, "--yes"]).await;
}

#[tokio::test]
async fn each_action_runs_under_exactly_its_role_and_under_no_less() {
    for stage in stages("rights", 1).await {
        let claims = stage.claims().await;
        let snapshot = ["snapshot", "ide-0", "--wait", "--yes"];
        only_under_its_role(&stage, &["snapshot"], &snapshot).await;
        let beside = ["restore", "ide-0", "--yes"];
        only_under_its_role(&stage, &["restore"], &beside).await;
        undo(&stage, "restore").await;
        undo(&stage, "snapshot").await;
        // without pods/exec it is done, too, and not proven
        let resize = ["resize", "workspace-ide-0", "+50%", "--yes"];
        only_under_its_role(&stage, &["resize"], &resize).await;
        only_under_its_role(&stage, &["evict"], &["evict", "ide-0", "--yes"]).await;
        only_under_its_role(&stage, &["verify"], &["verify", "ide-0", "--yes"]).await;
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn looking_into_a_pod_takes_no_more_than_its_role() {
    for stage in stages("inside", 1).await {
        only_under_its_role(&stage, &["exec"], &["exec", "ide-0", "--", "true"]).await;
        only_under_its_role(&stage, &["logs"], &["logs", "ide-0"]).await;
        stage.end().await;
    }
}
