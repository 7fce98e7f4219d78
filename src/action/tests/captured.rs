//! What is captured is put in; everything else that a step says comes out byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::action::call::Call;
use crate::action::recreate;

/// What init scripts, URLs and hostile people write into manifests.
const TEXTS: [&str; 7] = [
    "listen ${port-8080}",
    "${HOME}",
    "$${rv-x}",
    "${a-b}",
    "${uid-new-set}",
    "${${uid-new-set}}",
    "${uid-now-set",
];

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn values(names: &BTreeSet<String>) -> BTreeMap<String, String> {
    let value = |name: &String| (name.clone(), "${uid-now-set}".to_owned());
    names.iter().map(value).collect()
}

fn manifest(step: &Step) -> Option<&Value> {
    match &step.what {
        Do::Call {
            call: Call::Create { manifest, .. },
            ..
        } => Some(manifest),
        _ => None,
    }
}

#[test]
fn what_was_captured_is_put_in_and_what_was_not_is_named() {
    let step = Step::wait(
        "w",
        "wait for ${old-uid}, not for ${port-8080}",
        Condition::Gone {
            target: Target::new(Kind::Pod, key("ide-0"), "${old-uid}"),
        },
        1,
    );
    let names = names(&["old-uid", "new-uid"]);
    assert_eq!(step.missing(&names), ["old-uid"]);
    let captured = [("old-uid".to_owned(), "a\"${new-uid}".to_owned())].into();
    let filled = step.filled(&captured);
    assert_eq!(filled.title, "wait for a\"${new-uid}, not for ${port-8080}");
}

/// The set `ide`, whose claim has outgrown its template, with these texts in it.
fn drifted(text: &str) -> (Value, Desk) {
    let object = json!({"metadata": {"name": "ide", "namespace": build::NS, "annotations": {"says": text}},
    "spec": {
        "template": {"spec": {"initContainers": [{"command": ["sh", "-c", text]}],
            "containers": [{"env": [{"name": text, "value": text}]}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "workspace"},
            "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]}});
    let was = recreate::as_it_was(&object);
    (
        was,
        Desk::new(healthy()).with(Kind::Set, key("ide"), object),
    )
}

#[test]
fn a_set_comes_back_byte_for_byte_whatever_its_scripts_say() {
    for text in TEXTS {
        let (was, desk) = drifted(text);
        let request = Request::Template {
            set: key("ide"),
            source_fixed: false,
        };
        let plan = desk.plan(&request).unwrap();
        let names = plan.names();
        assert!(names.contains("uid-new-set"), "{names:?}");
        let mut made = 0;
        for step in &plan.steps {
            let step = step.filled(&values(&names));
            for one in std::iter::once(&step).chain(&step.undo) {
                let Some(manifest) = manifest(one) else {
                    continue;
                };
                made += 1;
                assert_eq!(one.missing(&names), [""; 0], "{text}: {}", one.id);
                assert_eq!(manifest["metadata"], was["metadata"], "{text}");
                assert_eq!(manifest["spec"]["template"], was["spec"]["template"]);
            }
        }
        assert_eq!(made, 2, "once with the new size, once as it was");
    }
}

#[test]
fn an_undo_misses_what_its_job_was_to_capture_and_nothing_else() {
    let (was, desk) = drifted("${port-8080} ${uid-new-set}");
    let request = Request::Template {
        set: key("ide"),
        source_fixed: false,
    };
    let mut plan = desk.plan(&request).unwrap();
    let away = plan.steps.iter().position(|s| s.id == "away").unwrap();
    let needs = Step::wait(
        "needs",
        "needs ${uid-new-set}",
        Condition::Gone {
            target: Target::named(Kind::Set, key("ide")),
        },
        1,
    );
    plan.steps[away].undo.push(needs);
    let results = vec![Some(done()); away + 1];
    let job = Job::replay(&records(&plan, &results), false).unwrap();
    let request = Request::Undo {
        job: plan.id.to_string(),
    };
    let undo = desk.plan_of(&request, &[job]).unwrap();
    let names = undo.names();
    let [put, needs] = &undo.steps[..] else {
        panic!("{:?}", ids(&undo));
    };
    assert_eq!(manifest(put), Some(&was));
    assert_eq!(put.missing(&names), [""; 0]);
    assert_eq!(needs.missing(&names), ["uid-new-set"]);
}

proptest! {
    /// Any text, in a key or a value, comes back byte for byte from the plan and from its journal.
    #[test]
    fn any_text_of_a_manifest_comes_back(
        name in "[$a-z{}-]{0,12}",
        text in prop_oneof![any::<String>(), "[$a-c{}-]{0,40}"],
    ) {
        let was = json!({"metadata": {"name": "ide", "annotations": {&name: &text}},
            "spec": {"args": [&text, format!("${{{text}}}")]}});
        let step = recreate::put(&key("ide"), "back", &was);
        let names = names(&["a-b", &name, &text]);
        let filled = step.filled(&values(&names));
        prop_assert_eq!(manifest(&filled), Some(&was));
        prop_assert!(filled.missing(&names).is_empty());
        let read: Step = serde_json::from_str(&serde_json::to_string(&step).unwrap()).unwrap();
        let again = read.filled(&values(&names));
        prop_assert_eq!(manifest(&again), Some(&was));
    }

    /// Outside of a manifest, too, only the names that are known are replaced.
    #[test]
    fn what_is_no_captured_name_stays(text in "([$a-c{}-]{0,4}|\\$\\{[A-Z]{1,3}\\}){0,8}") {
        let step = Step::wait("w", text.clone(), Condition::Absent { kind: Kind::Pod, key: key("x") }, 1);
        let captured = [("not-there".to_owned(), "x".to_owned())].into();
        prop_assert_eq!(step.filled(&captured).title, text);
    }
}
