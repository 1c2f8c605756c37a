//! The processes of one shell: a job object has them all, and ends them when it is closed, however that comes.

use std::io;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::ptr::null;

use portable_pty::{Child, MasterPty};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};

use crate::system::owned;

/// What processes that were ended say they ended with.
const ENDED: u32 = 1;

/// See the module.
pub(in crate::pty) struct Session {
    job: OwnedHandle,
    /// Until it was told to end.
    terminal: Option<Box<dyn MasterPty + Send>>,
}

impl Session {
    /// Of a shell that was just started, and what it starts from now on.
    pub(in crate::pty) fn of(shell: &dyn Child, terminal: Box<dyn MasterPty + Send>) -> io::Result<Self> {
        let process = shell
            .as_raw_handle()
            .ok_or_else(|| io::Error::other("the shell has no process"))?;
        // SAFETY: what may be null is; nobody else has the handle that comes.
        #[allow(unsafe_code)]
        let job = unsafe { owned(CreateJobObjectW(null(), null())) }?;
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        // SAFETY: the length is that of the structure, and both handles are open.
        #[allow(unsafe_code)]
        let held = unsafe {
            SetInformationJobObject(
                job.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                length_of(&limits),
            ) != 0
                && AssignProcessToJobObject(job.as_raw_handle(), process) != 0
        };
        if held {
            Ok(Self {
                job,
                terminal: Some(terminal),
            })
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Its terminal, until it was told to end.
    pub(in crate::pty) fn terminal(&self) -> Option<&dyn MasterPty> {
        self.terminal
            .as_deref()
            .map(|terminal| terminal as &dyn MasterPty)
    }

    /// Tells all who are on the terminal to end, by closing it.
    pub(in crate::pty) fn hang_up(&mut self) {
        if let Some(terminal) = self.terminal.take() {
            // It waits until its output is read, or nobody wants it any more.
            let _ = std::thread::Builder::new()
                .name("pty-close".into())
                .spawn(move || drop(terminal));
        }
    }

    /// Whether somebody is left.
    pub(in crate::pty) fn is_alive(&self) -> bool {
        let mut counts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the length is that of the structure, and the job is open.
        #[allow(unsafe_code)]
        let told = unsafe {
            QueryInformationJobObject(
                self.job.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut counts).cast(),
                length_of(&counts),
                std::ptr::null_mut(),
            )
        };
        told != 0 && counts.ActiveProcesses > 0
    }
}

impl Drop for Session {
    /// Ends all, now.
    fn drop(&mut self) {
        // SAFETY: the job is open.
        #[allow(unsafe_code)]
        unsafe {
            TerminateJobObject(self.job.as_raw_handle(), ENDED);
        }
        self.hang_up();
    }
}

fn length_of<T>(of: &T) -> u32 {
    u32::try_from(size_of_val(of)).unwrap_or(0)
}
