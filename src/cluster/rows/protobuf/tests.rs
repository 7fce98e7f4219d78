//! The two notations beside each other, written here as a server writes them.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use strum::IntoEnumIterator as _;

use super::*;
use crate::cluster::rows::{Watched, fields, read as read_json, read_protobuf, watched};
use crate::domain::inventory::Row;
use crate::domain::key::Kind;
use crate::domain::policy::Policy;

fn number_as(number: u32, form: u64, out: &mut Vec<u8>) {
    varint_of(u64::from(number) << 3 | form, out);
}

fn varint_of(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

fn bytes_as(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    number_as(number, 2, out);
    varint_of(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// As a server writes it: everything that the table knows, in the order of the numbers.
fn write(object: &Json, message: Message) -> Vec<u8> {
    let mut out = Vec::new();
    // a field that nobody reads
    bytes_as(1000, b"more", &mut out);
    for (number, name, form) in message {
        if let Form::Inline(inner) = form {
            bytes_as(*number, &write(object, inner), &mut out);
        } else if let Some(value) = object.get(name) {
            write_field(value, *number, *form, &mut out);
        }
    }
    out
}

fn write_field(value: &Json, number: u32, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Optional(form) => write_field(value, number, *form, out),
        Form::Text => bytes_as(number, value.as_str().unwrap().as_bytes(), out),
        Form::Number => {
            number_as(number, 0, out);
            varint_of(value.as_i64().unwrap().cast_unsigned(), out);
        }
        Form::Flag => {
            number_as(number, 0, out);
            out.push(u8::from(value.as_bool().unwrap()));
        }
        Form::Time => {
            let at: Timestamp = value.as_str().unwrap().parse().unwrap();
            let mut time = Vec::new();
            number_as(1, 0, &mut time);
            varint_of(at.as_second().cast_unsigned(), &mut time);
            number_as(2, 0, &mut time);
            varint_of(u64::from(at.subsec_nanosecond().unsigned_abs()), &mut time);
            bytes_as(number, &time, out);
        }
        Form::One(message) | Form::Inline(message) => {
            bytes_as(number, &write(value, message), out);
        }
        Form::Many(message) => {
            for item in value.as_array().unwrap() {
                bytes_as(number, &write(item, message), out);
            }
        }
        Form::Texts => {
            for item in value.as_array().unwrap() {
                bytes_as(number, item.as_str().unwrap().as_bytes(), out);
            }
        }
        Form::Pairs | Form::Quantities => {
            for (key, value) in value.as_object().unwrap() {
                let mut entry = Vec::new();
                bytes_as(1, key.as_bytes(), &mut entry);
                let text = value.as_str().unwrap().as_bytes();
                if matches!(form, Form::Quantities) {
                    let mut quantity = Vec::new();
                    bytes_as(1, text, &mut quantity);
                    bytes_as(2, &quantity, &mut entry);
                } else {
                    bytes_as(2, text, &mut entry);
                }
                bytes_as(number, &entry, out);
            }
        }
    }
}

fn enveloped(object: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    bytes_as(1, b"\n\x02v1", &mut out);
    bytes_as(2, object, &mut out);
    out
}

fn watched_as(word: &str, object: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    bytes_as(1, &enveloped(object), &mut raw);
    let mut frame = Vec::new();
    bytes_as(1, word.as_bytes(), &mut frame);
    bytes_as(2, &raw, &mut frame);
    frame
}

fn both(kind: Kind, object: &Json) -> (Row, Row) {
    let policy = Policy::default();
    let bytes = enveloped(&write(object, fields::message(kind).unwrap()));
    (
        read_json(kind, object.to_string().as_bytes(), &policy).unwrap(),
        read_protobuf(kind, &bytes, &policy).unwrap(),
    )
}

fn meta() -> Json {
    json!({"name": "ide-0", "namespace": "ws", "uid": "6b0ee0f6-38a5-4a4b-a5a5-7b6b1c3b2c11",
        "resourceVersion": "77", "creationTimestamp": "2026-11-21T03:00:00Z",
        "labels": {"app": "ide", "user": "ana"}, "annotations": {"note": ""},
        "finalizers": ["a/b", "c"],
        "ownerReferences": [{"kind": "StatefulSet", "name": "ide", "controller": true,
            "uid": "7b0ee0f6-38a5-4a4b-a5a5-7b6b1c3b2c11"}]})
}

fn pod() -> Json {
    json!({"metadata": meta(),
        "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "workspace-ide-0"}},
                {"name": "scratch", "ephemeral": {}}, {"name": "other"}],
            "containers": [{"name": "main", "image": "example.com/ide:1",
                "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                "volumeMounts": [{"name": "w", "mountPath": "/workspace", "subPath": ""}]}]},
        "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": "False",
                "lastTransitionTime": "2026-11-21T03:01:00Z", "message": "no"}],
            "containerStatuses": [{"name": "main", "ready": false, "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
                    "finishedAt": "2026-11-21T03:00:30Z"}}}]}})
}

#[test]
fn a_pod_is_the_same_row_in_both_notations() {
    let (from_json, from_protobuf) = both(Kind::Pod, &pod());
    assert_eq!(from_json, from_protobuf);
    let Row::Pod(pod) = from_protobuf else {
        unreachable!("it is a pod");
    };
    assert_eq!(pod.grace_seconds, 0, "zero was meant so");
    assert_eq!(pod.claims.len(), 2, "{:?}", pod.claims);
}

#[test]
fn what_is_empty_and_no_pointer_is_none_as_it_is_not_there_in_json() {
    let mut object = pod();
    object["status"]["reason"] = json!("");
    let (_, row) = both(Kind::Pod, &object);
    assert!(matches!(row, Row::Pod(pod) if pod.reason.is_none()));
}

#[test]
fn a_claim_without_a_class_is_not_one_whose_class_is_not_said() {
    let claim = json!({"metadata": meta(),
        "spec": {"storageClassName": "", "volumeName": "", "resources": {"requests": {"storage": "5Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "5Gi"},
            "allocatedResourceStatuses": {"storage": "NodeResizePending"}}});
    let (_, row) = both(Kind::Claim, &claim);
    let Row::Claim(row) = row else {
        unreachable!("it is a claim");
    };
    assert_eq!(row.storage_class.as_deref(), Some(""));
    assert_eq!(row.volume, None);
    assert_eq!(row.resize_status.as_deref(), Some("NodeResizePending"));
}

#[test]
fn a_watch_is_read_word_by_word() {
    let message = fields::message(Kind::Pod).unwrap();
    let object = write(&pod(), message);
    let put = watched(Kind::Pod, &watched_as("MODIFIED", &object)).unwrap();
    assert!(matches!(put, Watched::Put(pod) if pod.metadata.resource_version == "77"));
    let gone = watched(Kind::Pod, &watched_as("DELETED", &object)).unwrap();
    assert!(matches!(gone, Watched::Gone(_)));
    let mark = watched(Kind::Pod, &watched_as("BOOKMARK", &object)).unwrap();
    assert!(matches!(mark, Watched::Mark(meta) if meta.annotations.contains_key("note")));
    let gone = json!({"code": 410, "reason": "Expired", "message": "too old resource version"});
    let gone = watched_as("ERROR", &write(&gone, fields::STATUS));
    let Watched::Failed(status) = watched(Kind::Pod, &gone).unwrap() else {
        panic!("it says an error");
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(watched(Kind::Pod, &watched_as("SAID", &object)).is_err());
}

#[test]
fn what_is_no_protobuf_says_so() {
    let policy = Policy::default();
    let page = read_protobuf(Kind::Pod, b"<html>", &policy).unwrap_err();
    assert_eq!(page.to_string(), "not Kubernetes' protobuf");
    let snapshot = read_protobuf(Kind::Snapshot, MAGIC, &policy).unwrap_err();
    assert!(snapshot.to_string().contains("JSON only"), "{snapshot}");
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in Kind::iter() {
            let _ = watched(kind, &bytes);
            let _ = read_protobuf(kind, &enveloped(&bytes), &Policy::default());
        }
    }

    #[test]
    fn an_object_that_is_cut_off_or_bent_never_panics(at in 0_usize..900, bit in 0_u8..8) {
        let mut bytes = watched_as("ADDED", &write(&pod(), fields::message(Kind::Pod).unwrap()));
        let at = at % bytes.len();
        let _ = watched(Kind::Pod, bytes.get(..at).unwrap());
        bytes[at] ^= 1 << bit;
        let _ = watched(Kind::Pod, &bytes);
    }
}
