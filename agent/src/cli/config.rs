//! `mesh config`: where the settings file is, what is wrong in it, and an editor for it.
//!
//! Works with a file that no other command can use.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::args::ConfigWhat;
use super::output::Output;
use crate::config::{Paths, Settings, TEMPLATE, check, holds_secret, write_private};
use crate::exit::{Failure, Outcome};
use crate::system;

/// Editors that are looked for where no variable names one.
const EDITORS: &[&str] = if cfg!(windows) {
    &["notepad.exe"]
} else {
    &["sensible-editor", "nano", "vim", "vi"]
};

pub(crate) async fn run(output: Output, what: ConfigWhat) -> Outcome {
    let paths = Paths::from_environment()?;
    let file = paths.config_file();
    match what {
        ConfigWhat::Path => {
            let human = file.display().to_string();
            output.result(
                &human,
                json!({"event": "config", "file": human, "exists": file.exists()}),
            );
            Ok(())
        }
        ConfigWhat::Check => say(output, &paths, &file),
        ConfigWhat::Edit => {
            edit(&file).await?;
            say(output, &paths, &file)
        }
    }
}

/// Every fault, and a failure if there was one.
fn say(output: Output, paths: &Paths, file: &Path) -> Outcome {
    let name = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::general(format!("{name} cannot be read: {error}."))),
    };
    let problems = check(&text);
    for problem in &problems {
        output.result(
            &format!("{name}{problem}."),
            json!({"event": "problem", "file": name.to_string(), "line": problem.line, "detail": problem.what}),
        );
    }
    if !problems.is_empty() {
        return Err(Failure::usage(format!(
            "{} of {name} cannot be used: `mesh config edit` opens it.",
            if problems.len() == 1 {
                "A setting".to_owned()
            } else {
                format!("{} settings", problems.len())
            },
        )));
    }
    // What is left may be wrong in the environment, or only together.
    Settings::load(paths)?.gotify()?;
    if holds_secret(&text) && system::read_by_others(file) {
        return Err(Failure::usage(format!(
            "{name} has a secret in it and can be read by others: `chmod 600 {name}`."
        )));
    }
    let human = if file.exists() {
        format!("{name}: nothing is wrong.")
    } else {
        format!("There is no {name}: everything is as by default. `mesh config edit` makes one.")
    };
    output.result(
        &human,
        json!({"event": "config", "file": name.to_string(), "exists": file.exists()}),
    );
    Ok(())
}

/// Opens the person's editor on the file, which is made with everything in comments where there is none.
async fn edit(file: &Path) -> Outcome {
    let cannot =
        |error: std::io::Error| Failure::general(format!("{} cannot be made: {error}.", file.display()));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    if !file.exists() {
        // A token may be written there.
        write_private(file, TEMPLATE.as_bytes())?;
    }
    let words = editor().ok_or_else(|| {
        Failure::general(format!(
            "There is no editor: set EDITOR, or open {} with one.",
            file.display()
        ))
    })?;
    let mut command = tokio::process::Command::new(&words[0]);
    command.args(&words[1..]).arg(file);
    let status = command.stdin(Stdio::inherit()).status().await;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::general(format!(
            "The editor {} ended with an error.",
            words[0]
        ))),
        Err(error) => Err(Failure::general(format!(
            "The editor {} cannot be started ({error}): set EDITOR to another.",
            words[0]
        ))),
    }
}

/// `VISUAL`, else `EDITOR`, with its arguments; else one that is installed.
fn editor() -> Option<Vec<String>> {
    let chosen = ["VISUAL", "EDITOR"].iter().find_map(|name| {
        let words: Vec<String> = std::env::var(name)
            .ok()?
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (!words.is_empty()).then_some(words)
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    chosen.or_else(|| Some(vec![(*EDITORS.iter().find(|name| installed(name))?).to_owned()]))
}
