//! `retentiond journal prove`.

use super::verify::{entries, size};
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::key::typed_key;
use crate::cli::{Format, output};
use crate::journal::{MacKeys, Name, Reader, RecordProof, prove};
use crate::plan::resolve::Resolved;
use crate::policy::reader::shown;

/// Proves what the journal says about one record.
pub(super) async fn run(cx: &Cx, data_name: &str, typed: &[String]) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let (rules, data) = cx.data_set(&workspace, data_name)?;
    let state = cx.state_to_read(&workspace).await?;
    let source = cx.connect(&workspace, &rules.map.source).await?;
    let schema = source.introspect().await?;
    source.close().await;
    let key = typed_key(&Resolved::new(&rules.map, &schema), &data, typed)?;
    let (name, data_set) = (Name::parse(&rules.map.source)?, Name::parse(&data.id)?);
    let macs = MacKeys::load(&state.key_dir())?;
    let proof = prove(&Reader::new(&state), &macs, &name, &data_set, &key).await?;
    match cx.format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&proof).map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
            output::line(output::inert_json(&text))?;
        }
        Format::Text => text(data_name, &proof)?,
    }
    Ok(if proof.entries.is_empty() { Exit::Failed } else { Exit::Ok })
}

/// What is proved, in words.
fn text(data_name: &str, proof: &RecordProof) -> Result<(), Failure> {
    let record = format!("this record of {}", shown(data_name));
    if proof.entries.is_empty() {
        output::line(format!("No signed entry of the journal names {record} under a key that exists."))?;
    } else {
        output::line(format!(
            "These entries name {record}, or belong to a batch or an order that does. A checkpoint signed over {} entries covers them:",
            size(proof)
        ))?;
        entries(proof)?;
    }
    if !proof.not_yet_signed.is_empty() {
        let list: Vec<String> = proof.not_yet_signed.iter().map(ToString::to_string).collect();
        output::line(format!("Not signed yet, and not proved: {}.", list.join(", ")))?;
    }
    if !proof.destroyed_keys.is_empty() {
        let list: Vec<String> = proof.destroyed_keys.iter().map(ToString::to_string).collect();
        output::line(format!("What was named under keys that were destroyed cannot be found any more: {}.", list.join(", ")))?;
    }
    if !proof.entries.is_empty() {
        output::line(
            "The proof for somebody else: `--format json`, checked by `retentiond journal verify` with the public key of now.",
        )?;
    }
    Ok(())
}
