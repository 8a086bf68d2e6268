//! Checking a certificate with nothing but the key that signed it.

use super::account;
use super::{CERTIFICATE_FORM, Certificate};
use crate::journal::entry::Entry;
use crate::journal::event::Event;
use crate::journal::note::{SignatureState, UncheckedCheckpoint};
use crate::journal::prove::{ProofFault, check_entry};
use crate::journal::value::VerifierKey;

/// Most bytes of a certificate that are read: it comes from anybody.
pub const LARGEST_CERTIFICATE: u64 = 1 << 30;

/// Why a certificate does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// The bytes are no certificate in its one form.
    Form,
    /// Its checkpoint, its key, or an entry of it.
    Proof(ProofFault),
    /// The last entry does not announce these claims.
    Claims,
    /// The entries say something else than the claims.
    Account,
}

impl From<ProofFault> for CertificateFault {
    fn from(fault: ProofFault) -> Self {
        Self::Proof(fault)
    }
}

impl std::fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form => f.write_str("this is not a certificate in its one form"),
            Self::Proof(fault) => write!(f, "{fault}"),
            Self::Claims => f.write_str("what it says is not what the log announced"),
            Self::Account => f.write_str("what it says was done is not what its entries say"),
        }
    }
}

impl std::error::Error for CertificateFault {}

/// The certificate in a file: the file itself, or what is attached to a PDF, where it stands as it is. Of two nobody knows which one is meant: then
/// there is none.
#[must_use]
pub fn certificate_in(file: &[u8]) -> &[u8] {
    const BEGINS: &[u8] = b"\n{\"claims\":{\"form\":";
    if !file.starts_with(b"%PDF-") {
        return file;
    }
    let mut found = file.windows(BEGINS.len()).enumerate().filter(|(_, bytes)| *bytes == BEGINS).map(|(at, _)| at + 1);
    let (Some(at), None) = (found.next(), found.next()) else { return &[] };
    let end = file[at..].iter().position(|byte| *byte == b'\n').map_or(file.len(), |end| at + end + 1);
    &file[at..end]
}

/// Checks a certificate: that it has its one form, that the key signed its checkpoint, that every entry is in the log which that covers, that the last
/// of them announces exactly these claims, and that the others add up to them.
///
/// # Errors
/// The first fault.
pub fn verify_certificate(bytes: &[u8], key: &VerifierKey) -> Result<Certificate, CertificateFault> {
    let certificate: Certificate = serde_json::from_slice(bytes).map_err(|_| CertificateFault::Form)?;
    if certificate.to_bytes() != bytes || certificate.claims.form != CERTIFICATE_FORM {
        return Err(CertificateFault::Form);
    }
    let checkpoint = UncheckedCheckpoint::parse(&certificate.checkpoint).ok_or(ProofFault::Checkpoint)?;
    let signed = checkpoint.signed_by(key) == SignatureState::Valid && checkpoint.signers().len() == 1;
    if !signed || checkpoint.origin() != key.name() || certificate.claims.origin.as_str() != key.name() {
        return Err(ProofFault::Signature.into());
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(certificate.entries.len());
    for (at, proven) in certificate.entries.iter().enumerate() {
        let entry = check_entry(at, proven, &checkpoint)?;
        if entries.last().is_some_and(|before| before.seq >= entry.seq) {
            return Err(ProofFault::Entry(at).into());
        }
        entries.push(entry);
    }
    let last = entries.pop().ok_or(CertificateFault::Claims)?;
    let Event::CertificateIssued { source, certificate: announced } = &last.event else { return Err(CertificateFault::Claims) };
    let claims = &certificate.claims;
    if last.seq + 1 != checkpoint.size() || *source != claims.source || *announced != claims.hash() {
        return Err(CertificateFault::Claims);
    }
    if account::of(&claims.source, &entries).as_ref() != Some(&claims.account) {
        return Err(CertificateFault::Account);
    }
    Ok(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_found_in_a_pdf_that_has_one() {
        let one = "{\"claims\":{\"form\":1}}\n";
        let pdf = |inner: &str| format!("%PDF-1.7\nx\nstream\n{inner}\nendstream\n");
        assert_eq!(certificate_in(one.as_bytes()), one.as_bytes());
        assert_eq!(certificate_in(pdf(one).as_bytes()), one.as_bytes());
        assert!(certificate_in(pdf(&format!("{one}endstream\nstream\n{one}")).as_bytes()).is_empty());
        assert!(certificate_in(pdf("nothing").as_bytes()).is_empty());
    }
}
