//! `wsdash rbac`: the smallest roles under which actions can be done, or taken back.

use anyhow::{Context as _, Result, bail};

use super::{put, target};
use crate::action::request::ActionName;
use crate::action::right::{self, Form};
use crate::action::{Right, role};
use crate::cli::{RbacAction, RbacArgs};
use crate::cluster::connect::{Interaction, connect};
use crate::config::Loaded;
use crate::domain::key::Kind;

pub(super) async fn print(loaded: &Loaded, args: &RbacArgs) -> Result<u8> {
    for (is_so, flag, of) in [
        (args.in_place, "--in-place", RbacAction::Restore),
        (args.other_node, "--other-node", RbacAction::Verify),
    ] {
        if is_so && !args.actions.contains(&of) {
            bail!("{flag} is of `wsdash rbac {of}`");
        }
    }
    let namespace = match &loaded.config.connection.namespace {
        Some(namespace) => namespace.clone(),
        None => connect(&target(&loaded.config), Interaction::Allowed)
            .await?
            .namespace
            .namespace()
            .context("a Role is of one namespace: name it with -n")?
            .to_owned(),
    };
    let actions = if args.actions.is_empty() {
        &[RbacAction::Read]
    } else {
        args.actions.as_slice()
    };
    let mut rights = Vec::new();
    let mut name = String::from(if args.undo { "wsdash-undo" } else { "wsdash" });
    let mut undoable = Vec::new();
    for action in actions {
        name.extend(["-", &action.to_string()]);
        let (does, undoes) = of(*action, args, &namespace);
        if undoes.is_some() {
            undoable.push(action.to_string());
        }
        rights.extend(if args.undo {
            undoes.with_context(|| format!("nothing of `{action}` can be taken back"))?
        } else {
            does
        });
    }
    for manifest in role::manifests(&name, &rights) {
        put("---")?;
        if !args.undo && !undoable.is_empty() {
            let form = [
                (args.in_place, " --in-place"),
                (args.other_node, " --other-node"),
            ];
            let flags: String = form.iter().filter(|f| f.0).map(|f| f.1).collect();
            put(&format!(
                "# `wsdash undo` needs a role of its own: `wsdash rbac {}{flags} --undo`",
                undoable.join(" ")
            ))?;
        }
        put(serde_saphyr::to_string(&manifest)?.trim_end())?;
    }
    Ok(0)
}

/// The rights of doing it, and of taking it back where that can be done.
fn of(action: RbacAction, args: &RbacArgs, namespace: &str) -> (Vec<Right>, Option<Vec<Right>>) {
    let pods = || Right::on("get", Kind::Pod, namespace);
    let name = match action {
        RbacAction::Read => return (right::read(namespace), None),
        RbacAction::Exec => {
            let mut rights = right::exec(namespace);
            rights.push(pods());
            return (rights, None);
        }
        RbacAction::Logs => {
            let log = Right::new("get", "", "pods/log", Some(namespace));
            return (vec![pods(), log], None);
        }
        RbacAction::Snapshot => ActionName::Snapshot,
        RbacAction::Restore => ActionName::Restore,
        RbacAction::Resize => ActionName::Resize,
        RbacAction::Template => ActionName::Template,
        RbacAction::Orphans => ActionName::Orphans,
        RbacAction::Verify => ActionName::Verify,
        RbacAction::Evict => ActionName::Evict,
        RbacAction::Purge => ActionName::Purge,
    };
    let form = Form {
        in_place: args.in_place,
        other_node: args.other_node,
    };
    (
        right::of(name, form, namespace),
        right::undo(name, form, namespace),
    )
}
