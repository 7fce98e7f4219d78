//! Each action under exactly the Role that `wsdash rbac` prints, and refused under less.

use super::role::only_under_its_role;
use super::stage::stages;

#[tokio::test]
async fn each_action_runs_under_exactly_its_role_and_under_no_less() {
    for stage in stages("rights", 1).await {
        let claims = stage.claims().await;
        let actions: [(&str, Vec<&str>); 4] = [
            ("snapshot", vec!["snapshot", "ide-0", "--wait", "--yes"]),
            (
                "resize",
                vec!["resize", "workspace-ide-0", stage.size, "--yes"],
            ),
            ("evict", vec!["evict", "ide-0", "--yes"]),
            ("verify", vec!["verify", "ide-0", "--yes"]),
        ];
        for (action, args) in actions {
            only_under_its_role(&stage, action, &args).await;
        }
        stage.inspect(&claims).await;
        stage.end().await;
    }
}
