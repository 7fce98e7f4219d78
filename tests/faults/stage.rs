//! The simulated cluster behind a proxy that breaks, and what the product knows of it.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a part of a test program"
)]

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use strum::IntoEnumIterator as _;
use tempfile::TempDir;
use tokio::sync::mpsc;
use wsdash::cluster::connect::{Compression, Interaction, Target, connect};
use wsdash::cluster::feed::{Beat, Feed};
use wsdash::cluster::watch::Reading;
use wsdash::demo;
use wsdash::domain::freshness::Freshness;
use wsdash::domain::inventory::{Change, Inventory};
use wsdash::domain::key::{Kind, ObjectKey};
use wsdash::domain::policy::Policy;

use crate::proxy::Proxy;

/// Only a failing test waits so long.
const CEILING: Duration = Duration::from_secs(120);

pub const NAMESPACE: &str = "coditect-app";

pub struct Stage {
    /// How the server is read; to be changed before that begins.
    pub reading: Reading,
    pub proxy: Proxy,
    pub inventory: Inventory,
    pub beat: Option<Beat>,
    /// Every freshness that was told, in order.
    pub told: Vec<(Kind, Freshness)>,
    /// To the simulated cluster itself, past the proxy.
    direct: Client,
    behind: Client,
    feed: Option<Feed>,
    changes: Option<(mpsc::Sender<Change>, mpsc::Receiver<Change>)>,
    beats: Option<mpsc::Receiver<Beat>>,
    _demo: demo::Running,
    _folder: TempDir,
}

async fn client(kubeconfig: &str, folder: &TempDir, name: &str) -> Client {
    let path = folder.path().join(name);
    std::fs::write(&path, kubeconfig).unwrap();
    let target = Target {
        kubeconfig: Some(path),
        compression: Compression::Off,
        ..Target::default()
    };
    connect(&target, Interaction::Never).await.unwrap().client
}

impl Stage {
    /// Everything is up, and nobody reads yet.
    pub async fn set() -> Self {
        let demo = demo::start(demo::Options::default()).await.unwrap();
        let url = demo.api_url();
        let proxy = Proxy::start(url.trim_start_matches("http://")).await;
        let folder = tempfile::tempdir().unwrap();
        let detour = demo
            .kubeconfig()
            .replace(&url, &format!("http://{}", proxy.address));
        let behind = client(&detour, &folder, "behind").await;
        let direct = client(&demo.kubeconfig(), &folder, "direct").await;
        Self {
            proxy,
            inventory: Inventory::new(Policy::default().claim_templates),
            beat: None,
            told: Vec::new(),
            direct,
            behind,
            reading: Reading::default(),
            feed: None,
            changes: None,
            beats: None,
            _demo: demo,
            _folder: folder,
        }
    }

    /// Starts to read.
    pub fn read(&mut self) {
        let (changed, changes) = mpsc::channel(32);
        let (beaten, beats) = mpsc::channel(8);
        let (client, policy) = (self.behind.clone(), Arc::new(Policy::default()));
        self.feed = Some(Feed::start(
            client,
            Some(NAMESPACE),
            (&policy, self.reading),
            &changed,
            beaten,
        ));
        self.changes = Some((changed, changes));
        self.beats = Some(beats);
    }

    /// Everything is up, and everything is read.
    pub async fn live() -> Self {
        let mut stage = Self::set().await;
        stage.read();
        stage.until("everything is live", Self::all_live).await;
        let watches = |stage: &Self| stage.proxy.seen().iter().filter(|s| s.is_watch()).count();
        stage
            .until("everything is watched", |s| {
                watches(s) >= Kind::iter().count() && s.beat.is_some()
            })
            .await;
        stage
    }

    pub fn freshness(&self, kind: Kind) -> &Freshness {
        self.inventory.freshness().get(kind)
    }

    pub fn all_live(&self) -> bool {
        Kind::iter().all(|kind| self.freshness(kind).is_live())
    }

    pub fn all_stale(&self) -> bool {
        Kind::iter().all(|kind| self.stale(kind).is_some())
    }

    /// Why a kind is stale.
    pub fn stale(&self, kind: Kind) -> Option<&str> {
        match self.freshness(kind) {
            Freshness::Stale { why, .. } => Some(why),
            _ => None,
        }
    }

    pub fn is_lost(&self) -> bool {
        matches!(self.beat, Some(Beat::Lost { .. }))
    }

    /// Listens until it is so.
    pub async fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + CEILING;
        while !so(self) {
            let (Some((_, changes)), Some(beats)) = (&mut self.changes, &mut self.beats) else {
                unreachable!("nobody reads");
            };
            tokio::select! {
                Some(change) = changes.recv() => {
                    if let Change::Freshness { kind, freshness } = &change {
                        self.told.push((*kind, freshness.clone()));
                    }
                    self.inventory.apply(change);
                }
                Some(beat) = beats.recv() => self.beat = Some(beat),
                // What the proxy sees is told by nobody.
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            let late = tokio::time::Instant::now() > deadline;
            let all: Vec<_> = if late {
                Kind::iter().map(|k| (k, self.freshness(k))).collect()
            } else {
                Vec::new()
            };
            assert!(
                !late,
                "not within {CEILING:?}: {what}; {:?}, {all:?}",
                self.beat
            );
        }
    }

    /// Reads no more.
    pub fn stop(&mut self) {
        self.feed = None;
    }

    /// Makes a claim in the cluster, past the proxy.
    pub async fn make_claim(&self, name: &str) {
        let body = serde_json::json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        let path = format!("/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims");
        self.send("POST", &path, body.to_string()).await;
    }

    pub async fn delete_claim(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{name}");
        self.send("DELETE", &path, String::new()).await;
    }

    async fn send(&self, method: &str, path: &str, body: String) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(body.into_bytes())
            .unwrap();
        self.direct.request_text(request).await.unwrap();
    }

    pub fn has_claim(&self, name: &str) -> bool {
        let key = ObjectKey::new(NAMESPACE, name);
        self.inventory.claims.get(&key).is_some()
    }
}
