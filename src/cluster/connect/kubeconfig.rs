//! Finds, merges and reads kubeconfig files as kubectl does, and says where one is wrong.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use http::Uri;
use k8s_openapi::ByteString;
use kube::config::{AuthInfo, Cluster, Config, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Environment, Target, proxy};
use crate::cluster::fault::{Fault, FaultKind};

/// How many contexts an error lists.
const LISTED: usize = 5;

/// What one context names.
#[derive(Default)]
pub(super) struct Choice {
    pub(super) context: String,
    pub(super) cluster_name: String,
    pub(super) user_name: String,
    pub(super) namespace: Option<String>,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
}

/// Reads the files and picks the context. `None`: no file, but this is a pod of a cluster.
pub(super) fn choose(target: &Target, environment: &Environment) -> Result<Option<Choice>, Fault> {
    let Some((merged, files)) = read(target, environment)? else {
        if !environment.is_pod {
            return Err(missing(target, environment));
        }
        return match &target.context {
            None => Ok(None),
            Some(context) => Err(Fault::new(
                FaultKind::UnknownContext,
                format!("there is no context {context:?}: no kubeconfig was found in this pod"),
                "drop --context to use the pod's service account, or pass --kubeconfig",
            )),
        };
    };
    pick(&merged, target, &files).map(Some)
}

/// The merged files and how to call them in a sentence.
fn read(target: &Target, environment: &Environment) -> Result<Option<(Kubeconfig, String)>, Fault> {
    if let Some(path) = &target.kubeconfig {
        return Ok(Some((read_file(path)?, path.display().to_string())));
    }
    if let Some(list) = &environment.kubeconfig {
        let paths: Vec<PathBuf> = env::split_paths(list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        // kubectl skips files of the list that do not exist
        let present: Vec<&PathBuf> = paths.iter().filter(|path| path.exists()).collect();
        if present.is_empty() && !paths.is_empty() {
            return Ok(None);
        }
        if let Some((first, others)) = present.split_first() {
            let mut merged = read_file(first)?;
            for path in others {
                let next = read_file(path)?;
                merged = merged.merge(next).map_err(|error| of_file(&error, path))?;
            }
            let names: Vec<String> = present
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            return Ok(Some((merged, names.join(", "))));
        }
    }
    let Some(path) = environment
        .home
        .as_ref()
        .map(|home| home.join(".kube").join("config"))
    else {
        return Ok(None);
    };
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some((read_file(&path)?, path.display().to_string())))
}

fn missing(target: &Target, environment: &Environment) -> Fault {
    debug_assert!(
        target.kubeconfig.is_none(),
        "a named file is read, not searched"
    );
    let looked = match (&environment.kubeconfig, &environment.home) {
        (Some(list), _) => format!(
            "KUBECONFIG names {}, which does not exist",
            list.to_string_lossy()
        ),
        (None, Some(home)) => format!("{}/.kube/config does not exist", home.display()),
        (None, None) => "KUBECONFIG is not set and there is no home folder".to_owned(),
    };
    Fault::new(
        FaultKind::MissingKubeconfig,
        format!("no kubeconfig was found: {looked}"),
        "set KUBECONFIG or pass --kubeconfig",
    )
}

fn read_file(path: &Path) -> Result<Kubeconfig, Fault> {
    Kubeconfig::read_from(path).map_err(|error| of_file(&error, path))
}

fn of_file(error: &KubeconfigError, path: &Path) -> Fault {
    let name = path.display();
    let broken =
        |sentence: String, next: &str| Fault::new(FaultKind::BrokenKubeconfig, sentence, next);
    match error {
        KubeconfigError::ReadConfig(cause, _) if cause.kind() == io::ErrorKind::NotFound => {
            Fault::new(
                FaultKind::MissingKubeconfig,
                format!("the kubeconfig {name} does not exist"),
                "correct --kubeconfig or KUBECONFIG",
            )
        }
        KubeconfigError::ReadConfig(cause, _) => broken(
            format!("the kubeconfig {name} cannot be read: {}", cause.kind()),
            "make it readable, or name another with --kubeconfig",
        ),
        // the parser's own text quotes the file, and with it tokens and keys
        KubeconfigError::Parse(cause) => {
            let place = cause
                .location()
                .map(|at| format!(", line {}, column {}", at.line(), at.column()))
                .unwrap_or_default();
            broken(
                format!("the kubeconfig {name}{place}: this is not what a kubeconfig has here"),
                "correct the file at that place",
            )
        }
        _ => broken(
            format!("the kubeconfig {name} does not fit the other files of the list"),
            "make all documents `kind: Config`, `apiVersion: v1`",
        ),
    }
}

fn pick(merged: &Kubeconfig, target: &Target, files: &str) -> Result<Choice, Fault> {
    let names: Vec<&str> = merged
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    let current = merged
        .current_context
        .as_deref()
        .filter(|name| !name.is_empty());
    let Some(wanted) = target.context.as_deref().or(current) else {
        return Err(Fault::new(
            FaultKind::UnknownContext,
            format!("{files} has no current context"),
            if names.is_empty() {
                "the file has no context at all: get a kubeconfig from who administers the cluster"
                    .to_owned()
            } else {
                format!("choose one with --context: {}", list(&names))
            },
        ));
    };
    let context = merged
        .contexts
        .iter()
        .find(|context| context.name == wanted)
        .and_then(|context| context.context.clone());
    let Some(context) = context else {
        return Err(Fault::new(
            FaultKind::UnknownContext,
            format!("there is no context {wanted:?} in {files}"),
            match nearest(wanted, &names).as_slice() {
                [] => "the file has no context at all: name another with --kubeconfig".to_owned(),
                near => format!("there is: {}", list(near)),
            },
        ));
    };
    let incomplete = |what: &str, name: &str| {
        Fault::new(
            FaultKind::BrokenKubeconfig,
            format!("context {wanted:?} names the {what} {name:?}, which is not in {files}"),
            format!("add the {what} to the kubeconfig, or choose another --context"),
        )
    };
    let cluster = merged
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.cluster)
        .and_then(|cluster| cluster.cluster.clone())
        .ok_or_else(|| incomplete("cluster", &context.cluster))?;
    let user_name = context.user.clone().unwrap_or_default();
    let user = if user_name.is_empty() {
        AuthInfo::default()
    } else {
        merged
            .auth_infos
            .iter()
            .find(|user| user.name == user_name)
            .ok_or_else(|| incomplete("user", &user_name))?
            .auth_info
            .clone()
            .unwrap_or_default()
    };
    Ok(Choice {
        context: wanted.to_owned(),
        cluster_name: context.cluster,
        user_name,
        namespace: context.namespace.filter(|name| !name.is_empty()),
        cluster,
        user,
    })
}

/// The kube configuration of a choice, without kube's reading of the process environment.
pub(super) fn config(choice: &Choice, environment: &Environment) -> Result<Config, Fault> {
    let cluster = &choice.cluster;
    let broken = |sentence: String| {
        Fault::new(
            FaultKind::BrokenKubeconfig,
            format!("cluster {:?}: {sentence}", choice.cluster_name),
            "correct the kubeconfig",
        )
    };
    let server = cluster.server.as_deref().unwrap_or_default().trim();
    if server.is_empty() {
        return Err(broken("the address of the server is missing".to_owned()));
    }
    let address = if server.contains("://") {
        server.to_owned()
    } else {
        format!("https://{server}")
    };
    let url: Uri = address
        .parse()
        .ok()
        .filter(|url: &Uri| {
            url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https"))
        })
        .ok_or_else(|| {
            broken("the address of the server is no http or https address".to_owned())
        })?;

    reject_removed_provider(&choice.user)?;
    let mut config = Config::new(url);
    config.root_cert = authority(cluster).map_err(broken)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.proxy_url = proxy::of(
        &config.cluster_url,
        cluster.proxy_url.as_deref(),
        environment,
    )?;
    if config.cluster_url.scheme_str() == Some("http") && config.proxy_url.is_none() {
        // Nothing is there to trust: the many authorities of the system need not be read.
        config.root_cert.get_or_insert_default();
    }
    config.auth_info = choice.user.clone();
    if let Some(namespace) = &choice.namespace {
        config.default_namespace.clone_from(namespace);
    }
    Ok(config)
}

/// DER certificates of the cluster's authority; `None` leaves trust to the operating system.
fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let (pem, from) = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) if !data.is_empty() => {
            let bytes: ByteString = serde_json::from_value(serde_json::Value::from(data.as_str()))
                .map_err(|_cause| "certificate-authority-data is not base64".to_owned())?;
            (bytes.0, "certificate-authority-data".to_owned())
        }
        (_, Some(path)) if !path.is_empty() => {
            let bytes = std::fs::read(path).map_err(|error| {
                format!(
                    "certificate-authority {path} cannot be read: {}",
                    error.kind()
                )
            })?;
            (bytes, format!("certificate-authority {path}"))
        }
        _ => return Ok(None),
    };
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|_cause| format!("{from} is not a PEM certificate"))?;
    if certificates.is_empty() {
        return Err(format!("{from} has no certificate in it"));
    }
    Ok(Some(certificates))
}

/// `auth-provider` left kubectl with Kubernetes 1.26; some of kube's support runs commands.
fn reject_removed_provider(user: &AuthInfo) -> Result<(), Fault> {
    match &user.auth_provider {
        Some(provider) if provider.name != "oidc" => Err(Fault::new(
            FaultKind::BrokenKubeconfig,
            format!(
                "the user authenticates with auth-provider {:?}, which Kubernetes removed in 1.26",
                provider.name
            ),
            "write the kubeconfig anew with the provider's current tool, which sets up an exec plugin",
        )),
        _ => Ok(()),
    }
}

fn list(names: &[&str]) -> String {
    let mut text = names
        .iter()
        .take(LISTED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > LISTED {
        text.push_str(", …");
    }
    text
}

/// All names, those most like `wanted` first.
fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_by_cached_key(|name| {
        let is_part = name.contains(wanted) || wanted.contains(name);
        (!is_part, distance(wanted, name), (*name).to_owned())
    });
    names
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            let change = corner + usize::from(from != *to);
            left = change.min(above + 1).min(left + 1);
            corner = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changed_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("staging", "stagign"), 2);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn the_most_alike_context_comes_first() {
        assert_eq!(
            nearest("stagin", &["prod", "lab", "staging"]).first(),
            Some(&"staging")
        );
        assert_eq!(
            nearest("prod", &["lab", "gke_company_europe_prod"]).first(),
            Some(&"gke_company_europe_prod")
        );
    }
}
