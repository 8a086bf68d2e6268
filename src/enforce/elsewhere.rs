//! Asking other sources whom their purposes still need, before anything goes here that is about the same person.
//!
//! Before each count, of everybody whose records nothing else keeps; and once more under the locks of each batch, of exactly those whose records are about
//! to go. Who is not needed any more is noted in the database of the records, where the predicates of the plan look: whoever was not asked about, or could
//! not be, is kept. What was seen is not locked: a purpose that begins to need somebody between the answer and the commit, fractions of a second later, comes too
//! late.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::batch::{Failure, Transaction};
use super::census;
use super::copies::PATIENCE;
use super::error::EnforceError;
use super::keys::Keys;
use super::outcome::UnaskedPurpose;
use super::prepare::Prepared;
use crate::plan::action::Path;
use crate::plan::census::Counts;
use crate::plan::compile;
use crate::plan::compile::Plan;
use crate::plan::dialect::Dialect;
use crate::plan::elsewhere::{Needed, People, noted, purpose_of};
use crate::plan::key::{KeyKind, KeyPart, RecordKey};
use crate::plan::schema::Engine;
use crate::policy::elsewhere::{needing, person};
use crate::policy::map::DataMap;
use crate::policy::purpose::Policy;
use crate::source::{Session, Source, SourceError};

/// Of how many people is asked at once.
const PAGE: usize = 1_000;

/// How many records are looked for at once: to find the next ones, a planner may sort all of them again.
const FOUND: usize = 20_000;

/// How long an answer may take while nothing is locked.
const UNHURRIED: Duration = Duration::from_secs(60);

/// The purposes of other sources that keep something of this one, as one run sees them.
#[derive(Default)]
pub struct Elsewhere(BTreeMap<String, Asked>);

/// One of them.
struct Asked {
    base: Option<(Source, Needed)>,
    /// Why it cannot be asked any more. Until the end of the run it keeps everybody.
    unasked: Mutex<Option<String>>,
    /// Those of whom it could not be asked since the last count began, by a sum of their identifiers.
    unknown: Mutex<HashSet<u64>>,
}

/// People by their identifiers, as the database of the records spells them.
pub(super) type Persons = BTreeMap<String, KeyPart>;

/// Whom purposes elsewhere still need: by purpose; `None` where nobody can be asked any more.
pub type NeededPeople = Vec<(String, Option<BTreeSet<String>>)>;

/// One purpose of another source, and whom it is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedOf {
    /// Under which name its answers are noted.
    pub name: String,
    /// Its id.
    pub purpose: String,
    /// Who the person is to the records of both sources.
    pub subject: String,
}

impl AskedOf {
    /// All of them that keep something of a source, by the sources that they are of.
    #[must_use]
    pub fn all(map: &DataMap, policies: &[Policy]) -> BTreeMap<String, BTreeSet<Self>> {
        let mut all = BTreeMap::<String, BTreeSet<Self>>::new();
        for data in &map.data_sets {
            let Some(person) = person(data) else { continue };
            for needing in needing(policies, &map.source, &data.id) {
                let (name, purpose) = (noted(needing.purpose, &person.subject), needing.purpose.id.value.clone());
                let asked = Self { name, purpose, subject: person.subject.value.clone() };
                all.entry(needing.purpose.data.source.clone()).or_default().insert(asked);
            }
        }
        all
    }
}

/// What a source must be asked, so that it is known of whom its purposes need something.
#[derive(Debug)]
pub struct Questions(Vec<(String, Needed)>);

impl Questions {
    /// What is to be asked of purposes of this source.
    ///
    /// # Errors
    /// In words for people: why it cannot be asked.
    pub fn new(prepared: &Prepared, map: &DataMap, policies: &[Policy], asked: &BTreeSet<AskedOf>) -> Result<Self, String> {
        let records = compile::records(map, policies, &prepared.schema, &prepared.moment);
        let question = |of: &AskedOf| {
            let needed = Needed::new(&records, &of.purpose, &of.subject);
            let needed = needed
                .ok_or_else(|| format!("its table has no column for `{}` whose values can be compared exactly", of.subject))?;
            Ok((of.name.clone(), needed))
        };
        asked.iter().map(question).collect::<Result<_, String>>().map(Self)
    }

    /// Whether they can be asked now. A table without a record is no answer: that is what a database looks like of which the data were lost.
    ///
    /// # Errors
    /// In words for people: why not.
    pub async fn probe(&self, source: &Source) -> Result<(), String> {
        let words = |e: SourceError| e.to_string();
        let mut session = source.session().await.map_err(words)?;
        for (_, needed) in &self.0 {
            if session.rows(&needed.any()).await.map_err(words)?.is_empty() {
                return Err("its table is empty".to_owned());
            }
        }
        end_reading(&mut session, Dialect { engine: source.engine() }).await.map_err(words)?;
        session.done().await.map_err(words)
    }

    /// The purposes for which no index finds people.
    pub fn unindexed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, needed)| !needed.is_indexed()).map(|(name, _)| name.as_str())
    }
}

impl Elsewhere {
    /// Adds the purposes of a source that can be asked.
    pub fn add(&mut self, source: &Source, questions: Questions) {
        for (name, needed) in questions.0 {
            self.0.insert(name, Asked::new(Some((source.clone(), needed)), None));
        }
    }

    /// Adds a purpose that cannot be asked, with the reason.
    pub fn add_unasked(&mut self, name: String, why: String) {
        self.0.insert(name, Asked::new(None, Some(why)));
    }

    /// Asks of everybody whose records would go if nobody elsewhere needed them, and notes whom nobody does, in place of what was noted before.
    ///
    /// # Errors
    /// Of the database of the records. A source that cannot be asked is no error: it keeps everybody.
    pub async fn ask(&self, source: &Source, plan: &Plan) -> Result<(), EnforceError> {
        if plan.asking.is_empty() {
            return Ok(());
        }
        let d = plan.dialect;
        let mut session = source.session().await?;
        write(&mut session, &[d.forget_old(), d.forget_asker(&plan.asker)]).await?;
        self.0.values().for_each(|asked| asked.unknown.lock().unwrap_or_else(PoisonError::into_inner).clear());
        for asking in &plan.asking {
            let mut after: Option<RecordKey> = None;
            loop {
                let found = session.rows(&asking.action.find(d, Path::Planned, after.as_ref(), FOUND as u64)).await?;
                let keys = Keys::answered(d, &asking.action.key, found)?.all();
                let Some(last) = keys.last() else { break };
                after = Some(last.clone());
                for page in keys.chunks(PAGE) {
                    let persons = of(&mut session, d, &asking.people, page).await?;
                    end_reading(&mut session, d).await?;
                    self.note(&mut session, plan, &asking.people, &persons).await?;
                }
                if keys.len() < FOUND {
                    break;
                }
            }
        }
        session.done().await?;
        Ok(())
    }

    /// Asks of the people whom these records are about, and notes whom nobody needs.
    ///
    /// # Errors
    /// Of the database of the records.
    pub async fn ask_about(
        &self,
        session: &mut Session,
        plan: &Plan,
        data_set: &str,
        keys: &[RecordKey],
    ) -> Result<(), EnforceError> {
        for asking in plan.asking.iter().filter(|a| a.action.data_set == data_set) {
            let persons = of(session, plan.dialect, &asking.people, keys).await?;
            end_reading(session, plan.dialect).await?;
            self.note(session, plan, &asking.people, &persons).await?;
        }
        Ok(())
    }

    async fn note(&self, session: &mut Session, plan: &Plan, people: &People, persons: &Persons) -> Result<(), EnforceError> {
        let d = plan.dialect;
        let mut notes = Vec::new();
        for purpose in &people.purposes {
            let Ok(needed) = self.needed(purpose, persons, UNHURRIED).await else {
                if let Some(asked) = self.0.get(purpose) {
                    asked.unknown.lock().unwrap_or_else(PoisonError::into_inner).extend(persons.keys().map(sum));
                }
                continue;
            };
            let unneeded: Vec<&str> = persons.keys().filter(|p| !needed.contains(*p)).map(String::as_str).collect();
            notes.extend(d.note_unneeded(&plan.asker, purpose, &unneeded));
        }
        if notes.is_empty() { Ok(()) } else { write(session, &notes).await }
    }

    /// The full census of a plan, for which others are asked; nothing of what they said is left.
    ///
    /// # Errors
    /// Of the database of the records.
    pub async fn census(&self, source: &Source, plan: &Plan) -> Result<Vec<(String, Counts)>, EnforceError> {
        let counted = async {
            self.ask(source, plan).await?;
            let mut session = source.session().await?;
            let counts = census::take(&mut session, plan).await?;
            session.done().await?;
            Ok(counts)
        };
        let counts = counted.await;
        self.forget(source, plan).await?;
        counts
    }

    /// Forgets all that was noted.
    ///
    /// # Errors
    /// Of the database of the records.
    pub async fn forget(&self, source: &Source, plan: &Plan) -> Result<(), EnforceError> {
        if plan.asking.is_empty() {
            return Ok(());
        }
        let mut session = source.session().await?;
        write(&mut session, &[plan.dialect.forget_asker(&plan.asker)]).await?;
        session.done().await?;
        Ok(())
    }

    /// Forgets that these are not needed, after they turned out to be.
    pub(super) async fn keep(
        &self,
        session: &mut Session,
        d: Dialect,
        asker: &str,
        needed: &NeededPeople,
    ) -> Result<(), EnforceError> {
        let forget = |(purpose, people): &(String, Option<BTreeSet<String>>)| match people {
            Some(people) => d.forget_people(asker, purpose, &people.iter().map(String::as_str).collect::<Vec<_>>()),
            None => d.forget_purpose(asker, purpose),
        };
        write(session, &needed.iter().map(forget).collect::<Vec<_>>()).await
    }

    /// Which of these people a purpose still needs.
    ///
    /// # Errors
    /// Nobody can be asked: it may need all of them.
    pub(super) async fn needed(&self, purpose: &str, persons: &Persons, patience: Duration) -> Result<BTreeSet<String>, Unasked> {
        let asked = self.0.get(purpose).ok_or(Unasked)?;
        let (source, needed) = asked.base.as_ref().filter(|_| asked.why().is_none()).ok_or(Unasked)?;
        let why = match tokio::time::timeout(patience, ask(source, needed, persons)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} seconds", patience.as_secs()),
        };
        *asked.unasked.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        Err(Unasked)
    }

    /// Whether this purpose can still be asked.
    #[must_use]
    pub fn answers(&self, purpose: &str) -> bool {
        self.0.get(purpose).is_some_and(|asked| asked.base.is_some() && asked.why().is_none())
    }

    /// Those that could not be asked.
    #[must_use]
    pub fn unasked(&self) -> Vec<UnaskedPurpose> {
        let one = |(name, asked): (&String, &Asked)| {
            let people = asked.unknown.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
            Some(UnaskedPurpose { purpose: purpose_of(name).to_owned(), why: asked.why()?, people })
        };
        self.0.iter().filter_map(one).collect()
    }

    /// Closes all connections.
    pub async fn close(self) {
        for (source, _) in self.0.into_values().filter_map(|asked| asked.base) {
            source.close().await;
        }
    }
}

/// Nobody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unasked;

fn sum(identifier: &String) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.hash(&mut hasher);
    hasher.finish()
}

impl Asked {
    fn new(base: Option<(Source, Needed)>, unasked: Option<String>) -> Self {
        Self { base, unasked: Mutex::new(unasked), unknown: Mutex::default() }
    }

    fn why(&self) -> Option<String> {
        self.unasked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The people whom records are about. One whose identifier cannot be read exactly is left out: of whom nobody asks, everything stays.
async fn of(session: &mut Session, d: Dialect, people: &People, keys: &[RecordKey]) -> Result<Persons, SourceError> {
    let rows = session.rows(&people.of(d, keys)).await?;
    let texts = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    Ok(texts.filter_map(|text| Some((text.clone(), d.key_part(people.column(), &text)?))).collect())
}

/// Whom a purpose needs. An answer that is spelled otherwise than anybody who was asked for is some of them nevertheless, as the database there compares:
/// then it is asked of fewer, until it is known of whom.
async fn ask(source: &Source, question: &Needed, persons: &Persons) -> Result<BTreeSet<String>, String> {
    let (mut typed, mut found) = (Vec::<Person<'_>>::new(), BTreeSet::new());
    for (text, part) in persons {
        match question.typed(part).map_err(|_| "identifiers there are of another kind than here".to_owned())? {
            Some(key) => typed.push((text, part, key)),
            // Of whom it cannot be asked, nobody knows that there is nobody.
            None => drop(found.insert(text.clone())),
        }
    }
    if typed.is_empty() {
        return Ok(found);
    }
    let words = |e: SourceError| e.to_string();
    let mut session = source.session().await.map_err(words)?;
    let layers = apart(typed);
    let mut pages: Vec<&[Person<'_>]> = layers.iter().flat_map(|layer| layer.chunks(PAGE)).collect();
    while let Some(page) = pages.pop() {
        let keys: Vec<RecordKey> = page.iter().map(|(_, _, key)| key.clone()).collect();
        let mut astray = false;
        for row in session.rows(&question.ask(&keys)).await.map_err(words)? {
            let answer = row.first().and_then(|text| question.read(text.as_deref()?));
            let same = |part: &KeyPart| answer.as_ref().is_some_and(|answer| answer.text == part.text);
            match page.iter().find(|(_, part, _)| same(part)) {
                Some((text, ..)) => drop(found.insert((*text).clone())),
                None => astray = true,
            }
        }
        match page {
            [(text, ..)] if astray => drop(found.insert((*text).clone())),
            _ if astray => pages.extend(page.chunks(page.len().div_ceil(2))),
            _ => {}
        }
    }
    end_reading(&mut session, Dialect { engine: source.engine() }).await.map_err(words)?;
    session.done().await.map_err(words)?;
    Ok(found)
}

/// Somebody: as the database of the records spells the identifier, what it says, and as it is asked for.
type Person<'p> = (&'p String, &'p KeyPart, RecordKey);

/// Those apart that a collation may take for the same: asked for at once, an answer would be that of one of them alone.
fn apart(people: Vec<Person<'_>>) -> Vec<Vec<Person<'_>>> {
    let (mut alike, mut layers) = (BTreeMap::<String, usize>::new(), Vec::<Vec<Person<'_>>>::new());
    for person in people {
        let text = &person.1.text;
        let letters = || text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let told = match person.1.kind {
            KeyKind::Text if text.is_ascii() => letters(),
            KeyKind::Text => String::new(),
            _ => text.clone(),
        };
        let layer = alike.entry(told).or_default();
        if layers.len() == *layer {
            layers.push(Vec::new());
        }
        layers[*layer].push(person);
        *layer += 1;
    }
    layers
}

/// On MariaDB and MySQL, what was read opened a transaction.
async fn end_reading(session: &mut Session, d: Dialect) -> Result<(), SourceError> {
    if d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok(())
}

async fn write(session: &mut Session, statements: &[String]) -> Result<(), EnforceError> {
    let d = Dialect { engine: session.engine() };
    let begin = if d.engine == Engine::Sqlite { Some("BEGIN IMMEDIATE") } else { None };
    let end = if d.engine == Engine::Postgres { None } else { Some("COMMIT") };
    let all: Vec<&str> = begin.into_iter().chain(statements.iter().map(String::as_str)).chain(end).collect();
    session.script(&all).await?;
    Ok(())
}

impl Transaction<'_, '_> {
    /// Asks other sources once more of the people whose records are about to go, now that these are locked.
    ///
    /// # Errors
    /// [`Failure::Needed`] where somebody is needed, or nobody can say.
    pub(super) async fn still_unneeded(&mut self, people: Option<&People>, keys: &[RecordKey]) -> Result<(), Failure> {
        let Some(people) = people.filter(|_| !keys.is_empty()) else { return Ok(()) };
        let persons = of(self.session, self.cx.dialect, people, keys).await?;
        if persons.is_empty() {
            return Ok(());
        }
        let (mut kept, begun) = (NeededPeople::new(), Instant::now());
        for purpose in &people.purposes {
            match self.cx.elsewhere.needed(purpose, &persons, PATIENCE.saturating_sub(begun.elapsed())).await {
                Ok(needed) if needed.is_empty() => {}
                Ok(needed) => kept.push((purpose.clone(), Some(needed))),
                Err(Unasked) => kept.push((purpose.clone(), None)),
            }
        }
        if kept.is_empty() { Ok(()) } else { Err(Failure::Needed(kept)) }
    }
}
