//! Which of the optional APIs a cluster has.
//!
//! Snapshots and metrics are not part of every cluster and may appear later, so this can be asked
//! again at any time. Absent, denied and unknown are three answers; a view that needs the API says
//! which it is. This module must not decide what to do about it.

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use std::time::Duration;

use crate::cluster::fault::{Fault, FaultKind, within};

/// How long one question may take. An aggregated API whose backend is gone answers late.
const LIMIT: Duration = Duration::from_secs(10);

/// A resource of an API group that not every cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OptionalApi {
    pub group: &'static str,
    /// Plural, such as `volumesnapshots`.
    pub resource: &'static str,
}

const fn api(group: &'static str, resource: &'static str) -> OptionalApi {
    OptionalApi { group, resource }
}

pub const VOLUME_SNAPSHOTS: OptionalApi = api("snapshot.storage.k8s.io", "volumesnapshots");
pub const VOLUME_SNAPSHOT_CONTENTS: OptionalApi =
    api("snapshot.storage.k8s.io", "volumesnapshotcontents");
pub const VOLUME_SNAPSHOT_CLASSES: OptionalApi =
    api("snapshot.storage.k8s.io", "volumesnapshotclasses");
pub const VOLUME_GROUP_SNAPSHOTS: OptionalApi =
    api("groupsnapshot.storage.k8s.io", "volumegroupsnapshots");
pub const POD_METRICS: OptionalApi = api("metrics.k8s.io", "pods");
pub const POD_DISRUPTION_BUDGETS: OptionalApi = api("policy", "poddisruptionbudgets");
pub const VERTICAL_POD_AUTOSCALERS: OptionalApi =
    api("autoscaling.k8s.io", "verticalpodautoscalers");

/// All that wsdash can use.
pub const ALL: [OptionalApi; 7] = [
    VOLUME_SNAPSHOTS,
    VOLUME_SNAPSHOT_CONTENTS,
    VOLUME_SNAPSHOT_CLASSES,
    VOLUME_GROUP_SNAPSHOTS,
    POD_METRICS,
    POD_DISRUPTION_BUDGETS,
    VERTICAL_POD_AUTOSCALERS,
];

/// What the cluster answers about one API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// Served in this version, the preferred one if it has the resource.
    Present { version: String },
    /// The cluster does not have it; it may be installed later.
    Absent,
    /// The user may not even ask.
    Denied(Fault),
    /// Nobody could be asked, or the API is registered and its backend does not answer.
    Unknown(Fault),
}

impl Availability {
    fn of(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::NotFound => Self::Absent,
            FaultKind::Forbidden => Self::Denied(fault),
            _ => Self::Unknown(fault),
        }
    }
}

/// One answer per API, in the order of `apis`: one request for the groups and one per version of
/// the groups asked for.
pub async fn probe(client: &Client, apis: &[OptionalApi]) -> Vec<Availability> {
    let groups = match within(
        LIMIT,
        "asking which APIs there are",
        client.list_api_groups(),
    )
    .await
    {
        Ok(list) => list.groups,
        Err(fault) => return vec![Availability::of(fault); apis.len()],
    };
    let mut wanted: Vec<&'static str> = apis.iter().map(|api| api.group).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found = join_all(wanted.iter().map(|name| async {
        let group = groups.iter().find(|group| group.name == *name);
        match group {
            Some(group) => (*name, Some(resources(client, group).await)),
            None => (*name, None),
        }
    }))
    .await;
    apis.iter()
        .map(|api| {
            let group = found.iter().find(|(name, _)| *name == api.group);
            match group.and_then(|(_, versions)| versions.as_ref()) {
                Some(versions) => pick(versions, api.resource),
                None => Availability::Absent,
            }
        })
        .collect()
}

/// A version and the plural names that it serves, or why they are not known.
type Version = (String, Result<Vec<String>, Fault>);

/// The versions of a group, the preferred one first.
async fn resources(client: &Client, group: &APIGroup) -> Vec<Version> {
    let preferred = group
        .preferred_version
        .as_ref()
        .map(|version| &version.group_version);
    let mut versions: Vec<_> = group.versions.iter().collect();
    versions.sort_by_key(|version| Some(&version.group_version) != preferred);
    join_all(versions.into_iter().map(|version| async move {
        let what = format!("asking what {} serves", version.group_version);
        let call = client.list_api_group_resources(&version.group_version);
        let names = within(LIMIT, &what, call).await.map(|list| {
            list.resources
                .into_iter()
                .map(|resource| resource.name)
                .collect()
        });
        (version.version.clone(), names)
    }))
    .await
}

fn pick(versions: &[Version], resource: &str) -> Availability {
    let served = versions.iter().find(|(_, names)| {
        names
            .as_ref()
            .is_ok_and(|names| names.iter().any(|name| name == resource))
    });
    if let Some((version, _)) = served {
        return Availability::Present {
            version: version.clone(),
        };
    }
    // what could not be looked into may serve it
    versions
        .iter()
        .find_map(|(_, names)| names.as_ref().err())
        .map_or(Availability::Absent, |fault| {
            Availability::of(fault.clone())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(version: &str, names: &[&str]) -> Version {
        let names = names.iter().map(ToString::to_string).collect();
        (version.to_owned(), Ok(names))
    }

    fn fails(version: &str, kind: FaultKind) -> Version {
        (version.to_owned(), Err(Fault::new(kind, "a", "b")))
    }

    #[test]
    fn the_first_version_that_serves_the_resource_counts() {
        let versions = [serves("v1", &["a"]), serves("v1beta1", &["a", "b"])];
        let version = |text: &str| Availability::Present {
            version: text.to_owned(),
        };
        assert_eq!(pick(&versions, "a"), version("v1"));
        assert_eq!(pick(&versions, "b"), version("v1beta1"));
        assert_eq!(pick(&versions, "c"), Availability::Absent);
    }

    #[test]
    fn what_could_not_be_looked_into_is_not_absent() {
        let down = [fails("v1beta1", FaultKind::ServerError)];
        assert!(matches!(pick(&down, "pods"), Availability::Unknown(_)));
        let denied = [serves("v1", &["a"]), fails("v2", FaultKind::Forbidden)];
        assert!(matches!(pick(&denied, "pods"), Availability::Denied(_)));
        assert_eq!(
            pick(&[fails("v1", FaultKind::NotFound)], "pods"),
            Availability::Absent
        );
    }
}
