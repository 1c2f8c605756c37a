//! A person's terminal window with a command of `mesh` in it: a real PTY, and what it shows.

use mesh_agent::pty::{Shell, ShellEvent, ShellEvents, ShellSpec};
use mesh_protocol::channel::TermSize;
use tokio::time::timeout;

use super::{Machine, SOON};

const SIZE: TermSize = TermSize { cols: 80, rows: 24 };

/// Closing it is dropping it.
pub struct Window {
    shell: Shell,
    events: ShellEvents,
    screen: avt::Terminal,
    /// All that was ever written to it, titles included.
    written: String,
}

impl Window {
    pub fn open(machine: &Machine, arguments: &[&str]) -> Self {
        let command: Vec<String> = [&[env!("CARGO_BIN_EXE_mesh")], arguments]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut spec = ShellSpec::new("", &command);
        spec.variables = vec![
            ("MESH_HOME", machine.home.to_str().unwrap().to_owned()),
            ("SHELL", "/bin/sh".to_owned()),
        ];
        let (shell, events) = Shell::spawn(&spec, SIZE).unwrap();
        Self {
            shell,
            events,
            screen: avt::Terminal::new(SIZE.cols.into(), SIZE.rows.into()).unwrap(),
            written: String::new(),
        }
    }

    pub fn type_in(&self, keys: &'static str) {
        assert!(self.shell.write(keys.as_bytes().into()));
    }

    pub fn resize(&mut self, size: TermSize) {
        self.shell.resize(size).unwrap();
        self.screen.resize(size.cols.into(), size.rows.into());
    }

    /// Waits until the screen shows this.
    pub async fn shows(&mut self, text: &str) {
        self.until(text, |window| window.text().contains(text)).await;
    }

    /// Waits until the screen shows this no more.
    pub async fn hides(&mut self, text: &str) {
        self.until(text, |window| !window.text().contains(text)).await;
    }

    /// Waits until this was written to it, wherever it is to be shown.
    pub async fn is_told(&mut self, text: &str) {
        self.until(text, |window| window.written.contains(text)).await;
    }

    /// Waits until this was written to it so often.
    pub async fn is_told_times(&mut self, text: &str, times: usize) {
        self.until(text, |window| window.written.matches(text).count() >= times)
            .await;
    }

    fn text(&self) -> String {
        let lines: Vec<String> = self
            .screen
            .screen()
            .visible_lines()
            .map(|line| line.text())
            .collect();
        lines.join("\n")
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let held = async {
            while !holds(self) {
                match self.events.next().await {
                    Some(ShellEvent::Output(bytes)) => {
                        let text = String::from_utf8_lossy(&bytes);
                        self.screen.feed(&*text);
                        self.written.push_str(&text);
                    }
                    ended => panic!("{what}: {ended:?}; on the screen:\n{}", self.text()),
                }
            }
        };
        if timeout(SOON, held).await.is_err() {
            panic!("{what}: not within {SOON:?}; on the screen:\n{}", self.text());
        }
    }
}
