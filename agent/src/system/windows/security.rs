//! Who may use what this process makes, and who is at the other end of a pipe.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::ptr::{NonNull, null_mut};

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// How far a permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The thing alone.
    Itself,
    /// What is made in a folder as well.
    Below,
}

/// Lets nobody but this person, and the system itself, at what is made with it.
pub(super) struct OwnerOnly {
    descriptor: NonNull<std::ffi::c_void>,
    attributes: SECURITY_ATTRIBUTES,
}

// SAFETY: the descriptor is never changed once it is made.
#[allow(unsafe_code)]
unsafe impl Send for OwnerOnly {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for OwnerOnly {}

impl std::fmt::Debug for OwnerOnly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerOnly")
    }
}

impl OwnerOnly {
    pub(super) fn new(reach: Reach) -> io::Result<Self> {
        let inherit = match reach {
            Reach::Itself => "",
            Reach::Below => "OICI",
        };
        let user = user_of_this_process()?;
        // Nothing inherited; all rights for the person and for the system (MS-DTYP 2.5.1, SDDL).
        let text = format!("D:P(A;{inherit};GA;;;{user})(A;{inherit};GA;;;SY)");
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
        // SAFETY: the text ends with NUL; the descriptor is freed when this is dropped.
        #[allow(unsafe_code)]
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        };
        let descriptor = NonNull::new(descriptor).filter(|_| made != 0);
        let descriptor = descriptor.ok_or_else(io::Error::last_os_error)?;
        Ok(Self {
            descriptor,
            attributes: SECURITY_ATTRIBUTES {
                nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
                lpSecurityDescriptor: descriptor.as_ptr(),
                bInheritHandle: 0,
            },
        })
    }

    pub(super) fn attributes(&self) -> &SECURITY_ATTRIBUTES {
        &self.attributes
    }
}

impl Drop for OwnerOnly {
    fn drop(&mut self) {
        // SAFETY: it was allocated for us, and nothing refers to it any more.
        #[allow(unsafe_code)]
        unsafe {
            LocalFree(self.descriptor.as_ptr());
        }
    }
}

/// The identifier (SID) of the person that this process runs for, as text.
pub(super) fn user_of_this_process() -> io::Result<String> {
    // SAFETY: a pseudo handle, which needs no closing.
    #[allow(unsafe_code)]
    let this = unsafe { GetCurrentProcess() };
    user_of(this)
}

/// The same of another process.
pub(super) fn user_of_process(id: u32) -> io::Result<String> {
    // SAFETY: nothing is passed but numbers; what comes is closed when it is dropped.
    #[allow(unsafe_code)]
    let process = unsafe { owned(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id)) }?;
    user_of(process.as_raw_handle())
}

fn user_of(process: HANDLE) -> io::Result<String> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the process is open during the call.
    #[allow(unsafe_code)]
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened for us.
    #[allow(unsafe_code)]
    let token = unsafe { owned(token) }?;
    // A TOKEN_USER and behind it the identifier, at most 68 bytes (SECURITY_MAX_SID_SIZE); in words, for their alignment.
    let mut answer = [0_u64; 16];
    let mut length = 0;
    // SAFETY: the length is that of the array.
    #[allow(unsafe_code)]
    let told = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            answer.as_mut_ptr().cast(),
            u32::try_from(size_of_val(&answer)).unwrap_or(0),
            &raw mut length,
        )
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut text: *mut u16 = null_mut();
    // SAFETY: the call above wrote a TOKEN_USER to the start of the array, whose identifier is in the same array.
    #[allow(unsafe_code)]
    let made = unsafe {
        let user = answer.as_ptr().cast::<TOKEN_USER>();
        ConvertSidToStringSidW((*user).User.Sid, &raw mut text)
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the text ends with NUL, and is freed once it is copied.
    #[allow(unsafe_code)]
    Ok(unsafe {
        let copied = string(text);
        LocalFree(text.cast());
        copied
    })
}

/// # Safety
/// The text must end with NUL.
#[allow(unsafe_code)]
pub(super) unsafe fn string(text: *const u16) -> String {
    // SAFETY: by the caller's word.
    let units = unsafe {
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        std::slice::from_raw_parts(text, length)
    };
    String::from_utf16_lossy(units)
}

/// # Safety
/// Nobody else may close the handle.
#[allow(unsafe_code)]
pub(crate) unsafe fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: by the caller's word.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
