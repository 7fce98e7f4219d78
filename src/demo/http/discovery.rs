//! Discovery, version, health and as much OpenAPI as kubectl asks for.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::super::resource::{RESOURCES, Resource};
use super::super::world::World;
use super::{Reply, Shared, VERSION, respond};

const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(crate) fn answer(shared: &Shared, path: &str, headers: &HeaderMap) -> Option<Response> {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let aggregated = accept.contains("v=v2;as=APIGroupDiscoveryList")
        || accept.contains("as=APIGroupDiscoveryList;v=v2");
    let steps: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let world = shared.world();
    let reply = match steps.as_slice() {
        ["api"] if aggregated => Reply {
            content_type: AGGREGATED,
            ..Reply::ok(aggregate(&world, true))
        },
        ["apis"] if aggregated => Reply {
            content_type: AGGREGATED,
            ..Reply::ok(aggregate(&world, false))
        },
        ["api"] => Reply::ok(
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ),
        ["apis"] => Reply::ok(
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(&world).iter().map(|(g, v)| group(g, v)).collect::<Vec<_>>()}),
        ),
        ["api", "v1"] => Reply::ok(resources(&world, "", "v1")?),
        ["apis", name] => {
            let groups = groups(&world);
            let version = groups.get(name)?;
            let mut body = group(name, version);
            body["kind"] = json!("APIGroup");
            body["apiVersion"] = json!("v1");
            Reply::ok(body)
        }
        ["apis", name, version] => Reply::ok(resources(&world, name, version)?),
        ["version"] => Reply::ok(
            json!({"major": "1", "minor": "34", "gitVersion": VERSION, "gitCommit": "simulated", "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64"}),
        ),
        ["healthz" | "livez" | "readyz", ..] => return Some(Response::new(Body::from("ok"))),
        ["openapi", "v2"] => {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                http::HeaderValue::from_static(
                    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
                ),
            );
            return Some(response);
        }
        ["openapi", "v3"] => Reply::ok(paths(&world)),
        ["openapi", "v3", rest @ ..] => Reply::ok(document(&world, rest)?),
        _ => return None,
    };
    Some(respond(&reply))
}

fn served(world: &World) -> impl Iterator<Item = &'static Resource> {
    RESOURCES
        .iter()
        .filter(|r| world.serves(r.id))
        .collect::<Vec<_>>()
        .into_iter()
}

fn groups(world: &World) -> BTreeMap<&'static str, &'static str> {
    let mut groups: BTreeMap<_, _> = served(world)
        .filter(|r| !r.group.is_empty())
        .map(|r| (r.group, r.version))
        .collect();
    for name in [
        "events.k8s.io",
        "authorization.k8s.io",
        "authentication.k8s.io",
    ] {
        groups.insert(name, "v1");
    }
    groups
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn verbs(resource: &Resource) -> Value {
    if resource.id.is_metrics_api() {
        json!(["get", "list"])
    } else {
        json!(VERBS)
    }
}

fn sub_kind(resource: &Resource, sub: &str) -> (String, String, String, Vec<&'static str>) {
    let (group, version, kind) = match sub {
        "scale" => ("autoscaling", "v1", "Scale"),
        "eviction" => ("policy", "v1", "Eviction"),
        "binding" => ("", "v1", "Binding"),
        "exec" => ("", "v1", "PodExecOptions"),
        "attach" => ("", "v1", "PodAttachOptions"),
        "proxy" => ("", "v1", "ServiceProxyOptions"),
        _ => (resource.group, resource.version, resource.kind),
    };
    let verbs = match sub {
        "exec" | "attach" => vec!["create", "get"],
        "eviction" | "binding" => vec!["create"],
        "log" => vec!["get"],
        "finalize" => vec!["update"],
        "proxy" => vec!["create", "delete", "get", "patch", "update"],
        _ => vec!["get", "patch", "update"],
    };
    (group.to_owned(), version.to_owned(), kind.to_owned(), verbs)
}

fn resources(world: &World, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    if group == "events.k8s.io" {
        list.push(json!({"name": "events", "singularName": "event", "namespaced": true, "kind": "Event", "verbs": VERBS, "shortNames": ["ev"]}));
    }
    for (name, kind, namespaced) in reviews(group) {
        list.push(json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": namespaced, "kind": kind, "verbs": ["create"]}));
    }
    for resource in served(world).filter(|r| r.group == group && r.version == version) {
        let mut entry = json!({"name": resource.plural, "singularName": resource.kind.to_lowercase(), "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": verbs(resource), "storageVersionHash": "c2ltdWxhdGVk"});
        if !resource.short.is_empty() {
            entry["shortNames"] = json!(resource.short);
        }
        if resource.all {
            entry["categories"] = json!(["all"]);
        }
        list.push(entry);
        for sub in resource.subresources {
            let (group, version, kind, verbs) = sub_kind(resource, sub);
            list.push(json!({"name": format!("{}/{sub}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
                "group": group, "version": version, "kind": kind, "verbs": verbs}));
        }
    }
    let name = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    (!list.is_empty()).then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list}))
}

fn reviews(group: &str) -> &'static [(&'static str, &'static str, bool)] {
    match group {
        "authorization.k8s.io" => &[
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
        ],
        "authentication.k8s.io" => &[("selfsubjectreviews", "SelfSubjectReview", false)],
        _ => &[],
    }
}

fn aggregate(world: &World, core: bool) -> Value {
    let mut items = Vec::new();
    let names: Vec<(&str, &str)> = if core {
        vec![("", "v1")]
    } else {
        groups(world).into_iter().collect()
    };
    for (group, version) in names {
        let mut list = Vec::new();
        if group == "events.k8s.io" {
            list.push(json!({"resource": "events", "responseKind": {"group": group, "version": version, "kind": "Event"}, "scope": "Namespaced", "singularResource": "event", "verbs": VERBS, "shortNames": ["ev"]}));
        }
        for (name, kind, _) in reviews(group) {
            list.push(json!({"resource": name, "responseKind": {"group": group, "version": version, "kind": kind}, "scope": "Cluster", "singularResource": kind.to_lowercase(), "verbs": ["create"]}));
        }
        for resource in served(world).filter(|r| r.group == group) {
            let subs: Vec<Value> = resource.subresources.iter().map(|sub| {
                let (g, v, k, verbs) = sub_kind(resource, sub);
                json!({"subresource": sub, "responseKind": {"group": g, "version": v, "kind": k}, "verbs": verbs})
            }).collect();
            let mut entry = json!({"resource": resource.plural, "responseKind": {"group": group, "version": version, "kind": resource.kind},
                "scope": if resource.namespaced { "Namespaced" } else { "Cluster" }, "singularResource": resource.kind.to_lowercase(), "verbs": verbs(resource)});
            if !resource.short.is_empty() {
                entry["shortNames"] = json!(resource.short);
            }
            if resource.all {
                entry["categories"] = json!(["all"]);
            }
            if !subs.is_empty() {
                entry["subresources"] = json!(subs);
            }
            list.push(entry);
        }
        let mut metadata = json!({"creationTimestamp": null});
        if !group.is_empty() {
            metadata["name"] = json!(group);
        }
        items.push(json!({"metadata": metadata, "versions": [{"version": version, "resources": list, "freshness": "Current"}]}));
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn paths(world: &World) -> Value {
    let mut paths = serde_json::Map::new();
    paths.insert(
        "api/v1".to_owned(),
        json!({"serverRelativeURL": "/openapi/v3/api/v1?hash=simulated"}),
    );
    for (group, version) in groups(world) {
        let path = format!("apis/{group}/{version}");
        let url = format!("/openapi/v3/{path}?hash=simulated");
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// Says of each kind that its writes can be validated by the server; schemas are not given.
fn document(world: &World, path: &[&str]) -> Option<Value> {
    let (group, version, base) = match path {
        ["api", version] => ("", *version, format!("/api/{version}")),
        ["apis", group, version] => (*group, *version, format!("/apis/{group}/{version}")),
        _ => return None,
    };
    let mut paths = serde_json::Map::new();
    for resource in served(world).filter(|r| r.group == group && r.version == version) {
        let scope = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let gvk = json!({"group": group, "version": version, "kind": resource.kind});
        let parameters = json!([
            {"name": "dryRun", "in": "query", "schema": {"type": "string", "uniqueItems": true}},
            {"name": "fieldManager", "in": "query", "schema": {"type": "string", "uniqueItems": true}},
            {"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}},
        ]);
        let responses = json!({"200": {"description": "OK"}});
        let item = json!({"patch": {"operationId": format!("patch{}", resource.kind), "parameters": parameters, "responses": responses,
            "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": gvk}});
        paths.insert(format!("{base}{scope}/{}/{{name}}", resource.plural), item);
        let create = json!({"post": {"operationId": format!("create{}", resource.kind), "parameters": parameters, "responses": responses,
            "x-kubernetes-action": "post", "x-kubernetes-group-version-kind": gvk}});
        paths.insert(format!("{base}{scope}/{}", resource.plural), create);
    }
    Some(
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION}, "paths": paths, "components": {"schemas": {}}}),
    )
}
