//! Identity. Objects are named by namespace, name and uid, never by a place in a list.
//! Must not know what a kind means; that is the rows' matter.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Shared text: names are cloned often and changed never.
pub type Text = Arc<str>;

/// Every kind that wsdash watches, in the order in which a screen lists them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::EnumIter,
    strum::EnumCount,
)]
pub enum Kind {
    Set,
    Pod,
    Claim,
    Volume,
    Snapshot,
    Content,
    SnapshotClass,
    StorageClass,
    Attachment,
    Node,
    Event,
    Deployment,
    ReplicaSet,
    DaemonSet,
    Job,
    CronJob,
    Budget,
    Quota,
}

impl Kind {
    /// The plural that the API, RBAC rules and the truth line use.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Set => "statefulsets",
            Self::Pod => "pods",
            Self::Claim => "persistentvolumeclaims",
            Self::Volume => "persistentvolumes",
            Self::Snapshot => "volumesnapshots",
            Self::Content => "volumesnapshotcontents",
            Self::SnapshotClass => "volumesnapshotclasses",
            Self::StorageClass => "storageclasses",
            Self::Attachment => "volumeattachments",
            Self::Node => "nodes",
            Self::Event => "events",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::DaemonSet => "daemonsets",
            Self::Job => "jobs",
            Self::CronJob => "cronjobs",
            Self::Budget => "poddisruptionbudgets",
            Self::Quota => "resourcequotas",
        }
    }

    /// A word short enough for the truth line.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Set => "sets",
            Self::Pod => "pods",
            Self::Claim => "claims",
            Self::Volume => "volumes",
            Self::Snapshot => "snapshots",
            Self::Content => "contents",
            Self::SnapshotClass => "snapshot classes",
            Self::StorageClass => "storage classes",
            Self::Attachment => "attachments",
            Self::Node => "nodes",
            Self::Event => "events",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replica sets",
            Self::DaemonSet => "daemon sets",
            Self::Job => "jobs",
            Self::CronJob => "cron jobs",
            Self::Budget => "budgets",
            Self::Quota => "quotas",
        }
    }

    /// The object's `kind` field.
    pub const fn object(self) -> &'static str {
        match self {
            Self::Set => "StatefulSet",
            Self::Pod => "Pod",
            Self::Claim => "PersistentVolumeClaim",
            Self::Volume => "PersistentVolume",
            Self::Snapshot => "VolumeSnapshot",
            Self::Content => "VolumeSnapshotContent",
            Self::SnapshotClass => "VolumeSnapshotClass",
            Self::StorageClass => "StorageClass",
            Self::Attachment => "VolumeAttachment",
            Self::Node => "Node",
            Self::Event => "Event",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Budget => "PodDisruptionBudget",
            Self::Quota => "ResourceQuota",
        }
    }

    /// API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Pod | Self::Claim | Self::Volume | Self::Node | Self::Event | Self::Quota => "",
            Self::Set | Self::Deployment | Self::ReplicaSet | Self::DaemonSet => "apps",
            Self::Job | Self::CronJob => "batch",
            Self::Snapshot | Self::Content | Self::SnapshotClass => "snapshot.storage.k8s.io",
            Self::StorageClass | Self::Attachment => "storage.k8s.io",
            Self::Budget => "policy",
        }
    }

    /// Whether its objects live in a namespace.
    pub const fn namespaced(self) -> bool {
        !matches!(
            self,
            Self::Volume
                | Self::Content
                | Self::SnapshotClass
                | Self::StorageClass
                | Self::Attachment
                | Self::Node
        )
    }

    /// The kind whose objects carry this `kind` field, if wsdash watches it.
    pub fn of_object(kind: &str) -> Option<Self> {
        use strum::IntoEnumIterator as _;
        Self::iter().find(|k| k.object() == kind)
    }
}

static NO_NAMESPACE: LazyLock<Text> = LazyLock::new(|| "".into());

/// Namespace and name; the namespace is empty for cluster-scoped objects.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    pub namespace: Text,
    pub name: Text,
}

impl ObjectKey {
    pub fn new(namespace: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of a cluster-scoped object. Allocates nothing: keys are made for every look-up.
    pub fn unscoped(name: &Text) -> Self {
        Self {
            namespace: Arc::clone(&NO_NAMESPACE),
            name: Arc::clone(name),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An object's uid. Almost all are UUIDs, kept in 16 bytes; the API promises only a string
/// (mirror pods have a hash), so any other text is kept as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Uid {
    Uuid([u8; 16]),
    Other(Text),
}

impl Uid {
    pub fn parse(text: &str) -> Self {
        let mut bytes = [0_u8; 16];
        let mut at = 0;
        let digits = text.as_bytes();
        if digits.len() == 36 {
            for (i, &digit) in digits.iter().enumerate() {
                let dash = matches!(i, 8 | 13 | 18 | 23);
                let value = match digit {
                    b'-' if dash => continue,
                    b'0'..=b'9' if !dash => digit - b'0',
                    b'a'..=b'f' if !dash => digit - b'a' + 10,
                    _ => return Self::Other(text.into()),
                };
                bytes[at / 2] |= value << (if at % 2 == 0 { 4 } else { 0 });
                at += 1;
            }
            return Self::Uuid(bytes);
        }
        Self::Other(text.into())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(bytes) => {
                for (i, byte) in bytes.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<&Uid> for String {
    fn from(uid: &Uid) -> Self {
        uid.to_string()
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

/// The controller of an object: `ownerReferences[controller=true]`, or the first owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: Text,
    pub name: Text,
    pub uid: Uid,
    pub controller: bool,
}

/// What every row knows of its object.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub key: ObjectKey,
    pub uid: Uid,
    pub created: jiff::Timestamp,
    /// Set once deletion was asked for; finalizers or a grace period keep the object.
    pub deleted: Option<jiff::Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_uid_prints_as_it_was_read(text in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|.{0,40}") {
            prop_assert_eq!(Uid::parse(&text).to_string(), text);
        }
    }

    #[test]
    fn a_uuid_takes_no_heap() {
        assert!(matches!(
            Uid::parse("8f1c0a52-0000-4000-8000-00000000000f"),
            Uid::Uuid(_)
        ));
        assert!(matches!(
            Uid::parse("8F1C0A52-0000-4000-8000-00000000000f"),
            Uid::Other(_)
        ));
    }
}
