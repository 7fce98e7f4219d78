//! Users and groups by name and by number, as the container's own `/etc/passwd` and `/etc/group` have them.

use super::files::Files;

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Who a file is to belong to; what is `None` stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
}

impl Owner {
    /// `USER`, `USER:GROUP`, `USER:` with the user's own group, or `:GROUP`.
    pub(crate) fn parse(files: &Files<'_>, text: &str) -> Result<Self, String> {
        let Some((user, group)) = text.split_once(['.', ':']) else {
            let user = Some(user_number(files, text)?);
            return Ok(Self { user, group: None });
        };
        match (user, group) {
            ("", group) => Self::group(files, group),
            (user, "") => {
                let number = user_number(files, user)?;
                let own = column(files, USERS, number, 3).and_then(|g| g.parse().ok());
                Ok(Self {
                    user: Some(number),
                    group: Some(own.unwrap_or(number)),
                })
            }
            _ => {
                let both = user_number(files, user)
                    .ok()
                    .zip(number(files, GROUPS, group));
                let (user, group) = both.ok_or_else(|| format!("unknown user/group {text}"))?;
                Ok(Self {
                    user: Some(user),
                    group: Some(group),
                })
            }
        }
    }

    pub(crate) fn group(files: &Files<'_>, text: &str) -> Result<Self, String> {
        let group = number(files, GROUPS, text).ok_or_else(|| format!("unknown group {text}"))?;
        Ok(Self {
            user: None,
            group: Some(group),
        })
    }
}

fn user_number(files: &Files<'_>, text: &str) -> Result<u32, String> {
    number(files, USERS, text).ok_or_else(|| format!("unknown user {text}"))
}

fn lines(files: &Files<'_>, file: &str) -> Vec<Vec<String>> {
    let bytes = files.read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let fields = |line: &str| line.split(':').map(str::to_owned).collect();
    text.lines().map(fields).collect()
}

/// The number of a name, or the number that the text is.
fn number(files: &Files<'_>, file: &str, text: &str) -> Option<u32> {
    let named = lines(files, file).into_iter().find_map(|line| {
        let number = line.get(2)?.parse().ok()?;
        (line.first()? == text).then_some(number)
    });
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    named.or_else(|| text.parse().ok().filter(|_| digits))
}

fn column(files: &Files<'_>, file: &str, number: u32, at: usize) -> Option<String> {
    let number = number.to_string();
    let mut lines = lines(files, file).into_iter();
    lines
        .find(|line| line.get(2) == Some(&number))?
        .get(at)
        .cloned()
}

/// The names of a file's owner and group, where they have one.
pub(crate) fn names(files: &Files<'_>, owner: (u32, u32)) -> (Option<String>, Option<String>) {
    let user = column(files, USERS, owner.0, 0);
    (user, column(files, GROUPS, owner.1, 0))
}
