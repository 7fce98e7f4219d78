//! Who asks, what they may, and the review APIs that say so.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::resource::Kind;
use super::super::world::World;
use super::{Query, Reply, Shared, Target, respond};

/// The token of the kubeconfig.
const TOKEN: &str = "demo";

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// The service proxy: `get` to read, `create` to post.
    pub(crate) fn may_proxy(
        &self,
        world: &World,
        method: &Method,
        path: &str,
    ) -> Result<(), Failure> {
        let verb = if *method == Method::POST {
            "create"
        } else {
            "get"
        };
        let name = path.split('/').nth(6).unwrap_or("");
        let what = Attributes {
            verb,
            group: "",
            resource: "services/proxy".to_owned(),
            namespace: "monitoring",
            name,
        };
        if allowed(world, self, &what) {
            return Ok(());
        }
        Err(Failure::forbidden(
            Kind::Service,
            name,
            &format!(
                "User {:?} cannot {verb} resource \"services/proxy\" in API group \"\" in the namespace \"monitoring\"",
                self.name
            ),
        ))
    }
}

pub(crate) fn user(world: &World, headers: &HeaderMap) -> Result<User, Failure> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let token = text(header::AUTHORIZATION.as_str()).and_then(|t| t.strip_prefix("Bearer "));
    let (name, group) = match token {
        // kubectl keeps its token to itself on plain HTTP.
        Some(TOKEN) | None if !world.faults.api.token_expired => ("demo", "system:masters"),
        _ => return Err(Failure::new(401, "Unauthorized", "Unauthorized")),
    };
    let mut user = User {
        name: name.to_owned(),
        groups: vec![group.to_owned(), "system:authenticated".to_owned()],
    };
    if let Some(other) = text("Impersonate-User") {
        if group != "system:masters" {
            return Err(Failure::new(
                403,
                "Forbidden",
                format!(
                    "users \"{other}\" is forbidden: User \"{name}\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
                ),
            ));
        }
        other.clone_into(&mut user.name);
        user.groups = headers
            .get_all("Impersonate-Group")
            .iter()
            .filter_map(|v| v.to_str().ok().map(str::to_owned))
            .collect();
        user.groups.push("system:authenticated".to_owned());
    }
    Ok(user)
}

/// What is to be done to what.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    /// With the subresource, `pods/exec`.
    pub(crate) resource: String,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl User {
    /// Whether it is bound by no role.
    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|g| g == "system:masters")
    }
}

pub(crate) fn allowed(world: &World, user: &User, what: &Attributes<'_>) -> bool {
    if user.is_master() {
        return true;
    }
    let granted = |binding: &Object, namespace: &str| {
        subject(binding, user)
            && rules(world, binding, namespace)
                .iter()
                .any(|r| covers(r, what))
    };
    world
        .store
        .list(Kind::ClusterRoleBinding, "")
        .any(|b| granted(b, ""))
        || !what.namespace.is_empty()
            && world
                .store
                .list(Kind::RoleBinding, what.namespace)
                .any(|b| granted(b, what.namespace))
}

fn subject(binding: &Object, user: &User) -> bool {
    binding
        .items("subjects")
        .iter()
        .any(|s| match s.text("kind") {
            "User" => s.text("name") == user.name,
            "Group" => user.groups.iter().any(|g| g == s.text("name")),
            _ => {
                user.name
                    == format!(
                        "system:serviceaccount:{}:{}",
                        s.text("namespace"),
                        s.text("name")
                    )
            }
        })
}

fn rules(world: &World, binding: &Object, namespace: &str) -> Vec<Value> {
    let name = binding.text("roleRef/name");
    let role = if binding.text("roleRef/kind") == "Role" {
        world.get(Kind::Role, namespace, name)
    } else {
        world.get(Kind::ClusterRole, "", name)
    };
    role.map(|r| r.items("rules").to_vec()).unwrap_or_default()
}

fn covers(rule: &Value, what: &Attributes<'_>) -> bool {
    let has = |field: &str, value: &str| {
        rule.items(field)
            .iter()
            .any(|v| matches!(v.as_str(), Some(x) if x == "*" || x == value))
    };
    let plain = what
        .resource
        .split_once('/')
        .map(|(_, sub)| format!("*/{sub}"));
    let resource = rule.items("resources").iter().any(|v| {
        v.as_str()
            .is_some_and(|x| x == "*" || x == what.resource || plain.as_deref() == Some(x))
    });
    let names = rule.items("resourceNames");
    let named = names.is_empty() || names.iter().any(|n| n.as_str() == Some(what.name));
    has("verbs", what.verb) && has("apiGroups", what.group) && resource && named
}

/// Whether the user may do it; answers the right that allows it.
pub(crate) fn check<'a>(
    world: &World,
    user: &User,
    method: &Method,
    target: &'a Target,
    query: &Query,
) -> Result<Attributes<'a>, Failure> {
    let collection = target.name.is_empty();
    let verb = match *method {
        Method::GET if target.sub == "exec" || target.sub == "attach" => "create",
        Method::GET if query.flag("watch") => "watch",
        Method::GET if collection => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => return Err(Failure::method_not_allowed()),
    };
    let resource = target.kind.resource();
    let full = if target.sub.is_empty() {
        resource.plural.to_owned()
    } else {
        format!("{}/{}", resource.plural, target.sub)
    };
    // rules name the group that was asked through, not the one that stores the object
    let group = if target.modern_event {
        "events.k8s.io"
    } else {
        resource.group
    };
    let what = Attributes {
        verb,
        group,
        resource: full,
        namespace: &target.namespace,
        name: &target.name,
    };
    if allowed(world, user, &what) {
        return Ok(what);
    }
    let scope = if target.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", target.namespace)
    };
    Err(Failure::forbidden(
        target.kind,
        &target.name,
        &format!(
            "User {:?} cannot {verb} resource {:?} in API group {:?} {scope}",
            user.name, what.resource, what.group
        ),
    ))
}

/// The review APIs; `None` for any other path.
pub(crate) async fn review(
    shared: &Shared,
    user: &User,
    path: &str,
    body: Body,
) -> Option<Response> {
    let steps: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let [
        "apis",
        group @ ("authorization.k8s.io" | "authentication.k8s.io"),
        "v1",
        name,
    ] = steps.as_slice()
    else {
        return None;
    };
    let bytes = axum::body::to_bytes(body, super::BODY).await.ok()?;
    let mut object: Value = serde_json::from_slice(&bytes)
        .ok()
        .or_else(|| super::protobuf::decode(&bytes))
        .unwrap_or(Value::Null);
    object.put("apiVersion", format!("{group}/v1"));
    let world = shared.world();
    match *name {
        "selfsubjectaccessreviews" => {
            object.put("kind", "SelfSubjectAccessReview");
            let asked = object.at("spec/resourceAttributes").clone();
            let sub = asked.text("subresource");
            let resource = if sub.is_empty() {
                asked.text("resource").to_owned()
            } else {
                format!("{}/{sub}", asked.text("resource"))
            };
            let what = Attributes {
                verb: asked.text("verb"),
                group: asked.text("group"),
                resource,
                namespace: asked.text("namespace"),
                name: asked.text("name"),
            };
            let ok = asked.is_null() || allowed(&world, user, &what);
            object.put(
                "status",
                if ok {
                    json!({"allowed": true, "reason": "RBAC: allowed by the simulated cluster"})
                } else {
                    json!({"allowed": false})
                },
            );
        }
        "selfsubjectrulesreviews" => {
            object.put("kind", "SelfSubjectRulesReview");
            let namespace = object.text("spec/namespace").to_owned();
            let mut all = Vec::new();
            if user.is_master() {
                all.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
            }
            for binding in world
                .store
                .list(Kind::ClusterRoleBinding, "")
                .chain(world.store.list(Kind::RoleBinding, &namespace))
            {
                if subject(binding, user) {
                    all.extend(rules(&world, binding, &namespace));
                }
            }
            object.put(
                "status",
                json!({"resourceRules": all, "nonResourceRules": [], "incomplete": false}),
            );
        }
        "selfsubjectreviews" => {
            object.put("kind", "SelfSubjectReview");
            object.put(
                "status",
                json!({"userInfo": {"username": user.name, "groups": user.groups}}),
            );
        }
        _ => return None,
    }
    Some(respond(&Reply::created(object)))
}
