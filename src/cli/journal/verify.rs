//! `retentiond journal verify`: an export, or a proof for one record, with nothing but the file and the public key.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::show::words;
use crate::cli::certificate::text;
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::words::pick;
use crate::cli::{Format, output};
use crate::config::Lang;
use crate::journal::{
    CertificateFault, Entry, LARGEST_CERTIFICATE, ProofFault, RecordProof, VerifierKey, certificate_in, notes_in, verify,
    verify_certificate, verify_proof,
};
use crate::policy::reader::shown;

/// Most bytes of a proof that are read: it comes from anybody.
const LARGEST_PROOF: u64 = 64 << 20;

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("{}: {error}", path.display()))
}

/// Verifies what the file holds.
pub(super) fn run(cx: &Cx, path: &Path, key: &str, witness: &[PathBuf]) -> Result<Exit, Failure> {
    let read = |path: &Path| File::open(path).map_err(|e| unreadable(path, &e));
    let key = public_key(key)?;
    let mut notes = Vec::new();
    for path in witness {
        let found = notes_in(&mut BufReader::new(read(path)?)).map_err(|e| unreadable(path, &e))?;
        if found.is_empty() {
            return Err(Failure::new(Exit::Failed, format!("{} holds no checkpoint", path.display())));
        }
        notes.extend(found);
    }
    let mut file = BufReader::new(read(path)?);
    if file.fill_buf().map_err(|e| unreadable(path, &e))?.starts_with(b"{") {
        if !witness.is_empty() {
            return Err(Failure::new(Exit::Usage, "a proof carries its own checkpoint: `--witness` belongs to an export"));
        }
        let proof: RecordProof = serde_json::from_reader(file.take(LARGEST_PROOF)).map_err(|_| {
            Failure::new(Exit::Failed, format!("{} is no proof as `journal prove --format json` writes it", path.display()))
        })?;
        return proof_of_a_record(cx, &proof, &key);
    }
    let report = verify(&mut file, &key, &notes).map_err(|e| unreadable(path, &e))?;
    match cx.format {
        Format::Json => output::json(
            &serde_json::json!({ "sound": report.is_sound(), "entries": report.entries, "signed": report.signed, "witnesses": notes.len(),
                "faults": report.faults.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        )?,
        Format::Text if report.is_sound() => {
            output::line(format!(
                "The journal is sound: {} entries, signed up to {}, {} checkpoints from elsewhere agree.",
                report.entries,
                report.signed,
                notes.len()
            ))?;
        }
        Format::Text => {
            output::line("The journal is NOT sound:")?;
            for fault in &report.faults {
                output::line(format!("  {fault}"))?;
            }
        }
    }
    Ok(if report.is_sound() { Exit::Ok } else { Exit::Failed })
}

/// Verifies a certificate.
pub(super) fn certificate(cx: &Cx, path: &Path, key: &str) -> Result<Exit, Failure> {
    let key = public_key(key)?;
    let lang = cx.lang_or(Lang::En);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    file.take(LARGEST_CERTIFICATE).read_to_end(&mut bytes).map_err(|e| unreadable(path, &e))?;
    let verdict = verify_certificate(certificate_in(&bytes), &key);
    match (cx.format, &verdict) {
        (Format::Json, Ok(certificate)) => output::json(&serde_json::json!({
            "holds": true, "certificate": certificate.claims.hash().to_string(), "claims": certificate.claims,
        }))?,
        (Format::Json, Err(fault)) => output::json(&serde_json::json!({ "holds": false, "fault": fault.to_string() }))?,
        (Format::Text, Ok(certificate)) => {
            output::say(text(certificate, lang))?;
            output::line(pick(
                lang,
                "Le certificat tient\u{a0}: il est signé par cette clef, et chaque écriture est dans le journal.",
                "The certificate holds: this key signed it, and every entry is in the journal.",
            ))?;
        }
        (Format::Text, Err(fault)) => output::line(match lang {
            Lang::Fr => format!("Le certificat ne tient PAS\u{a0}: {}", in_french(*fault)),
            Lang::En => format!("The certificate does NOT hold: {fault}"),
        })?,
    }
    Ok(if verdict.is_ok() { Exit::Ok } else { Exit::Failed })
}

fn in_french(fault: CertificateFault) -> String {
    match fault {
        CertificateFault::Form => "ce n'est pas un certificat dans sa seule forme".to_owned(),
        CertificateFault::Proof(ProofFault::Checkpoint) => "il n'a pas de point de contrôle lisible".to_owned(),
        CertificateFault::Proof(ProofFault::Signature) => "son point de contrôle n'est pas signé par cette clef".to_owned(),
        CertificateFault::Proof(ProofFault::Inclusion(at)) => {
            format!("le point de contrôle ne couvre pas l'écriture numéro {at}")
        }
        CertificateFault::Proof(ProofFault::Entry(at)) => {
            format!("l'écriture numéro {at} n'est pas une écriture du journal à cette place")
        }
        CertificateFault::Claims => "ce qu'il dit n'est pas ce que le journal a annoncé".to_owned(),
        CertificateFault::Account => "ce qu'il dit avoir été fait n'est pas ce que disent ses écritures".to_owned(),
    }
}

/// The key as it was given: itself, or a file that holds it.
fn public_key(given: &str) -> Result<VerifierKey, Failure> {
    match std::fs::read_to_string(given) {
        Ok(text) => {
            VerifierKey::parse(text.trim()).map_err(|e| Failure::new(Exit::Usage, format!("the file {} holds {e}", shown(given))))
        }
        Err(e) => VerifierKey::parse(given).map_err(|invalid| match e.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::InvalidFilename => {
                Failure::new(Exit::Usage, format!("`{}` is no file that exists, and {invalid}", shown(given)))
            }
            _ => Failure::new(Exit::Unavailable, format!("the key file {}: {e}", shown(given))),
        }),
    }
}

fn proof_of_a_record(cx: &Cx, proof: &RecordProof, key: &VerifierKey) -> Result<Exit, Failure> {
    let fault = match verify_proof(proof, key) {
        Ok(()) if proof.entries.is_empty() => Some("it has no entry, and proves nothing".to_owned()),
        Ok(()) => None,
        Err(fault) => Some(fault.to_string()),
    };
    match (cx.format, &fault) {
        (Format::Json, _) => {
            output::json(&serde_json::json!({ "holds": fault.is_none(), "entries": proof.entries.len(), "fault": fault }))?
        }
        (Format::Text, Some(fault)) => output::line(format!("The proof does NOT hold: {fault}"))?,
        (Format::Text, None) => {
            output::line(format!(
                "The proof holds. These entries are in the log that the checkpoint over {} entries covers:",
                size(proof)
            ))?;
            entries(proof)?;
            output::line("That there are no others, an export proves.")?;
        }
    }
    Ok(if fault.is_none() { Exit::Ok } else { Exit::Failed })
}

/// The entries of a proof, each on one line.
pub(super) fn entries(proof: &RecordProof) -> Result<(), Failure> {
    for entry in proof.entries.iter().filter_map(|e| Entry::from_bytes(e.entry.as_bytes()).ok()) {
        output::line(words(&entry))?;
    }
    Ok(())
}

/// How many entries the checkpoint of a proof covers, as it says.
pub(super) fn size(proof: &RecordProof) -> &str {
    proof.checkpoint.as_deref().and_then(|note| note.lines().nth(1)).unwrap_or("0")
}
