//! Which proxy leads to an API server, by kubectl's rules.
//!
//! kube 5 matches `NO_PROXY` against the proxy's own host and lets it overrule the kubeconfig, so
//! the decision is made here and handed over.

use std::net::IpAddr;

use http::Uri;

use super::Environment;
use crate::cluster::fault::{Fault, FaultKind};

/// `explicit` is `proxy-url` of the kubeconfig, which nothing overrules. From the environment,
/// loopback addresses and what `NO_PROXY` names are reached directly.
pub(super) fn of(
    server: &Uri,
    explicit: Option<&str>,
    environment: &Environment,
) -> Result<Option<Uri>, Fault> {
    if let Some(proxy) = explicit.map(str::trim).filter(|proxy| !proxy.is_empty()) {
        return parse(proxy, "proxy-url in the kubeconfig").map(Some);
    }
    let (proxy, name) = if server.scheme_str() == Some("http") {
        (&environment.http_proxy, "HTTP_PROXY")
    } else {
        (&environment.https_proxy, "HTTPS_PROXY")
    };
    let Some(proxy) = proxy
        .as_deref()
        .map(str::trim)
        .filter(|proxy| !proxy.is_empty())
    else {
        return Ok(None);
    };
    let is_exempt = environment
        .no_proxy
        .as_deref()
        .is_some_and(|list| exempts(list, server));
    if super::is_loopback(server) || is_exempt {
        return Ok(None);
    }
    parse(proxy, name).map(Some)
}

fn parse(proxy: &str, place: &str) -> Result<Uri, Fault> {
    let address = match proxy.split_once("://") {
        // both resolve names at the proxy here
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => proxy.to_owned(),
        None => format!("http://{proxy}"),
    };
    address
        .parse::<Uri>()
        .ok()
        .filter(|uri| {
            uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https" | "socks5"))
        })
        .ok_or_else(|| {
            // the text may hold a password
            Fault::new(
                FaultKind::Proxy,
                format!("{place} is no address of a proxy"),
                "write it as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT",
            )
        })
}

fn exempts(list: &str, server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    let port = server
        .port_u16()
        .unwrap_or(if server.scheme_str() == Some("http") {
            80
        } else {
            443
        });
    list.split([',', ' '])
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == "*" || matches_entry(&entry, &host, address, port))
}

fn matches_entry(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if let Some((network, bits)) = entry.split_once('/')
        && let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>())
    {
        return address.is_some_and(|address| contains(network, bits, address));
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(wanted) = bare.parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if digits.parse::<u16>().is_ok() => (name, digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(wanted) = name.parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        // a leading dot is for hosts below the name only
        Some(_) => host.ends_with(name),
        None => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn environment(no_proxy: &str) -> Environment {
        Environment {
            https_proxy: Some("proxy.corp:3128".to_owned()),
            no_proxy: Some(no_proxy.to_owned()),
            ..Environment::default()
        }
    }

    #[rstest]
    #[case("https://10.0.0.1", "10.0.0.1", false)]
    #[case("https://10.0.0.1", "10.0.0.0/8,", false)]
    #[case("https://10.0.0.1", "proxy.corp", true)]
    #[case("https://api.corp.example:6443", "corp.example", false)]
    #[case("https://api.corp.example:6443", ".corp.example", false)]
    #[case("https://api.corp.example:6443", "*.corp.example", false)]
    #[case("https://corp.example", ".corp.example", true)]
    #[case("https://api.corp.example:6443", "corp.example:443", true)]
    #[case("https://api.corp.example:6443", "corp.example:6443", false)]
    #[case("https://notcorp.example", "corp.example", true)]
    #[case("https://[fd00::1]:6443", "fd00::/8", false)]
    #[case("https://10.0.0.1", "*", false)]
    #[case("https://10.0.0.1", "0.0.0.0/0", false)]
    #[case("https://127.0.0.1:6443", "", false)]
    #[case("https://localhost:6443", "", false)]
    #[case("https://10.0.0.1", " , ,", true)]
    fn no_proxy_is_matched_against_the_api_server(
        #[case] server: &str,
        #[case] no_proxy: &str,
        #[case] is_proxied: bool,
    ) {
        let proxy = of(&server.parse().unwrap(), None, &environment(no_proxy)).unwrap();
        assert_eq!(proxy.is_some(), is_proxied);
    }

    #[test]
    fn the_proxy_of_the_kubeconfig_is_never_overruled() {
        let server = "https://10.0.0.1".parse().unwrap();
        let proxy = of(&server, Some("socks5h://p:1080"), &environment("*")).unwrap();
        assert_eq!(proxy.unwrap().to_string(), "socks5://p:1080/");
    }

    #[test]
    fn a_bad_proxy_is_named_by_its_place_and_not_quoted() {
        let server = "https://10.0.0.1".parse().unwrap();
        let fault = of(&server, Some("ftp://joe:hunter2@p"), &environment("")).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Proxy);
        assert!(!format!("{fault} {fault:?}").contains("hunter2"));
    }
}
