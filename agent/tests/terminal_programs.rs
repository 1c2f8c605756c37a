//! A late viewer of real programs sees their screen cell by cell as the one that was there from the beginning: after every piece of
//! output a viewer comes in anew, and its terminal is compared with one that took every byte as the program wrote it.

use std::time::{Duration, Instant};

use mesh_agent::pty::{Shell, ShellEvent, ShellEvents, ShellSpec};
use mesh_peer::terminal::{Host, HostConfig, PtyAction, Viewer, ViewerEvent};
use mesh_protocol::channel::{Frame, TermSize};
use mesh_protocol::ids::PeerId;

const SIZE: TermSize = TermSize { cols: 100, rows: 30 };
const PATIENCE: Duration = Duration::from_secs(30);

/// Rows of cells with their colours, the cursor, and which screen it is.
fn picture(terminal: &avt::Terminal) -> Vec<String> {
    let cell = |cell: &avt::Cell| format!("{:?}{:?}", cell.char(), cell.pen());
    let row = |line: &avt::Line| line.cells().iter().map(cell).collect::<String>();
    let mut rows: Vec<String> = terminal.screen().visible_lines().map(row).collect();
    rows.push(format!(
        "{:?} {:?}",
        terminal.cursor(),
        terminal.active_screen_kind()
    ));
    rows
}

fn text(terminal: &avt::Terminal) -> String {
    terminal
        .screen()
        .visible_lines()
        .map(|line| line.text().trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Characters of a stream that is cut anywhere.
#[derive(Default)]
struct Characters(Vec<u8>);

impl Characters {
    fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.0) {
            Ok(_) => self.0.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.0.len(),
        };
        let rest = self.0.split_off(whole);
        String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)).into_owned()
    }
}

struct Stage {
    shell: Shell,
    events: ShellEvents,
    host: Host,
    /// As the program's own terminal shows it.
    live: avt::Terminal,
    characters: Characters,
    late: usize,
    over: bool,
}

impl Stage {
    fn start(command: &[&str]) -> Self {
        let mut spec = ShellSpec::new(
            "",
            &command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(),
        );
        spec.variables = vec![("LANG", "C.UTF-8".into()), ("COLORTERM", "truecolor".into())];
        let (shell, events) = Shell::spawn(&spec, SIZE).unwrap();
        let local_terminal = false;
        Self {
            shell,
            events,
            host: Host::new(HostConfig {
                size: SIZE,
                local_terminal,
            }),
            live: avt::Terminal::with_scrollback(SIZE.cols.into(), SIZE.rows.into(), Some(0)).unwrap(),
            characters: Characters::default(),
            late: 0,
            over: false,
        }
    }

    /// The terminal of somebody who comes now.
    fn late_viewer(&mut self) -> avt::Terminal {
        let (peer, now): (PeerId, _) = ("late".parse().unwrap(), Instant::now());
        let mut viewer = Viewer::new();
        let mut terminal = avt::Terminal::new(1, 1).unwrap();
        self.host.attach(peer.clone(), "", now);
        while let Some(frame) = self.host.poll_frame(&peer, Instant::now()) {
            viewer.handle(Frame::decode(&frame).unwrap()).unwrap();
            while let Some(event) = viewer.poll_event() {
                match event {
                    ViewerEvent::Reset(size) => {
                        terminal = avt::Terminal::new(size.cols.into(), size.rows.into()).unwrap();
                    }
                    ViewerEvent::Write { bytes, .. } => {
                        terminal.feed(std::str::from_utf8(&bytes).unwrap());
                    }
                    _ => {}
                }
            }
        }
        self.host.detach(&peer);
        self.late += 1;
        terminal
    }

    /// Takes output until the screen has this on it, and compares after each piece.
    async fn until(&mut self, program: &str, wanted: &str) {
        let begun = Instant::now();
        while !self.over && !text(&self.live).contains(wanted) {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let event = tokio::time::timeout(left, self.events.next()).await;
            let event = event.unwrap_or_else(|_| panic!("{program}: no {wanted:?} on\n{}", text(&self.live)));
            let Some(ShellEvent::Output(bytes)) = event else {
                self.over = true;
                break;
            };
            self.host.output(&bytes);
            self.live.feed(self.characters.push(&bytes));
            while let Some(action) = self.host.poll_pty() {
                if let PtyAction::Input(bytes) = action {
                    self.shell.write(bytes);
                }
            }
            if self.characters.0.is_empty() {
                let late = self.late_viewer();
                for (row, (late, live)) in picture(&late).iter().zip(picture(&self.live)).enumerate() {
                    assert_eq!(*late, live, "{program}: row {row}, waiting for {wanted:?}");
                }
            }
        }
    }
}

/// A program, and what is typed once something is on its screen.
struct Program {
    name: &'static str,
    command: &'static [&'static str],
    steps: &'static [(&'static str, &'static str)],
}

const TRUE_COLOURS: &str = r#"
printf '\033[?1049h\033[?25l\033[2J'
row=1
while [ $row -le 28 ]; do
    col=1
    while [ $col -le 90 ]; do
        printf '\033[%d;%dH\033[38;2;%d;%d;%dm\033[48;2;%d;%d;%dm漢' $row $col $((row*9)) $((col*2)) 99 $((col*2)) $((row*8)) 20
        col=$((col+9))
    done
    row=$((row+1))
done
printf '\033[0;1;3;4;7;9mpainted\033[m'
read line
printf '\033[?1049l\033[?25h'
echo gone
"#;

/// Two panes beside each other and one beneath, of a tmux server that goes with them.
const TMUX: &str = "exec tmux -L mesh-test-$$ -f /dev/null new-session 'echo ready; exec sh'";
const TEXT: &str = "/usr/share/common-licenses/GPL-3";

const PROGRAMS: &[Program] = &[
    Program {
        name: "vim",
        command: &[
            "vim",
            "-u",
            "NONE",
            "-N",
            "+set nu hls ruler title",
            "+syntax on",
            TEXT,
        ],
        steps: &[
            ("Everyone is permitted", "/free\r"),
            ("free", ":vsplit\r"),
            ("GPL-3", "50Goé漢字 typed\x1b"),
            ("typed", ":set list\r\x04\x04G"),
            ("Bot", ":qa!\r"),
        ],
    },
    Program {
        name: "less",
        command: &["less", "-R", "-N", TEXT],
        steps: &[
            ("Everyone is permitted", "  G"),
            ("(END)", "g/free\r"),
            ("free", "q"),
        ],
    },
    Program {
        name: "htop",
        command: &["htop", "--delay=2"],
        steps: &[
            ("F10", "\x1b[B\x1b[B"),
            ("CPU%", "?"),
            ("Arrows", "q"),
            ("F10", "q"),
        ],
    },
    Program {
        name: "tmux",
        command: &["sh", "-c", TMUX],
        steps: &[
            ("ready", "PS1='1> '; clear; seq 1 200\r"),
            ("200\n", "\x02%"),
            ("│", "\x02\""),
            ("─", "seq 5 99; printf '\\033[38;2;9;200;9mgr%s\\033[m\\n' een\r"),
            ("green", "tmux kill-server\r"),
        ],
    },
    Program {
        name: "btop",
        command: &["btop", "--utf-force"],
        steps: &[("cpu", "\x1b"), ("signals", "\x1b"), ("signals", "q")],
    },
    Program {
        name: "mc",
        command: &["mc", "--nosubshell", "-d", "/etc", "/usr"],
        steps: &[
            // It sets application cursor keys. Its window of help hides the heads of the panels.
            ("10Quit", "\x1bOB\x1bOB\t\x1bOP"),
            ("main help screen", "\x1b[21~"),
            ("Modify time", "\x1b[21~\r"),
        ],
    },
    Program {
        name: "nano",
        command: &["nano", "-l", TEXT],
        steps: &[
            ("Everyone is permitted", "é漢字 typed"),
            ("typed", "\x1b[6~\x1b[6~"),
            ("^X", "\x18n"),
        ],
    },
    Program {
        name: "sh",
        command: &["sh", "-c", TRUE_COLOURS],
        steps: &[("painted", "\r"), ("gone", "")],
    },
];

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn late_viewers_see_real_programs_cell_by_cell() {
    for program in PROGRAMS {
        let name = program.name;
        if !is_installed(name) {
            println!("{name}: not tried, for it is not installed");
            continue;
        }
        let mut stage = Stage::start(program.command);
        for (wanted, keys) in program.steps {
            stage.until(name, wanted).await;
            stage.shell.write((*keys).into());
        }
        // To its end, or for a while.
        let end = stage.until(name, "\u{0}");
        let _ = tokio::time::timeout(Duration::from_secs(3), end).await;
        println!("{name}: {} late viewers saw what the live screen had", stage.late);
        assert!(stage.late > 1, "{name} wrote nothing");
    }
}
