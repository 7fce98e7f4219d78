//! A terminal as its driver and a shell on it behave: echo, editing of a line, ^C and ^D, and a prompt after each
//! command. Must not know where the bytes come from.

use std::collections::VecDeque;

use super::eval::{Interpreter, Stop};
use super::{Host, Typed};

const INTERRUPT: u8 = 3;
const END: u8 = 4;

/// The line that is being typed, and what was entered before it.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    line: Vec<u8>,
    entered: VecDeque<Typed>,
}

impl Terminal {
    /// Takes keys in; answers what the terminal shows for them.
    pub(crate) fn press(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut echo = Vec::new();
        for byte in bytes {
            match *byte {
                b'\r' | b'\n' => {
                    self.line.push(b'\n');
                    echo.push(b'\n');
                    let line = std::mem::take(&mut self.line);
                    self.entered.push_back(Typed::Bytes(line));
                }
                END if self.line.is_empty() => self.entered.push_back(Typed::End),
                END => {
                    let line = std::mem::take(&mut self.line);
                    self.entered.push_back(Typed::Bytes(line));
                }
                INTERRUPT => {
                    self.line.clear();
                    self.entered.clear();
                    self.entered.push_back(Typed::Interrupt);
                    echo.extend(b"^C\n");
                }
                8 | 127 => {
                    let before = self.line.len();
                    // a character of several bytes goes as one
                    while self.line.pop().is_some_and(|b| b & 0xc0 == 0x80) {}
                    if self.line.len() < before {
                        echo.extend(b"\x08 \x08");
                    }
                }
                byte => {
                    self.line.push(byte);
                    echo.push(byte);
                }
            }
        }
        echo
    }

    /// What was entered first.
    pub(crate) fn take(&mut self) -> Option<Typed> {
        self.entered.pop_front()
    }

    /// Whether ^C was pressed; then it is taken.
    pub(crate) fn take_interrupt(&mut self) -> bool {
        let pressed = matches!(self.entered.front(), Some(Typed::Interrupt));
        if pressed {
            self.entered.pop_front();
        }
        pressed
    }
}

/// A shell on a terminal: a prompt, and one line after another.
pub(crate) fn interact(shell: &mut Interpreter, host: &mut dyn Host) {
    loop {
        let prompt = format!("{} $ ", shell.directory);
        if !host.write(true, prompt.as_bytes()) {
            shell.kill();
            return;
        }
        match host.read() {
            Typed::Bytes(line) => {
                let text = String::from_utf8_lossy(&line).into_owned();
                shell.run_script(text.trim_end_matches('\n'), host);
                if shell.stopped() == Some(Stop::Interrupted) {
                    shell.go_on();
                }
                if shell.stopped().is_some() {
                    return;
                }
            }
            Typed::Interrupt => {
                shell.interrupt();
                shell.go_on();
            }
            Typed::End => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(keys: &[u8]) -> (Vec<Typed>, String) {
        let mut terminal = Terminal::default();
        let echo = terminal.press(keys);
        let all = std::iter::from_fn(|| terminal.take()).collect();
        (all, String::from_utf8(echo).unwrap())
    }

    #[test]
    fn a_line_is_edited_before_it_is_entered() {
        let (lines, echo) = entered("lx\u{7f}s é\u{7f}-l\r".as_bytes());
        assert_eq!(lines, [Typed::Bytes(b"ls -l\n".to_vec())]);
        assert_eq!(echo, "lx\x08 \x08s é\x08 \x08-l\n");
    }

    #[test]
    fn an_interrupt_takes_what_was_typed_and_an_end_only_ends_an_empty_line() {
        assert_eq!(entered(b"rm\x03").0, [Typed::Interrupt]);
        assert_eq!(entered(b"\x04").0, [Typed::End]);
        assert_eq!(entered(b"a\x04").0, [Typed::Bytes(b"a".to_vec())]);
        assert_eq!(entered(b"\x7f").1, "");
    }
}
