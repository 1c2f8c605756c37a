//! A thread with a message loop, for what is on the screen.

use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Win32::UI::WindowsAndMessaging::{
    DispatchMessageW, MSG, MWMO_INPUTAVAILABLE, MsgWaitForMultipleObjectsEx, PM_REMOVE, PeekMessageW,
    QS_ALLINPUT, TranslateMessage,
};

/// Begins it on a thread that may show something.
pub(crate) fn begin(job: impl FnOnce() + Send + 'static) {
    std::thread::spawn(job);
}

/// Does what the system has for this thread, and waits so long for more.
pub(crate) fn turn(within: Duration) {
    let milliseconds = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: no handles are waited for; `message` is written before it is read.
    #[allow(unsafe_code)]
    unsafe {
        MsgWaitForMultipleObjectsEx(0, null(), milliseconds, QS_ALLINPUT, MWMO_INPUTAVAILABLE);
        let mut message = std::mem::zeroed::<MSG>();
        while PeekMessageW(&raw mut message, null_mut(), 0, 0, PM_REMOVE) != 0 {
            TranslateMessage(&raw const message);
            DispatchMessageW(&raw const message);
        }
    }
}
