//! Linux with systemd: a unit of the person's own manager, the one that `infra/systemd` documents.

use std::path::{Path, PathBuf};

use super::{Autostart, Launch, MARK, Words, words};
use crate::exit::Outcome;

const UNIT: &str = "mesh-agent.service";
/// The unit as an operator would install it by hand: there is one text of it.
const DOCUMENTED: &str = include_str!("../../../infra/systemd/mesh-agent.service");
/// What the documented unit starts.
const DOCUMENTED_PROGRAM: &str = "ExecStart=%h/.local/bin/mesh up";

/// A unit of the user's manager.
#[derive(Debug)]
pub struct SystemdUser {
    file: PathBuf,
    lingers: bool,
}

impl SystemdUser {
    pub fn new(config: &Path, lingers: bool) -> Self {
        Self {
            file: config.join("systemd/user").join(UNIT),
            lingers,
        }
    }

    /// Succeeds where the person's manager runs.
    pub fn answers() -> Words {
        words(&["systemctl", "--user", "--no-ask-password", "show-environment"])
    }
}

fn systemctl(arguments: &[&str]) -> Words {
    [
        words(&["systemctl", "--user", "--no-ask-password"]),
        words(arguments),
    ]
    .concat()
}

/// One word of a unit file: specifiers and variables are not expanded, spaces do not cut it.
fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    format!("\"{text}\"")
}

impl Autostart for SystemdUser {
    fn name(&self) -> &'static str {
        "a systemd user unit"
    }

    fn file(&self, launch: &Launch) -> Outcome<Option<(PathBuf, String)>> {
        let mut program = format!("ExecStart={} up", quoted(launch.program()?));
        for (name, value) in &launch.environment {
            // Not `quoted`: no variables are expanded in an assignment.
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('%', "%%");
            program = format!("{program}\nEnvironment=\"{name}={value}\"");
        }
        let unit = DOCUMENTED.split_once("\n\n").map_or(DOCUMENTED, |(_, unit)| unit);
        let unit = unit.replace(DOCUMENTED_PROGRAM, &program);
        let text = format!(
            "# {MARK}, and overwritten by it: changes belong into `systemctl --user edit {UNIT}`.\n\n{unit}"
        );
        Ok(Some((self.file.clone(), text)))
    }

    fn on(&self, _: &Launch) -> Outcome<Vec<Words>> {
        Ok(vec![systemctl(&["daemon-reload"]), systemctl(&["enable", UNIT])])
    }

    fn off(&self) -> Vec<Words> {
        vec![systemctl(&["disable", UNIT])]
    }

    fn after_off(&self) -> Vec<Words> {
        vec![systemctl(&["daemon-reload"])]
    }

    fn asks(&self) -> Option<Words> {
        Some(systemctl(&["is-enabled", "--quiet", UNIT]))
    }

    fn start(&self) -> Option<Words> {
        Some(systemctl(&["start", UNIT]))
    }

    fn hint(&self) -> Option<String> {
        (!self.lingers).then(|| {
            "It starts when you log in and ends when you log out; `loginctl enable-linger` keeps it running all the time, \
             without a window."
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_documented_one_with_this_program_in_it() {
        let launch = Launch {
            program: "/opt/my \"mesh\"/100%/$x/mesh".into(),
            environment: vec![("MESH_HOME", "/home/me/a $b%c".into())],
        };
        let (file, text) = SystemdUser::new("/c".as_ref(), false)
            .file(&launch)
            .unwrap()
            .unwrap();
        assert_eq!(file, Path::new("/c/systemd/user/mesh-agent.service"));
        assert!(
            text.contains("\nExecStart=\"/opt/my \\\"mesh\\\"/100%%/$$x/mesh\" up\n"),
            "{text}"
        );
        assert!(
            text.contains("\nEnvironment=\"MESH_HOME=/home/me/a $b%%c\"\n"),
            "{text}"
        );
        assert!(text.contains("NoNewPrivileges=yes") && text.contains("WantedBy=default.target"));
        assert!(!text.contains("%h"), "{text}");
    }

    #[test]
    fn a_path_over_two_lines_starts_nothing() {
        let launch = Launch {
            program: "/x\nExecStart=/bin/evil".into(),
            environment: vec![],
        };
        assert!(SystemdUser::new("/c".as_ref(), false).file(&launch).is_err());
    }
}
