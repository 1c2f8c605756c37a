//! macOS: a launch agent of the person.

use std::path::{Path, PathBuf};

use super::{Autostart, Launch, MARK, Words, words};
use crate::exit::Outcome;

const LABEL: &str = "org.mesh.agent";

/// A property list in `~/Library/LaunchAgents`.
#[derive(Debug)]
pub struct LaunchAgent {
    file: PathBuf,
    user_id: u32,
}

impl LaunchAgent {
    pub fn new(home: &Path, user_id: u32) -> Self {
        Self {
            file: home.join("Library/LaunchAgents").join(format!("{LABEL}.plist")),
            user_id,
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Autostart for LaunchAgent {
    fn name(&self) -> &'static str {
        "a launch agent"
    }

    fn file(&self, launch: &Launch) -> Outcome<Option<(PathBuf, String)>> {
        let program = escaped(launch.program()?);
        let environment: String = launch
            .environment
            .iter()
            .map(|(name, value)| format!("    <key>{name}</key><string>{}</string>\n", escaped(value)))
            .collect();
        let text = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK}, and overwritten by it. -->
<plist version="1.0">
<dict>
  <key>Label</key><string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>up</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
{environment}  </dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>Crashed</key><true/></dict>
  <key>ProcessType</key><string>Interactive</string>
</dict>
</plist>
"#
        );
        Ok(Some((self.file.clone(), text)))
    }

    fn on(&self, _: &Launch) -> Outcome<Vec<Words>> {
        let domain = format!("gui/{}", self.user_id);
        let mut bootstrap = words(&["launchctl", "bootstrap", &domain]);
        bootstrap.push(self.file.clone().into());
        Ok(vec![bootstrap])
    }

    fn off(&self) -> Vec<Words> {
        let service = format!("gui/{}/{LABEL}", self.user_id);
        vec![words(&["launchctl", "bootout", &service])]
    }

    fn hint(&self) -> Option<String> {
        Some("It starts when you log in, and without a window.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_well_formed_and_loaded_for_this_person() {
        let agent = LaunchAgent::new("/Users/me".as_ref(), 501);
        let launch = Launch {
            program: "/Applications/A & B <1>/mesh".into(),
            environment: vec![("MESH_HOME", "/m".into())],
        };
        let (file, text) = agent.file(&launch).unwrap().unwrap();
        assert_eq!(
            file,
            Path::new("/Users/me/Library/LaunchAgents/org.mesh.agent.plist")
        );
        assert!(
            text.contains("<string>/Applications/A &amp; B &lt;1&gt;/mesh</string>\n    <string>up</string>")
        );
        assert!(text.contains("<key>MESH_HOME</key><string>/m</string>"));
        let on = words(&["launchctl", "bootstrap", "gui/501", file.to_str().unwrap()]);
        assert_eq!(agent.on(&launch).unwrap(), [on]);
        assert_eq!(
            agent.off(),
            [words(&["launchctl", "bootout", "gui/501/org.mesh.agent"])]
        );
    }
}
