//! Drafting a data map of a connected database.

use super::error::EnforceError;
use crate::plan::dialect::Dialect;
use crate::plan::draft::finding::Evidence;
use crate::plan::draft::sample::{Sample, sample};
use crate::plan::draft::shapes::{Seen, look};
use crate::plan::draft::write::write;
use crate::source::{Class, Source, SourceError};

/// Drafts the data map of a source, as TOML. With `with_values` a few rows of each table are read, in read-only transactions, and their
/// shapes are told apart in memory; no value is kept, printed or logged. A table that this role may not read, that is locked or
/// slow, or whose texts are no texts, is drafted by its names alone.
///
/// # Errors
/// [`EnforceError::Source`] when the schema cannot be read or the connection is lost.
pub async fn draft(source: &Source, source_id: &str, with_values: bool) -> Result<String, EnforceError> {
    let schema = source.introspect().await?;
    let dialect = Dialect { engine: schema.server.engine };
    let mut evidence = Evidence::new();
    if with_values {
        for table in &schema.tables {
            let Some(sample) = sample(dialect, table) else { continue };
            match read(source, &sample).await {
                Ok(seen) => {
                    evidence.insert(table.name.clone(), sample.columns.into_iter().zip(seen).collect());
                }
                Err(error) if is_of_the_table(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(write(&schema, &evidence, source_id))
}

/// Reads a sample and reduces it, column by column, to what its values look like.
async fn read(source: &Source, sample: &Sample) -> Result<Vec<Seen>, SourceError> {
    let mut session = source.session().await?;
    session.rows(sample.before).await?;
    let rows = session.rows(&sample.sql).await?;
    session.done().await?;
    let column = |i: usize| rows.iter().filter_map(move |r| r.get(i)?.as_deref());
    Ok((0..sample.columns.len()).map(|i| look(column(i))).collect())
}

/// Whether an error says something about one table only, so that the others can still be read.
fn is_of_the_table(error: &SourceError) -> bool {
    match error {
        SourceError::NotText(_) => true,
        SourceError::Database(fault) => !matches!(fault.class, Class::Lost | Class::Config),
        _ => false,
    }
}
