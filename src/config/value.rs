//! How single values are written in a configuration file, as serde `with` modules: durations in
//! words (`26h`, `4d`), ratios, addresses, paths, colours. Each refuses what makes no sense, so that a
//! `Config` that exists is usable. Must not know any key.

use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};

/// A positive time span such as `90s`, `26h` or `4d`; a day is 24 hours.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("`{text}` is not a duration such as 30s, 15m, 26h or 4d");
    let span: Span = text.trim().parse().ok().ok_or_else(wrong)?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .ok_or_else(|| format!("{} (months and years have no fixed length)", wrong()))?;
    if duration.is_positive() {
        Ok(duration)
    } else {
        Err(format!("`{text}` is not longer than zero"))
    }
}

/// The shortest usual spelling: whole days from two days on, else hours, minutes and seconds.
pub fn print_duration(duration: SignedDuration) -> String {
    const DAY: i64 = 24 * 3600;
    let seconds = duration.as_secs();
    if duration.subsec_nanos() == 0 && seconds >= 2 * DAY && seconds % DAY == 0 {
        return format!("{}d", seconds / DAY);
    }
    format!("{duration:#}")
}

macro_rules! with_module {
    ($(#[doc = $doc:literal])* $name:ident: $type:ty, $print:expr, $parse:expr) => {
        $(#[doc = $doc])*
        pub mod $name {
            use super::*;
            use serde::{Deserializer, Serializer, de::Error as _};

            pub fn serialize<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                let print: fn(&$type) -> String = $print;
                to.serialize_str(&print(value))
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                let parse: fn(&str) -> Result<$type, String> = $parse;
                parse(&String::deserialize(from)?).map_err(D::Error::custom)
            }
        }
    };
}

with_module!(
    /// A positive `SignedDuration`, for limits that are compared with ages.
    duration: SignedDuration, |value| print_duration(*value), parse_duration
);

with_module!(
    /// A positive `std::time::Duration`, for time-outs and intervals.
    timeout: std::time::Duration,
    |value| SignedDuration::try_from(*value).map(print_duration).unwrap_or_default(),
    |text| parse_duration(text).map(SignedDuration::unsigned_abs)
);

with_module!(
    /// An `http://` or `https://` address without credentials; empty for none.
    address: Option<String>,
    |value| value.clone().unwrap_or_default(),
    |text| if text.is_empty() { Ok(None) } else { parse_address(text).map(Some) }
);

with_module!(
    /// An absolute path, or one that starts with `~/`; empty for none.
    path: Option<std::path::PathBuf>,
    |value| value.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    parse_path
);

with_module!(
    /// A colour; empty when the theme decides.
    colour: Option<ratatui::style::Color>,
    |value| value.map(|colour| colour.to_string()).unwrap_or_default(),
    parse_colour
);

with_module!(
    /// A text that is absent when empty.
    optional: Option<String>,
    |value| value.clone().unwrap_or_default(),
    |text| Ok((!text.trim().is_empty()).then(|| text.trim().to_owned()))
);

/// A share between 0 and 1.
pub mod ratio {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(*value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        let value = f64::deserialize(from)?;
        if value > 0.0 && value <= 1.0 {
            Ok(value)
        } else {
            Err(D::Error::custom(format!(
                "{value} is not a share above 0 and at most 1, such as 0.8 for 80 %"
            )))
        }
    }
}

/// Checks an address and drops the slash at its end.
pub fn parse_address(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!("the address {why}; write it like https://prometheus.example.org:9090/prefix")
    };
    let uri: http::Uri = text
        .trim()
        .parse()
        .ok()
        .ok_or_else(|| wrong("cannot be understood"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("does not start with http:// or https://"));
    }
    let authority = uri
        .authority()
        .ok_or_else(|| wrong("names no host"))?
        .as_str();
    if authority.contains('@') {
        return Err(
            "the address carries a password; put it into a file and name that in \
             [metrics.credentials]"
                .to_owned(),
        );
    }
    if uri.query().is_some() {
        return Err(wrong("has a query part"));
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

/// Scheme, host and port of an address, lower case, the port always written: what a credential is
/// bound to.
pub fn origin_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().or(match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })?;
    let host = uri.host()?.to_ascii_lowercase();
    Some(format!("{scheme}://{host}:{port}"))
}

fn parse_path(text: &str) -> Result<Option<std::path::PathBuf>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = match text.strip_prefix("~/") {
        Some(rest) => etcetera::home_dir()
            .ok()
            .ok_or_else(|| "`~` cannot be resolved because HOME is not set".to_owned())?
            .join(rest),
        None => std::path::PathBuf::from(text),
    };
    if path.is_absolute() {
        Ok(Some(path))
    } else {
        Err(format!(
            "`{text}` must be absolute or start with ~/, because it would depend on the current folder"
        ))
    }
}

fn parse_colour(text: &str) -> Result<Option<ratatui::style::Color>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .ok()
        .ok_or_else(|| format!("`{text}` is not a colour such as red, light-blue, 208 or #ff8800"))
}

/// A value that must not be shown: prints as `(hidden)` everywhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them_and_print_the_same() {
        for text in ["90d", "26h", "15m", "250ms", "1m 30s", "1h 1m 1s"] {
            let duration = parse_duration(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(print_duration(duration), text);
        }
        assert_eq!(parse_duration("2w"), parse_duration("14d"));
        assert_eq!(parse_duration("1d"), parse_duration("24h"));
    }

    #[test]
    fn durations_without_length_or_unit_are_refused() {
        for text in ["", "0s", "-3h", "15", "1 month", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_showing_it() {
        let refusal = parse_address("https://ana:hunter2@prom.example.org").unwrap_err();
        assert!(!refusal.contains("hunter2"), "{refusal}");
        assert!(refusal.contains("[metrics.credentials]"), "{refusal}");
        assert_eq!(
            parse_address("http://prom:9090/prefix/"),
            Ok("http://prom:9090/prefix".to_owned())
        );
        for wrong in [
            "prom:9090",
            "ftp://prom",
            "http://",
            "http://p/?a=b",
            "not one",
        ] {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        assert_eq!(
            origin_of("https://Prom.example.org/prefix"),
            origin_of("https://prom.example.org:443")
        );
        assert_ne!(origin_of("http://prom"), origin_of("https://prom"));
        assert_ne!(origin_of("http://prom:9090"), origin_of("http://prom:9091"));
        assert_eq!(origin_of("no address"), None);
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "(hidden)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
