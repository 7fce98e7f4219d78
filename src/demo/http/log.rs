//! Logs of containers, once or followed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use jiff::Timestamp;

use super::super::clock::seconds;
use super::super::failure::Failure;
use super::super::object::{Fields, stamp};
use super::super::resource::Kind;
use super::super::world::World;
use super::{Query, Shared, Target, fail};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(250);

type Lines = Vec<(Timestamp, String)>;

pub(crate) fn answer(shared: &Arc<Shared>, target: &Target, query: &Query) -> Response {
    let world = shared.world();
    let (container, mut lines) = match read(&world, target, query) {
        Ok(found) => found,
        Err(failure) => return fail(&failure),
    };
    let now = world.now;
    drop(world);
    if let Some(since) = query.number("sinceSeconds") {
        lines.retain(|(at, _)| *at + jiff::SignedDuration::from_secs(since) >= now);
    }
    if let Some(since) = query
        .get("sinceTime")
        .and_then(|t| t.parse::<Timestamp>().ok())
    {
        lines.retain(|(at, _)| *at >= since);
    }
    if let Some(tail) = query
        .number("tailLines")
        .and_then(|n| usize::try_from(n).ok())
    {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let timestamps = query.flag("timestamps");
    let last = lines.last().map_or(now - seconds(1.0), |l| l.0);
    let text = print(&lines, timestamps);
    let body = if query.flag("follow") {
        let state = (
            Arc::clone(shared),
            target.clone(),
            container,
            last,
            Some(text),
        );
        Body::from_stream(futures::stream::unfold(
            state,
            move |(shared, target, container, last, first)| async move {
                if let Some(text) = first.filter(|t| !t.is_empty()) {
                    return Some((
                        Ok::<_, std::convert::Infallible>(Bytes::from(text)),
                        (shared, target, container, last, None),
                    ));
                }
                loop {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        () = shared.cancel.cancelled() => return None,
                    }
                    let (lines, running) = {
                        let world = shared.world();
                        let pod = world.read(&target.key())?;
                        let found = world
                            .sandboxes
                            .get(pod.uid())
                            .and_then(|s| s.containers.get(&container))?;
                        let mut lines = found.lines(world.now);
                        lines.retain(|(at, _)| *at > last);
                        (lines, found.is_running())
                    };
                    if let Some(newest) = lines.last().map(|l| l.0) {
                        let text = print(&lines, timestamps);
                        return Some((
                            Ok(Bytes::from(text)),
                            (shared, target, container, newest, None),
                        ));
                    }
                    if !running {
                        return None;
                    }
                }
            },
        ))
    } else {
        Body::from(text)
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain"),
    );
    response
}

fn print(lines: &[(Timestamp, String)], timestamps: bool) -> String {
    let mut text = String::new();
    for (at, line) in lines {
        if timestamps {
            text.push_str(&stamp(*at));
            text.push(' ');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn read(world: &World, target: &Target, query: &Query) -> Result<(String, Lines), Failure> {
    let pod = world
        .read(&target.key())
        .ok_or_else(|| Failure::not_found(Kind::Pod, &target.name))?;
    let all: Vec<&str> = pod
        .items("spec/containers")
        .iter()
        .map(|c| c.text("name"))
        .collect();
    let container = match (query.get("container"), all.as_slice()) {
        (Some(name), _) if all.contains(&name) => name,
        (Some(name), _) => {
            return Err(Failure::bad_request(format!(
                "container {name} is not valid for pod {}",
                pod.name()
            )));
        }
        (None, [one]) => one,
        (None, _) => {
            return Err(Failure::bad_request(format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.name(),
                all.join(" ")
            )));
        }
    };
    let found = world
        .sandboxes
        .get(pod.uid())
        .and_then(|s| s.containers.get(container));
    let waiting = |why: &str| {
        Failure::bad_request(format!(
            "container {container:?} in pod {:?} is waiting to start: {why}",
            pod.name()
        ))
    };
    let Some(found) = found else {
        return Err(waiting("ContainerCreating"));
    };
    if query.flag("previous") {
        if found.restarts == 0 {
            return Err(Failure::bad_request(format!(
                "previous terminated container {container:?} in pod {:?} not found",
                pod.name()
            )));
        }
        return Ok((
            container.to_owned(),
            found.previous.iter().cloned().collect(),
        ));
    }
    if found.started.is_none() {
        return Err(waiting(match found.waiting.as_str() {
            "ErrImagePull" | "ImagePullBackOff" => "trying and failing to pull image",
            other => other,
        }));
    }
    Ok((container.to_owned(), found.lines(world.now)))
}
