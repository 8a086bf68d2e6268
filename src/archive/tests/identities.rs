//! Who opens an object, and who does not. The keys in `keys` were made for these tests and open nothing else.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ED25519: &str = include_str!("keys/ed25519");
const RSA: &str = include_str!("keys/rsa");

fn stranger() -> String {
    use age::secrecy::ExposeSecret as _;
    age::x25519::Identity::generate().to_string().expose_secret().to_owned()
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let age: age::x25519::Identity = SECRET.parse().unwrap();
    let keys =
        [age.to_public().to_string(), include_str!("keys/ed25519.pub").to_owned(), include_str!("keys/rsa.pub").to_owned()];
    let secrets = [SECRET, ED25519, RSA];
    let all = sealed(&Recipients::parse(&keys).unwrap(), &sample::header(), &sample::rows());
    for secret in secrets {
        assert_eq!(opened(&all, &identities(secret)).unwrap().1, sample::rows());
    }
    assert!(matches!(opened(&all, &identities(&stranger())), Err(OpenError::NoIdentity)));
    for (one, key) in keys.iter().enumerate() {
        let object = sealed(&Recipients::parse(&[key]).unwrap(), &sample::header(), &[]);
        for (other, secret) in secrets.iter().enumerate() {
            match opened(&object, &identities(secret)) {
                Ok(_) => assert_eq!(one, other),
                Err(error) => assert!(one != other && matches!(error, OpenError::NoIdentity), "{error:?}"),
            }
        }
    }
}

#[test]
fn a_file_may_hold_several_keys_and_comments() {
    let file = format!("# created: today\n# public key: age1\n\n{}\r\n  {SECRET}  \n", stranger());
    assert!(opened(&small(), &identities(&file)).is_ok());
}

fn refused(text: &str) -> (IdentityError, String) {
    let (_folder, path) = private_file(text);
    let error = Identities::read(&path).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("GFPYY"), "{shown}");
    (error, shown)
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let (_folder, path) = private_file(SECRET);
    for mode in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(Identities::read(&path), Err(IdentityError::Exposed { mode: found, .. }) if found == mode));
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(Identities::read(&path).is_ok());
    assert!(matches!(Identities::read(&path.with_extension("no")), Err(IdentityError::Io { .. })));
}

#[test]
fn a_passphrase_is_told_as_such() {
    for text in [
        include_str!("keys/passphrase"),
        include_str!("keys/pem_passphrase"),
        "age-encryption.org/v1\n-> scrypt",
        "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n",
    ] {
        let (error, shown) = refused(text);
        assert!(matches!(error, IdentityError::Passphrase(_)), "{shown}");
        assert!(shown.contains("passphrase"));
    }
}

#[test]
fn what_holds_no_key_is_refused_with_its_line() {
    assert!(matches!(refused("").0, IdentityError::NoKey(_)));
    assert!(matches!(refused("# nothing\n").0, IdentityError::NoKey(_)));
    assert!(matches!(refused(&format!("#\n{SECRET}X\n")).0, IdentityError::Line { line: 2, .. }));
    assert!(matches!(refused(&format!("{SECRET}\nage1xyz\n")).0, IdentityError::Line { line: 2, .. }));
    assert!(matches!(refused(&ED25519[..200]).0, IdentityError::NoKey(_)));
    assert!(matches!(refused("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").0, IdentityError::NoKey(_)));
    let (error, shown) = refused(include_str!("keys/ecdsa"));
    assert!(matches!(error, IdentityError::SshKind(_)), "{shown}");
}

#[test]
fn keys_show_nothing_of_themselves() {
    let (recipients, identities) = pair();
    assert_eq!(format!("{identities:?}"), "Identities(1)");
    assert!(format!("{recipients:?}").starts_with("[\"age1"));
}
