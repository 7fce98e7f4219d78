//! Each action under exactly the Role that `wsdash rbac` prints, and refused under less.

use super::role::{change, grant, only_under_its_role, revoke, until_allowed};
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
        // without pods/exec and without samples it is done, too, and not proven
        let resize = ["resize", "workspace-ide-0", "+50%", "--yes"];
        only_under_its_role(&stage, &["resize"], &resize).await;
        only_under_its_role(&stage, &["evict"], &["evict", "ide-0", "--yes"]).await;
        only_under_its_role(&stage, &["verify"], &["verify", "ide-0", "--yes"]).await;
        undo(&stage, "verify").await;
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn without_the_right_to_exec_a_sample_proves_that_the_file_system_has_grown() {
    for stage in stages("sampled", 1).await {
        let claims = stage.claims().await;
        // the user may not look for it in the cluster
        let url = stage.prometheus_url();
        let user = without(&stage, &["resize"], "pods/exec").await;
        let who = ["--as", &user, "--prometheus", &url];
        let resize = ["resize", "workspace-ide-0", stage.size, "--yes"];
        let (code, out, err) = stage.wsdash(&[&who[..], &resize].concat()).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("by its newest sample"), "{out}");
        revoke(&stage, &user).await;
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

/// A user with all of that Role but what it has of one resource.
async fn without(stage: &Stage, rbac: &[&str], resource: &str) -> String {
    let user = format!("less-{}", stage.namespace);
    for (path, mut rights) in grant(stage, &user, rbac).await {
        rights.retain(|right| right.1 != resource);
        change(stage, &path, &rights).await;
        for right in &rights {
            until_allowed(stage, &user, right, true).await;
        }
    }
    user
}

#[tokio::test]
async fn looking_into_a_pod_takes_no_more_than_its_role() {
    for stage in stages("inside", 1).await {
        only_under_its_role(&stage, &["exec"], &["exec", "ide-0", "--", "true"]).await;
        only_under_its_role(&stage, &["logs"], &["logs", "ide-0"]).await;
        stage.end().await;
    }
}
