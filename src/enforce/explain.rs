//! Reading the story of one record from its database: one round trip for the key, one for the story, nothing written.

use super::circles;
use super::elsewhere::Elsewhere;
use super::error::EnforceError;
use super::keys::keys_of;
use super::orders::stored_key;
use super::prepare::Prepared;
use crate::plan::compile;
use crate::plan::dialect::Dialect;
use crate::plan::explain::{Answers, Explanation, PurposeStory, Question, State, tell};
use crate::plan::key::RecordKey;
use crate::plan::resolve::Resolved;
use crate::plan::terms::join;
use crate::policy::map::{DataMap, DataSet};
use crate::policy::purpose::Policy;
use crate::source::{Session, Source};

/// Explains one record: `data_set` with or without the source's id, the key part by part as a person types it. A row that follows a record is
/// explained with that record.
///
/// # Errors
/// [`EnforceError::Unknown`] for a data set that the map does not have, [`EnforceError::NoSuchRecord`] for a key that cannot be one or is not
/// there; of the database.
pub async fn explain(
    source: &Source,
    prepared: &Prepared,
    map: &DataMap,
    policies: &[Policy],
    data_set: &str,
    typed_key: &[String],
) -> Result<Explanation, EnforceError> {
    explain_asking(source, prepared, map, policies, (data_set, typed_key), &Elsewhere::default()).await
}

/// The same for a source of which other sources keep something: they are asked of the person whom the record is about.
///
/// # Errors
/// As [`explain`].
pub async fn explain_asking(
    source: &Source,
    prepared: &Prepared,
    map: &DataMap,
    policies: &[Policy],
    (data_set, typed_key): (&str, &[String]),
    elsewhere: &Elsewhere,
) -> Result<Explanation, EnforceError> {
    let id = data_set.strip_prefix(&format!("{}.", map.source)).unwrap_or(data_set);
    let asked = map.data_set(id).ok_or(EnforceError::Unknown("data set"))?;
    let records = compile::records(map, policies, &prepared.schema, &prepared.moment);
    let resolved = records.terms.resolved;
    let typed = typed(&resolved, asked, typed_key).ok_or(EnforceError::NoSuchRecord)?;
    let mut session = source.session().await?;
    let key = stored_key(&mut session, &resolved, asked, &typed).await?.ok_or(EnforceError::NoSuchRecord)?;
    let (data, key) = root(&mut session, &resolved, asked, key).await?;
    let asked_and_answered = async {
        elsewhere.ask_about(&mut session, &prepared.plan, &data.id, std::slice::from_ref(&key)).await?;
        let fate = circles::fate(&mut session, &prepared.plan, &data.id, &key).await?;
        let question = Question::new(&records, data, &prepared.plan.actions, &fate.beside);
        let question = question.ok_or(EnforceError::Unknown("table"))?;
        let mut answers = ask(&mut session, &question, &key).await?;
        if fate.goes {
            question.say_gone(&mut answers);
        }
        if !fate.beside.is_empty() {
            question.say_acted(&mut answers);
        }
        session.done().await?;
        Ok::<_, EnforceError>((question, answers))
    };
    let told = asked_and_answered.await;
    // Also where the story could not be read.
    elsewhere.forget(source, &prepared.plan).await?;
    let (question, answers) = told?;
    let mut explanation = tell(&question, &records, data, typed_key, &answers);
    for of in records.elsewhere_of(data).into_iter().map(|i| &records.elsewhere[i]).filter(|of| !elsewhere.answers(&of.name)) {
        let same = |story: &&mut PurposeStory| {
            story.source.as_ref() == Some(&of.purpose.data.source) && story.id == of.purpose.id.value && story.keeps
        };
        explanation.purposes.iter_mut().filter(same).for_each(|story| story.state = State::UnaskedElsewhere);
    }
    explanation.follower = (asked.id != data.id).then(|| asked.title.clone());
    Ok(explanation)
}

fn typed(resolved: &Resolved<'_>, data: &DataSet, parts: &[String]) -> Option<RecordKey> {
    let columns = resolved.key_columns(data);
    if columns.len() != parts.len() || columns.is_empty() {
        return None;
    }
    columns.iter().zip(parts).map(|(c, p)| resolved.dialect.typed_part(c, p)).collect::<Option<_>>().map(RecordKey)
}

/// The record that a row belongs to: itself, or what it follows, step by step.
async fn root<'a>(
    session: &mut Session,
    resolved: &Resolved<'a>,
    asked: &'a DataSet,
    key: RecordKey,
) -> Result<(&'a DataSet, RecordKey), EnforceError> {
    let d: Dialect = resolved.dialect;
    let (mut data, mut key) = (asked, key);
    while let Some(parent) = data.parent.as_ref().filter(|p| p.follows) {
        let above = resolved.map.data_set(&parent.data).ok_or(EnforceError::Unknown("data set"))?;
        let (Some(from), Some(to)) = (resolved.table(data), resolved.table(above)) else {
            return Err(EnforceError::Unknown("table"));
        };
        let pairs: Vec<(String, String)> =
            parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        let columns = resolved.key_columns(above);
        let list: Vec<String> = columns.iter().map(|c| d.key_text("p", c)).collect();
        let sql = format!(
            "SELECT {} FROM {} AS f JOIN {} AS p ON {} WHERE {}",
            list.join(", "),
            d.table(&from.name),
            d.table(&to.name),
            join(resolved, "f", "p", &pairs).render(),
            d.key_in("f", &resolved.key_columns(data), &[key])
        );
        let rows = session.rows(&sql).await?;
        key = keys_of(d, &columns, &rows)?.into_iter().next().ok_or(EnforceError::NoSuchRecord)?;
        data = above;
    }
    if d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok((data, key))
}

async fn ask(session: &mut Session, question: &Question, key: &RecordKey) -> Result<Answers, EnforceError> {
    let statements = question.statements(key);
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let mut answers = session.script(&statements).await?.into_iter().skip(1).map(|a| a.rows);
    let row = answers.next().and_then(|rows| rows.into_iter().next()).ok_or(EnforceError::NoSuchRecord)?;
    let orders = answers.next().unwrap_or_default();
    Ok(Answers { row, orders, children: answers.take(statements.len().saturating_sub(4)).collect() })
}
