//! Asks the API server what the user may do, so that a command can be offered or explained.
//!
//! Answers come from `SelfSubjectAccessReview`, which any authenticated user may create, and are
//! kept for at most [`KEPT`]. A review does not see admission, quota or pod security: the answer
//! of the real call is the truth, and this module must not be used to decide that something is safe.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::action::Right;
use crate::cluster::fault::{Fault, FaultKind, safe_line, within};

/// How long an answer is believed.
pub const KEPT: Duration = Duration::from_secs(60);
/// How long one review may take.
const REVIEW_LIMIT: Duration = Duration::from_secs(10);
/// Reviews under way at once: enough to hide the latency, too few to trip the server's fairness.
const AT_ONCE: usize = 16;

/// One right of role-based access control. Reads as `create pods/exec in coditect-app`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule {
    pub verb: String,
    /// API group; empty is the core group.
    pub group: String,
    /// Plural, such as `pods`.
    pub resource: String,
    /// Such as `exec`; empty is the object itself.
    pub subresource: String,
    /// `None` is every namespace, or a resource without namespaces.
    pub namespace: Option<String>,
    /// `None` is every object.
    pub name: Option<String>,
}

impl From<&Right> for Rule {
    fn from(right: &Right) -> Self {
        let rule = Self::new(&right.verb, &right.group, &right.resource);
        match right.namespace.as_deref().filter(|name| !name.is_empty()) {
            Some(namespace) => rule.in_namespace(namespace),
            None => rule,
        }
    }
}

impl Rule {
    /// `resource` may carry the subresource: `pods/exec`.
    pub fn new(verb: &str, group: &str, resource: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: None,
            name: None,
        }
    }

    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Reads the right out of the server's 403 message, as the RBAC authorizer words it:
    /// `pods "a" is forbidden: User "u" cannot create resource "pods/exec" in API group "" in the
    /// namespace "n"`. `None` when the 403 has another reason, such as quota or admission.
    pub fn from_denial(message: &str) -> Option<Self> {
        let (before, after) = message.split_once(" cannot ")?;
        let (verb, after) = after.split_once(" resource \"")?;
        let (resource, after) = after.split_once('"')?;
        let group = between(after, "in API group \"").unwrap_or_default();
        let mut rule = Self::new(verb, group, resource);
        rule.namespace = between(after, "in the namespace \"").map(str::to_owned);
        rule.name = before
            .split_once(" is forbidden")
            .and_then(|(object, _)| object.split_once(" \""))
            .and_then(|(_, name)| name.strip_suffix('"'))
            .map(str::to_owned);
        Some(rule)
    }

    fn attributes(&self) -> ResourceAttributes {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ResourceAttributes {
            verb: some(&self.verb),
            group: some(&self.group),
            resource: some(&self.resource),
            subresource: some(&self.subresource),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            ..ResourceAttributes::default()
        }
    }
}

fn between<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once('"')?.0)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// What the server says of one [`Rule`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// No rule allows it; the reason is the server's, often empty.
    Denied {
        reason: String,
    },
    /// Nobody could be asked: neither allowed nor denied.
    Unknown(Fault),
}

impl Verdict {
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }
}

/// Who the server takes the user for, after impersonation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    pub user: String,
    pub groups: Vec<String>,
}

/// Access reviews of one connection, with a short memory.
pub struct Access {
    client: Client,
    known: Mutex<HashMap<Rule, (Instant, Verdict)>>,
}

impl Access {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// One verdict per rule, in the order of `rules`. Asks only what is not known since [`KEPT`];
    /// a verdict that is [`Verdict::Unknown`] is never kept.
    pub async fn check(&self, rules: &[Rule]) -> Vec<Verdict> {
        self.verdicts(rules, KEPT).await
    }

    /// As [`check`](Self::check), but asks anew, as is right just before an action.
    pub async fn check_now(&self, rules: &[Rule]) -> Vec<Verdict> {
        self.verdicts(rules, Duration::ZERO).await
    }

    async fn verdicts(&self, rules: &[Rule], kept: Duration) -> Vec<Verdict> {
        let now = Instant::now();
        let known: Vec<Option<Verdict>> = {
            let memory = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            rules
                .iter()
                .map(|rule| {
                    let (at, verdict) = memory.get(rule)?;
                    (now.duration_since(*at) < kept).then(|| verdict.clone())
                })
                .collect()
        };
        let asked = rules.iter().cloned().zip(known).map(|(rule, known)| async {
            if let Some(verdict) = known {
                (rule, verdict, false)
            } else {
                let verdict = self.ask(&rule).await;
                (rule, verdict, true)
            }
        });
        let answers: Vec<(Rule, Verdict, bool)> = futures::stream::iter(asked)
            .buffered(AT_ONCE)
            .collect()
            .await;

        let mut memory = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        memory.retain(|_, (at, _)| now.duration_since(*at) < KEPT);
        let mut verdicts = Vec::with_capacity(answers.len());
        for (rule, verdict, is_new) in answers {
            if is_new && !matches!(verdict, Verdict::Unknown(_)) {
                memory.insert(rule, (now, verdict.clone()));
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    async fn ask(&self, rule: &Rule) -> Verdict {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(rule.attributes()),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = post(
            &self.client,
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            &review,
            &format!("asking for the right to {rule}"),
        )
        .await;
        match answer.map(|review: SelfSubjectAccessReview| review.status) {
            Ok(Some(status)) if status.allowed => Verdict::Allowed,
            Ok(Some(status)) => Verdict::Denied {
                reason: safe_line(
                    status
                        .reason
                        .or(status.evaluation_error)
                        .as_deref()
                        .unwrap_or_default(),
                ),
            },
            Ok(None) => Verdict::Unknown(Fault::new(
                FaultKind::Garbage,
                format!("the review of the right to {rule} came back without an answer"),
                "check the server address, and for a proxy in between",
            )),
            Err(fault) => Verdict::Unknown(fault),
        }
    }

    /// Whom the server takes the user for. Kubernetes 1.28 and later.
    pub async fn identity(&self) -> Result<Identity, Fault> {
        let review: SelfSubjectReview = post(
            &self.client,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            &SelfSubjectReview::default(),
            "asking who the user is",
        )
        .await?;
        let user = review
            .status
            .and_then(|status| status.user_info)
            .unwrap_or_default();
        Ok(Identity {
            user: user.username.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
        })
    }
}

/// Posts a review. Reviews are questions: they store nothing, so they are no mutation.
async fn post<T: Serialize + DeserializeOwned>(
    client: &Client,
    path: &str,
    review: &T,
    what: &str,
) -> Result<T, Fault> {
    let bad = |_: &dyn fmt::Display| Fault::new(FaultKind::Invalid, what, "correct the names");
    let body = serde_json::to_vec(review).map_err(|error| bad(&error))?;
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| bad(&error))?;
    within(REVIEW_LIMIT, what, client.request(request)).await
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_rule_reads_as_a_person_says_it() {
        let exec = Rule::new("create", "", "pods/exec").in_namespace("coditect-app");
        assert_eq!(exec.to_string(), "create pods/exec in coditect-app");
        let one = Rule::new("patch", "", "persistentvolumes").named("pvc-1");
        assert_eq!(one.to_string(), "patch persistentvolumes pvc-1");
        let scale = Rule::new("patch", "apps", "statefulsets/scale").in_namespace("a");
        assert_eq!(scale.to_string(), "patch statefulsets.apps/scale in a");
    }

    #[rstest]
    #[case(
        r#"pods is forbidden: User "oncall" cannot list resource "pods" in API group "" in the namespace "a""#,
        Some(Rule::new("list", "", "pods").in_namespace("a"))
    )]
    #[case(
        r#"pods "p-0" is forbidden: User "x" cannot create resource "pods/exec" in API group "" in the namespace "a""#,
        Some(Rule::new("create", "", "pods/exec").in_namespace("a").named("p-0"))
    )]
    #[case(
        r#"volumeattachments.storage.k8s.io is forbidden: User "x" cannot watch resource "volumeattachments" in API group "storage.k8s.io" at the cluster scope: no"#,
        Some(Rule::new("watch", "storage.k8s.io", "volumeattachments"))
    )]
    #[case(r#"pods "a" is forbidden: exceeded quota: q, requested: pods=1"#, None)]
    #[case(r#"forbidden: User "x" cannot get path "/metrics""#, None)]
    fn a_denial_names_its_rule(#[case] message: &str, #[case] rule: Option<Rule>) {
        assert_eq!(Rule::from_denial(message), rule);
    }
}
