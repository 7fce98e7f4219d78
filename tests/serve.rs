//! `wsdash demo serve` as a process: what it prints leads to its cluster and its Prometheus, and days in it
//! cost no memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tempfile::TempDir;

const CEILING: Duration = Duration::from_secs(300);
/// Simulated seconds.
const DAY: f64 = 86_400.0;

struct Served {
    child: Child,
    kubeconfig: String,
    prometheus: String,
    _home: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(speed: &str) -> Served {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wsdash"))
        .args(["demo", "serve", "--speed", speed])
        .env_remove("XDG_STATE_HOME")
        .env_remove("WSDASH_CONFIG")
        .env("HOME", home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = |start: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(start)
            .unwrap_or_else(|| panic!("{line}"))
            .to_owned()
    };
    let (kubeconfig, prometheus) = (line("export KUBECONFIG="), line("# Prometheus: "));
    line("# ctrl-c");
    Served {
        kubeconfig,
        prometheus,
        child,
        _home: home,
    }
}

impl Served {
    async fn ask(&self, query: &str) -> Value {
        drop(rustls::crypto::ring::default_provider().install_default());
        let url = format!("{}/api/v1/query?query={query}", self.prometheus);
        let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["data"]["result"].clone()
    }

    async fn now(&self) -> f64 {
        self.ask("time()").await[1]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Waits until the simulated clock is there.
    async fn until(&self, then: f64) {
        let deadline = Instant::now() + CEILING;
        while self.now().await < then {
            assert!(
                Instant::now() < deadline,
                "the simulated clock does not get there"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Resident memory, in KiB.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

#[tokio::test]
async fn what_is_printed_leads_to_the_cluster_and_to_its_prometheus() {
    let served = serve("1");
    let text = std::fs::read_to_string(&served.kubeconfig).unwrap();
    let config = Kubeconfig::from_yaml(&text).unwrap();
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::default_namespaced(client);
    let pods = pods.list(&kube::api::ListParams::default()).await.unwrap();
    assert!(pods.items.len() > 30, "{}", pods.items.len());
    let up = served.ask("sum(up)").await;
    assert_eq!(up[0]["value"][1], "4");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_fourth_day_takes_no_more_memory_than_the_third() {
    let served = serve("10000");
    let start = served.now().await;
    let mut used = Vec::new();
    for day in [3.0, 4.0] {
        served.until(start + day * DAY).await;
        used.push(served.memory());
    }
    // What the allocator keeps differs a little from hour to hour.
    assert!(
        used[1] < used[0] + used[0] / 5 + 16_384,
        "KiB after three and after four days: {used:?}"
    );
}
