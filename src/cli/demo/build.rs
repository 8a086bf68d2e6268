//! The demonstration's files and databases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use chrono::NaiveDate;

use crate::cli::exit::{Exit, Failure};
use crate::demo::{Insert, Organisation, SeedValue, rows};
use crate::plan::schema::Engine;
use crate::source::setup::{SetupRequest, script};
use crate::source::{Session, Source, Target};

/// The shipped files of one organisation.
struct Shipped {
    map: &'static str,
    policy: &'static str,
    schema: &'static str,
}

macro_rules! shipped {
    ($folder:literal) => {
        Shipped {
            map: include_str!(concat!("../../../config/examples/", $folder, "/map.toml")),
            policy: include_str!(concat!("../../../config/examples/", $folder, "/policy.toml")),
            schema: include_str!(concat!("../../../config/examples/", $folder, "/schema.sqlite.sql")),
        }
    };
}

fn shipped(org: Organisation) -> Shipped {
    match org {
        Organisation::Sofraco => shipped!("sofraco"),
        Organisation::Secufor => shipped!("secufor"),
        Organisation::Bsoft => shipped!("bsoft"),
        Organisation::Seveane => shipped!("seveane"),
        Organisation::Capassurances => shipped!("capassurances"),
        Organisation::Generic => shipped!("generic"),
    }
}

/// An organisation's rows as they were inserted.
pub struct Seeded {
    /// By table, in the order of insertion.
    pub tables: BTreeMap<&'static str, Vec<Insert>>,
    /// All of them.
    pub rows: u64,
}

/// Where the identity that opens the demonstration's archives lies, in its directory.
pub const IDENTITY: &str = "archive.key";

/// The archives that the policies name.
const ARCHIVES: [&str; 3] = ["evidence", "legal", "restricted"];

/// The directory of all stores of files in the demonstration's directory, and the end of their names: a store belongs to one source.
const RECORDINGS: &str = "recordings";
/// The column of every table that points into it.
const AUDIO: &str = "audio_file";

/// Draws an identity of age for the archives and writes it where only its owner reads it; returns its public key.
fn identity(dir: &Path) -> Result<String, Failure> {
    let identity = age::x25519::Identity::generate();
    crate::state::write_private(&dir.join(IDENTITY), format!("{}\n", identity.to_string().expose_secret()).as_bytes())?;
    Ok(identity.to_public().to_string())
}

/// Writes settings, maps, policies and the archives' identity; returns the settings' path.
pub fn files(dir: &Path) -> Result<PathBuf, Failure> {
    let failed = |path: &Path, e: &std::io::Error| Failure::new(Exit::Unavailable, format!("{}: {e}", path.display()));
    std::fs::create_dir(dir).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let again = format!("{} exists already: delete it, or choose another directory with `--dir`", dir.display());
            Failure::new(Exit::Unavailable, again)
        }
        _ => failed(dir, &e),
    })?;
    let mut settings = String::from("state = \"state\"\nactors = [\"dpo\", \"operations\"]\nlanguage = \"en\"\npolicies = [");
    for org in Organisation::FIVE {
        settings.push_str(&format!("\"policies/{}.toml\", ", org.id()));
    }
    settings.push_str(
        "]\n\n# A first run over years of backlog changes more than half of some tables.\n[ceilings]\nshare_percent = 100\n",
    );
    let recipient = identity(dir)?;
    for archive in ARCHIVES {
        settings
            .push_str(&format!("\n[archives.{archive}]\ndirectory = \"archives/{archive}\"\nrecipients = [\"{recipient}\"]\n"));
    }
    for folder in ["sources", "policies", "data", "archives", RECORDINGS] {
        let path = dir.join(folder);
        std::fs::create_dir(&path).map_err(|e| failed(&path, &e))?;
    }
    for org in Organisation::FIVE {
        let (id, text) = (org.id(), shipped(org));
        if text.map.contains(&format!("store = \"{id}-{RECORDINGS}\"")) {
            settings.push_str(&format!("\n[files.{id}-{RECORDINGS}]\ndirectory = \"{RECORDINGS}/{id}\"\n"));
            let store = dir.join(RECORDINGS).join(id);
            std::fs::create_dir(&store).map_err(|e| failed(&store, &e))?;
            // A store without any file would look like a disk that is not mounted.
            let mounted = store.join("mounted");
            std::fs::write(&mounted, "").map_err(|e| failed(&mounted, &e))?;
        }
        settings.push_str(&format!("\n[sources.{id}]\nmap = \"sources/{id}.toml\"\nurl = \"sqlite:data/{id}.db\"\n"));
        for (path, text) in
            [(dir.join(format!("sources/{id}.toml")), text.map), (dir.join(format!("policies/{id}.toml")), text.policy)]
        {
            std::fs::write(&path, text).map_err(|e| failed(&path, &e))?;
        }
    }
    let path = dir.join("retentiond.toml");
    std::fs::write(&path, settings).map_err(|e| failed(&path, &e))?;
    Ok(path)
}

/// Writes the file that a row points to, if it points to one.
fn recording(store: &Path, insert: &Insert) -> Result<(), Failure> {
    let at = insert.columns.iter().position(|c| *c == AUDIO);
    let Some(SeedValue::Text(name)) = at.and_then(|at| insert.values.get(at)) else { return Ok(()) };
    let path = store.join(name);
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, "RIFF"));
    written.map_err(|e| Failure::new(Exit::Unavailable, format!("{}: {e}", path.display())))
}

/// Creates and fills one organisation's database, with our tables in it and the files that its rows point to.
pub async fn database(dir: &Path, org: Organisation, records: usize, seed: u64, today: NaiveDate) -> Result<Seeded, Failure> {
    let path = dir.join(format!("data/{}.db", org.id()));
    std::fs::File::create_new(&path).map_err(|e| Failure::new(Exit::Unavailable, format!("{}: {e}", path.display())))?;
    let source = Source::connect(&Target::new(format!("sqlite:{}", path.display()))).await?;
    let mut session = source.session().await?;
    let request = SetupRequest {
        source: org.id().to_owned(),
        role: String::new(),
        host: None,
        slots: 1,
        database: String::new(),
        tables: Vec::new(),
    };
    let setup = script(Engine::Sqlite, &request).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    session.rows("PRAGMA journal_mode = WAL").await?;
    session.rows(shipped(org).schema).await?;
    session.rows(&setup).await?;
    let mut seeded = Seeded { tables: BTreeMap::new(), rows: 0 };
    session.rows("BEGIN").await?;
    let store = dir.join(RECORDINGS).join(org.id());
    let mut waiting: Vec<Insert> = Vec::new();
    for insert in rows(org, org.share(records), seed, today) {
        if waiting.first().is_some_and(|w| w.table != insert.table || w.columns != insert.columns) || waiting.len() == 200 {
            flush(&mut session, &mut waiting, &mut seeded).await?;
        }
        recording(&store, &insert)?;
        waiting.push(insert);
    }
    flush(&mut session, &mut waiting, &mut seeded).await?;
    session.rows("COMMIT; ANALYZE").await?;
    session.done().await?;
    source.close().await;
    Ok(seeded)
}

async fn flush(session: &mut Session, waiting: &mut Vec<Insert>, seeded: &mut Seeded) -> Result<(), Failure> {
    let Some(first) = waiting.first() else { return Ok(()) };
    let values: Vec<String> =
        waiting.iter().map(|i| format!("({})", i.values.iter().map(literal).collect::<Vec<_>>().join(", "))).collect();
    session.rows(&format!("INSERT INTO {} ({}) VALUES {}", first.table, first.columns.join(", "), values.join(", "))).await?;
    seeded.rows += waiting.len() as u64;
    for insert in waiting.drain(..) {
        seeded.tables.entry(insert.table).or_default().push(insert);
    }
    Ok(())
}

fn literal(value: &SeedValue) -> String {
    match value {
        SeedValue::Integer(n) => n.to_string(),
        SeedValue::Bool(b) => u8::from(*b).to_string(),
        SeedValue::Decimal(d) => d.clone(),
        other => other.text().map_or_else(|| "NULL".to_owned(), |t| format!("'{}'", t.replace('\'', "''"))),
    }
}
