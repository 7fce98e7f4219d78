//! Lists in pages and watches, when the world goes on and when the server has forgotten.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not ask"
)]

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::target::Target;
use super::{MERGE, each};

/// Four objects, and the first page of two.
async fn first_page(target: &Target, path: &str) -> (Value, String) {
    for name in ["a", "b", "c", "d"] {
        let object = json!({"metadata": {"name": name, "labels": {"rule": "list"}}});
        assert_eq!(target.call("POST", path, &object).await.0, 201);
    }
    let (_, page) = target
        .call(
            "GET",
            &format!("{path}?labelSelector=rule%3Dlist&limit=2"),
            &Value::Null,
        )
        .await;
    let token = page["metadata"]["continue"].as_str().unwrap().to_owned();
    (page, token)
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|o| o["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn later_pages_show_what_was_there_when_the_first_was_read() {
    each("consistent", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let (first, token) = first_page(target, &path).await;
        assert_eq!(names(&first), ["a", "b"]);
        target
            .call("DELETE", &format!("{path}/c"), &Value::Null)
            .await;
        target
            .call_as(
                "PATCH",
                &format!("{path}/d"),
                &json!({"data": {"x": "late"}}),
                MERGE,
            )
            .await;
        let late = json!({"metadata": {"name": "e", "labels": {"rule": "list"}}});
        assert_eq!(target.call("POST", &path, &late).await.0, 201);
        let rest = format!("{path}?labelSelector=rule%3Dlist&limit=9&continue={token}");
        let (code, rest) = target.call("GET", &rest, &Value::Null).await;
        assert_eq!(
            (code, names(&rest)),
            (200, vec!["c", "d"]),
            "{}",
            target.name
        );
        assert_eq!(rest["items"][1]["data"], Value::Null, "{}", target.name);
        assert_eq!(
            rest["metadata"]["resourceVersion"],
            first["metadata"]["resourceVersion"]
        );
    })
    .await;
}

/// The token as a server would have given it at its first revision.
fn aged(token: &str) -> String {
    let mut text = token.replace('-', "+").replace('_', "/");
    text.extend(std::iter::repeat_n('=', (4 - text.len() % 4) % 4));
    let bytes: ByteString = serde_json::from_value(json!(text)).unwrap();
    let mut inner: Value = serde_json::from_slice(&bytes.0).unwrap();
    inner["rv"] = json!(1);
    let text = serde_json::to_value(ByteString(inner.to_string().into_bytes())).unwrap();
    let text = text.as_str().unwrap().trim_end_matches('=').to_owned();
    text.replace('+', "-").replace('/', "_")
}

/// Whether the server is old enough to have forgotten its first revision: it forgets every five minutes.
async fn has_forgotten(target: &Target) -> bool {
    let (_, system) = target
        .call("GET", "/api/v1/namespaces/kube-system", &Value::Null)
        .await;
    let born: Timestamp = system["metadata"]["creationTimestamp"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let old = target.name == "simulated"
        || Timestamp::now().duration_since(born) > SignedDuration::from_mins(11);
    if !old {
        eprintln!(
            "contract expired: NOT asked of the {} cluster, it is too young",
            target.name
        );
    }
    old
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_expired_and_says_how_to_go_on() {
    each("expired", async |target, namespace| {
        if !has_forgotten(target).await {
            return;
        }
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let (_, token) = first_page(target, &path).await;
        let page = |token: &str| format!("{path}?labelSelector=rule%3Dlist&limit=9&continue={token}");
        let (code, body) = target.call("GET", &page(&aged(&token)), &Value::Null).await;
        assert_eq!((code, body["reason"].as_str()), (410, Some("Expired")), "{}: {body}", target.name);
        let text = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
        assert_eq!(body["message"], text, "{}", target.name);
        let (code, rest) = target.call("GET", &page(body["metadata"]["continue"].as_str().unwrap()), &Value::Null).await;
        assert_eq!((code, names(&rest)), (200, vec!["c", "d"]), "{}", target.name);

        let (code, body) = target.call("GET", &page("bogus"), &Value::Null).await;
        let text = body["message"].as_str().unwrap();
        assert_eq!(code, 400);
        assert!(text.starts_with("invalid continue token: continue key is not valid: illegal base64 data"), "{}: {text}", target.name);
        let exact = format!("{path}?resourceVersion=1&resourceVersionMatch=Exact");
        let (code, body) = target.call("GET", &exact, &Value::Null).await;
        assert_eq!((code, &body["message"]), (410, &json!("The resourceVersion for the provided list is too old.")), "{}", target.name);

        let watch = "/apis/snapshot.storage.k8s.io/v1/volumesnapshots?watch=1&resourceVersion=1&timeoutSeconds=2";
        let events = target.lines(watch).await;
        assert_eq!(events.len(), 1, "{}: {events:?}", target.name);
        let object = &events[0]["object"];
        assert_eq!((&events[0]["type"], &object["code"], &object["reason"]), (&json!("ERROR"), &json!(410), &json!("Expired")));
        let text = object["message"].as_str().unwrap();
        assert!(text.starts_with("too old resource version: 1 ("), "{}: {text}", target.name);
    })
    .await;
}

#[tokio::test]
async fn a_version_that_is_none_is_refused() {
    each("version", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let why = "resourceVersion: Invalid value: \"bad\": strconv.ParseUint: parsing \"bad\": invalid syntax";
        let (code, body) = target.call("GET", &format!("{path}?resourceVersion=bad"), &Value::Null).await;
        assert_eq!((code, &body["message"]), (400, &json!(format!("invalid resource version: {why}"))), "{}", target.name);
        let (code, body) = target.call("GET", &format!("{path}?watch=1&resourceVersion=bad"), &Value::Null).await;
        assert_eq!((code, &body["message"], &body["reason"]), (500, &json!(why), &Value::Null), "{}", target.name);
        let (code, body) = target.call("GET", &format!("{path}?resourceVersion=999999999999"), &Value::Null).await;
        let text = body["message"].as_str().unwrap();
        assert_eq!((code, body["details"]["causes"][0]["reason"].as_str()), (504, Some("ResourceVersionTooLarge")));
        assert!(text.starts_with("Timeout: Too large resource version: 999999999999, current: "), "{}: {text}", target.name);
    })
    .await;
}

#[tokio::test]
async fn a_quiet_watch_is_told_how_far_it_is_when_it_asks_for_that() {
    each("bookmark", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let (_, list) = target.call("GET", &path, &Value::Null).await;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        let watch = format!(
            "{path}?watch=1&labelSelector=rule%3Dnone&resourceVersion={version}&timeoutSeconds=5"
        );
        // Something happens that this watch does not show.
        target
            .call("POST", &path, &json!({"metadata": {"name": "a"}}))
            .await;
        let events = target
            .lines(&format!("{watch}&allowWatchBookmarks=true"))
            .await;
        let last = events
            .last()
            .unwrap_or_else(|| panic!("{}: no bookmark", target.name));
        assert_eq!(
            (&last["type"], &last["object"]["kind"]),
            (&json!("BOOKMARK"), &json!("ConfigMap"))
        );
        let number = |text: &str| text.parse::<u64>().unwrap();
        let reached = last["object"]["metadata"]["resourceVersion"]
            .as_str()
            .unwrap();
        assert!(
            number(reached) > number(version),
            "{}: {reached} {version}",
            target.name
        );
        assert_eq!(
            target.lines(&watch).await,
            Vec::<Value>::new(),
            "{}",
            target.name
        );
    })
    .await;
}
