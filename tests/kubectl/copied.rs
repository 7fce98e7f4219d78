//! A plan that was copied as commands of kubectl does what the plan says, and to nothing else.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::{Place, places, program};

impl Place {
    /// What the dialog copies, of this command.
    fn copied(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_wsdash"))
            .args(["-n", &self.namespace])
            .args(args)
            .args(["--dry-run", "-o", "json"])
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"));
        let lines = document["kubectl"].as_array().unwrap().iter();
        let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
        lines.join("\n")
    }

    fn pasted(&self, script: &str, flag: &str) -> Output {
        let mut path = program().parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        Command::new("sh")
            .args([flag, script])
            .env("PATH", path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn uid(&self, object: &str) -> String {
        self.ask(&["get", object, "-o", "jsonpath={.metadata.uid}"])
    }
}

#[test]
fn a_copied_plan_does_what_it_says_and_to_nothing_else() {
    for place in places("copied") {
        place.apply();
        let script = place.copied(&["snapshot", "ide-0", "--wait"]);
        let output = place.pasted(&script, "-c");
        assert!(output.status.success(), "{script}\n{output:?}");
        let made = place.ask(&["get", "volumesnapshots", "-o", "json"]);
        let made: Value = serde_json::from_str(&made).unwrap();
        let made = made["items"].as_array().unwrap();
        assert_eq!(made.len(), 1, "{made:#?}");
        assert_eq!(made[0]["status"]["readyToUse"], true);
        let label = &made[0]["metadata"]["labels"]["wsdash.dev/consistency"];
        assert_eq!(label, "synced", "{}", place.cluster);

        let before = place.uid("pod/ide-0");
        let script = place.copied(&["evict", "ide-0"]);
        let output = place.pasted(&script, "-c");
        assert!(output.status.success(), "{script}\n{output:?}");
        let after = place.uid("pod/ide-0");
        assert_ne!(before, after, "{}", place.cluster);

        // copied yesterday, pasted today: the pod is another one
        let output = place.pasted(&script, "-c");
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(place.uid("pod/ide-0"), after, "{}", place.cluster);
        place.leave();
    }
}
