//! Who can open an object: the public keys that it is sealed to.

use std::fmt;

use age::ssh::ParseRecipientKeyError;

/// Public keys, at least one. What is sealed to them opens with the private key of any one of them.
#[derive(Clone)]
pub struct Recipients(Vec<Recipient>);

#[derive(Clone)]
enum Recipient {
    Age(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

/// A text that is no public key to seal to, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientError {
    /// The entry's number, from 1; 0 when there is no entry at all.
    pub entry: usize,
    /// What is wrong with it.
    pub fault: RecipientFault,
}

/// What is wrong with a recipient. Never quotes the entry: somebody may have pasted a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientFault {
    /// There is none.
    None,
    /// It is a private key.
    Private,
    /// It begins like an age key and is none: a character is wrong or missing, or it is of another kind (a plugin's, a hybrid one).
    Age,
    /// It begins like an SSH key and is none.
    Ssh,
    /// An RSA key of fewer than 2048 bits.
    RsaTooSmall,
    /// An RSA key of more than 4096 bits.
    RsaTooLarge,
    /// An SSH key of a kind that age cannot encrypt to.
    SshKind(String),
    /// Neither an age nor an SSH public key.
    Unknown,
    /// The same key stands in this earlier entry.
    Twice(usize),
}

impl fmt::Display for RecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fault == RecipientFault::None {
            return f.write_str("no recipient");
        }
        write!(f, "recipient {}: ", self.entry)?;
        match &self.fault {
            RecipientFault::None => Ok(()),
            RecipientFault::Private => {
                f.write_str("a private key; only the public key belongs here, and this private key is no longer secret")
            }
            RecipientFault::Age => {
                f.write_str("not an X25519 public key of age (age1...): a character is wrong, or it is of another kind")
            }
            RecipientFault::Ssh => f.write_str("not a whole SSH public key"),
            RecipientFault::RsaTooSmall => f.write_str("an RSA key of fewer than 2048 bits is too weak"),
            RecipientFault::RsaTooLarge => f.write_str("an RSA key of more than 4096 bits cannot be used"),
            RecipientFault::SshKind(kind) => {
                write!(f, "an SSH key of the kind {kind} cannot be used: ssh-ed25519 and ssh-rsa can")
            }
            RecipientFault::Unknown => {
                f.write_str("neither an age public key (age1...) nor an SSH public key (ssh-ed25519, ssh-rsa)")
            }
            RecipientFault::Twice(entry) => write!(f, "the key of recipient {entry} again"),
        }
    }
}

impl std::error::Error for RecipientError {}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(key) => key.fmt(f),
            Self::Ssh(key) => key.fmt(f),
        }
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl Recipients {
    /// Reads public keys: `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...` each, SSH keys with or without a comment behind.
    ///
    /// # Errors
    /// The first entry that is no such key, or that there is none.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, RecipientError> {
        if texts.is_empty() {
            return Err(RecipientError { entry: 0, fault: RecipientFault::None });
        }
        let mut keys: Vec<Recipient> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let located = |fault| RecipientError { entry: index + 1, fault };
            let key = one(text.as_ref().trim()).map_err(located)?;
            if let Some(earlier) = keys.iter().position(|k| k.to_string() == key.to_string()) {
                return Err(located(RecipientFault::Twice(earlier + 1)));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// The public keys as texts, without comments, in their order.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }

    /// As age takes them.
    pub(super) fn of_age(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|key| match key {
            Recipient::Age(key) => key as &dyn age::Recipient,
            Recipient::Ssh(key) => key as &dyn age::Recipient,
        })
    }
}

fn one(text: &str) -> Result<Recipient, RecipientFault> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") || text.starts_with("-----BEGIN") {
        return Err(RecipientFault::Private);
    }
    if text.starts_with("age1") {
        return text.parse().map(Recipient::Age).map_err(|_| RecipientFault::Age);
    }
    let Some((kind, _)) = text.split_once(' ') else {
        return Err(if text.starts_with("ssh-") { RecipientFault::Ssh } else { RecipientFault::Unknown });
    };
    if !["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| kind.starts_with(prefix)) {
        return Err(RecipientFault::Unknown);
    }
    match text.parse() {
        Ok(key) => Ok(Recipient::Ssh(key)),
        Err(ParseRecipientKeyError::RsaModulusTooSmall) => Err(RecipientFault::RsaTooSmall),
        Err(ParseRecipientKeyError::RsaModulusTooLarge) => Err(RecipientFault::RsaTooLarge),
        Err(ParseRecipientKeyError::Ignore | ParseRecipientKeyError::Unsupported(_)) => {
            Err(RecipientFault::SshKind(kind.to_owned()))
        }
        Err(_) if !["ssh-ed25519", "ssh-rsa"].contains(&kind) => Err(RecipientFault::SshKind(kind.to_owned())),
        Err(_) => Err(RecipientFault::Ssh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";

    fn fault(texts: &[&str]) -> (usize, RecipientFault) {
        let error = Recipients::parse(texts).unwrap_err();
        (error.entry, error.fault)
    }

    #[test]
    fn public_keys_of_age_and_ssh_are_read_and_comments_dropped() {
        let commented = format!("  {ED25519} someone@example.org\n");
        let keys = Recipients::parse(&[AGE, &commented]).unwrap();
        assert_eq!(keys.texts().collect::<Vec<_>>(), [AGE, ED25519]);
        assert_eq!(Recipients::parse(&[ED25519]).unwrap().texts().collect::<Vec<_>>(), [ED25519]);
    }

    #[test]
    fn a_bad_recipient_is_located_and_never_quoted() {
        assert_eq!(fault(&[]), (0, RecipientFault::None));
        assert_eq!(fault(&[AGE, ""]), (2, RecipientFault::Unknown));
        assert_eq!(fault(&[AGE, AGE]), (2, RecipientFault::Twice(1)));
        assert_eq!(fault(&[&AGE[..40]]), (1, RecipientFault::Age));
        assert_eq!(fault(&[&AGE.replace("ql3z", "ql3y")]), (1, RecipientFault::Age));
        assert_eq!(fault(&["age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"]), (1, RecipientFault::Age));
        assert_eq!(fault(&[&ED25519[..40]]), (1, RecipientFault::Ssh));
        assert_eq!(fault(&["ssh-ed25519"]), (1, RecipientFault::Ssh));
        let ecdsa = include_str!("tests/keys/ecdsa.pub");
        assert_eq!(fault(&[ecdsa]), (1, RecipientFault::SshKind("ecdsa-sha2-nistp256".to_owned())));
        assert_eq!(fault(&["dpo@example.org"]), (1, RecipientFault::Unknown));
        let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let error = Recipients::parse(&[secret]).unwrap_err();
        assert_eq!(error.fault, RecipientFault::Private);
        assert!(!format!("{error} {error:?}").contains("GFPYY"));
    }
}
