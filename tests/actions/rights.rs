//! Each action under exactly the Role that `wsdash rbac` prints, and refused under less.

use serde_json::{Value, json};

use super::stage::{Stage, stages};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Gives the user exactly what `wsdash rbac` prints for an action. Answers the rules of the Role.
async fn grant(stage: &Stage, user: &str, action: &str) -> Vec<Value> {
    let (code, out, err) = stage.wsdash(&["rbac", action]).await;
    assert_eq!(code, 0, "{err}");
    let mut rules = Vec::new();
    for text in out.split("---\n").filter(|text| !text.trim().is_empty()) {
        let mut role: Value = serde_saphyr::from_str(text).unwrap();
        let kind = role["kind"].as_str().unwrap().to_owned();
        // cluster-wide names are of this test alone
        role["metadata"]["name"] = json!(user);
        let (roles, bindings) = match kind.as_str() {
            "Role" => {
                rules = role["rules"].as_array().unwrap().clone();
                (stage.path(RBAC, "roles"), stage.path(RBAC, "rolebindings"))
            }
            _ => (
                format!("{RBAC}/clusterroles"),
                format!("{RBAC}/clusterrolebindings"),
            ),
        };
        let (code, body) = stage.call("POST", &roles, &role).await;
        assert_eq!(code, 201, "{body}");
        let binding = json!({"metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]});
        let (code, body) = stage.call("POST", &bindings, &binding).await;
        assert_eq!(code, 201, "{body}");
    }
    rules
}

async fn revoke(stage: &Stage, user: &str) {
    for path in [
        stage.path(RBAC, &format!("roles/{user}")),
        stage.path(RBAC, &format!("rolebindings/{user}")),
        format!("{RBAC}/clusterroles/{user}"),
        format!("{RBAC}/clusterrolebindings/{user}"),
    ] {
        stage.call("DELETE", &path, &Value::Null).await;
    }
}

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
            let user = format!("{action}-{}", stage.namespace);
            let rules = grant(&stage, &user, action).await;
            let as_user: Vec<&str> = ["--as", &user].into_iter().chain(args).collect();

            // under less: each rule of the Role taken away in turn
            let path = stage.path(RBAC, &format!("roles/{user}"));
            for at in 0..rules.len() {
                let mut fewer = rules.clone();
                let gone = fewer.remove(at);
                let mut role = stage.get(&path).await;
                role["rules"] = json!(fewer);
                assert_eq!(stage.call("PUT", &path, &role).await.0, 200);
                let (code, out, err) = refused(&stage, &as_user).await;
                assert_ne!(
                    code, 0,
                    "{} {action} without {gone}: {out}{err}",
                    stage.name
                );
                let resource = gone["resources"][0].as_str().unwrap();
                let named = resource.split('/').next().unwrap();
                assert!(
                    err.contains(named) || err.contains("pods (") || err.contains("sets ("),
                    "{} {action} without {gone}: {err}",
                    stage.name
                );
            }
            let mut role = stage.get(&path).await;
            role["rules"] = json!(rules);
            assert_eq!(stage.call("PUT", &path, &role).await.0, 200);
            let (code, out, err) = allowed(&stage, &as_user).await;
            assert_eq!(code, 0, "{} {action}: {out}{err}", stage.name);
            assert!(!out.contains("note:"), "{}: {out}", stage.name);
            revoke(&stage, &user).await;
        }
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

/// The authorizer learns of a change a moment after it was written.
async fn settled(
    stage: &Stage,
    args: &[&str],
    is_settled: impl Fn(i32) -> bool,
) -> (i32, String, String) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let mut dry = args.to_vec();
        *dry.last_mut().unwrap() = "--dry-run";
        let (code, _, _) = stage.wsdash(&dry).await;
        if is_settled(code) || std::time::Instant::now() > deadline {
            return stage.wsdash(args).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn refused(stage: &Stage, args: &[&str]) -> (i32, String, String) {
    settled(stage, args, |code| code != 0).await
}

async fn allowed(stage: &Stage, args: &[&str]) -> (i32, String, String) {
    settled(stage, args, |code| code == 0).await
}
