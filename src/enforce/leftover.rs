//! Whether anything personal is left of a source: what a certificate rests on.

use super::error::EnforceError;
use super::prepare::Prepared;
use super::take_census;
use crate::journal::{FoundIn, Name};
use crate::plan::lookup::count_orphans;
use crate::plan::resolve::Resolved;
use crate::policy::map::{DataMap, Disposition};
use crate::source::Session;

/// What a look at every mapped table found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Rows that are left, or left with personal values, by data set; those without any are not named. Pseudonymised rows are left.
    pub left: Vec<(String, u64)>,
    /// By root data set, rows of which every personal field is masked for good.
    pub found: Vec<FoundIn>,
    /// Tables and columns that the map does not know, so that nobody can say what is in them.
    pub unknown: u64,
    /// Files that were sealed and have not left their stores yet; counted no further than a thousand.
    pub files: u64,
}

/// Looks at every mapped table. Reads whole tables, and writes nothing.
///
/// # Errors
/// [`EnforceError::Source`].
pub async fn leftover(session: &mut Session, prepared: &Prepared, map: &DataMap) -> Result<Leftover, EnforceError> {
    let resolved = Resolved::new(map, &prepared.schema);
    let unknown = prepared.plan.unmapped_tables.len() + prepared.plan.unmapped_columns.len();
    let mut all = Leftover { unknown: unknown as u64, ..Leftover::default() };
    for (id, counts) in take_census(session, &prepared.plan).await? {
        let kept = map.data_set(&id).is_some_and(|d| d.disposition == Disposition::Anonymise) && !pseudonymised(map, &id);
        let anonymised = if kept { counts.done } else { 0 };
        if counts.records > anonymised {
            all.left.push((id.clone(), counts.records - anonymised));
        }
        all.found.push(FoundIn { data_set: Name::parse(&id)?, anonymised });
    }
    for data in &map.data_sets {
        // Followers of a record that stays anonymised were counted with it.
        let Some(sql) = count_orphans(&resolved, data) else { continue };
        let rows = session.rows(&sql).await?;
        let n: u64 = rows.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(u64::MAX);
        if n > 0 {
            all.left.push((data.id.value.clone(), n));
        }
    }
    // A map without files has never sealed any.
    if !prepared.plan.pointing.is_empty() {
        all.files = session.rows(&resolved.dialect.leaving(&prepared.plan.source, None, 1_000)).await?.len() as u64;
    }
    if resolved.dialect.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok(all)
}

/// Whether a record of this root keeps a pseudonym: personal data still.
fn pseudonymised(map: &DataMap, root: &str) -> bool {
    let record = map.data_sets.iter().filter(|d| map.root_of(d).id.value == root);
    record.flat_map(|d| &d.categories).flat_map(|c| &c.columns).any(|c| c.mask.value.is_pseudonym())
}
