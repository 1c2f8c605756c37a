//! This terminal: a console that understands the sequences of terminals (Windows 10 1809).

use std::io::{self, IsTerminal as _};
use std::os::windows::io::AsRawHandle as _;
use std::time::Duration;

use mesh_protocol::channel::TermSize;
use windows_sys::Win32::Foundation::{HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Console::{
    CONSOLE_MODE, CONSOLE_SCREEN_BUFFER_INFO, DISABLE_NEWLINE_AUTO_RETURN, ENABLE_ECHO_INPUT,
    ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT, ENABLE_PROCESSED_OUTPUT, ENABLE_VIRTUAL_TERMINAL_INPUT,
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, GetConsoleScreenBufferInfo, INPUT_RECORD, KEY_EVENT,
    PeekConsoleInputW, ReadConsoleInputW, SetConsoleMode,
};
use windows_sys::Win32::System::Threading::WaitForSingleObject;

/// Raw mode for as long as it lives.
pub(crate) struct RawMode {
    input: CONSOLE_MODE,
    output: CONSOLE_MODE,
}

impl RawMode {
    /// Both sides must be a terminal.
    pub(crate) fn enter() -> io::Result<Self> {
        let before = Self {
            input: mode(input())?,
            output: mode(output())?,
        };
        let cooked = ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT | ENABLE_PROCESSED_INPUT;
        set_mode(input(), before.input & !cooked | ENABLE_VIRTUAL_TERMINAL_INPUT)?;
        let drawn =
            ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING | DISABLE_NEWLINE_AUTO_RETURN;
        // What fails puts back the input as well, by the drop.
        set_mode(output(), before.output | drawn)?;
        Ok(before)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = set_mode(input(), self.input);
        let _ = set_mode(output(), self.output);
    }
}

fn input() -> HANDLE {
    io::stdin().as_raw_handle()
}

fn output() -> HANDLE {
    io::stdout().as_raw_handle()
}

fn mode(console: HANDLE) -> io::Result<CONSOLE_MODE> {
    let mut mode = 0;
    // SAFETY: what is no console makes the call fail.
    #[allow(unsafe_code)]
    match unsafe { GetConsoleMode(console, &raw mut mode) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(mode),
    }
}

fn set_mode(console: HANDLE, mode: CONSOLE_MODE) -> io::Result<()> {
    // SAFETY: as above.
    #[allow(unsafe_code)]
    match unsafe { SetConsoleMode(console, mode) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Columns and rows; `None` where it does not say.
pub(crate) fn size() -> Option<TermSize> {
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: what is no console makes the call fail.
    #[allow(unsafe_code)]
    let told = unsafe { GetConsoleScreenBufferInfo(output(), &raw mut info) };
    let window = info.srWindow;
    let length = |from: i16, to: i16| u16::try_from(i32::from(to) - i32::from(from) + 1).ok();
    let size = TermSize {
        cols: length(window.Left, window.Right)?,
        rows: length(window.Top, window.Bottom)?,
    };
    (told != 0 && size.cols > 0 && size.rows > 0).then_some(size)
}

/// Waits until a key is pressed, at most for so long; from anything but a terminal, reading waits by itself.
pub(crate) fn typed_within(wait: Duration) -> bool {
    if !io::stdin().is_terminal() {
        return true;
    }
    let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: it is open for as long as the process runs.
    #[allow(unsafe_code)]
    if unsafe { WaitForSingleObject(input(), wait) } != WAIT_OBJECT_0 {
        return false;
    }
    // Keys that are let go, the mouse and the window come that way too; reading a line would wait on after them.
    while let Some(event) = next_event(PeekConsoleInputW) {
        // SAFETY: the kind says which of the union it is.
        #[allow(unsafe_code)]
        if u32::from(event.EventType) == KEY_EVENT && unsafe { event.Event.KeyEvent.bKeyDown } != 0 {
            return true;
        }
        next_event(ReadConsoleInputW);
    }
    false
}

type Take = unsafe extern "system" fn(HANDLE, *mut INPUT_RECORD, u32, *mut u32) -> i32;

fn next_event(take: Take) -> Option<INPUT_RECORD> {
    let (mut event, mut count) = (INPUT_RECORD::default(), 0);
    // SAFETY: there is room for the one that is asked for.
    #[allow(unsafe_code)]
    let told = unsafe { take(input(), &raw mut event, 1, &raw mut count) };
    (told != 0 && count == 1).then_some(event)
}
