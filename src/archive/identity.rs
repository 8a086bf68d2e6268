//! Private keys that open objects. This program needs them only to give back what an archive holds.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use age::ssh::{Identity as SshIdentity, UnsupportedKey};

/// The longest identity file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Private keys. `Debug` shows their number only.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

/// Why a file gives no private key. Never quotes it.
#[derive(Debug)]
#[non_exhaustive]
pub enum IdentityError {
    /// It could not be read.
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Group or others have access to it.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is protected by a passphrase.
    Passphrase(PathBuf),
    /// An SSH key of a kind that age cannot use.
    SshKind(PathBuf),
    /// This line, from 1, is neither a private key of age nor a comment.
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number.
        line: usize,
    },
    /// It is neither an identity file of age nor an SSH private key, or holds no key.
    NoKey(PathBuf),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "reading {}: {source}", path.display()),
            Self::Exposed { path, mode } => {
                write!(f, "{} is open to others (mode {mode:04o}, expected no group or other access)", path.display())
            }
            Self::Passphrase(path) => {
                write!(
                    f,
                    "{} is protected by a passphrase: decrypt it to a file that only you can read, and remove that afterwards",
                    path.display()
                )
            }
            Self::SshKind(path) => {
                write!(f, "{} is an SSH key of a kind that cannot be used: Ed25519 and RSA can", path.display())
            }
            Self::Line { path, line } => {
                write!(f, "{}, line {line}: not a private key of age (AGE-SECRET-KEY-1...)", path.display())
            }
            Self::NoKey(path) => write!(f, "{} holds no private key of age or SSH", path.display()),
        }
    }
}

impl std::error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Identities {
    /// Reads an identity file of age (one `AGE-SECRET-KEY-1...` a line, comments after `#`) or one SSH private key without a passphrase.
    ///
    /// # Errors
    /// [`IdentityError`]: also when group or others have access to the file.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let io = |source| IdentityError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(IdentityError::Exposed { path: path.to_owned(), mode: mode & 0o7777 });
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
            return Err(IdentityError::Passphrase(path.to_owned()));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) if text.len() as u64 <= LONGEST => text,
            _ => return Err(IdentityError::NoKey(path.to_owned())),
        };
        if text.trim_start().starts_with("-----BEGIN") { ssh(path, text.trim_start()) } else { native(path, &text) }
    }

    /// As age takes them.
    pub(super) fn of_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity.as_ref() as &dyn age::Identity)
    }
}

fn native(path: &Path, text: &str) -> Result<Identities, IdentityError> {
    let mut keys: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key: Result<age::x25519::Identity, _> = line.parse();
        keys.push(Box::new(key.map_err(|_| IdentityError::Line { path: path.to_owned(), line: index + 1 })?));
    }
    if keys.is_empty() { Err(IdentityError::NoKey(path.to_owned())) } else { Ok(Identities(keys)) }
}

fn ssh(path: &Path, text: &str) -> Result<Identities, IdentityError> {
    let path = path.to_owned();
    match SshIdentity::from_buffer(text.as_bytes(), None) {
        Ok(key @ SshIdentity::Unencrypted(_)) => Ok(Identities(vec![Box::new(key)])),
        Ok(
            SshIdentity::Encrypted(_) | SshIdentity::Unsupported(UnsupportedKey::EncryptedPem | UnsupportedKey::EncryptedSsh(_)),
        ) => Err(IdentityError::Passphrase(path)),
        Ok(SshIdentity::Unsupported(_)) => Err(IdentityError::SshKind(path)),
        Err(_) => Err(IdentityError::NoKey(path)),
    }
}
