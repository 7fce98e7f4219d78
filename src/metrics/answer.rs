//! The answer of a Prometheus: an envelope around the result types of `prometheus-http-query`.

use std::collections::HashMap;

use jiff::Timestamp;
use prometheus_http_query::response::{Data, PromqlResult};
use serde::Deserialize;

use crate::cluster::fault::{Fault, FaultKind, safe_line};

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Envelope {
    Success {
        data: PromqlResult,
        #[serde(default)]
        warnings: Vec<String>,
    },
    Error {
        #[serde(default, rename = "errorType")]
        kind: String,
        #[serde(default)]
        error: String,
    },
}

/// What a query was answered.
pub(super) struct Answer {
    pub(super) data: Data,
    /// A store that could not be asked, for instance: the answer has not everything.
    pub(super) partial: Option<String>,
}

/// Reads the body of an answer with its HTTP status.
pub(super) fn read(status: http::StatusCode, body: &[u8], what: &str) -> Result<Answer, Fault> {
    match serde_json::from_slice(body) {
        Ok(Envelope::Success { data, warnings }) => Ok(Answer {
            data: data.into_inner().0,
            partial: (!warnings.is_empty()).then(|| safe_line(&warnings.join("; "))),
        }),
        Ok(Envelope::Error { kind, error }) => Err(Fault::new(
            FaultKind::Other,
            format!(
                "{what}: Prometheus answers {}: {}",
                safe_line(&kind),
                safe_line(&error)
            ),
            "look at its log; the query is one of ours",
        )),
        Err(_) => Err(refused(status, body, what)),
    }
}

/// No answer of a Prometheus: the API server's proxy, or whatever else stands there.
fn refused(status: http::StatusCode, body: &[u8], what: &str) -> Fault {
    if let Ok(status) = serde_json::from_slice::<kube::core::Status>(body)
        && status.code >= 400
    {
        return Fault::of_status(&status, what);
    }
    let (kind, sentence, next) = match status.as_u16() {
        401 => (
            FaultKind::Unauthorized,
            "it wants other credentials",
            "set [metrics.credentials] for its address",
        ),
        403 => (
            FaultKind::Forbidden,
            "it forbids the query",
            "set [metrics.credentials] for its address",
        ),
        300..=399 => (
            FaultKind::Other,
            "it points to another address, and credentials go nowhere but where they belong",
            "set metrics.prometheus to the address that it points to",
        ),
        400..=599 => (
            FaultKind::ServerError,
            "it answers with an error",
            "look at its log",
        ),
        _ => (
            FaultKind::Garbage,
            "the answer is none of a Prometheus",
            "check metrics.prometheus",
        ),
    };
    Fault::new(
        kind,
        format!("{what}: {sentence} (HTTP {})", status.as_u16()),
        next,
    )
}

/// One value of a vector: its labels, when it was read, what it is. NaN and infinities are not
/// known, and left out.
pub(super) fn vector(data: Data) -> Vec<(HashMap<String, String>, Timestamp, f64)> {
    let Data::Vector(vector) = data else {
        return Vec::new();
    };
    vector
        .into_iter()
        .filter_map(|instant| {
            let (labels, sample) = instant.into_inner();
            let value = Some(sample.value()).filter(|v| v.is_finite())?;
            Some((labels, moment(sample.timestamp())?, value))
        })
        .collect()
}

/// Seconds since 1970 as Prometheus writes them.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds of a time")]
pub(super) fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok() -> http::StatusCode {
        http::StatusCode::OK
    }

    #[test]
    fn what_is_not_a_number_is_not_known() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"pod":"a"},"value":[1700000000.5,"NaN"]},
            {"metric":{"pod":"b"},"value":[1700000000.5,"+Inf"]},
            {"metric":{"pod":"c"},"value":[1700000000.5,"0"]}]},"warnings":["store down"]}"#;
        let answer = read(ok(), body, "disk").unwrap_or_else(|f| panic!("{f}"));
        assert_eq!(answer.partial.as_deref(), Some("store down"));
        let values = vector(answer.data);
        assert_eq!(values.len(), 1);
        assert!(values[0].2.abs() < f64::EPSILON);
        assert_eq!(values[0].1.as_millisecond(), 1_700_000_000_500);
    }

    #[test]
    fn the_proxy_of_the_api_server_speaks_for_itself() {
        let body = br#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"services \"prometheus\" is forbidden","reason":"Forbidden","code":403}"#;
        let fault = read(http::StatusCode::FORBIDDEN, body, "disk").err();
        assert_eq!(fault.map(|f| f.kind), Some(FaultKind::Forbidden));
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..80), code in 100_u16..600) {
            let code = http::StatusCode::from_u16(code).unwrap_or_default();
            prop_assert!(read(code, &body, "disk").is_err());
        }
    }
}
