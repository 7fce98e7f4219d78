//! What is linked to what, by key: kept by [`super::link`] and [`super::join`], read by all.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::domain::key::{Kind, ObjectKey, Text};

#[derive(Debug, Default)]
pub(super) struct Index {
    /// `<template>-<set>` in a namespace → the sets and templates that make it.
    pub(super) prefixes: HashMap<ObjectKey, Vec<(Text, Text)>>,
    /// `<anything>` before a canonical ordinal → claims of that name, with their ordinal.
    pub(super) claims: HashMap<ObjectKey, Vec<(u32, Text)>>,
    /// Workspace → claims that no live set proves, with the template that was tried.
    pub(super) leftovers: HashMap<ObjectKey, Vec<(Text, Text)>>,
    /// The same, from the claim's side.
    pub(super) leftover_homes: HashMap<ObjectKey, ObjectKey>,
    /// Set → ordinals that have a workspace.
    pub(super) ordinals: HashMap<ObjectKey, BTreeSet<u32>>,
    /// Claim → pods that name it.
    pub(super) users: HashMap<ObjectKey, Vec<Text>>,
    /// Claim → snapshots of it.
    pub(super) snapshots: HashMap<ObjectKey, Vec<Text>>,
    /// Volume → attachments of it.
    pub(super) attachments: HashMap<Text, Vec<Text>>,
    pub(super) events: HashMap<(Kind, ObjectKey), Vec<ObjectKey>>,
    /// Claim → workloads whose pod template names it.
    pub(super) references: HashMap<ObjectKey, Vec<(Kind, Text)>>,
    pub(super) failed_volumes: BTreeSet<Text>,
    /// Workspaces whose work is on no claim: what sets look like is evidence for them.
    pub(super) unpersisted: BTreeSet<ObjectKey>,
    /// Pod → when the one that went should have gone, until another comes.
    pub(super) departed: HashMap<ObjectKey, Timestamp>,
}

pub(super) fn link<K: std::hash::Hash + Eq, V: PartialEq>(
    map: &mut HashMap<K, Vec<V>>,
    key: K,
    value: V,
) {
    let values = map.entry(key).or_default();
    if !values.contains(&value) {
        // Most lists have one entry; growing by four would cost megabytes at fleet size.
        values.reserve_exact(1);
        values.push(value);
    }
}

pub(super) fn unlink<K: std::hash::Hash + Eq, V: PartialEq>(
    map: &mut HashMap<K, Vec<V>>,
    key: K,
    value: &V,
) {
    if let Entry::Occupied(mut entry) = map.entry(key) {
        entry.get_mut().retain(|v| v != value);
        if entry.get().is_empty() {
            entry.remove();
        }
    }
}
