//! From what the API sends, in JSON or protobuf, to rows: the lenient models of `model` in, compact
//! rows of the domain out. Must not judge what it reads.

mod fields;
mod model;
mod pod;
mod protobuf;
mod share;
mod storage;
mod workload;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::core::Status;

use crate::domain::inventory::Row;
use crate::domain::key::{Kind, Meta, ObjectKey, Owner, Text, Uid};
use crate::domain::policy::Policy;
use crate::domain::quantity::Quantity;

pub(crate) use model::{Metadata, Object};
pub(crate) use pod::pod;
pub(crate) use protobuf::Garbled;
pub(crate) use share::Shared;

use model::{OwnerReference, Pairs, VolumeSpec};

/// The row of an object as the API server wrote it, in JSON.
pub fn read(kind: Kind, json: &[u8], policy: &Policy) -> Result<Row, serde_json::Error> {
    Ok(row(kind, serde_json::from_slice(json)?, policy))
}

/// The row of an object as the API server wrote it in protobuf, with the envelope around it. An error
/// also for a kind that there is only in JSON.
pub fn read_protobuf(kind: Kind, bytes: &[u8], policy: &Policy) -> anyhow::Result<Row> {
    let message = fields::message(kind)
        .with_context(|| format!("{} are sent in JSON only", kind.resource()))?;
    let object = protobuf::read(protobuf::unwrap(bytes)?, message)?;
    Ok(row(kind, object, policy))
}

/// Whether servers have objects of that kind in protobuf.
pub(crate) const fn has_protobuf(kind: Kind) -> bool {
    fields::message(kind).is_some()
}

/// What a watch in protobuf tells.
pub(crate) enum Watched {
    Put(Object),
    Gone(Object),
    /// A bookmark.
    Mark(Metadata),
    /// The watch cannot go on.
    Failed(Status),
}

/// One frame of a watch in protobuf.
pub(crate) fn watched(kind: Kind, frame: &[u8]) -> Result<Watched, Garbled> {
    let (word, bytes) = protobuf::event(frame)?;
    let message = fields::message(kind).unwrap_or(&[]);
    Ok(match word {
        "ADDED" | "MODIFIED" => Watched::Put(protobuf::read(bytes, message)?),
        "DELETED" => Watched::Gone(protobuf::read(bytes, message)?),
        "BOOKMARK" => Watched::Mark(protobuf::read::<Object>(bytes, message)?.metadata),
        "ERROR" => Watched::Failed(protobuf::read(bytes, fields::STATUS)?),
        _ => return Err(protobuf::garbled(&format!("a watch does not say `{word}`"))),
    })
}

/// The row of an object.
pub(crate) fn row(kind: Kind, object: Object, policy: &Policy) -> Row {
    match kind {
        Kind::Set => Row::Set(workload::set(object)),
        Kind::Pod => Row::Pod(pod::pod(object, policy)),
        Kind::Claim => Row::Claim(storage::claim(object, policy)),
        Kind::Volume => Row::Volume(storage::volume(object)),
        Kind::Snapshot => Row::Snapshot(storage::snapshot(object)),
        Kind::Content => Row::Content(storage::content(object)),
        Kind::SnapshotClass => Row::SnapshotClass(storage::snapshot_class(object)),
        Kind::StorageClass => Row::StorageClass(storage::storage_class(object)),
        Kind::Attachment => Row::Attachment(storage::attachment(object)),
        Kind::Node => Row::Node(workload::node(object)),
        Kind::Event => Row::Event(workload::event(object)),
        Kind::Deployment | Kind::ReplicaSet | Kind::DaemonSet | Kind::Job | Kind::CronJob => {
            Row::Workload(workload::workload(kind, object))
        }
        Kind::Budget => Row::Budget(workload::budget(object)),
        Kind::Quota => Row::Quota(workload::quota(&object)),
    }
}

pub(crate) fn key(metadata: &Metadata) -> ObjectKey {
    ObjectKey::new(metadata.namespace.as_str(), metadata.name.as_str())
}

fn meta(metadata: &Metadata) -> Meta {
    Meta {
        key: key(metadata),
        uid: Uid::parse(&metadata.uid),
        created: metadata.creation_timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
        deleted: metadata.deletion_timestamp,
    }
}

fn owners(metadata: &Metadata) -> Vec<Owner> {
    let owner = |o: &OwnerReference| Owner {
        kind: o.kind.as_str().into(),
        name: o.name.as_str().into(),
        uid: Uid::parse(&o.uid),
        controller: o.controller,
    };
    metadata.owner_references.iter().map(owner).collect()
}

fn controller(metadata: &Metadata) -> Option<Owner> {
    owners(metadata).into_iter().find(|o| o.controller)
}

fn storage(pairs: &Pairs) -> Option<Quantity> {
    Quantity::parse(pairs.get("storage")?).ok()
}

fn first(labels: &Pairs, wanted: &[String]) -> Option<Text> {
    wanted
        .iter()
        .find_map(|key| labels.get(key))
        .map(|value| value.as_str().into())
}

fn pairs(labels: &Pairs) -> Vec<(Text, Text)> {
    labels
        .iter()
        .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
        .collect()
}

/// An image without its tag and digest; a port is no tag.
fn repository(image: &str) -> Text {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name.into(),
        _ => image.into(),
    }
}

fn claims_of(volumes: &[VolumeSpec], pod: &str) -> Vec<(Text, Text)> {
    let claim = |v: &VolumeSpec| match (&v.persistent_volume_claim, &v.ephemeral) {
        (Some(source), _) => Some((v.name.clone(), source.claim_name.clone())),
        (None, Some(_)) => Some((v.name.clone(), format!("{pod}-{}", v.name).into())),
        (None, None) => None,
    };
    volumes.iter().filter_map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("registry.example:5000/ide", "registry.example:5000/ide")]
    #[case("registry.example:5000/ide:1.4@sha256:00", "registry.example:5000/ide")]
    #[case("ide:latest", "ide")]
    fn a_repository_has_no_tag(#[case] image: &str, #[case] expected: &str) {
        assert_eq!(&*repository(image), expected);
    }

    #[test]
    fn an_object_with_almost_nothing_still_becomes_a_row() {
        use strum::IntoEnumIterator as _;
        for kind in Kind::iter() {
            let object: Object =
                serde_json::from_str(r#"{"metadata":{"name":"x"},"more":[1]}"#).unwrap();
            let row = row(kind, object, &Policy::default());
            assert_eq!(&*row.meta().key.name, "x");
        }
    }
}
