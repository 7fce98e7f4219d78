use clap::error::ErrorKind;
use rstest::rstest;
use strum::IntoEnumIterator as _;

use super::*;
use crate::action::request::{ActionName, Growth, Request};
use crate::action::right::{self, Form};
use crate::config::{Config, Known, Sources};
use crate::domain::key::ObjectKey;
use crate::domain::quantity::Quantity;

fn read(line: &str) -> Result<Cli, clap::Error> {
    let words = std::iter::once("wsdash").chain(line.split_whitespace());
    Cli::read(words.map(OsString::from))
}

fn ok(line: &str) -> Cli {
    read(line).unwrap_or_else(|error| panic!("`{line}`: {error}"))
}

#[test]
fn the_definition_has_no_mistakes() {
    definition(None).debug_assert();
}

#[test]
fn no_command_is_the_dashboard() {
    assert!(ok("").command.is_none());
    assert!(ok("-n team --context prod").command.is_none());
}

#[rstest]
#[case("get ws", Kind::Workspaces)]
#[case("get workspaces a b -o yaml", Kind::Workspaces)]
#[case("get sts", Kind::Sets)]
#[case("get po -w -o json", Kind::Pods)]
#[case("get pvc -A --no-headers", Kind::Claims)]
#[case("get vs --sort -age", Kind::Snapshots)]
#[case("get pv", Kind::Volumes)]
#[case("-n x get findings", Kind::Findings)]
#[case("get ev -n x", Kind::Events)]
fn kinds_have_the_names_that_kubectl_users_type(#[case] line: &str, #[case] kind: Kind) {
    match ok(line).command {
        Some(Command::Get(get)) => assert_eq!(get.kind, kind),
        other => panic!("{other:?}"),
    }
}

#[test]
fn exec_keeps_what_stands_behind_the_two_dashes() {
    let cli = ok("exec ide-7 -it -c main -n team -- sh -c ls -n");
    let Some(Command::Act(act)) = cli.command else {
        panic!("{cli:?}")
    };
    let Act::Exec(exec) = *act else {
        panic!("{act:?}")
    };
    assert!(exec.stdin && exec.tty);
    assert_eq!(exec.command, ["sh", "-c", "ls", "-n"]);
    assert_eq!(cli.global.namespace.as_deref(), Some("team"));
}

#[rstest]
#[case("+20%", Ok(Size::ByPercent(20)))]
#[case("20Gi", Ok(Size::To(Quantity::bytes(20 << 30))))]
#[case("+5Gi", Ok(Size::By(Quantity::bytes(5 << 30))))]
#[case("20%", Err("write +20%"))]
#[case("-5Gi", Err("not a size"))]
#[case("0", Err("not a size"))]
#[case("+0%", Err("not a size"))]
#[case("much", Err("not a size"))]
fn sizes_are_absolute_or_say_that_they_grow(
    #[case] text: &str,
    #[case] wanted: Result<Size, &str>,
) {
    match (text.parse::<Size>(), wanted) {
        (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
        (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{found}"),
        (found, wanted) => panic!("{found:?} is not {wanted:?}"),
    }
    let through_clap = read(&format!("resize claim {text}"));
    assert_eq!(through_clap.is_ok(), text.parse::<Size>().is_ok());
}

#[rstest]
#[case("snapshot a b --wait --yes -o json")]
#[case("restore ide-7 --from set-1 --in-place --dry-run")]
#[case("restore ide-7 --at 2026-11-20T02:14:07Z")]
#[case("orphans -o json")]
#[case("orphans --delete --dry-run")]
#[case("verify a b")]
#[case("evict a -y")]
#[case("logs a -c main -f -p --tail 20 --since 5m")]
#[case("jobs")]
#[case("resume 01 --yes")]
#[case("undo 01 --dry-run")]
#[case("purge")]
#[case("rbac snapshot restore -n team")]
#[case("rbac restore --in-place --undo")]
#[case("rbac purge")]
#[case("runbook disk-full --workspace ide-7")]
#[case("check -o json")]
#[case("config --sample")]
#[case("completions zsh")]
#[case("man")]
#[case("demo --drill disk-full --speed 60 --seed 7")]
#[case("demo --list")]
#[case("demo serve --port 8001")]
#[case("demo -- get workspaces -o json")]
#[case("demo --seed 3 -- get ws")]
fn what_the_documents_promise_is_understood(#[case] line: &str) {
    ok(line);
}

#[rstest]
#[case("get", ErrorKind::MissingRequiredArgument)]
#[case("get nodes", ErrorKind::InvalidValue)]
#[case("snapshot", ErrorKind::MissingRequiredArgument)]
#[case("snapshot a --dry-run --yes", ErrorKind::ArgumentConflict)]
#[case("--read-only --write", ErrorKind::ArgumentConflict)]
#[case("-A -n team", ErrorKind::ArgumentConflict)]
#[case("--as-group g", ErrorKind::MissingRequiredArgument)]
#[case("--request-timeout soon", ErrorKind::ValueValidation)]
#[case("demo --speed 0", ErrorKind::ValueValidation)]
#[case("gett", ErrorKind::InvalidSubcommand)]
fn what_makes_no_sense_is_refused(#[case] line: &str, #[case] kind: ErrorKind) {
    let error = read(line).expect_err(line);
    assert_eq!(error.kind(), kind, "{error}");
}

#[test]
fn a_plugin_calls_itself_as_it_is_called() {
    let help = |program: &str| {
        Cli::read([program, "--help"].map(OsString::from))
            .unwrap_err()
            .to_string()
    };
    assert!(help("/usr/bin/kubectl-wsdash").contains("Usage: kubectl wsdash [OPTIONS]"));
    assert!(help("target/debug/wsdash").contains("Usage: wsdash [OPTIONS]"));
    let usage = Cli::read(["kubectl-wsdash", "get"].map(OsString::from)).unwrap_err();
    assert!(usage.to_string().contains("kubectl wsdash get"), "{usage}");
}

fn config(line: &str) -> Config {
    let sources = Sources {
        file: Some("/dev/null".into()),
        env: Vec::new(),
        flags: ok(line).global.overrides(),
        known: Known::default(),
    };
    match Config::load(&sources) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error:#}"),
    }
}

#[test]
fn every_global_flag_reaches_the_configuration() {
    let config = config(
        "--context prod -n team --kubeconfig ./kube --as ana --as-group dev --as-group ops \
         --request-timeout 5 --prometheus http://prom:9090 --write --color never --ascii \
         --log-level debug",
    );
    let connection = &config.connection;
    assert_eq!(connection.context.as_deref(), Some("prod"));
    assert_eq!(connection.namespace.as_deref(), Some("team"));
    assert!(
        connection
            .kubeconfig
            .as_ref()
            .is_some_and(|p| p.is_absolute())
    );
    assert_eq!(connection.as_user.as_deref(), Some("ana"));
    assert_eq!(connection.as_groups, ["dev", "ops"]);
    assert_eq!(connection.request_timeout.as_secs(), 5);
    assert_eq!(
        config.metrics.prometheus.as_deref(),
        Some("http://prom:9090")
    );
    assert_eq!(config.actions.access, crate::config::Access::Write);
    assert_eq!(config.ui.colour, crate::config::When::Never);
    assert_eq!(config.ui.ascii, crate::config::When::Always);
    assert_eq!(config.log.level, "debug");
}

#[test]
fn no_flag_changes_nothing_and_a_timeout_of_zero_is_the_default() {
    assert_eq!(config(""), Config::default());
    assert_eq!(config("--request-timeout 0"), Config::default());
    assert_eq!(config("--request-timeout 0s"), Config::default());
}

#[test]
fn a_namespace_on_the_command_line_narrows_what_the_file_widens() {
    let sources = Sources {
        file: Some("/dev/null".into()),
        env: vec![("WSDASH_CONNECTION_ALL_NAMESPACES".into(), "true".into())],
        flags: ok("-n team").global.overrides(),
        known: Known::default(),
    };
    let connection = Config::load(&sources).unwrap().config.connection;
    assert!(!connection.all_namespaces);
    assert!(config("-A").connection.all_namespaces);
}

/// Every request, as far as rights differ by it.
fn requests() -> Vec<Request> {
    let key = || ObjectKey::new("team", "ide-0");
    let restore = |in_place| Request::Restore {
        workspace: key(),
        from: None,
        in_place,
        force: false,
        claims: Vec::new(),
    };
    let verify = |other_node| Request::Verify {
        workspace: key(),
        force: false,
        other_node,
    };
    vec![
        Request::Snapshot {
            workspaces: vec![key()],
            wait: true,
        },
        Request::Resize {
            claim: key(),
            to: Growth::ByPercent(20),
        },
        Request::Template {
            set: key(),
            source_fixed: false,
        },
        Request::Evict {
            workspaces: vec![key()],
        },
        Request::Orphans {
            claims: vec![key()],
        },
        restore(false),
        restore(true),
        verify(false),
        verify(true),
        Request::Purge {
            jobs: vec!["x".to_owned()],
        },
    ]
}

#[test]
fn the_command_that_a_missing_right_is_told_with_exists() {
    let mut seen: Vec<ActionName> = vec![ActionName::Undo];
    for request in requests() {
        let form = Form::of(&request);
        for takes_back in [false, true] {
            let has_way = right::undo(request.action(), form, "team").is_some();
            let line = right::command(&request, takes_back && has_way);
            let cli = ok(line.strip_prefix("wsdash ").unwrap());
            let Some(Command::Rbac(args)) = cli.command else {
                panic!("`{line}`: {cli:?}")
            };
            assert_eq!(args.actions.len(), 1);
            assert_eq!(args.actions[0].to_string(), request.action().to_string());
            assert_eq!(
                (args.in_place, args.other_node),
                (form.in_place, form.other_node)
            );
            assert_eq!(args.undo, takes_back && has_way);
        }
        seen.push(request.action());
    }
    let all = ActionName::iter().find(|action| !seen.contains(action));
    assert_eq!(all, None, "every action is asked about");
}

/// In texts of the program and in its documents: a command that is named is one that exists.
#[test]
fn every_command_that_is_named_anywhere_exists() {
    let definition = definition(None);
    let known: Vec<&str> = definition
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let mut named = 0;
    for path in files(&["src", "docs", "README.md"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("`wsdash ").skip(1) {
            let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            // placeholders, and options before the command
            if word.is_empty() {
                continue;
            }
            assert!(
                known.contains(&&*word),
                "{}: `wsdash {word}",
                path.display()
            );
            named += 1;
        }
    }
    assert!(named > 50, "only {named} were found");
}

fn files(names: &[&str]) -> Vec<std::path::PathBuf> {
    let mut open: Vec<std::path::PathBuf> = names.iter().map(Into::into).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).unwrap();
            open.extend(inside.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs" || e == "md") {
            files.push(path);
        }
    }
    files
}
