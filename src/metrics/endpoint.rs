//! One Prometheus and how it is reached. A credential belongs to one origin and is sent nowhere
//! else, not even where a redirect points.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;

use super::answer::{self, Answer};
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::config::Credential;

/// An answer longer than this is not one to our queries, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Where queries go.
#[derive(Clone)]
pub enum Endpoint {
    /// Through the API server: its path up to `/proxy`, and a name for people.
    Service {
        client: Client,
        path: String,
        name: String,
    },
    /// An address of its own.
    Url {
        client: reqwest::Client,
        base: String,
        bearer: Option<PathBuf>,
        basic: Option<(String, Option<PathBuf>)>,
    },
}

impl Endpoint {
    /// A service behind the API server's proxy.
    pub fn service(client: Client, namespace: &str, target: &str) -> Self {
        Self::Service {
            client,
            path: format!("/api/v1/namespaces/{namespace}/services/{target}/proxy"),
            name: format!("{namespace}/{target}"),
        }
    }

    /// An address with its path prefix; the credential must be the one of its origin.
    pub fn url(base: &str, credential: Option<&Credential>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        let mut client = reqwest::Client::builder()
            // A redirect would carry what was sent to where nobody meant it to go.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("wsdash/", env!("CARGO_PKG_VERSION")));
        if let Some(credential) = credential {
            for (name, value) in &credential.headers {
                let name: HeaderName = name
                    .parse()
                    .with_context(|| format!("metrics.credentials: `{name}` is no header"))?;
                let mut value = HeaderValue::from_str(value.expose())
                    .with_context(|| format!("metrics.credentials: the value of {name}"))?;
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            if let Some(file) = &credential.ca_file {
                let bytes = std::fs::read(file)
                    .with_context(|| format!("reading the certificate {}", file.display()))?;
                let bundle = reqwest::Certificate::from_pem_bundle(&bytes)
                    .with_context(|| format!("reading the certificate {}", file.display()))?;
                for certificate in bundle {
                    client = client.add_root_certificate(certificate);
                }
            }
        }
        let client = client
            .default_headers(headers)
            .build()
            .with_context(|| format!("preparing to ask {base}"))?;
        Ok(Self::Url {
            client,
            base: base.trim_end_matches('/').to_owned(),
            bearer: credential.and_then(|c| c.bearer_file.clone()),
            basic: credential.and_then(|c| {
                let user = c.username.clone()?;
                Some((user, c.password_file.clone()))
            }),
        })
    }

    /// What to call it in a sentence.
    pub fn name(&self) -> &str {
        match self {
            Self::Service { name, .. } => name,
            Self::Url { base, .. } => base,
        }
    }

    /// Asks for values of now.
    pub(super) async fn query(&self, query: &str, limit: Duration) -> Result<Answer, Fault> {
        self.ask("query", &[("query", query.to_owned())], limit)
            .await
    }

    /// Asks for values of a time; `start` and `end` in seconds since 1970.
    pub(super) async fn query_range(
        &self,
        query: &str,
        (start, end): (i64, i64),
        step: Duration,
        limit: Duration,
    ) -> Result<Answer, Fault> {
        let parameters = [
            ("query", query.to_owned()),
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("step", step.as_secs().max(1).to_string()),
        ];
        self.ask("query_range", &parameters, limit).await
    }

    async fn ask(
        &self,
        call: &str,
        parameters: &[(&str, String)],
        limit: Duration,
    ) -> Result<Answer, Fault> {
        let what = format!("asking Prometheus {}", self.name());
        let form = encode(parameters);
        let asked = async {
            match self {
                Self::Service { client, path, .. } => {
                    // GET, because a POST through the proxy needs the right to create.
                    let url = format!("{path}/api/v1/{call}?{form}");
                    let request = http::Request::get(url)
                        .header(ACCEPT, "application/json")
                        .body(Body::empty())
                        .map_err(|error| Fault::of_error(&error, &what))?;
                    let sent = client.send(request).await;
                    let response = sent.map_err(|error| Fault::of(&error, &what))?;
                    let status = response.status();
                    let body = http_body_util::Limited::new(response.into_body(), LARGEST);
                    let body = body.collect().await.map_err(|error| {
                        if error.is::<http_body_util::LengthLimitError>() {
                            too_large(&what)
                        } else {
                            Fault::of_error(&*error, &what)
                        }
                    })?;
                    answer::read(status, &body.to_bytes(), &what)
                }
                Self::Url { client, base, .. } => {
                    let request = client
                        .post(format!("{base}/api/v1/{call}"))
                        .header(
                            http::header::CONTENT_TYPE,
                            "application/x-www-form-urlencoded",
                        )
                        .body(form);
                    let request = self.sign(request).await?;
                    let sent = request.send().await;
                    let mut response = sent.map_err(|error| of_reqwest(error, &what))?;
                    let status = response.status();
                    let mut body = Vec::new();
                    while let Some(part) = response
                        .chunk()
                        .await
                        .map_err(|error| of_reqwest(error, &what))?
                    {
                        body.extend_from_slice(&part);
                        if body.len() > LARGEST {
                            return Err(too_large(&what));
                        }
                    }
                    answer::read(status, &body, &what)
                }
            }
        };
        // The outer limit is ours alone; a fault inside keeps its own words.
        match tokio::time::timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Fault::timeout(&what, limit)),
        }
    }

    /// Credentials are read from their files each time: they are renewed in place.
    async fn sign(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, Fault> {
        let Self::Url { bearer, basic, .. } = self else {
            return Ok(request);
        };
        if let Some(file) = bearer {
            let token = secret(file).await?;
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_cause| not_a_secret(file))?;
            value.set_sensitive(true);
            return Ok(request.header(AUTHORIZATION, value));
        }
        if let Some((user, file)) = basic {
            let password = match file {
                Some(file) => Some(secret(file).await?),
                None => None,
            };
            return Ok(request.basic_auth(user, password));
        }
        Ok(request)
    }
}

async fn secret(file: &Path) -> Result<String, Fault> {
    let read = within(Duration::from_secs(5), "reading a credential file", async {
        Ok(tokio::fs::read_to_string(file).await)
    });
    let text = read.await?.map_err(|_cause| not_a_secret(file))?;
    Ok(text.trim().to_owned())
}

fn not_a_secret(file: &Path) -> Fault {
    Fault::new(
        FaultKind::Other,
        format!("{} cannot be read as a credential", file.display()),
        "check [metrics.credentials]",
    )
}

fn too_large(what: &str) -> Fault {
    let most = LARGEST / 1024 / 1024;
    Fault::new(
        FaultKind::Garbage,
        format!("{what}: the answer is larger than {most} MiB"),
        "look at one namespace, or check metrics.prometheus",
    )
}

/// Without the address: its query is long, and it may hold what is nobody's business.
fn of_reqwest(error: reqwest::Error, what: &str) -> Fault {
    Fault::of_error(&error.without_url(), what)
}

/// `application/x-www-form-urlencoded`.
fn encode(parameters: &[(&str, String)]) -> String {
    use std::fmt::Write as _;
    let mut form = String::new();
    for (name, value) in parameters {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                form.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(form, "%{byte:02X}");
            }
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_the_form() {
        let form = encode(&[
            ("query", r#"up{a="b c"} > 0"#.to_owned()),
            ("step", "5".to_owned()),
        ]);
        assert_eq!(form, "query=up%7Ba%3D%22b%20c%22%7D%20%3E%200&step=5");
    }
}
