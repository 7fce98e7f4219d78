//! Keeps secrets and terminal control characters out of every text that is shown or logged.
//!
//! Texts of servers, proxies and credential plugins are foreign: they may echo a token, an
//! environment value or an escape sequence. What is shown of them passes through here first.

/// Stands where a secret was.
const HIDDEN: &str = "***";
/// The longest foreign text that a sentence carries, in characters.
const LONGEST: usize = 300;
/// Known values shorter than this are words such as `true`; replacing them would only garble.
const SHORTEST_VALUE: usize = 4;

/// One short line of `text` that is safe to show: no secrets, no control characters.
pub(super) fn line(text: &str) -> String {
    line_without(text, &[])
}

/// As `line`, and without any of `values`, which are known to be secret.
pub(super) fn line_without(text: &str, values: &[String]) -> String {
    // a PEM block spans lines, so it is looked for before they are joined
    if text.contains("-----BEGIN") {
        return HIDDEN.to_owned();
    }
    // values before shapes: redacting by shape could cut one of them in two
    let plain = without(
        &tidy(&without(text, values.iter().cloned())),
        values.iter().map(|value| tidy(value)),
    );
    let plain = by_shape(&plain);
    if plain.chars().count() <= LONGEST {
        return plain;
    }
    let mut cut: String = plain.chars().take(LONGEST).collect();
    cut.push('…');
    cut
}

/// `text` with every one of `values` hidden, the longest first: one may contain another.
fn without(text: &str, values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<String> = values
        .filter(|value| value.len() >= SHORTEST_VALUE)
        .collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.iter().fold(text.to_owned(), |text, value| {
        text.replace(value.as_str(), HIDDEN)
    })
}

/// One line without control characters.
fn tidy(text: &str) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the next word is a secret.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Nothing,
    /// A sensitive name was read; a `:` or `=` makes the next word its value.
    Separator,
    /// The next word is a value to hide.
    Value,
    /// Inside a quoted value to hide, up to this quote.
    Until(char),
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || "\"'`,;()[]{}<>\\&?".contains(c)
}

fn by_shape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut expect = Expect::Nothing;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (head, tail) = if is_delimiter(first) {
            rest.split_at(first.len_utf8())
        } else {
            rest.split_at(rest.find(is_delimiter).unwrap_or(rest.len()))
        };
        rest = tail;
        if is_delimiter(first) {
            match expect {
                Expect::Until(quote) if quote == first => {
                    out.push_str(HIDDEN);
                    out.push(first);
                    expect = Expect::Nothing;
                }
                Expect::Until(_) => {}
                Expect::Value if first == '"' || first == '\'' => {
                    out.push(first);
                    expect = Expect::Until(first);
                }
                _ => out.push(first),
            }
            continue;
        }
        if matches!(expect, Expect::Until(_)) {
            continue;
        }
        expect = word(head, expect, &mut out);
    }
    if matches!(expect, Expect::Until(_)) {
        out.push_str(HIDDEN);
    }
    out
}

/// Writes one word, hidden where needed, and says what to expect next.
fn word(word: &str, expect: Expect, out: &mut String) -> Expect {
    let is_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
    if expect == Expect::Value {
        if is_scheme || word == ":" || word == "=" {
            out.push_str(word);
            return Expect::Value;
        }
        out.push_str(HIDDEN);
        return Expect::Nothing;
    }
    if expect == Expect::Separator && (word == ":" || word == "=") {
        out.push_str(word);
        return Expect::Value;
    }
    if is_scheme {
        out.push_str(word);
        return Expect::Value;
    }
    if let Some((scheme, after)) = word.split_once("://")
        && let Some((_, host)) = after.split_once('@')
    {
        out.push_str(scheme);
        out.push_str("://");
        out.push_str(HIDDEN);
        out.push('@');
        out.push_str(host);
        return Expect::Nothing;
    }
    if let Some(at) = word.find([':', '='])
        && let (name, value) = word.split_at(at)
        && is_sensitive(name)
    {
        let mut value = value.chars();
        out.push_str(name);
        out.extend(value.next());
        if value.as_str().is_empty() {
            return Expect::Value;
        }
        out.push_str(HIDDEN);
        return Expect::Nothing;
    }
    if is_sensitive(word) {
        out.push_str(word);
        return Expect::Separator;
    }
    out.push_str(if has_secret_shape(word) { HIDDEN } else { word });
    Expect::Nothing
}

/// Whether what stands after this name is likely a secret.
fn is_sensitive(name: &str) -> bool {
    const ENDINGS: [&str; 13] = [
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "credential",
        "credentials",
        "authorization",
        "apikey",
        "accesskey",
        "accesskeyid",
        "privatekey",
        "keydata",
    ];
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

/// Tokens, keys and base64: long, unbroken, mixed. Kubernetes names, uids and image digests are not.
fn has_secret_shape(word: &str) -> bool {
    if word.starts_with("eyJ") && word.len() >= 20 {
        return true;
    }
    let word = word.rsplit_once("sha256:").map_or(word, |_| "");
    word.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_".contains(c)))
        .any(|run| {
            let has = |what: fn(&char) -> bool| run.chars().any(|c| what(&c));
            let mixed = has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
            // a path is long and mixed, too, but its parts are short
            let longest_part = run.split('/').map(str::len).max().unwrap_or(0);
            has(char::is_ascii_digit)
                && ((mixed && longest_part >= 20 && run.len() >= 28)
                    || (run.len() >= 40 && run.chars().all(|c| c.is_ascii_hexdigit())))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "Authorization: Bearer abc.def-ghi failed",
        "Authorization: Bearer *** failed"
    )]
    #[case("using token=hunter2 now", "using token=*** now")]
    #[case(
        r#"{"access_token": "two words", "a": 1}"#,
        r#"{"access_token": "***", "a": 1}"#
    )]
    #[case(
        "AWS_SECRET_ACCESS_KEY=hunter2 AWS_REGION=eu",
        "AWS_SECRET_ACCESS_KEY=*** AWS_REGION=eu"
    )]
    #[case(
        "proxy http://joe:pw@proxy:3128/ refused",
        "proxy http://***@proxy:3128/ refused"
    )]
    #[case("got eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.x", "got ***")]
    #[case("GET /x?token=abc&y=1", "GET /x?token=***&y=1")]
    #[case("-----BEGIN PRIVATE KEY-----\nabc", "***")]
    fn secrets_are_hidden_by_their_place_and_shape(#[case] text: &str, #[case] safe: &str) {
        assert_eq!(line(text), safe);
    }

    #[rstest]
    #[case(
        r#"pods "coditect-ide-000-0" is forbidden: User "oncall" cannot list resource "pods" in API group "" in the namespace "coditect-app""#
    )]
    #[case(
        "Precondition failed: UID in precondition: 0f0e3a53-4a7c-4a53-b9ed-1f7d0f6a7c11, UID in object meta: 1f0e3a53-4a7c-4a53-b9ed-1f7d0f6a7c12"
    )]
    #[case(
        "image localhost/workspace@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 not present"
    )]
    #[case("open /home/Somebody/Projects/Kubernetes1/configs/very/long/path: no such file")]
    #[case(r#"secrets "db" not found"#)]
    fn names_that_the_reader_needs_are_kept(#[case] text: &str) {
        assert_eq!(line(text), text);
    }

    #[test]
    fn escape_sequences_and_endless_texts_do_not_reach_the_terminal() {
        let shown = line(&format!("\x1b[2J{}", "word ".repeat(1000)));
        assert!(!shown.contains('\x1b'));
        assert!(shown.chars().count() <= LONGEST + 1);
    }

    proptest! {
        #[test]
        fn a_known_value_never_shows(value in "[A-Za-z0-9!#%/+]{6,40}", before in ".{0,40}", after in ".{0,40}") {
            let text = format!("{before}{value}{after}");
            let shown = line_without(&text, std::slice::from_ref(&value));
            prop_assert!(!shown.contains(&value), "{shown}");
        }

        #[test]
        fn no_text_makes_it_fail(text in ".{0,400}") {
            let shown = line(&text);
            prop_assert!(!shown.chars().any(char::is_control));
        }

        #[test]
        fn a_bearer_token_never_shows(token in "[A-Za-z0-9_.-]{8,60}") {
            let shown = line(&format!("request failed: Authorization: Bearer {token}"));
            prop_assert!(!shown.contains(&token), "{shown}");
        }
    }
}
