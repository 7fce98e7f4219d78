//! A user who has exactly the rights that `wsdash rbac` prints, and one who has less.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::Stage;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const CEILING: Duration = Duration::from_secs(60);

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
        for rule in rules {
            until_allowed(stage, &user, rule, true).await;
        }
        for at in 0..rules.len() {
            let mut fewer = rules.clone();
            let gone = fewer.remove(at);
            change(stage, path, &fewer).await;
            until_allowed(stage, &user, &gone, false).await;
            let (code, out, err) = stage.wsdash(&as_user).await;
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
        for rule in rules {
            until_allowed(stage, &user, rule, true).await;
        }
    }
    let (code, out, err) = stage.wsdash(&as_user).await;
    assert_eq!(code, 0, "{} {action}: {out}{err}", stage.name);
    assert!(!out.contains("note:"), "{}: {out}", stage.name);
    revoke(stage, &user).await;
}

async fn change(stage: &Stage, path: &str, rules: &[Value]) {
    let mut role = stage.get(path).await;
    role["rules"] = json!(rules);
    assert_eq!(stage.call("PUT", path, &role).await.0, 200);
}

/// The authorizer learns of a change a moment after it was written: waits until it answers so for
/// everything that the rule is about.
async fn until_allowed(stage: &Stage, user: &str, rule: &Value, is_allowed: bool) {
    let words = |name: &str| {
        let words = rule[name].as_array().into_iter().flatten();
        words.map(|word| word.as_str().unwrap().to_owned())
    };
    let headers = [
        ("content-type", "application/json"),
        ("impersonate-user", user),
    ];
    for resource in words("resources") {
        let (resource, sub) = resource.split_once('/').unwrap_or((&resource, ""));
        for (group, verb) in
            words("apiGroups").flat_map(|g| words("verbs").map(move |v| (g.clone(), v)))
        {
            let question = json!({"spec": {"resourceAttributes": {
                "namespace": stage.namespace, "group": group, "resource": resource,
                "subresource": sub, "verb": verb}}});
            let deadline = Instant::now() + CEILING;
            loop {
                let (code, answer) = stage.call_with("POST", REVIEWS, &question, &headers).await;
                assert_eq!(code, 201, "{answer:#}");
                if answer["status"]["allowed"] == json!(is_allowed) {
                    break;
                }
                assert!(Instant::now() < deadline, "{question:#}: {answer:#}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
