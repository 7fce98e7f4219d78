//! A small program around `wsdash::terminal`: says what comes, does what a key asks for.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "what it does when it is told to"
)]

use std::io::Read as _;

use crossterm::event::{Event, EventStream, KeyCode, KeyModifiers};
use futures::StreamExt as _;
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::Line;
use wsdash::terminal::{self, Loan, Options, Signal, Terminal};

pub(crate) fn run() {
    terminal::install_hooks(false).expect("the hooks");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let code = runtime.block_on(work());
    #[expect(clippy::exit, reason = "the exit code is what the tests look at")]
    std::process::exit(code.into());
}

async fn work() -> u8 {
    let options = Options {
        mouse: std::env::var_os("CHILD_MOUSE").is_some(),
    };
    let mut signals = terminal::signals().expect("signals");
    let mut terminal = Terminal::enter(options).expect("a terminal");
    let mut events = Some(EventStream::new());
    let mut said = String::new();
    loop {
        draw(&mut terminal, &said);
        let event = tokio::select! {
            signal = signals.next() => {
                if let Some(code) = signal.exit_code() {
                    return code;
                }
                assert_eq!(signal, Signal::Continue);
                terminal.resume().expect("the terminal again");
                "continued".clone_into(&mut said);
                continue;
            }
            event = events.get_or_insert_with(EventStream::new).next() => event,
        };
        let key = match event {
            Some(Ok(Event::Key(key))) => key,
            Some(Ok(Event::Paste(text))) => {
                said = format!("pasted {}", text.len());
                continue;
            }
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => return 9,
        };
        match (key.code, key.modifiers) {
            (KeyCode::Char('q'), _) => return 0,
            (KeyCode::Char('p'), _) => panic!("the child panics"),
            (KeyCode::Char('t'), _) => {
                let task = tokio::spawn(async { panic!("the task panics") });
                task.await.expect_err("a panic");
                "a task ended".clone_into(&mut said);
            }
            (KeyCode::Char('l'), _) => {
                events = None;
                said = lend(&mut terminal);
            }
            (KeyCode::Char('z'), KeyModifiers::CONTROL) => {
                terminal.suspend().expect("the terminal again");
            }
            (code, _) => said = format!("key {code}"),
        }
    }
}

/// Reads bytes up to a full stop, as an exec session would.
fn lend(terminal: &mut Terminal) -> String {
    let lent = terminal.lend(Loan::Raw).expect("the terminal lent");
    println!("lent\r");
    let mut bytes = Vec::new();
    for byte in std::io::stdin().lock().bytes() {
        match byte.expect("a byte") {
            b'.' => break,
            byte => bytes.push(byte),
        }
    }
    lent.take_back().expect("the terminal again");
    format!("bytes {bytes:?}")
}

fn draw(terminal: &mut Terminal, said: &str) {
    terminal
        .draw(|frame| {
            let area = frame.area();
            let lines = vec![
                Line::from(format!("ready {}x{}", area.width, area.height)),
                Line::from("bold").style(Style::new().bold().fg(Color::Red)),
                Line::from("reverse").reversed(),
                Line::from(said.to_owned()),
            ];
            frame.render_widget(ratatui::text::Text::from(lines), area);
        })
        .expect("drawing");
}
