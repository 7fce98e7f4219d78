//! The table of all commands: keys, completion, help, footer, menu and the generated key
//! reference come from it. A command that is not in the table does not exist.

use super::model::View;

/// Where a command may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Anywhere,
    /// Needs a selected row of these views; empty = of any view.
    Row(&'static [View]),
    Detail,
}

#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub name: &'static str,
    /// Default keys, in the spelling of the configuration (`ctrl-f`, `S`, `enter`).
    pub keys: &'static [&'static str],
    /// One line for help and the key reference.
    pub help: &'static str,
    /// A word for the footer.
    pub short: &'static str,
    pub scope: Scope,
    /// Changes the cluster: refused when read-only, never on a control key.
    pub action: bool,
}
