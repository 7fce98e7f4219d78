//! A user who has exactly the rights that `wsdash rbac` prints, and one who has less.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::Stage;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const CEILING: Duration = Duration::from_secs(60);

/// One right of a role: group, resource, verb.
type Single = (String, String, String);

const SWAP: &str = "restore --in-place";
/// The simulated provider has the rate limit that a real one has.
const LIMIT: &str = "a snapshot of the work of now, unless there was one minutes ago";
const SWAP_BACK: &str = "restore --in-place --undo";

/// Rights that a run needs only in a branch which the run of the test does not take: what they are
/// of, the right, and the branch.
const BRANCHES: &[(&str, &str, &str)] = &[
    ("", "get pods/exec", "servers before 1.35 ask for it, too"),
    (
        "",
        "list events",
        "read while something is late, to tell why",
    ),
    (
        "",
        "update leases",
        "a run of more than eight seconds renews its lease",
    ),
    (
        SWAP,
        "patch statefulsets",
        "the set begins one ordinal later meanwhile",
    ),
    (SWAP, "create statefulsets", "the set is away meanwhile"),
    (SWAP, "delete statefulsets", "the set is away meanwhile"),
    (
        SWAP_BACK,
        "patch statefulsets",
        "the set begins one ordinal later meanwhile",
    ),
    (
        SWAP_BACK,
        "create statefulsets",
        "the set is away meanwhile",
    ),
    (
        SWAP_BACK,
        "delete statefulsets",
        "the set is away meanwhile",
    ),
    (
        SWAP_BACK,
        "delete pods",
        "of a set that is away, or a check pod that was cut off",
    ),
    (
        "restore --undo",
        "delete pods",
        "a check pod that was cut off",
    ),
    (SWAP, "create volumesnapshots", LIMIT),
    (SWAP, "get volumesnapshots", LIMIT),
    (SWAP, "get volumesnapshotcontents", LIMIT),
    (SWAP_BACK, "get volumesnapshots", LIMIT),
    (SWAP_BACK, "delete volumesnapshots", LIMIT),
    ("purge", "get volumesnapshots", LIMIT),
    ("purge", "delete volumesnapshots", LIMIT),
    ("purge", "get volumesnapshotcontents", LIMIT),
    ("purge", "patch volumesnapshotcontents", LIMIT),
    (
        "purge",
        "create events",
        "on snapshots; volumes have no namespace",
    ),
];

/// Each verb on each resource of rules.
fn singles(rules: &[Value]) -> Vec<Single> {
    let words = |rule: &Value, name: &str| -> Vec<String> {
        let words = rule[name].as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut all = Vec::new();
    for rule in rules {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                for verb in words(rule, "verbs") {
                    all.push((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    all
}

fn rules_of(singles: &[Single]) -> Vec<Value> {
    let rule = |(group, resource, verb): &Single| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
    singles.iter().map(rule).collect()
}

fn is_of_a_branch(role: &str, (_, resource, verb): &Single) -> bool {
    BRANCHES.iter().any(|(of, right, _)| {
        (of.is_empty() || *of == role) && *right == format!("{verb} {resource}")
    })
}

/// Gives the user exactly what `wsdash rbac` prints. Answers each role by its path.
pub(crate) async fn grant(stage: &Stage, user: &str, rbac: &[&str]) -> Vec<(String, Vec<Single>)> {
    let (code, out, err) = stage.wsdash(&[&["rbac"], rbac].concat()).await;
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
        let rules = singles(role["rules"].as_array().unwrap());
        all.push((format!("{roles}/{user}"), rules));
        let binding = json!({"metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]});
        let (code, body) = stage.call("POST", &bindings, &binding).await;
        assert_eq!(code, 201, "{body}");
    }
    all
}

pub(crate) async fn revoke(stage: &Stage, user: &str) {
    for path in [
        stage.path(RBAC, &format!("roles/{user}")),
        stage.path(RBAC, &format!("rolebindings/{user}")),
        format!("{RBAC}/clusterroles/{user}"),
        format!("{RBAC}/clusterrolebindings/{user}"),
    ] {
        stage.call("DELETE", &path, &Value::Null).await;
    }
}

/// It is done under exactly the Role that `wsdash rbac` prints for it, every verb of which it uses,
/// and refused when any verb is taken away.
pub(crate) async fn only_under_its_role(stage: &Stage, rbac: &[&str], args: &[&str]) {
    let role = rbac.join(" ");
    let user = format!("{}-{}", role.replace(' ', ""), stage.namespace);
    let roles = grant(stage, &user, rbac).await;
    let as_user: Vec<&str> = ["--as", &user].iter().chain(args).copied().collect();

    for (path, rights) in &roles {
        for right in rights {
            until_allowed(stage, &user, right, true).await;
        }
        for (at, gone) in rights.iter().enumerate() {
            if is_of_a_branch(&role, gone) {
                continue;
            }
            let mut fewer = rights.clone();
            fewer.remove(at);
            // a server asks for one of its verbs or for the other
            fewer.retain(|right| right.1 != gone.1 || right.1 != "pods/exec");
            change(stage, path, &fewer).await;
            until_allowed(stage, &user, gone, false).await;
            let (code, out, err) = stage.wsdash(&as_user).await;
            let what = format!("{} {role} without {gone:?}: {out}{err}", stage.name);
            assert_ne!(code, 0, "{what}");
            let resource = gone.1.split('/').next().unwrap();
            let is_named = err.contains(resource) || out.contains(resource);
            assert!(
                is_named || err.contains("pods (") || err.contains("sets ("),
                "{what}"
            );
        }
        change(stage, path, rights).await;
        for right in rights {
            until_allowed(stage, &user, right, true).await;
        }
    }
    stage.forget_uses();
    let (code, out, err) = stage.wsdash(&as_user).await;
    assert_eq!(code, 0, "{} {role}: {out}{err}", stage.name);
    // a volume has no namespace, and events on it are written where no role of one lets them
    let notes = out.lines().filter(|line| line.starts_with("note:"));
    let notes: Vec<&str> = notes
        .filter(|line| role != "purge" || !line.contains("no event was written"))
        .collect();
    assert_eq!(notes, Vec::<&str>::new(), "{} {role}", stage.name);
    if let Some(used) = stage.used(&user) {
        let all = roles.iter().flat_map(|(_, rights)| rights);
        let idle: Vec<&Single> = all
            .filter(|right| !used.contains(right) && !is_of_a_branch(&role, right))
            .collect();
        assert_eq!(
            idle,
            Vec::<&Single>::new(),
            "{role} needs less than its Role"
        );
    }
    revoke(stage, &user).await;
}

pub(crate) async fn change(stage: &Stage, path: &str, rights: &[Single]) {
    let mut role = stage.get(path).await;
    role["rules"] = json!(rules_of(rights));
    assert_eq!(stage.call("PUT", path, &role).await.0, 200);
}

/// The authorizer learns of a change a moment after it was written: waits until it answers so.
pub(crate) async fn until_allowed(stage: &Stage, user: &str, right: &Single, is_allowed: bool) {
    let (group, resource, verb) = right;
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let headers = [
        ("content-type", "application/json"),
        ("impersonate-user", user),
    ];
    let question = json!({"spec": {"resourceAttributes": {
        "namespace": stage.namespace, "group": group, "resource": resource,
        "subresource": sub, "verb": verb}}});
    let deadline = Instant::now() + CEILING;
    loop {
        let (code, answer) = stage.call_with("POST", REVIEWS, &question, &headers).await;
        assert_eq!(code, 201, "{answer:#}");
        if answer["status"]["allowed"] == json!(is_allowed) {
            return;
        }
        assert!(Instant::now() < deadline, "{question:#}: {answer:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
