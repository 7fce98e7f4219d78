//! Every key of the configuration with its meaning and its default. The comments are also the text
//! of the sample file and of the reference, so they are written for the reader of those.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use ratatui::style::Color;
use serde::{Deserialize, Serialize};

use super::schema::section;
use super::value::{self, Secret};

const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

const fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

section! {
    /// Where healthy ends. Shares are between 0 and 1, durations are written like 90s, 15m, 26h, 4d.
    Thresholds {
        /// Used share of a claim's bytes from which it is mentioned.
        #[serde(with = "value::ratio")]
        disk_warn: f64 = 0.80;
        /// Used share of a claim's bytes from which it is serious.
        #[serde(with = "value::ratio")]
        disk_high: f64 = 0.90;
        /// Used share of a claim's bytes from which it is critical.
        #[serde(with = "value::ratio")]
        disk_critical: f64 = 0.97;
        /// Used share of a claim's inodes from which it is mentioned.
        #[serde(with = "value::ratio")]
        inodes_warn: f64 = 0.85;
        /// Used share of a claim's inodes from which it is critical.
        #[serde(with = "value::ratio")]
        inodes_critical: f64 = 0.97;
        /// A disk that will be full sooner than this is a finding.
        #[serde(with = "value::duration")]
        full_in: SignedDuration = hours(4 * 24);
        /// Policy: the newest ready snapshot of a claim may be this old (daily plus two hours).
        #[serde(with = "value::duration")]
        snapshot_max_age: SignedDuration = hours(26);
        /// A snapshot that is not ready after this is stuck.
        #[serde(with = "value::duration")]
        snapshot_ready_within: SignedDuration = minutes(15);
        /// A pod may be pending this long.
        #[serde(with = "value::duration")]
        pod_pending: SignedDuration = minutes(2);
        /// A running pod may be unready this long.
        #[serde(with = "value::duration")]
        pod_not_ready: SignedDuration = minutes(2);
        /// A pod may go on terminating this long after its own grace period has ended.
        #[serde(with = "value::duration")]
        pod_terminating: SignedDuration = minutes(1);
        /// A claim may be pending this long while a pod waits for it.
        #[serde(with = "value::duration")]
        claim_pending: SignedDuration = minutes(2);
        /// A claim may be terminating this long.
        #[serde(with = "value::duration")]
        claim_terminating: SignedDuration = minutes(5);
        /// One stage of a resize may take this long.
        #[serde(with = "value::duration")]
        resize_stage: SignedDuration = minutes(10);
        /// Share of CPU periods in which a container was throttled.
        #[serde(with = "value::ratio")]
        throttling: f64 = 0.25;
        /// Share of the CPU limit in use from which it is mentioned.
        #[serde(with = "value::ratio")]
        cpu_warn: f64 = 0.70;
        /// Share of the CPU limit in use from which it is critical.
        #[serde(with = "value::ratio")]
        cpu_critical: f64 = 0.90;
        /// Share of the memory limit in use from which it is mentioned.
        #[serde(with = "value::ratio")]
        memory_warn: f64 = 0.80;
        /// Share of the memory limit in use from which it is critical.
        #[serde(with = "value::ratio")]
        memory_critical: f64 = 0.95;
        /// Restarts of a pod within one hour that make a finding.
        restarts: u32 = 3;
        /// Events older than this are no evidence any more.
        #[serde(with = "value::duration")]
        event_window: SignedDuration = hours(1);
    }
}

section! {
    /// Where disk, CPU and memory figures come from.
    Metrics {
        /// Whether figures are read at all.
        enabled: bool = true;
        /// Address of a Prometheus, Thanos, Mimir or `VictoriaMetrics`, with its path prefix.
        /// Empty: look for one in the cluster and reach it through the API server.
        #[serde(with = "value::address")]
        prometheus: Option<String> = None;
        /// Time between two readings.
        #[serde(with = "value::timeout")]
        interval: Duration = Duration::from_secs(15);
        /// One query may take this long.
        #[serde(with = "value::timeout")]
        timeout: Duration = Duration::from_secs(10);
        /// One query for a chart, or for how long claims lie unused, may take this long.
        #[serde(with = "value::timeout")]
        range_timeout: Duration = Duration::from_secs(30);
        /// A figure older than this is shown as stale.
        #[serde(with = "value::duration")]
        stale_after: SignedDuration = minutes(5);
        /// The past from which the time until a disk is full is forecast.
        #[serde(with = "value::duration")]
        forecast_window: SignedDuration = hours(6);
        /// No forecast from fewer points than this within that past.
        forecast_points: u32 = 60;
    }
    tables {
        /// The Service of a Prometheus in the cluster.
        service: Service;
        /// What to send to which address.
        credentials: BTreeMap<String, Credential>;
    }
}

section! {
    /// The Service of a Prometheus in the cluster, for when several could be meant.
    Service {
        /// Namespace of the Service. Empty: any.
        #[serde(with = "value::optional")]
        namespace: Option<String> = None;
        /// Name of the Service. Empty: found by the labels that the usual installations set.
        #[serde(with = "value::optional")]
        name: Option<String> = None;
        /// Name or number of its port. Empty: the one that serves the web interface.
        #[serde(with = "value::optional")]
        port: Option<String> = None;
        /// How the port is spoken to.
        scheme: Scheme = Scheme::Http;
    }
}

section! {
    /// What to send to one address and nowhere else: the name of the table is the address
    /// (`[metrics.credentials."https://prometheus.example.org"]`). Scheme, host and port must match.
    Credential {
        /// File that holds a bearer token; read again when it changes.
        #[serde(with = "value::path")]
        bearer_file: Option<PathBuf> = None;
        /// User name for basic authentication.
        #[serde(with = "value::optional")]
        username: Option<String> = None;
        /// File that holds the password of that user.
        #[serde(with = "value::path")]
        password_file: Option<PathBuf> = None;
        /// File with the certificate authority that signs for the address. Empty: the system's.
        #[serde(with = "value::path")]
        ca_file: Option<PathBuf> = None;
        /// Further headers, for instance { X-Scope-OrgID = "team-a" }. Never shown.
        headers: BTreeMap<String, Secret> = BTreeMap::new();
    }
}

section! {
    /// How the API server is reached. The flags of the same names are kubectl's.
    Connection {
        /// Context of the kubeconfig. Empty: the current one.
        #[serde(with = "value::optional")]
        context: Option<String> = None;
        /// Namespace to look at. Empty: that of the context.
        #[serde(with = "value::optional")]
        namespace: Option<String> = None;
        /// Look at all namespaces.
        all_namespaces: bool = false;
        /// The kubeconfig file. Empty: as kubectl finds it, or the service account in a pod.
        #[serde(with = "value::path")]
        kubeconfig: Option<PathBuf> = None;
        /// User to impersonate.
        #[serde(with = "value::optional")]
        as_user: Option<String> = None;
        /// Groups to impersonate.
        as_groups: Vec<String> = Vec::new();
        /// One request may take this long. Watches, logs and exec last as long as they must.
        #[serde(with = "value::timeout")]
        request_timeout: Duration = Duration::from_secs(30);
        /// The connection itself must stand after this.
        #[serde(with = "value::timeout")]
        connect_timeout: Duration = Duration::from_secs(10);
        /// Compressed answers: pays on slow lines only. auto: on unless the server is near.
        gzip: Gzip = Gzip::Auto;
        /// Objects in one page of a list, where the server cannot stream it.
        page_size: u32 = 500;
        /// The server is asked this often whether it is there: a watch of a server that hangs is
        /// silent, and so is one of a quiet cluster.
        #[serde(with = "value::timeout")]
        heartbeat: Duration = Duration::from_secs(5);
    }
}

section! {
    /// What makes a workspace in this cluster.
    Workspaces {
        /// Labels whose value is the user; the first that is there counts.
        user_labels: Vec<String> = texts(&["user-id", "coditect.io/user-id"]);
        /// Labels whose value is the tier; the first that is there counts.
        tier_labels: Vec<String> = texts(&["tier", "coditect.io/tier"]);
        /// Claim templates of workspace sets, to know the claims of a set that is gone.
        claim_templates: Vec<String> = texts(&["workspace", "theia-config"]);
        /// Mount paths where a user's work lies. A pod with none of them on a claim loses work.
        persist_paths: Vec<String> = texts(&["/workspace", "/home/theia/.theia"]);
        /// Label or annotation that says: this pod keeps nothing, leave it alone.
        stateless_label: String = "wsdash.dev/stateless".to_owned();
        /// Annotation of a pod with the time of the user's last activity (RFC 3339).
        #[serde(with = "value::optional")]
        activity_annotation: Option<String> = None;
        /// Annotation of a pod that is there while a session is open.
        #[serde(with = "value::optional")]
        session_annotation: Option<String> = None;
        /// Port of the container whose open connections mean a session. 0: none.
        session_port: u16 = 80;
    }
}

section! {
    /// When a claim that nothing needs may be offered for deletion.
    Orphans {
        /// Not used for this long, by every evidence there is.
        #[serde(with = "value::duration")]
        inactive: SignedDuration = hours(90 * 24);
        /// Seen as an orphan this often.
        observations: u32 = 2;
        /// The first and the last of these are this far apart.
        #[serde(with = "value::duration")]
        apart: SignedDuration = hours(6);
        /// A label or annotation with one of these names holds a claim for ever.
        hold_labels: Vec<String> = texts(&["wsdash.dev/keep"]);
        /// Whether parked claims (their set lives, without that replica) count as well.
        parked: bool = false;
        /// Claims deleted in one run at most.
        cap: u32 = 5;
        /// A deleted claim's volume and snapshot are kept this long before a purge takes them.
        #[serde(with = "value::duration")]
        keep: SignedDuration = hours(30 * 24);
    }
}

section! {
    /// How actions are carried out.
    Actions {
        /// auto: what the rules of the contexts say, else write. read-only: no action is offered.
        access: Access = Access::Auto;
        /// One mutating call may take this long.
        #[serde(with = "value::timeout")]
        call_timeout: Duration = Duration::from_secs(30);
        /// Wait this long for a snapshot before it is reported as stuck.
        #[serde(with = "value::timeout")]
        snapshot_wait: Duration = Duration::from_secs(30 * 60);
        /// Wait this long for a resize to reach the file system.
        #[serde(with = "value::timeout")]
        resize_wait: Duration = Duration::from_secs(15 * 60);
        /// Wait this long for a pod to come back.
        #[serde(with = "value::timeout")]
        restart_wait: Duration = Duration::from_secs(10 * 60);
        /// Shells to try in a container, in this order.
        shells: Vec<String> = texts(&["bash", "sh"]);
    }
    tables {
        /// The persistence verification test.
        verify: Verify;
    }
}

section! {
    /// The persistence verification test.
    Verify {
        /// Refused while the last activity is younger than this.
        #[serde(with = "value::duration")]
        session_idle: SignedDuration = minutes(30);
        /// Bytes that are written to each claim.
        payload_bytes: u32 = 1024 * 1024;
        /// Part of the time budget: detaching and attaching the volumes.
        #[serde(with = "value::timeout")]
        attach_within: Duration = Duration::from_secs(180);
        /// Part of the time budget when the pod has no startup probe: from running to ready.
        #[serde(with = "value::timeout")]
        startup_within: Duration = Duration::from_secs(120);
        /// A pod still terminating this long after its grace period fails the test.
        #[serde(with = "value::timeout")]
        termination_slack: Duration = Duration::from_secs(60);
    }
}

section! {
    /// The screen.
    Ui {
        /// auto, dark, light or mono. auto takes the terminal's own colours, which suit both.
        theme: Theme = Theme::Auto;
        /// auto, always or never. auto: as `NO_COLOR` and the terminal say.
        colour: When = When::Auto;
        /// auto, always or never: plain ASCII instead of line and block characters.
        ascii: When = When::Auto;
        /// Take the mouse. The terminal's own selection then needs shift.
        mouse: bool = false;
        /// Frames a second at most.
        fps: u32 = 60;
        /// Where the detail pane goes: auto, right, below or off. auto: right from 120 columns.
        split: Split = Split::Auto;
        /// The view to begin with.
        view: String = "workspaces".to_owned();
    }
}

section! {
    /// Colours of roles, over those of the theme: red, light-blue, 208, #ff8800. Empty: the theme's.
    Colours {
        /// Ordinary text.
        #[serde(with = "value::colour")]
        text: Option<Color> = None;
        /// Healthy.
        #[serde(with = "value::colour")]
        ok: Option<Color> = None;
        /// Soon to be a problem.
        #[serde(with = "value::colour")]
        warn: Option<Color> = None;
        /// A problem now.
        #[serde(with = "value::colour")]
        bad: Option<Color> = None;
        /// Not known.
        #[serde(with = "value::colour")]
        unknown: Option<Color> = None;
        /// Known from an earlier time.
        #[serde(with = "value::colour")]
        stale: Option<Color> = None;
        /// Of little weight.
        #[serde(with = "value::colour")]
        dim: Option<Color> = None;
        /// Keys, links, what can be acted on.
        #[serde(with = "value::colour")]
        accent: Option<Color> = None;
        /// Titles and column headers.
        #[serde(with = "value::colour")]
        header: Option<Color> = None;
        /// Background of the selected row.
        #[serde(with = "value::colour")]
        selection: Option<Color> = None;
        /// Marked rows.
        #[serde(with = "value::colour")]
        marked: Option<Color> = None;
        /// Lines and frames.
        #[serde(with = "value::colour")]
        border: Option<Color> = None;
        /// Lines of charts.
        #[serde(with = "value::colour")]
        chart: Option<Color> = None;
        /// The forecast in charts.
        #[serde(with = "value::colour")]
        forecast: Option<Color> = None;
    }
}

section! {
    /// Rules for contexts by name; `*` and `?` are wild (`[contexts."*prod*"]`). Of several rules
    /// that fit, the one with the most literal characters counts, key by key.
    ContextRule {
        /// Colour of the context in the header.
        #[serde(with = "value::colour")]
        colour: Option<Color> = None;
        /// Short name to show instead of the context's.
        #[serde(with = "value::optional")]
        label: Option<String> = None;
        /// true: no action is offered. false: actions are, although a wider rule forbids them.
        #[serde(skip_serializing_if = "Option::is_none")]
        read_only: Option<bool> = None;
    }
}

section! {
    /// The log file in `$XDG_STATE_HOME/wsdash`. Nothing is ever logged to the terminal.
    Log {
        /// off, error, warn, info, debug or trace, or filters such as `info,wsdash::cluster=debug`.
        level: String = "info".to_owned();
        /// A file that has grown to this many bytes is set aside.
        max_bytes: u64 = 5 * 1024 * 1024;
        /// Files set aside that are kept.
        keep: u32 = 3;
    }
}

macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[doc = $vdoc])* $variant,)* }
    };
}

choice! {
    /// When something is done.
    When { Auto, Always, Never, }
}

choice! {
    /// The colours to start from.
    Theme { Auto, Dark, Light, Mono, }
}

choice! {
    /// Where the detail pane goes.
    Split { Auto, Right, Below, Off, }
}

choice! {
    /// Whether answers are compressed.
    Gzip { Auto, On, Off, }
}

choice! {
    /// How a Service is spoken to.
    Scheme { Http, Https, }
}

choice! {
    /// Whether actions are offered.
    Access {
        /// As the rule of the context says.
        Auto,
        ReadOnly,
        Write,
    }
}
