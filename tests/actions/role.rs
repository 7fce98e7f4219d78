//! A user who has exactly the rights that `wsdash rbac` prints, and one who has less.

use serde_json::{Value, json};

use super::stage::Stage;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Gives the user exactly what `wsdash rbac` prints for an action. Answers each role by its path.
async fn grant(stage: &Stage, user: &str, action: &str) -> Vec<(String, Vec<Value>)> {
    let (code, out, err) = stage.wsdash(&["rbac", action]).await;
    assert_eq!(code, 0, "{err}");
    let mut all = Vec::new();
    for text in out.split("---\n").filter(|text| !text.trim().is_empty()) {
        let mut role: Value = serde_saphyr::from_str(text).unwrap();
        let kind = role["kind"].as_str().unwrap().to_owned();
        // cluster-wide names are of this test alone
        role["metadata"]["name"] = json!(user);
        let (roles, bindings) = match kind.as_str() {
            "Role" => (stage.path(RBAC, "roles"), stage.path(RBAC, "rolebindings")),
            _ => (
                format!("{RBAC}/clusterroles"),
                format!("{RBAC}/clusterrolebindings"),
            ),
        };
        let (code, body) = stage.call("POST", &roles, &role).await;
        assert_eq!(code, 201, "{body}");
        let rules = role["rules"].as_array().unwrap().clone();
        all.push((format!("{roles}/{user}"), rules));
        let binding = json!({"metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]});
        let (code, body) = stage.call("POST", &bindings, &binding).await;
        assert_eq!(code, 201, "{body}");
    }
    all
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

/// The action is refused under less than its Role, each rule taken away in turn, and done under
/// exactly its Role.
pub(crate) async fn only_under_its_role(stage: &Stage, action: &str, args: &[&str]) {
    let user = format!("{action}-{}", stage.namespace);
    let roles = grant(stage, &user, action).await;
    let as_user: Vec<&str> = ["--as", &user].iter().chain(args).copied().collect();

    for (path, rules) in &roles {
        for at in 0..rules.len() {
            let mut fewer = rules.clone();
            let gone = fewer.remove(at);
            change(stage, path, &fewer).await;
            let (code, out, err) = refused(stage, &as_user).await;
            assert_ne!(
                code, 0,
                "{} {action} without {gone}: {out}{err}",
                stage.name
            );
            let mut resources = gone["resources"].as_array().unwrap().iter();
            let is_named = resources.any(|resource| {
                let resource = resource.as_str().unwrap();
                err.contains(resource.split('/').next().unwrap())
            });
            assert!(
                is_named || err.contains("pods (") || err.contains("sets ("),
                "{} {action} without {gone}: {err}",
                stage.name
            );
        }
        change(stage, path, rules).await;
    }
    let (code, out, err) = allowed(stage, &as_user).await;
    assert_eq!(code, 0, "{} {action}: {out}{err}", stage.name);
    assert!(!out.contains("note:"), "{}: {out}", stage.name);
    revoke(stage, &user).await;
}

async fn change(stage: &Stage, path: &str, rules: &[Value]) {
    let mut role = stage.get(path).await;
    role["rules"] = json!(rules);
    assert_eq!(stage.call("PUT", path, &role).await.0, 200);
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
