use std::io;

use kube::core::Status;
use rstest::rstest;

use super::*;

fn status(code: u16, reason: &str, message: &str) -> kube::Error {
    kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
}

#[rstest]
#[case(status(401, "Unauthorized", "Unauthorized"), FaultKind::Unauthorized)]
#[case(status(404, "NotFound", "pods \"a\" not found"), FaultKind::NotFound)]
#[case(status(409, "Conflict", "changed"), FaultKind::Conflict)]
#[case(status(409, "AlreadyExists", "there"), FaultKind::Conflict)]
#[case(status(410, "Expired", "too old"), FaultKind::Gone)]
#[case(status(422, "Invalid", "spec.x: no"), FaultKind::Invalid)]
#[case(
    status(429, "TooManyRequests", "slow down"),
    FaultKind::TooManyRequests
)]
#[case(status(500, "InternalError", "etcd"), FaultKind::ServerError)]
#[case(status(503, "ServiceUnavailable", "no"), FaultKind::ServerError)]
#[case(status(504, "Timeout", "late"), FaultKind::Timeout)]
#[case(
    kube::Error::SerdeError(serde_json::from_str::<u8>("<html>").unwrap_err()),
    FaultKind::Garbage
)]
#[case(
    kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused))),
    FaultKind::Refused
)]
#[case(
    kube::Error::Service(Box::new(io::Error::other(rustls::Error::InvalidCertificate(
        rustls::CertificateError::UnknownIssuer
    )))),
    FaultKind::WrongCa
)]
#[case(
    kube::Error::Service(Box::new(Fault::new(FaultKind::PluginTimeout, "a", "b"))),
    FaultKind::PluginTimeout
)]
#[case(
    kube::Error::ReadEvents(io::Error::from(io::ErrorKind::ConnectionReset)),
    FaultKind::Disconnected
)]
fn every_error_has_its_kind(#[case] error: kube::Error, #[case] kind: FaultKind) {
    let fault = Fault::of(&error, "listing pods");
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.to_string().starts_with("listing pods: "), "{fault}");
    assert!(!fault.next.is_empty(), "{fault}");
    assert!(!fault.to_string().contains('\n'), "{fault}");
}

#[test]
fn a_denial_carries_the_missing_rule() {
    let error = status(
        403,
        "Forbidden",
        r#"pods is forbidden: User "o" cannot list resource "pods" in API group "" in the namespace "coditect-app""#,
    );
    let fault = Fault::of(&error, "listing pods");
    assert_eq!(fault.kind, FaultKind::Forbidden);
    assert_eq!(fault.rule.unwrap().to_string(), "list pods in coditect-app");
}

#[test]
fn a_quota_is_not_mistaken_for_a_missing_right() {
    let error = status(
        403,
        "Forbidden",
        r#"pods "a" is forbidden: exceeded quota: q"#,
    );
    let fault = Fault::of(&error, "");
    assert_eq!(fault.rule, None);
    assert!(fault.sentence.contains("exceeded quota"), "{fault}");
}

#[test]
fn an_error_page_of_a_proxy_is_not_shown() {
    let error = status(502, "Failed to parse error data", "<html>squid</html>");
    let fault = Fault::of(&error, "listing pods");
    assert_eq!(fault.kind, FaultKind::ServerError);
    assert!(!fault.to_string().contains("squid"), "{fault}");
}

#[test]
fn a_secret_in_a_server_message_reaches_neither_display_nor_debug_nor_source() {
    let error = status(
        500,
        "InternalError",
        "webhook: Authorization: Bearer s3cr3t-t0ken",
    );
    let fault = Fault::of(&error, "creating a pod");
    for text in [
        format!("{fault}"),
        format!("{fault:?}"),
        format!("{fault:#?}"),
    ] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    assert!(std::error::Error::source(&fault).is_none());
}

#[test]
fn the_wait_that_a_server_asks_for_is_kept() {
    let details = serde_json::json!({"retryAfterSeconds": 7});
    let status = Status::failure("wait", "TooManyRequests")
        .with_code(429)
        .with_details(serde_json::from_value(details).unwrap());
    assert_eq!(
        Fault::of_status(&status, "").retry_after,
        Some(Duration::from_secs(7))
    );
}

#[rstest]
#[case::violated(serde_json::json!({"causes": [{"reason": "DisruptionBudget",
    "message": "The disruption budget ide needs 1 healthy pods and has 1 currently"}]}), FaultKind::Budget)]
#[case::of_an_old_server(serde_json::json!({}), FaultKind::Budget)]
#[case::not_counted_yet(serde_json::json!({"retryAfterSeconds": 10, "causes": [{"reason": "DisruptionBudget",
    "message": "The disruption budget ide is still being processed by the server."}]}), FaultKind::TooManyRequests)]
fn a_budget_is_told_from_a_server_that_wants_to_wait(
    #[case] details: serde_json::Value,
    #[case] kind: FaultKind,
) {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let status = Status::failure(message, "TooManyRequests")
        .with_code(429)
        .with_details(serde_json::from_value(details.clone()).unwrap());
    let fault = Fault::of_status(&status, "evicting pod ide-0");
    assert_eq!(fault.kind, kind, "{details}");
    assert!(fault.sentence.contains("disruption budget"), "{fault}");
}

#[test]
fn a_busy_server_is_no_budget() {
    let busy = Status::failure(
        "too many requests, please try again later",
        "TooManyRequests",
    );
    let fault = Fault::of_status(&busy.with_code(429), "evicting pod ide-0");
    assert_eq!(fault.kind, FaultKind::TooManyRequests);
    assert!(fault.is_transient());
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_its_limit() {
    let never = std::future::pending::<kube::Result<()>>();
    let fault = within(Duration::from_millis(50), "listing pods", never)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert_eq!(fault.sentence, "listing pods: no answer within 0.1 s");
}
