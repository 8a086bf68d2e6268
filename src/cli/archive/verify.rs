//! `retentiond archive verify`: the archives against the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::archive::{
    Archive, FileLine, Identities, ObjectName, OpenError, Plain, StoreError, file_name, object_name, open, open_file, part_of,
};
use crate::cli::Format;
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::words::{colon, count, pick};
use crate::enforce::catalogue;
use crate::journal::{Day, Event, Id128, Reader};
use crate::policy::reader::shown;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Opens every object to its end as well, with this identity.
    #[arg(long)]
    identity: Option<PathBuf>,
    /// Looks at one object of so many, chosen anew each time; at all of them without it.
    #[arg(long, value_name = "N")]
    one_of: Option<u32>,
    /// Only this archive; may be repeated.
    #[arg(long)]
    archive: Vec<String>,
}

#[derive(Debug, Default, serde::Serialize)]
struct Verdict {
    /// Objects looked at.
    objects: u64,
    /// Records that they name.
    records: u64,
    /// Files sealed beside them.
    #[serde(skip_serializing_if = "is_zero")]
    files: u64,
    /// Objects that the journal knows and the archive does not have.
    missing: Vec<String>,
    /// Objects that are not as they were sealed.
    changed: Vec<String>,
    /// Objects that the identity opens, and that cannot be read to their end.
    unreadable: Vec<String>,
    /// Objects sealed to others than the identity: their bytes are compared, nobody looked into them.
    #[serde(skip_serializing_if = "is_zero")]
    unopened: u64,
    /// Objects that no entry of the journal names.
    unknown: Vec<String>,
    /// Objects out of which records are being taken, and what there is of their rests: the next run ends it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    erasing: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Compares.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let identities = args
        .identity
        .as_ref()
        .map(|file| Identities::read(file).map_err(|e| Failure::new(Exit::Denied, format!("{}: {e}", file.display()))));
    let identities = identities.transpose()?.map(Arc::new);
    let mut archives = cx.archives(&workspace)?;
    if let Some(unknown) = args.archive.iter().find(|name| !archives.0.contains_key(*name)) {
        return Err(Failure::new(Exit::Usage, format!("the settings have no archive `{}`", shown(unknown))));
    }
    let wanted = |archive: &str| args.archive.is_empty() || args.archive.iter().any(|name| name == archive);
    archives.0.retain(|name, _| wanted(name));
    let reader = Reader::new(&cx.state_to_read(&workspace).await?);
    let mut verdict = Verdict::default();
    let mut known: BTreeSet<(String, ObjectName)> = BTreeSet::new();
    let mut pages = catalogue::Pages::default();
    // By archive: objects that the identity opened, and those that it did not.
    let mut opened: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    while let Some(page) = pages.next(&reader).await? {
        for found in page.into_iter().filter(|found| wanted(&found.row.archive)) {
            let row = &found.row;
            let name = object_name(&row.source, &Id128(row.batch).to_string(), found.sealed.until.map(Day::date), row.part)
                .map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
            let told = format!("{}: {}", row.archive, name.as_str());
            known.insert((row.archive.clone(), name.clone()));
            let mut files = Vec::new();
            for (n, file) in (0..).zip(&found.sealed.files) {
                let batch = Id128(row.batch).to_string();
                let name = file_name(&row.source, &batch, found.sealed.until.map(Day::date), row.part, n)
                    .map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
                known.insert((row.archive.clone(), name.clone()));
                files.push((name, file.sha256.0));
            }
            if !chosen(args.one_of)? {
                continue;
            }
            verdict.objects += 1;
            verdict.records += row.records;
            let Some(archive) = archives.get(&row.archive) else {
                return Err(Failure::new(Exit::Config, format!("the settings have no archive `{}`", row.archive)));
            };
            let mut as_sealed = BTreeSet::new();
            for (name, sha256) in &files {
                verdict.files += 1;
                if verdict.looked(archive, &row.archive, name, sha256).await? {
                    as_sealed.insert(name.clone());
                }
            }
            if !verdict.looked(archive, &row.archive, &name, &found.sealed.sha256.0).await? {
                continue;
            }
            if let Some(identities) = &identities {
                let stored = archive.store.reader(&name).await.map_err(unavailable)?;
                let lines = open(stored, identities).and_then(|(_, mut rows)| {
                    rows.by_ref().try_for_each(|row| row.map(drop))?;
                    Ok(rows.files().to_vec())
                });
                match lines {
                    Err(OpenError::NoIdentity) => {
                        verdict.unopened += 1;
                        opened.entry(row.archive.clone()).or_default()[1] += 1;
                    }
                    Ok(lines) if lines.len() == files.len() => {
                        opened.entry(row.archive.clone()).or_default()[0] += 1;
                        for (line, (name, _)) in lines.iter().zip(&files).filter(|(_, (name, _))| as_sealed.contains(name)) {
                            if !opens(archive, name, identities, line).await? {
                                verdict.unreadable.push(format!("{}: {}", row.archive, name.as_str()));
                            }
                        }
                    }
                    _ => verdict.unreadable.push(told),
                }
            }
        }
    }
    // A batch that is under way may have sealed what no entry names yet.
    let under_way: BTreeSet<String> = reader
        .open_batches()
        .await?
        .into_iter()
        .filter_map(|e| if let Event::Intent { batch, .. } = e.event { Some(batch.to_string()) } else { None })
        .collect();
    let erasing = erasing(&reader).await?;
    for (name, archive) in &archives.0 {
        let listed = archive.store.list(None).await.map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
        for object in listed {
            let of_open = object.name.as_str().split('/').nth(1).is_some_and(|batch| under_way.contains(batch));
            if of_open || known.contains(&(name.clone(), object.name.clone())) {
                continue;
            }
            let batch = object.name.as_str().split('/').nth(1).unwrap_or_default().to_owned();
            let of_erasure = part_of(&object.name).is_some_and(|part| erasing.contains(&(batch, part)));
            let list = if of_erasure { &mut verdict.erasing } else { &mut verdict.unknown };
            list.push(format!("{name}: {}", object.name.as_str()));
        }
        for left in archive.store.leftovers().await.map_err(unavailable)? {
            // Unfinished: those of an open batch go with it.
            let batch = left.parent().and_then(|batch| batch.file_name()).map(|batch| batch.to_string_lossy().into_owned());
            if !batch.is_some_and(|batch| under_way.contains(&batch)) {
                verdict.unknown.push(format!("{name}: {}", left.display()));
            }
        }
    }
    let sound = [&verdict.missing, &verdict.changed, &verdict.unreadable, &verdict.unknown].iter().all(|list| list.is_empty());
    // Whoever gives an identity wants something opened: of an archive that it opens, or that is asked for by name, everything. A sample may meet others alone.
    let named = |archive: &String| args.archive.contains(archive);
    let partly = opened.iter().any(|(archive, [open, not])| *not > 0 && (*open > 0 || named(archive)));
    let nothing = verdict.unopened > 0 && args.one_of.is_none() && opened.values().all(|[open, _]| *open == 0);
    let lang = cx.lang(&workspace);
    match cx.format {
        Format::Json => output::json(&serde_json::json!(verdict))?,
        Format::Text => {
            for (fr, en, list) in [
                ("manque", "is missing", &verdict.missing),
                ("n’est pas tel qu’il a été scellé", "is not as it was sealed", &verdict.changed),
                ("ne peut être lu jusqu’au bout", "cannot be read to its end", &verdict.unreadable),
                ("n’est dans aucun journal", "is in no journal", &verdict.unknown),
                ("est en cours d’effacement partiel", "is being erased from", &verdict.erasing),
            ] {
                for object in list {
                    output::line(format!("{object} {}", pick(lang, fr, en)))?;
                }
            }
            if verdict.unopened > 0 {
                let fr = (
                    "objet scellé pour d’autres que cette identité\u{a0}: comparé au journal, non ouvert",
                    "objets scellés pour d’autres que cette identité\u{a0}: comparés au journal, non ouverts",
                );
                let en = (
                    "object sealed to others than this identity: compared with the journal, not opened",
                    "objects sealed to others than this identity: compared with the journal, not opened",
                );
                output::line(count(verdict.unopened, lang, fr, en))?;
            }
            let objects = count(verdict.objects, lang, ("objet", "objets"), ("object", "objects"));
            let records = count(verdict.records, lang, ("enregistrement", "enregistrements"), ("record", "records"));
            let files = count(verdict.files, lang, ("fichier", "fichiers"), ("file", "files"));
            let (with, and) = (pick(lang, "avec", "with"), pick(lang, "et", "and"));
            let files = if verdict.files > 0 { format!(" {and} {files}") } else { String::new() };
            let how = match sound {
                true => pick(lang, "conforme au journal", "as the journal says"),
                false => pick(lang, "PAS conforme au journal", "NOT as the journal says"),
            };
            output::line(format!("{objects} {with} {records}{files}{} {how}", colon(lang)))?;
        }
    }
    Ok(if sound && !partly && !nothing { Exit::Ok } else { Exit::Failed })
}

/// What erasures that have not ended leave to the next run, by batch and part.
async fn erasing(reader: &Reader) -> Result<BTreeSet<(String, u32)>, Failure> {
    let open = reader.open_erasures().await?.into_iter().chain(reader.open_resealed().await?);
    let part = |event| match event {
        Event::ArchiveErasureIntended { object, part, .. } => Some((object.batch.to_string(), part)),
        Event::ArchiveResealed { object, .. } => Some((object.batch.to_string(), object.part)),
        _ => None,
    };
    Ok(open.filter_map(|entry| part(entry.event)).collect())
}

fn unavailable(e: StoreError) -> Failure {
    Failure::new(Exit::Unavailable, e.to_string())
}

impl Verdict {
    /// Compares one object with its hash; whether it is as it was sealed.
    async fn looked(&mut self, of: &Archive, archive: &str, name: &ObjectName, sha256: &[u8; 32]) -> Result<bool, Failure> {
        let list = match of.store.check(name, sha256).await {
            Ok(()) => return Ok(true),
            Err(StoreError::Missing(_)) => &mut self.missing,
            Err(StoreError::Differs(_)) => &mut self.changed,
            Err(e) => return Err(unavailable(e)),
        };
        list.push(format!("{archive}: {}", name.as_str()));
        Ok(false)
    }
}

/// Whether a sealed file can be opened to its end, and is the one that its rows' object names.
async fn opens(archive: &Archive, name: &ObjectName, identities: &Arc<Identities>, line: &FileLine) -> Result<bool, Failure> {
    let stored = archive.store.stream(name).await.map_err(unavailable)?;
    let (identities, plain) = (Arc::clone(identities), Plain { bytes: line.bytes, sha256: line.sha256.0 });
    let work = move || open_file(stored, &identities, plain, &mut std::io::sink()).is_ok();
    tokio::task::spawn_blocking(work).await.map_err(|e| Failure::new(Exit::Failed, e.to_string()))
}

/// Whether an object is one of those to be looked at.
fn chosen(one_of: Option<u32>) -> Result<bool, Failure> {
    let Some(of) = one_of.filter(|n| *n > 1) else { return Ok(true) };
    let mut bytes = [0u8; 4];
    getrandom::fill(&mut bytes).map_err(|_| Failure::new(Exit::Failed, "no source of random bytes"))?;
    Ok(u32::from_le_bytes(bytes).is_multiple_of(of))
}
