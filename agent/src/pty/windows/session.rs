//! The processes of one shell: a job object has them all, and ends them when it is closed, however that comes.

use std::io;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::ptr::null;
use std::time::Duration;

use portable_pty::{Child, MasterPty};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};

use crate::system::owned;

/// Between two looks at who is still there.
const POLL: Duration = Duration::from_millis(10);
/// What processes that were ended say they ended with.
const ENDED: u32 = 1;

/// See the module.
#[derive(Debug)]
pub(in crate::pty) struct Session(OwnedHandle);

impl Session {
    /// Of a shell that was just started, and what it starts from now on.
    pub(in crate::pty) fn of(shell: &dyn Child) -> io::Result<Self> {
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
            Ok(Self(job))
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Closes the terminal, which tells all who are on it to end, and ends whoever is left after `grace`.
    pub(in crate::pty) async fn hang_up(&self, terminal: Option<Box<dyn MasterPty + Send>>, grace: Duration) {
        // It waits until its output is read.
        let closing = tokio::task::spawn_blocking(move || drop(terminal));
        let until = tokio::time::Instant::now() + grace;
        while self.is_alive() && tokio::time::Instant::now() < until {
            tokio::time::sleep(POLL).await;
        }
        self.kill();
        drop(closing);
    }

    /// Ends all, now.
    pub(in crate::pty) fn kill(&self) {
        // SAFETY: the job is open.
        #[allow(unsafe_code)]
        unsafe {
            TerminateJobObject(self.0.as_raw_handle(), ENDED);
        }
    }

    fn is_alive(&self) -> bool {
        let mut counts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the length is that of the structure, and the job is open.
        #[allow(unsafe_code)]
        let told = unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut counts).cast(),
                length_of(&counts),
                std::ptr::null_mut(),
            )
        };
        told != 0 && counts.ActiveProcesses > 0
    }
}

fn length_of<T>(of: &T) -> u32 {
    u32::try_from(size_of_val(of)).unwrap_or(0)
}
