//! Windows: a value of the person's `Run` key.

use std::path::PathBuf;

use super::{Autostart, Launch, Words, words};
use crate::exit::Outcome;

const KEY: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run";
const VALUE: &str = "Mesh";

/// `HKCU\…\Run`. What it starts inherits the person's environment, so that none is written.
#[derive(Debug)]
pub struct RunKey;

impl Autostart for RunKey {
    fn name(&self) -> &'static str {
        "a value of the registry's Run key"
    }

    fn file(&self, _: &Launch) -> Outcome<Option<(PathBuf, String)>> {
        Ok(None)
    }

    fn on(&self, launch: &Launch) -> Outcome<Vec<Words>> {
        // No path of Windows has a quotation mark in it.
        let command = format!("\"{}\" up --detach", launch.program()?);
        Ok(vec![words(&[
            "reg", "add", KEY, "/v", VALUE, "/t", "REG_SZ", "/d", &command, "/f",
        ])])
    }

    fn off(&self) -> Vec<Words> {
        vec![words(&["reg", "delete", KEY, "/v", VALUE, "/f"])]
    }

    fn asks(&self) -> Option<Words> {
        Some(words(&["reg", "query", KEY, "/v", VALUE]))
    }

    fn hint(&self) -> Option<String> {
        Some("It starts when you log in, and without a window.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_value_with_its_program_quoted() {
        let launch = Launch {
            program: r"C:\Program Files\Mesh\mesh.exe".into(),
            environment: vec![],
        };
        let on = RunKey.on(&launch).unwrap();
        assert_eq!(on.len(), 1);
        assert_eq!(on[0][8], r#""C:\Program Files\Mesh\mesh.exe" up --detach"#);
    }
}
