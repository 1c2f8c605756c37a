//! Processes, signals, and the machine they run on.

use std::io;
use std::os::windows::io::AsRawHandle as _;
use std::time::Duration;

use mesh_protocol::channel::TermSize;
use tokio::process::Command;
use tokio::signal::windows as signal;
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::LibraryLoader::{
    LOAD_LIBRARY_SEARCH_APPLICATION_DIR, LOAD_LIBRARY_SEARCH_SYSTEM32, SetDefaultDllDirectories,
};
use windows_sys::Win32::System::SystemInformation::{
    ComputerNamePhysicalDnsHostname, GetComputerNameExW, GetTickCount64,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, OpenProcess, PROCESS_TERMINATE, TerminateProcess,
};

use super::security::owned;
use super::terminal;

/// What asks this process to end: an interrupt, the end of the session or of its terminal.
pub(crate) struct Ends {
    interrupt: signal::CtrlC,
    stop: signal::CtrlBreak,
    close: signal::CtrlClose,
    log_off: signal::CtrlLogoff,
    shut_down: signal::CtrlShutdown,
}

impl Ends {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal::ctrl_c()?,
            stop: signal::ctrl_break()?,
            close: signal::ctrl_close()?,
            log_off: signal::ctrl_logoff()?,
            shut_down: signal::ctrl_shutdown()?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
            _ = self.close.recv() => {}
            _ = self.log_off.recv() => {}
            _ = self.shut_down.recv() => {}
        }
    }
}

/// How often the terminal is asked for its size: nothing tells of a change.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Changes of this terminal's size.
pub(crate) struct Resizes {
    look: tokio::time::Interval,
    known: Option<TermSize>,
}

impl Resizes {
    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            look: tokio::time::interval(LOOK_EVERY),
            known: terminal::size(),
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        loop {
            self.look.tick().await;
            let now = terminal::size();
            if now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

/// Before anything else: libraries are looked for beside the program and in the system, never where it was called.
pub(crate) fn begin() {
    // SAFETY: nothing is passed but flags.
    #[allow(unsafe_code)]
    unsafe {
        SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
    }
}

/// A program that is started by this goes on when the terminal is closed, and keeps nothing of this process open.
pub(crate) fn in_background(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    for standard in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: a handle that this process does not have only makes the call fail.
        #[allow(unsafe_code)]
        unsafe {
            SetHandleInformation(GetStdHandle(standard), HANDLE_FLAG_INHERIT, 0);
        }
    }
}

/// In a program that was started for the background: it has no terminal; the folder where it began can be removed.
pub(crate) fn leave_terminal() {
    if let Some(system) = std::env::var_os("SystemRoot") {
        let _ = std::env::set_current_dir(system);
    }
}

/// Whoever started this program reads no further.
pub(crate) fn let_go_of_output() {}

/// Ends a process.
pub(crate) fn end_process(id: u32) -> io::Result<()> {
    // SAFETY: nothing is passed but numbers; what comes is closed when it is dropped.
    #[allow(unsafe_code)]
    let process = unsafe { owned(OpenProcess(PROCESS_TERMINATE, 0, id)) }?;
    // SAFETY: it is open.
    #[allow(unsafe_code)]
    match unsafe { TerminateProcess(process.as_raw_handle(), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    let mut name = [0_u16; 256];
    let mut length = 256;
    // SAFETY: the length is that of the array.
    #[allow(unsafe_code)]
    let told = unsafe {
        GetComputerNameExW(
            ComputerNamePhysicalDnsHostname,
            name.as_mut_ptr(),
            &raw mut length,
        )
    };
    let length = if told == 0 { 0 } else { length as usize };
    String::from_utf16_lossy(name.get(..length).unwrap_or_default())
}

/// What is run where nothing says otherwise, as OpenSSH does.
pub(crate) fn default_shell() -> String {
    std::env::var("COMSPEC").unwrap_or_else(|_| "cmd.exe".into())
}

/// Since the machine was started, its sleep counted.
pub(crate) fn uptime() -> Duration {
    // SAFETY: it takes nothing.
    #[allow(unsafe_code)]
    let milliseconds = unsafe { GetTickCount64() };
    Duration::from_millis(milliseconds)
}
