//! Questions to the person at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use tokio::sync::mpsc;

use crate::daemon::consent::{Answer, Question};
use crate::exit::{Failure, Outcome};
use crate::system;

/// The longest password or link that is read from standard input, bytes.
const MAX_SECRET: u64 = 4096;
/// How long a look for something typed lasts.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(300);
/// Lines typed ahead; more are not read until these are.
const LINES: usize = 8;

/// Whether someone can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A name, asked for on the terminal.
pub(crate) async fn name(prompt: &str) -> Outcome<String> {
    let prompt = prompt.to_owned();
    ask(move || {
        dialoguer::Input::<String>::new()
            .with_prompt(prompt)
            .interact_text()
    })
    .await
}

/// A secret, asked for on the terminal and not shown.
pub(crate) async fn secret(prompt: &str, twice: bool) -> Outcome<String> {
    let prompt = prompt.to_owned();
    ask(move || {
        let asked = dialoguer::Password::new().with_prompt(prompt);
        if twice {
            asked.with_confirmation("Once more", "They differ; try again")
        } else {
            asked
        }
        .interact()
    })
    .await
}

async fn ask<T: Send + 'static>(
    prompt: impl FnOnce() -> dialoguer::Result<T> + Send + 'static,
) -> Outcome<T> {
    match tokio::task::spawn_blocking(prompt).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(Failure::interrupted()),
    }
}

/// The first line of standard input.
pub(crate) async fn from_stdin(what: &str) -> Outcome<String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .take(MAX_SECRET)
            .read_line(&mut line)
            .map(|_| line)
    });
    let line = read
        .await
        .map_err(Failure::general)?
        .map_err(|error| Failure::usage(format!("Standard input cannot be read: {error}.")))?;
    let line = line.trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err(Failure::usage(format!("There is no {what} on standard input.")));
    }
    Ok(line.to_owned())
}

/// The lines of standard input, read by a thread that ends with the process, with the input, or once nobody reads them.
pub(crate) fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            if !system::typed_within(MOMENT) {
                continue;
            }
            let mut line = String::new();
            match std::io::stdin().lock().read_line(&mut line) {
                Ok(1..) if sender.blocking_send(line).is_ok() => {}
                _ => break,
            }
        }
    });
    lines
}

/// How [`answer`] is explained to whoever is asked.
pub(crate) const fn answers(question: &Question) -> &'static str {
    if question.decides {
        "only for as long as it watches"
    } else {
        "a: this person always, r: this room always, x: this person never"
    }
}

/// What the owner answers to a request for something of this device.
pub(crate) fn answer(line: &str) -> Option<Answer> {
    match line.trim().to_lowercase().as_str() {
        "a" => Some(Answer::AlwaysPerson),
        "r" => Some(Answer::AlwaysRoom),
        "x" => Some(Answer::NeverPerson),
        line => yes_or_no(line).map(|yes| if yes { Answer::Yes } else { Answer::No }),
    }
}

/// Whether a line is a yes; `None` when it is neither yes nor no.
pub(crate) fn yes_or_no(line: &str) -> Option<bool> {
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" | "o" | "oui" => Some(true),
        "n" | "no" | "non" | "" => Some(false),
        _ => None,
    }
}
