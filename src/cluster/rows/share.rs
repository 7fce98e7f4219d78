//! Text that thousands of rows have in common is kept once: names of containers, images, classes,
//! nodes, mount paths. What is different in every row is not worth looking up.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::inventory::Row;
use crate::domain::key::Text;

/// More different texts than this are not common, and are kept as they come.
const MOST: usize = 20_000;

/// The texts and lists of texts that were seen, for one kind.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    texts: HashSet<Text>,
    lists: HashSet<Arc<[Text]>>,
}

impl Shared {
    fn text(&mut self, text: &mut Text) {
        if let Some(known) = self.texts.get(text) {
            *text = Arc::clone(known);
        } else if self.texts.len() < MOST {
            self.texts.insert(Arc::clone(text));
        }
    }

    fn list(&mut self, list: &mut Arc<[Text]>) {
        if let Some(known) = self.lists.get(list) {
            *list = Arc::clone(known);
            return;
        }
        let mut texts: Vec<Text> = list.to_vec();
        for text in &mut texts {
            self.text(text);
        }
        *list = texts.into();
        if self.lists.len() < MOST {
            self.lists.insert(Arc::clone(list));
        }
    }

    fn maybe(&mut self, text: &mut Option<Text>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// Makes a row use the texts that are there already.
    pub(crate) fn row(&mut self, row: &mut Row) {
        match row {
            Row::Pod(pod) => {
                self.text(&mut pod.meta.key.namespace);
                self.maybe(&mut pod.node);
                self.maybe(&mut pod.tier);
                for container in &mut pod.containers {
                    self.text(&mut container.name);
                    self.text(&mut container.image);
                    self.maybe(&mut container.waiting);
                    for mount in &mut container.mounts {
                        self.text(&mut mount.path);
                        self.text(&mut mount.volume);
                    }
                }
                for (volume, _) in &mut pod.claims {
                    self.text(volume);
                }
                if let Some(owner) = &mut pod.owner {
                    self.text(&mut owner.kind);
                    self.text(&mut owner.name);
                }
            }
            Row::Claim(claim) => {
                self.text(&mut claim.meta.key.namespace);
                self.maybe(&mut claim.storage_class);
                self.maybe(&mut claim.tier);
                self.maybe(&mut claim.user);
                self.list(&mut claim.finalizers);
                self.list(&mut claim.label_values);
                for owner in &mut claim.owners {
                    self.text(&mut owner.kind);
                    self.text(&mut owner.name);
                }
            }
            Row::Volume(volume) => {
                self.maybe(&mut volume.storage_class);
                self.maybe(&mut volume.driver);
                self.maybe(&mut volume.zone);
                if let Some(claim) = &mut volume.claim {
                    self.text(&mut claim.key.namespace);
                }
            }
            Row::Snapshot(snapshot) => {
                self.text(&mut snapshot.meta.key.namespace);
                self.maybe(&mut snapshot.class);
                self.maybe(&mut snapshot.consistency);
            }
            Row::Content(content) => self.text(&mut content.driver),
            Row::Attachment(attachment) => self.text(&mut attachment.node),
            Row::Event(event) => {
                self.text(&mut event.meta.key.namespace);
                self.text(&mut event.object_kind);
                self.text(&mut event.object.namespace);
                self.text(&mut event.reason);
                self.text(&mut event.source);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::rows::{Object, row};
    use crate::domain::key::Kind;
    use crate::domain::policy::Policy;

    #[test]
    fn two_pods_of_one_kind_share_what_they_have_in_common() {
        let pod = |name: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"ns"}},"spec":{{"nodeName":"n1","containers":[{{"name":"ide","image":"theia:1"}}]}}}}"#
            );
            let object: Object = serde_json::from_str(&json).unwrap();
            row(Kind::Pod, object, &Policy::default())
        };
        let mut shared = Shared::default();
        let (mut a, mut b) = (pod("a"), pod("b"));
        let before = b.clone();
        shared.row(&mut a);
        shared.row(&mut b);
        assert_eq!(b, before);
        let (Row::Pod(a), Row::Pod(b)) = (a, b) else {
            unreachable!("both are pods");
        };
        assert!(Arc::ptr_eq(&a.containers[0].image, &b.containers[0].image));
        assert!(Arc::ptr_eq(&a.meta.key.namespace, &b.meta.key.namespace));
    }

    #[test]
    fn two_claims_of_one_workspace_share_its_user_and_their_lists() {
        let claim = |name: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"ns","finalizers":["a"],"labels":{{"user":"ana"}}}}}}"#
            );
            let object: Object = serde_json::from_str(&json).unwrap();
            row(Kind::Claim, object, &Policy::default())
        };
        let mut shared = Shared::default();
        let (mut a, mut b) = (claim("a"), claim("b"));
        let before = b.clone();
        shared.row(&mut a);
        shared.row(&mut b);
        assert_eq!(b, before);
        let (Row::Claim(a), Row::Claim(b)) = (a, b) else {
            unreachable!("both are claims");
        };
        assert!(Arc::ptr_eq(&a.finalizers, &b.finalizers));
        assert!(Arc::ptr_eq(&a.label_values, &b.label_values));
    }
}
