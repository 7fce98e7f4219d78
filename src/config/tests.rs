use std::path::Path;
use std::time::Duration;

use rstest::rstest;

use super::*;

/// Loads a file with this text, these variables and these flags.
fn load_with(
    text: &str,
    env: &[(&str, &str)],
    flags: Vec<Override>,
    known: Known<'_>,
) -> anyhow::Result<Loaded> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&Sources {
        file: Some(file),
        env: env
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        flags,
        known,
    })
}

fn load(text: &str) -> anyhow::Result<Loaded> {
    load_with(text, &[], Vec::new(), Known::default())
}

fn problems(result: anyhow::Result<Loaded>) -> Vec<Problem> {
    let error = result.expect_err("the configuration was accepted");
    error
        .downcast::<ConfigError>()
        .unwrap_or_else(|error| panic!("another error: {error:#}"))
        .problems
}

fn place(problem: &Problem) -> (usize, usize) {
    match problem.origin {
        Origin::File { line, column, .. } => (line, column),
        ref other => panic!("not from the file: {other:?}"),
    }
}

fn flag(key: &'static str, value: impl Into<toml::Value>) -> Override {
    Override {
        key,
        value: value.into(),
        flag: "--test",
    }
}

/// The sample with every default line switched on.
fn switched_on(sample: &str) -> String {
    let lines: Vec<&str> = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect();
    lines.join("\n")
}

#[test]
fn the_defaults_are_those_of_the_domain() {
    assert_eq!(Config::default().policy(), Policy::default());
}

#[test]
fn the_defaults_pass_their_own_checks() {
    assert_eq!(load("").unwrap().config, Config::default());
}

#[test]
fn the_sample_means_the_defaults_with_and_without_its_comment_signs() {
    let on = switched_on(&sample());
    assert_eq!(load(&sample()).unwrap().config, Config::default());
    let loaded = load(&on).unwrap();
    assert_eq!(loaded.config, Config::default());
    // and it names every key there is
    for path in layers::fixed_keys() {
        assert!(
            matches!(loaded.origin(&path.join(".")), Origin::File { .. }),
            "{path:?} is not in the sample"
        );
    }
}

#[rstest]
#[case("config/wsdash.toml", sample())]
#[case("docs/configuration.md", document())]
fn the_generated_files_are_current(#[case] file: &str, #[case] wanted: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("WSDASH_TEST_UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{file} is not current: WSDASH_TEST_UPDATE=1 cargo test --lib config:: writes it"
    );
}

/// The page of the documentation: what is written by hand, then the generated tables.
fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (intro, _) = page
        .split_once(GENERATED)
        .expect("docs/configuration.md has lost the line before its tables");
    format!("{intro}{GENERATED}\n\n{}", reference())
}

const GENERATED: &str = "<!-- the rest is generated from src/config/sections.rs -->";

#[test]
fn each_layer_goes_over_the_one_before_and_is_named() {
    let file = "[thresholds]\ndisk_warn = 0.5\ndisk_high = 0.6\nfull_in = \"2d\"\n";
    let env = [
        ("WSDASH_THRESHOLDS_DISK_HIGH", "0.7"),
        ("WSDASH_THRESHOLDS_FULL_IN", "3d"),
        ("PATH", "/bin"),
    ];
    let flags = vec![flag("thresholds.full_in", "1d")];
    let loaded = load_with(file, &env, flags, Known::default()).unwrap();
    let limits = &loaded.config.thresholds;
    assert_eq!((limits.disk_warn, limits.disk_high), (0.5, 0.7));
    assert_eq!(limits.full_in, jiff::SignedDuration::from_hours(24));
    assert_eq!(loaded.origin("thresholds.disk_critical"), Origin::Default);
    assert!(matches!(
        loaded.origin("thresholds.disk_warn"),
        Origin::File {
            line: 2,
            column: 1,
            ..
        }
    ));
    assert_eq!(
        loaded.origin("thresholds.disk_high"),
        Origin::Env {
            variable: "WSDASH_THRESHOLDS_DISK_HIGH".to_owned()
        }
    );
    assert_eq!(
        loaded.origin("thresholds.full_in").to_string(),
        "flag --test"
    );
}

#[test]
fn every_kind_of_value_can_come_from_the_environment() {
    let env = [
        ("WSDASH_UI_MOUSE", "true"),
        ("WSDASH_UI_FPS", "30"),
        ("WSDASH_UI_SPLIT", "below"),
        ("WSDASH_WORKSPACES_PERSIST_PATHS", "/work, /home"),
        ("WSDASH_METRICS_SERVICE_NAME", "prom"),
        ("WSDASH_METRICS_TIMEOUT", "3s"),
        ("WSDASH_COLOURS_BAD", "#ff8800"),
    ];
    let config = load_with("", &env, Vec::new(), Known::default())
        .unwrap()
        .config;
    assert!(config.ui.mouse);
    assert_eq!(config.ui.fps, 30);
    assert_eq!(config.ui.split, Split::Below);
    assert_eq!(config.workspaces.persist_paths, ["/work", "/home"]);
    assert_eq!(config.metrics.service.name.as_deref(), Some("prom"));
    assert_eq!(config.metrics.timeout, Duration::from_secs(3));
    assert!(config.colours.bad.is_some());
}

#[test]
fn an_unknown_variable_warns_with_the_nearest_and_does_not_stop_the_start() {
    let env = [
        ("WSDASH_THRESHOLDS_DISK_WRAN", "0.7"),
        // Kubernetes sets these in every pod beside a Service named wsdash
        ("WSDASH_SERVICE_HOST", "10.0.0.1"),
        ("WSDASH_PORT", "tcp://10.0.0.1:80"),
    ];
    let loaded = load_with("", &env, Vec::new(), Known::default()).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("did you mean WSDASH_THRESHOLDS_DISK_WARN?"));
}

#[rstest]
// a typing error in a key
#[case("[thresholds]\n  disk_wran = 0.5\n", (2, 3), "thresholds.disk_wran", "did you mean thresholds.disk_warn?")]
// a typing error in a section
#[case("\n[threshold]\ndisk_warn = 0.5\n", (2, 2), "threshold", "did you mean thresholds?")]
// the right key in the wrong section
#[case("[ui]\npage_size = 3\n", (2, 1), "ui.page_size", "did you mean connection.page_size?")]
#[case("mouse = true\n", (1, 1), "mouse", "did you mean ui.mouse?")]
// nested
#[case("[actions.verify]\nattach_in = \"1m\"\n", (2, 1), "actions.verify.attach_in", "did you mean actions.verify.attach_within?")]
#[case("[contexts.\"prod-*\"]\nreadonly = true\n", (2, 1), "contexts.\"prod-*\".readonly", "did you mean contexts.\"prod-*\".read_only?")]
// kinds and values
#[case("[ui]\nmouse = \"yes\"\n", (2, 1), "ui.mouse", "wants true or false such as false, found text \"yes\"")]
#[case("[thresholds]\ndisk_warn = 80\n", (2, 1), "thresholds.disk_warn", "0.8 for 80 %")]
#[case("[thresholds]\nfull_in = \"soon\"\n", (2, 1), "thresholds.full_in", "not a duration such as")]
#[case("[ui]\ntheme = \"drak\"\n", (2, 1), "ui.theme", "`auto`, `dark`, `light`")]
#[case("[colours]\nbad = \"rot\"\n", (2, 1), "colours.bad", "not a colour such as")]
#[case("[connection]\nkubeconfig = \"config\"\n", (2, 1), "connection.kubeconfig", "start with ~/")]
#[case("ui = 3\n", (1, 1), "ui", "is a section")]
#[case("[ui]\nfps = 0\n", (2, 1), "ui.fps", "not between 1 and 240")]
#[case("[ui]\nfps = -1\n", (2, 1), "ui.fps", "")]
#[case("[log]\nlevel = \"loud=very=\"\n", (2, 1), "log.level", "neither off")]
#[case("[workspaces]\npersist_paths = [\"work\"]\n", (2, 1), "workspaces.persist_paths", "must start with /")]
// the later of two limits that disagree is not to blame when only the earlier was written
#[case("[thresholds]\ndisk_high = 0.99\n", (2, 1), "thresholds.disk_high", "must not be higher")]
#[case("[thresholds]\ndisk_critical = 0.5\n", (2, 1), "thresholds.disk_critical", "must not be higher")]
// no TOML
#[case("[ui]\nmouse = = true\n", (2, 9), "", "not TOML")]
#[case("[ui]\nfps = 1\nfps = 2\n", (3, 1), "", "not TOML")]
fn a_mistake_is_named_with_its_place_and_the_way_out(
    #[case] text: &str,
    #[case] at: (usize, usize),
    #[case] key: &str,
    #[case] message: &str,
) {
    let problems = problems(load(text));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(place(&problems[0]), at, "{problems:#?}");
    assert_eq!(problems[0].key, key);
    assert!(
        problems[0].message.contains(message),
        "{}",
        problems[0].message
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "[ui]\nfps = 0\nmouze = true\n[colours]\nok = \"grün\"\n";
    let error = load(text).unwrap_err().to_string();
    for part in ["ui.fps", "ui.mouze", "colours.ok", "--sample"] {
        assert!(error.contains(part), "{part} is missing in {error}");
    }
}

#[test]
fn a_named_file_must_exist_and_the_usual_one_need_not() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let error = Config::load(&Sources {
        file: Some(missing.clone()),
        ..Sources::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("none.toml"), "{error}");
    let by_variable = Config::load(&Sources {
        env: vec![("WSDASH_CONFIG".to_owned(), missing.display().to_string())],
        ..Sources::default()
    });
    assert!(by_variable.is_err());
}

#[test]
fn a_named_file_goes_before_the_variable() {
    let env = [("WSDASH_CONFIG", "/does/not/exist.toml")];
    let loaded = load_with("[ui]\nfps = 7\n", &env, Vec::new(), Known::default()).unwrap();
    assert_eq!(loaded.config.ui.fps, 7);
}

#[test]
fn names_of_views_columns_commands_and_keys_are_checked_against_the_program() {
    let known = Known {
        commands: Some(&["help", "snapshot"]),
        views: Some(&[("workspaces", &["name", "disk"]), ("claims", &["name"])]),
        is_key: Some(|key| key.chars().count() == 1 || key.starts_with("ctrl-")),
    };
    let good = "[columns]\nworkspaces = [\"disk\", \"name\"]\n[sort]\nworkspaces = \"-disk\"\n\
                [keys]\nhelp = [\"?\", \"ctrl-h\"]\n";
    assert!(load_with(good, &[], Vec::new(), known).is_ok());
    for (text, message) in [
        ("[columns]\nworkspace = []\n", "did you mean workspaces?"),
        ("[columns]\nclaims = [\"nmae\"]\n", "did you mean name?"),
        ("[columns]\nclaims = []\n", "at least one column"),
        ("[sort]\nclaims = \"-disk\"\n", "`disk` is not a column"),
        ("[keys]\nsnapshto = [\"S\"]\n", "did you mean snapshot?"),
        ("[keys]\nhelp = [\"hyper-x\"]\n", "is not a key"),
        ("[ui]\nview = \"claim\"\n", "did you mean claims?"),
    ] {
        let problems = problems(load_with(text, &[], Vec::new(), known));
        assert_eq!(place(&problems[0]).0, 2, "{problems:#?}");
        assert!(problems[0].message.contains(message), "{problems:#?}");
    }
}

#[test]
fn a_credential_goes_to_its_own_origin_alone() {
    let text = "[metrics.credentials.\"https://prom.example.org/prefix\"]\n\
                bearer_file = \"/run/token\"\nheaders = { X-Scope-OrgID = \"hunter2\" }\n";
    let loaded = load(text).unwrap();
    let config = &loaded.config;
    assert!(
        config
            .credential("https://PROM.example.org:443/other")
            .is_some()
    );
    for other in [
        "http://prom.example.org",
        "https://prom.example.org:8443",
        "https://prom.example.org.evil.net",
        "https://evil.net",
    ] {
        assert!(config.credential(other).is_none(), "{other}");
    }
    let shown = format!("{loaded}{config:?}{:?}", loaded.entries());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[rstest]
#[case("username = \"ana\"", "go together")]
#[case(
    "bearer_file = \"/t\"\nusername = \"a\"\npassword_file = \"/p\"",
    "exclude each other"
)]
#[case("headers = { Authorization = \"Bearer x\" }", "bearer_file")]
#[case("headers = { \"not a header\" = \"x\" }", "cannot be a header")]
fn a_credential_that_cannot_be_sent_is_refused(#[case] keys: &str, #[case] message: &str) {
    let text = format!("[metrics.credentials.\"https://prom\"]\n{keys}\n");
    let problems = problems(load(&text));
    assert!(problems[0].message.contains(message), "{problems:#?}");
    assert!(place(&problems[0]).0 >= 2);
}

#[test]
fn one_origin_has_one_credential() {
    let text = "[metrics.credentials.\"https://prom/a\"]\nbearer_file = \"/a\"\n\
                [metrics.credentials.\"https://prom:443/b\"]\nbearer_file = \"/b\"\n";
    assert!(
        problems(load(text))[0]
            .message
            .contains("keep one of the two")
    );
}

#[test]
fn the_most_precise_rule_for_a_context_wins_key_by_key() {
    let config = load(
        "[contexts.\"*\"]\nread_only = true\ncolour = \"red\"\n\
         [contexts.\"dev-*\"]\nread_only = false\n[contexts.dev-a]\nlabel = \"A\"\n",
    )
    .unwrap()
    .config;
    let rule = config.context_rule("dev-a");
    assert_eq!(rule.label.as_deref(), Some("A"));
    assert_eq!(rule.read_only, Some(false));
    assert!(rule.colour.is_some());
    assert!(config.read_only("dev-a").is_none());
    assert!(config.read_only("gke-prod").unwrap().contains("gke-prod"));
}

#[test]
fn flags_go_before_the_rules_of_contexts() {
    let rule = "[contexts.\"*\"]\nread_only = true\n";
    let access = |value: &str| {
        let flags = vec![flag("actions.access", value)];
        load_with(rule, &[], flags, Known::default())
            .unwrap()
            .config
    };
    assert!(access("write").read_only("prod").is_none());
    assert!(access("read-only").read_only("prod").is_some());
}

#[rstest]
#[case(When::Auto, &[("NO_COLOR", "1")], false)]
#[case(When::Auto, &[("NO_COLOR", "")], true)]
#[case(When::Auto, &[("TERM", "dumb")], false)]
#[case(When::Auto, &[], true)]
#[case(When::Always, &[("NO_COLOR", "1")], true)]
#[case(When::Never, &[], false)]
fn no_color_counts_unless_somebody_says_otherwise(
    #[case] colour: When,
    #[case] env: &[(&str, &str)],
    #[case] wanted: bool,
) {
    let ui = Ui {
        colour,
        ..Ui::default()
    };
    let lookup = |name: &str| {
        let found = env.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_owned())
    };
    assert_eq!(ui.use_colour(lookup), wanted);
}

#[test]
fn ascii_follows_the_locale_and_the_terminal() {
    let ascii = |name: &'static str, value: &'static str| {
        Ui::default().use_ascii(move |key| (key == name).then(|| value.to_owned()))
    };
    assert!(ascii("LC_ALL", "C"));
    assert!(ascii("TERM", "linux"));
    assert!(!ascii("LANG", "de_DE.UTF-8"));
    assert!(!ascii("LANG", "en_US.utf8"));
    assert!(!ascii("OTHER", ""));
}

#[test]
fn what_is_printed_is_toml_and_names_the_origins() {
    let text = "[ui]\nfps = 30\n[contexts.\"*prod*\"]\ncolour = \"red\"\n\
                [keys]\nhelp = [\"?\"]\n";
    let loaded = load(text).unwrap();
    let printed = loaded.to_string();
    assert!(printed.contains("config.toml:2:1"), "{printed}");
    assert!(
        printed.contains("contexts.\"*prod*\".colour = \"Red\""),
        "{printed}"
    );
    assert_eq!(load(&printed).unwrap().config, loaded.config);
}

proptest::proptest! {
    /// Bad input is an error, never a panic.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = load(&text);
    }

    #[test]
    fn any_keys_are_read_or_refused(section in "[a-z]{1,8}(\\.[a-z]{1,8})?", key in "[a-z_]{1,12}", value in "[0-9a-z\".\\[\\]{}=, ]{1,20}") {
        let _ = load(&format!("[{section}]\n{key} = {value}\n[ui]\n{key} = {value}\n"));
    }
}
