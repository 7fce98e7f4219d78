//! The swap in place: the restored volumes take the names of the workspace's claims, while the
//! controller is kept from making empty ones. Old volumes are kept until a purge; the abort rule
//! is that a claim of the original name which is not ours ends the run with nothing deleted.

use serde_json::{Value, json};

use super::{Piece, check, remove, side_target};
use crate::action::call::{Call, PatchType, Probe, Target};
use crate::action::condition::Condition;
use crate::action::guard::Guard;
use crate::action::keep::{self, Held, KEPT_POINTER, SOON};
use crate::action::plan::{Capture, Do, Plan, Source, Step};
use crate::action::recreate::{SEEN, as_it_was, orphan, put, same};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::request::{ActionName, Request};
use crate::action::seen::Seen;
use crate::action::session;
use crate::action::snapshot;
use crate::action::{
    BY_ANNOTATION, KEPT_ANNOTATION, PURGE_ANNOTATION, RECLAIM_ANNOTATION, RUN_LABEL,
};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;
use crate::domain::workload::Set;
use crate::domain::workspace::{Origin, Workspace};

/// Labels and annotations of tools that put a set back as they know it, at any moment.
const RECONCILERS: [&str; 5] = [
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "fleet.cattle.io/bundle-id",
];

/// How the controller is kept from making the ordinal anew.
enum Block<'a> {
    /// No set wants the ordinal: nothing to do.
    None,
    /// It is the highest: one replica less.
    Shorter(&'a Set),
    /// It is the lowest: the range begins one later.
    Later(&'a Set),
    /// It is in the middle: the set is away for a moment, its pods stay.
    Away(&'a Set, Value),
}

pub(super) struct Swap<'a, 'b> {
    workspace: &'a Workspace,
    pod: Option<&'a Pod>,
    block: Block<'a>,
    pieces: &'b [Piece<'a>],
    held: Vec<Held<'a>>,
    force: bool,
}

impl<'a, 'b> Swap<'a, 'b> {
    /// Refuses whatever makes a swap unsafe. `force` = also where it cannot be told whether
    /// somebody works there, or whether what comes back is more than nothing.
    pub(super) fn of(
        seen: &Seen<'a>,
        workspace: &'a Workspace,
        pieces: &'b [Piece<'a>],
        force: bool,
    ) -> Result<Self, Refusal> {
        seen.needs(&[Kind::Volume])?;
        let mut held = Vec::new();
        for piece in pieces {
            if let Some(owner) = piece.claim.owners.first() {
                return Err(Refusal::new(
                    RefusalKind::State,
                    format!(
                        "claim {} is owned by {} {}",
                        piece.name(),
                        owner.kind,
                        owner.name
                    ),
                    "garbage collection would take part in the swap: restore beside it instead",
                ));
            }
            held.push(Held::of(seen, piece.claim)?);
        }
        let pod = seen.inventory.pods.get(&workspace.key);
        if let Some(pod) = pod {
            session::refuse_open(seen, pod)?;
            if !force {
                session::refuse_untold(seen, pod)?;
            }
        }
        let strangers = pieces.iter().flat_map(|piece| {
            let users = seen.inventory.pods_of_claim(&piece.claim.meta.key);
            users.filter(|user| user.meta.key != workspace.key)
        });
        if let Some(stranger) = strangers.map(|pod| &pod.meta.key).next() {
            return Err(Refusal::new(
                RefusalKind::State,
                format!("pod {stranger} uses a claim of {}, too", workspace.key),
                "end it first",
            ));
        }
        Ok(Self {
            block: block(seen, workspace)?,
            workspace,
            pod,
            pieces,
            held,
            force,
        })
    }

    /// The way back, before anything else: a snapshot of what is there now, and the old volumes
    /// kept.
    pub(super) fn before(&self, seen: &Seen<'_>, plan: &mut Plan) -> Result<(), Refusal> {
        let mut levels = Vec::new();
        for held in &self.held {
            levels.push(snapshot::quiesce(seen, plan, self.pod, held.claim));
        }
        let name = &self.workspace.key.name;
        let mut waits = Vec::new();
        for (held, level) in self.held.iter().zip(levels) {
            let steps = match keep::safety_snapshot(seen, held, name, &level) {
                Ok((_, steps)) => steps,
                // the old volume itself is kept: that is the better way back
                Err(refusal) if refusal.kind == RefusalKind::RateLimit => {
                    plan.notes.push(format!(
                        "no snapshot of the present state is taken: {}",
                        refusal.sentence
                    ));
                    continue;
                }
                Err(refusal) => return Err(refusal),
            };
            let mut steps = steps.into_iter();
            plan.steps.extend(steps.next());
            waits.extend(steps);
        }
        plan.steps.extend(waits);
        for held in &self.held {
            keep::keep(seen, plan, held);
            plan.steps.extend(self.list_old(held));
        }
        Ok(())
    }

    /// Lists what is there now, to compare what comes back with it.
    fn list_old(&self, held: &Held<'_>) -> Option<Step> {
        let pod = self.pod?;
        let (container, mount) = snapshot::mount_of(pod, held.claim)?;
        let target = Target::new(Kind::Pod, pod.meta.key.clone(), &pod.meta.uid);
        let name = held.name();
        let step = Step::call(
            format!("list-old-{name}"),
            format!("list what is in claim {name} now"),
            check::list(target, container, mount),
            Probe::Harmless,
        );
        let listing = Capture {
            name: format!("old-{name}"),
            from: Source::Stdout,
        };
        Some(step.capture(listing).tolerated())
    }

    /// What must be so before the first thing is taken away. It is looked at as late as can be,
    /// and again by a resume: hours may lie between.
    fn looks(&self, seen: &Seen<'_>, plan: &mut Plan) {
        if !self.force {
            for held in &self.held {
                let before = match self.list_old(held) {
                    Some(_) => format!("${{old-{}}}", held.name()),
                    None => String::new(),
                };
                let listing = format!("${{listing-{}}}", held.name());
                plan.steps
                    .push(filled("full", held.name(), listing, before));
            }
            if let Some(pod) = self.pod {
                plan.steps.extend(session::check(seen, pod, "is-idle"));
            }
        }
        if let Some(pod) = self.pod {
            plan.steps.push(session::still_quiet(pod, "is-quiet"));
        }
        plan.steps.extend(self.same_set());
    }

    fn same_set(&self) -> Option<Step> {
        match &self.block {
            Block::None => None,
            Block::Shorter(set) | Block::Later(set) => Some(same(set, "same-set", None)),
            Block::Away(set, manifest) => Some(same(set, "same-set", Some(manifest))),
        }
    }

    /// The swap itself, once the restored claims were read.
    pub(super) fn exchange(&self, seen: &Seen<'_>, plan: &mut Plan) {
        self.looks(seen, plan);
        self.stop(seen, plan);
        for (piece, held) in self.pieces.iter().zip(&self.held) {
            one(seen, plan, piece, held);
        }
        self.go_on(seen, plan);
        for piece in self.pieces {
            plan.steps.push(let_go(seen, piece));
        }
        self.words(seen, plan);
    }

    fn words(&self, seen: &Seen<'_>, plan: &mut Plan) {
        let name = &self.workspace.key.name;
        plan.losses.push(format!(
            "what was done in {name} since then is on the old volumes alone, until they are purged"
        ));
        plan.losses
            .push("whatever the session keeps in memory or outside of its claims".to_owned());
        if self.force {
            plan.losses.push(format!(
                "a session in {name}, if there is one: it is not looked whether somebody works there"
            ));
            plan.losses.push(
                "it is not looked whether the snapshot holds anything: what comes back may be empty"
                    .to_owned(),
            );
        }
        plan.way_back.push(format!(
            "`wsdash undo {}` swaps the old volumes in again; the restored ones are kept, too",
            seen.run
        ));
        plan.typed_name = Some(name.to_string());
        match &self.block {
            Block::None => {}
            Block::Shorter(set) => plan.notes.push(format!(
                "set {} has one replica less meanwhile",
                set.meta.key.name
            )),
            Block::Later(set) => plan.notes.push(format!(
                "set {} begins one ordinal later meanwhile",
                set.meta.key.name
            )),
            Block::Away(set, _) => plan.notes.push(format!(
                "set {} is away meanwhile, its other pods stay; a pod of it that fails in this \
                 time is not made anew",
                set.meta.key.name
            )),
        }
        if let Block::Shorter(set) | Block::Later(set) | Block::Away(set, _) = &self.block {
            plan.locks.push(set.meta.key.clone());
            if seen.autoscalers.of_set(&set.meta.key).is_err() {
                plan.notes.push(format!(
                    "whether an autoscaler scales set {} is not known; one must be paused",
                    set.meta.key.name
                ));
            }
        }
    }

    /// Keeps the controller away, then ends the pod and waits until its volumes are free.
    fn stop(&self, seen: &Seen<'_>, plan: &mut Plan) {
        let ceiling = keep::seconds(seen.settings.restart_wait);
        let back = || {
            Step::wait(
                "undo-ready",
                format!(
                    "wait until pod {} is back and ready",
                    self.workspace.key.name
                ),
                Condition::PodReady {
                    pod: self.workspace.key.clone(),
                    not: String::new(),
                },
                ceiling,
            )
            .tolerated()
        };
        match &self.block {
            Block::None => {}
            Block::Shorter(set) => plan.steps.push(
                scale(set, "block", set.replicas.saturating_sub(1))
                    .at(SEEN)
                    .undone_by(scale(set, "undo-block", set.replicas))
                    .undone_by(back()),
            ),
            Block::Later(set) => plan.steps.push(
                range(set, "block", true)
                    .at(SEEN)
                    .undone_by(range(set, "undo-block", false))
                    .undone_by(back()),
            ),
            Block::Away(set, manifest) => {
                let target = target(set);
                plan.steps.push(
                    orphan("block", &target)
                        .at(SEEN)
                        .undone_by(put(&set.meta.key, "undo-block", manifest))
                        .undone_by(back()),
                );
                plan.steps.push(super::gone("block-gone", target));
            }
        }
        if let (Block::Away(..) | Block::None, Some(pod)) = (&self.block, self.pod) {
            let target = Target::new(Kind::Pod, pod.meta.key.clone(), &pod.meta.uid);
            plan.steps.push(remove("end-pod", &target));
        }
        if self.pod.is_some() {
            let grace = self.pod.map_or(0, |pod| pod.grace_seconds);
            plan.steps
                .push(self.no_pod("no-pod", ceiling.saturating_add(grace)));
        }
        for held in &self.held {
            plan.steps.push(Step::wait(
                format!("detached-{}", held.name()),
                format!(
                    "wait until volume {} is attached nowhere",
                    held.volume.meta.key
                ),
                Condition::Detached {
                    volume: held.volume.meta.key.name.to_string(),
                },
                ceiling,
            ));
        }
    }

    fn no_pod(&self, id: &str, ceiling: u32) -> Step {
        Step::wait(
            id,
            format!("wait until there is no pod {}", self.workspace.key.name),
            Condition::Absent {
                kind: Kind::Pod,
                key: self.workspace.key.clone(),
            },
            ceiling,
        )
    }

    /// Lets the controller have the ordinal again. Taken back by stopping it as before.
    fn go_on(&self, seen: &Seen<'_>, plan: &mut Plan) {
        let ceiling = keep::seconds(seen.settings.restart_wait);
        let mut steps = Vec::new();
        match &self.block {
            Block::None => {}
            Block::Shorter(set) => steps.push(
                scale(set, "unblock", set.replicas)
                    .undone_by(scale(set, "stop-again", set.replicas.saturating_sub(1)))
                    .undone_by(self.no_pod("no-pod-again", ceiling)),
            ),
            Block::Later(set) => steps.push(
                range(set, "unblock", false)
                    .undone_by(range(set, "stop-again", true))
                    .undone_by(self.no_pod("no-pod-again", ceiling)),
            ),
            Block::Away(set, manifest) => {
                let key = set.meta.key.clone();
                let pod = self.workspace.key.clone();
                let now = Target::new(Kind::Set, key.clone(), "${uid-now-set}");
                let running = Target::new(Kind::Pod, pod.clone(), "${uid-now-pod}");
                let mut step = put(&set.meta.key, "unblock", manifest);
                // whoever stands there now, if anybody does
                step.undo = vec![
                    look("look-set-again", Kind::Set, key, "uid-now-set"),
                    orphan("stop-again", &now),
                    super::gone("stopped-again", now),
                    look("look-pod-again", Kind::Pod, pod, "uid-now-pod"),
                    remove("end-pod-again", &running),
                    self.no_pod("no-pod-again", ceiling),
                ];
                steps.push(step);
            }
        }
        plan.steps.extend(steps);
        let Some(pod) = self.pod else { return };
        if matches!(self.block, Block::None) {
            return;
        }
        plan.steps.push(
            Step::wait(
                "back",
                format!(
                    "wait until pod {} is back and ready",
                    self.workspace.key.name
                ),
                Condition::PodReady {
                    pod: self.workspace.key.clone(),
                    not: pod.meta.uid.to_string(),
                },
                ceiling,
            )
            .capture(Capture::object(
                "uid-new-pod",
                Kind::Pod,
                self.workspace.key.clone(),
                "/metadata/uid",
            )),
        );
        for (piece, held) in self.pieces.iter().zip(&self.held) {
            let Some((container, mount)) = snapshot::mount_of(pod, held.claim) else {
                continue;
            };
            let pod = Target::new(Kind::Pod, self.workspace.key.clone(), "${uid-new-pod}");
            plan.steps.push(
                Step::call(
                    format!("see-{}", piece.name()),
                    format!("list {mount} in the new pod"),
                    check::list(pod, container, mount),
                    Probe::Harmless,
                )
                .capture(Capture {
                    name: format!("seen-{}", piece.name()),
                    from: Source::Stdout,
                })
                .tolerated(),
            );
            let (seen, listing) = (piece.captured("seen"), piece.captured("listing"));
            plan.steps
                .push(filled("seen", piece.name(), seen, listing).tolerated());
        }
    }
}

/// The steps that stop a workspace as its set is now, and those that let it go on: for the way back
/// of a swap, when its set is another than it was.
pub(super) fn around<'a>(
    seen: &Seen<'a>,
    workspace: &'a Workspace,
) -> Result<[Vec<Step>; 2], Refusal> {
    let swap = Swap {
        workspace,
        pod: seen.inventory.pods.get(&workspace.key),
        block: block(seen, workspace)?,
        pieces: &[],
        held: Vec::new(),
        force: false,
    };
    let steps = |add: &dyn Fn(&mut Plan)| {
        let mut plan = Plan::new(seen, ActionName::Undo, Request::Undo { job: String::new() });
        add(&mut plan);
        for step in &mut plan.steps {
            step.undo.clear();
        }
        plan.steps
    };
    Ok([
        steps(&|plan| {
            plan.steps.extend(swap.same_set());
            swap.stop(seen, plan);
        }),
        steps(&|plan| swap.go_on(seen, plan)),
    ])
}

/// Compares a listing of what comes back with one of what was there before.
fn filled(id: &str, name: &str, listing: String, before: String) -> Step {
    Step::new(
        format!("{id}-{name}"),
        format!("look whether what comes back of {name} is more than nothing"),
        Do::Reread {
            kinds: Vec::new(),
            objects: Vec::new(),
            guard: Guard::Filled {
                claim: name.to_owned(),
                listing,
                before,
            },
        },
    )
}

/// Reads the uid of what stands under a name, if anything does.
fn look(id: &str, kind: Kind, key: ObjectKey, capture: &str) -> Step {
    Step::new(
        id,
        format!("look for {} {}", kind.object(), key.name),
        Do::Reread {
            kinds: Vec::new(),
            objects: vec![(kind, key.clone())],
            guard: Guard::Same {
                objects: Vec::new(),
            },
        },
    )
    .capture(Capture::object(capture, kind, key, "/metadata/uid"))
    .tolerated()
}

/// One claim: the old one goes, its volume stays; the restored volume takes the name.
fn one(seen: &Seen<'_>, plan: &mut Plan, piece: &Piece<'_>, held: &Held<'_>) {
    let name = piece.name();
    let key = &piece.claim.meta.key;
    let volume = ObjectKey::new("", piece.captured("pv"));
    let disk = Target::new(Kind::Volume, volume.clone(), piece.captured("pv-uid"));
    let side = side_target(piece);
    let steps = [
        Step::wait(
            format!("known-{name}"),
            format!("look at the volume of claim {}", piece.side.name),
            Condition::ClaimBound {
                claim: side.clone(),
                volume: Some(piece.captured("pv")),
            },
            SOON,
        )
        .capture(Capture::object(
            &format!("pv-uid-{name}"),
            Kind::Volume,
            volume.clone(),
            "/metadata/uid",
        ))
        .capture(Capture::object(
            &format!("pv-policy-{name}"),
            Kind::Volume,
            volume.clone(),
            "/spec/persistentVolumeReclaimPolicy",
        )),
        hold(seen, piece, &disk, &format!("hold-{name}")),
        replaceable(seen, held),
        keep::delete(held, None),
        super::gone(&format!("old-gone-{name}"), held.target()),
        remove(&format!("drop-side-{name}"), &side),
        super::gone(&format!("side-gone-{name}"), side),
        Step::wait(
            format!("free-{name}"),
            "wait until the restored volume is free".to_owned(),
            Condition::VolumePhase {
                volume: disk.clone(),
                phase: "Released".to_owned(),
            },
            SOON,
        ),
        Step::new(
            format!("name-free-{name}"),
            format!("look whether nobody else made a claim {name}"),
            Do::Reread {
                kinds: Vec::new(),
                objects: vec![(Kind::Claim, key.clone())],
                guard: Guard::Free {
                    kind: Kind::Claim,
                    key: key.clone(),
                    run: seen.run.to_string(),
                },
            },
        ),
        keep::reserve(&format!("reserve-new-{name}"), &disk, key),
        claim(seen, piece, held),
        Step::wait(
            format!("bound-new-{name}"),
            format!("wait until claim {name} has the restored volume"),
            Condition::ClaimBound {
                claim: Target::new(Kind::Claim, key.clone(), piece.captured("uid-new")),
                volume: Some(piece.captured("pv")),
            },
            SOON,
        ),
    ];
    plan.steps.extend(steps);
}

/// The last look before the old claim goes: whether its volume outlives it.
fn replaceable(seen: &Seen<'_>, held: &Held<'_>) -> Step {
    let (name, key) = (held.name(), held.claim.meta.key.clone());
    let volume = &held.volume.meta.key;
    Step::new(
        format!("same-{name}"),
        format!("look whether claim {name} is as it was, its volume kept, and used by nobody"),
        Do::Reread {
            kinds: vec![Kind::Pod],
            objects: vec![(Kind::Claim, key.clone()), (Kind::Volume, volume.clone())],
            guard: Guard::Replaceable {
                claim: key,
                uid: held.claim.meta.uid.to_string(),
                volume: volume.name.to_string(),
                run: seen.run.to_string(),
            },
        },
    )
}

/// The claim of the original name, on the restored volume.
fn claim(seen: &Seen<'_>, piece: &Piece<'_>, held: &Held<'_>) -> Step {
    let mut manifest = keep::manifest(&held.object, &held.disk);
    manifest["spec"]["volumeName"] = json!(piece.captured("pv"));
    manifest["spec"]["resources"]["requests"]["storage"] = json!(piece.request.canonical());
    manifest["metadata"]["labels"][RUN_LABEL] = json!(seen.run.as_str());
    let key = piece.claim.meta.key.clone();
    let ours = Target::ours(Kind::Claim, key.clone(), seen.run);
    Step::call(
        format!("create-{}", piece.name()),
        format!("create claim {} on the restored volume", piece.name()),
        Call::Create {
            kind: Kind::Claim,
            namespace: key.namespace.to_string(),
            manifest,
        },
        Probe::Made {
            kind: Kind::Claim,
            key,
            run: seen.run.to_string(),
        },
    )
    .capture(Capture::answer(
        &format!("uid-new-{}", piece.name()),
        "/metadata/uid",
    ))
    .verbatim(&["/metadata/annotations"])
    .undone_by(remove(&format!("drop-new-{}", piece.name()), &ours))
    .undone_by(super::gone(&format!("dropped-new-{}", piece.name()), ours))
}

/// Keeps the restored volume whatever becomes of its claim.
fn hold(seen: &Seen<'_>, piece: &Piece<'_>, disk: &Target, id: &str) -> Step {
    let until = seen.run.made().unwrap_or(seen.now);
    let until = until.checked_add(seen.settings.orphans.keep);
    let until = until.map_or_else(|_| String::new(), |until| until.to_string());
    Step::call(
        id,
        format!("keep the restored volume of {}", piece.name()),
        Call::Patch {
            target: disk.clone(),
            patch_type: PatchType::Merge,
            patch: json!({
                "metadata": {"annotations": {
                    RECLAIM_ANNOTATION: piece.captured("pv-policy"),
                    KEPT_ANNOTATION: seen.run.as_str(), PURGE_ANNOTATION: until,
                    BY_ANNOTATION: seen.by}},
                "spec": {"persistentVolumeReclaimPolicy": "Retain"}}),
            subresource: None,
        },
        Probe::Has {
            target: disk.clone(),
            pointer: KEPT_POINTER.to_owned(),
            value: json!(seen.run.as_str()),
        },
    )
}

/// Puts the policy of the restored volume back, now that it is in use. Taken back by keeping it
/// again: work may have been done on it.
fn let_go(seen: &Seen<'_>, piece: &Piece<'_>) -> Step {
    let volume = ObjectKey::new("", piece.captured("pv"));
    let disk = Target::new(Kind::Volume, volume, piece.captured("pv-uid"));
    let name = piece.name();
    let mut step = keep::release(
        &format!("let-go-{name}"),
        disk.clone(),
        seen.run,
        &piece.captured("pv-policy"),
        &Value::Null,
    );
    step.undo = vec![hold(seen, piece, &disk, &format!("hold-again-{name}"))];
    step
}

fn target(set: &Set) -> Target {
    Target::new(Kind::Set, set.meta.key.clone(), &set.meta.uid)
}

fn scale(set: &Set, id: &str, replicas: u32) -> Step {
    Step::call(
        id,
        format!("scale set {} to {replicas}", set.meta.key.name),
        Call::Scale {
            set: target(set),
            replicas,
        },
        Probe::Has {
            target: target(set),
            pointer: "/spec/replicas".to_owned(),
            value: json!(replicas),
        },
    )
}

/// Has the range begin one later, or as it was.
fn range(set: &Set, id: &str, later: bool) -> Step {
    let (start, replicas) = if later {
        (
            json!({"start": set.start + 1}),
            set.replicas.saturating_sub(1),
        )
    } else if set.start == 0 {
        (Value::Null, set.replicas)
    } else {
        (json!({"start": set.start}), set.replicas)
    };
    Step::call(
        id,
        format!(
            "set {}: ordinals from {start}, {replicas} replicas",
            set.meta.key.name
        ),
        Call::Patch {
            target: target(set),
            patch_type: PatchType::Merge,
            patch: json!({"spec": {"ordinals": start, "replicas": replicas}}),
            subresource: None,
        },
        Probe::Has {
            target: target(set),
            pointer: "/spec/replicas".to_owned(),
            value: json!(replicas),
        },
    )
}

/// Chooses the gentlest way that keeps the controller from the ordinal.
fn block<'a>(seen: &Seen<'a>, workspace: &'a Workspace) -> Result<Block<'a>, Refusal> {
    let set = seen.inventory.set_of(workspace);
    let (Some(set), Some(ordinal)) = (set, workspace.ordinal) else {
        return Ok(Block::None);
    };
    if workspace.origin != Origin::Live || !set.ordinals().contains(&ordinal) {
        return Ok(Block::None);
    }
    let key = &set.meta.key;
    let no = |kind: RefusalKind, why: String, next: &str| Err(Refusal::new(kind, why, next));
    let beside = "restore beside it, or mend this first";
    if let Some(owner) = &set.owner {
        return no(
            RefusalKind::State,
            format!("set {key} is made by {} {}", owner.kind, owner.name),
            "its operator would put it back in the middle: restore beside it",
        );
    }
    let whole = seen.objects.get(Kind::Set, key);
    let labels = whole.map(|set| &set["metadata"]);
    let reconciler = RECONCILERS.iter().find(|name| {
        let has = |field: &str| labels.is_some_and(|meta| !meta[field][**name].is_null());
        has("labels") || has("annotations")
    });
    if let Some(name) = reconciler {
        return no(
            RefusalKind::Policy,
            format!("set {key} is put back by another tool at any moment ({name})"),
            "pause it and take that label off, or restore beside it",
        );
    }
    let own_is_ready = seen
        .inventory
        .pods
        .get(&workspace.key)
        .is_some_and(|pod| pod.ready);
    let wanted = set.replicas - u32::from(!own_is_ready);
    if set.observed_generation < set.generation || set.ready < wanted {
        return no(
            RefusalKind::State,
            format!(
                "set {key} is not settled: {} of {} are ready",
                set.ready, set.replicas
            ),
            beside,
        );
    }
    if let Ok(Some(one)) = seen.autoscalers.of_set(key) {
        return no(
            RefusalKind::Policy,
            format!("set {key} is scaled by autoscaler {}", one.key.name),
            "it would scale it back in the middle: take it away or pause it, or restore beside it",
        );
    }
    let range = set.ordinals();
    if !set.when_scaled_delete {
        if ordinal + 1 == range.end {
            return Ok(Block::Shorter(set));
        }
        if ordinal == range.start {
            return Ok(Block::Later(set));
        }
    }
    if set.when_deleted_delete {
        return no(
            RefusalKind::Unsupported,
            format!("set {key} deletes claims with itself (persistentVolumeClaimRetentionPolicy)"),
            "set that to Retain first, or restore beside it",
        );
    }
    let Some(whole) = whole else {
        return no(
            RefusalKind::NotKnown,
            format!("set {key} cannot be read"),
            "ask for the right to get statefulsets",
        );
    };
    Ok(Block::Away(set, as_it_was(whole)))
}
