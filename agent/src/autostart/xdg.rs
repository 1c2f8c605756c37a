//! Linux without systemd: an entry for the desktop's session (the XDG autostart specification).

use std::path::{Path, PathBuf};

use super::{Autostart, Launch, MARK, Words};
use crate::exit::Outcome;

/// An entry in `~/.config/autostart`.
#[derive(Debug)]
pub struct XdgEntry {
    file: PathBuf,
}

impl XdgEntry {
    pub fn new(config: &Path) -> Self {
        Self {
            file: config.join("autostart/mesh-agent.desktop"),
        }
    }
}

/// One argument of `Exec`: quoted for the command line (`"`, `` ` ``, `$`, `\`), that once more for the file's own
/// escapes, and no field codes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\\\\\"),
            '"' | '`' | '$' => {
                quoted.push_str("\\\\");
                quoted.push(letter);
            }
            '%' => quoted.push_str("%%"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

impl Autostart for XdgEntry {
    fn name(&self) -> &'static str {
        "an autostart entry of the desktop"
    }

    fn file(&self, launch: &Launch) -> Outcome<Option<(PathBuf, String)>> {
        let mut command = String::new();
        if !launch.environment.is_empty() {
            command.push_str("env ");
            for (name, value) in &launch.environment {
                command.push_str(&quoted(&format!("{name}={value}")));
                command.push(' ');
            }
        }
        command.push_str(&quoted(launch.program()?));
        let text = format!(
            "# {MARK}, and overwritten by it.\n[Desktop Entry]\nType=Application\nVersion=1.0\nName=Mesh agent\n\
             Comment=Answers requests to this device\nExec={command} up --detach\nTerminal=false\nNoDisplay=true\n"
        );
        Ok(Some((self.file.clone(), text)))
    }

    fn on(&self, _: &Launch) -> Outcome<Vec<Words>> {
        Ok(Vec::new())
    }

    fn off(&self) -> Vec<Words> {
        Vec::new()
    }

    fn hint(&self) -> Option<String> {
        Some(
            "It starts with a session of your desktop. This machine has no systemd for you that starts it without one: \
             there, a line `@reboot mesh up --detach` in `crontab -e` does."
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_starts_exactly_this_program() {
        let launch = Launch {
            program: "/opt/a b/$m\\e%sh".into(),
            environment: vec![("MESH_HOME", "/m".into())],
        };
        let (file, text) = XdgEntry::new("/c".as_ref()).file(&launch).unwrap().unwrap();
        assert_eq!(file, Path::new("/c/autostart/mesh-agent.desktop"));
        let exec = text.lines().find(|line| line.starts_with("Exec=")).unwrap();
        assert_eq!(
            exec,
            r#"Exec=env "MESH_HOME=/m" "/opt/a b/\\$m\\\\e%%sh" up --detach"#
        );
    }
}
