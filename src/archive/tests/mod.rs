//! Tests of sealed objects and of directories as a whole.

mod files;
mod hostile;
mod identities;
pub(super) mod sample;
mod sealed;

use std::path::PathBuf;

use super::*;

/// A key of age for tests: what it seals is no secret.
pub(super) const SECRET: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// A file of mode 0600 in a directory of its own.
pub(super) fn private_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    crate::state::write_private(&path, text.as_bytes()).unwrap();
    (folder, path)
}

/// Identities from the text of a file.
pub(super) fn identities(text: &str) -> Identities {
    let (_folder, path) = private_file(text);
    Identities::read(&path).unwrap()
}

/// The key pair of most tests.
pub(super) fn pair() -> (Recipients, Identities) {
    let key: age::x25519::Identity = SECRET.parse().unwrap();
    (Recipients::parse(&[key.to_public().to_string()]).unwrap(), identities(SECRET))
}

/// Seals rows.
pub(super) fn sealed(recipients: &Recipients, header: &Header, rows: &[Row]) -> Vec<u8> {
    let mut sealer = Sealer::new(recipients, header, Vec::new()).unwrap();
    for row in rows {
        sealer.row(row).unwrap();
    }
    sealer.finish().unwrap()
}

/// Opens an object to its end.
pub(super) fn opened(object: &[u8], identities: &Identities) -> Result<(Header, Vec<Row>), OpenError> {
    let (header, rows) = open(object, identities)?;
    Ok((header, rows.collect::<Result<_, _>>()?))
}

/// The object of `sample`.
pub(super) fn small() -> Vec<u8> {
    sealed(&pair().0, &sample::header(), &sample::rows())
}
