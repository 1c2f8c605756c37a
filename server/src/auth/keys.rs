//! The data directory and the key of session tokens in it, readable by the server's user only.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_protocol::capability::CapabilityError;

/// Why a key could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{0} is not a key of this server: restore it from a backup, or remove it to have a new one made")]
    Malformed(String),
    #[error(transparent)]
    Capability(#[from] CapabilityError),
}

/// Makes the directory, for the owner only.
pub fn private_dir(path: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io {
        path: path.display().to_string(),
        source,
    };
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// 32 bytes from the file, which is made with random ones where it is absent.
fn seed(path: &Path) -> Result<[u8; 32], KeyError> {
    let failed = |source| KeyError::Io {
        path: path.display().to_string(),
        source,
    };
    match fs::read_to_string(path) {
        Ok(text) => URL_SAFE_NO_PAD
            .decode(text.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| KeyError::Malformed(path.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let seed = rand::random::<[u8; 32]>();
            write_private(path, &URL_SAFE_NO_PAD.encode(seed)).map_err(failed)?;
            Ok(seed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Under another name first, so that a crash leaves no half of a key.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}

/// The key of session tokens, where `MESH_JWT_SECRET` is unset.
pub fn session_secret(data_dir: &Path) -> Result<[u8; 32], KeyError> {
    seed(&data_dir.join("session.key"))
}

/// The key by which this server is known to the push services of browsers (RFC 8292), a P-256 scalar.
pub fn push_key(data_dir: &Path) -> Result<[u8; 32], KeyError> {
    seed(&data_dir.join("push.key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            session_secret(dir.path()).unwrap(),
            session_secret(dir.path()).unwrap()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.path().join("session.key"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(dir.path().join("session.key"), "short").unwrap();
        assert!(matches!(session_secret(dir.path()), Err(KeyError::Malformed(_))));
    }
}
