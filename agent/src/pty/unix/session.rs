//! The processes of one shell's session (POSIX sense): its jobs have process groups of their own, so the group of the
//! shell is not enough to leave no orphan behind.

use std::io;

use portable_pty::{Child, MasterPty};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// See the module.
pub(in crate::pty) struct Session {
    leader: Pid,
    terminal: Box<dyn MasterPty + Send>,
}

impl Session {
    /// Of a shell that was started on a terminal of its own.
    pub(in crate::pty) fn of(shell: &dyn Child, terminal: Box<dyn MasterPty + Send>) -> io::Result<Self> {
        let id = shell.process_id().and_then(|id| i32::try_from(id).ok());
        let leader = id
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the shell has no process id"))?;
        Ok(Self { leader, terminal })
    }

    /// Its terminal, until it was told to end.
    pub(in crate::pty) fn terminal(&self) -> Option<&dyn MasterPty> {
        Some(&*self.terminal)
    }

    /// Tells all to end, by SIGHUP.
    pub(in crate::pty) fn hang_up(&mut self) {
        signal_all(self.leader, Signal::HUP);
        // A stopped job acts on SIGHUP only once it runs again.
        signal_all(self.leader, Signal::CONT);
    }

    /// Whether somebody is left.
    pub(in crate::pty) fn is_alive(&self) -> bool {
        !members(self.leader).is_empty()
    }
}

impl Drop for Session {
    /// SIGKILL to all, now.
    fn drop(&mut self) {
        signal_all(self.leader, Signal::KILL);
    }
}

fn signal_all(session: Pid, signal: Signal) {
    let members = members(session);
    if cfg!(target_os = "linux") {
        for member in members {
            let _ = kill_process(member, signal);
        }
    } else {
        let _ = kill_process_group(session, signal);
    }
}

/// The live processes of the session. Zombies are left out: they only wait to be collected.
#[cfg(target_os = "linux")]
fn members(session: Pid) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|id| session_of(*id) == Some(session.as_raw_nonzero().get()))
        .filter_map(Pid::from_raw)
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn members(session: Pid) -> Vec<Pid> {
    match rustix::process::test_kill_process_group(session) {
        Ok(()) => vec![session],
        Err(_) => Vec::new(),
    }
}

/// Field 6 of `/proc/<id>/stat` (proc(5)); the command name before it may itself hold spaces and brackets.
#[cfg(target_os = "linux")]
fn session_of(id: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(2)?.parse().ok()).flatten()
}
