//! `retentiond order`.

use chrono::NaiveDate;
use clap::Subcommand;

use super::Format;
use super::context::{Cx, unknown_source};
use super::exit::{Exit, Failure};
use super::key::{refused, typed_key};
use super::output;
use super::subject::{self, Person};
use super::table::Table;
use super::words::{count, pick, written_day};
use crate::config::{Lang, Workspace};
use crate::enforce::lift::{Lifting, lift_all, placed_under};
use crate::enforce::orders::{self, NewOrder, Placed, Target};
use crate::journal::{Id128, Name, OrderKind as Kind, OrderReason, Reader, Reference};
use crate::plan::resolve::Resolved;
use crate::policy::map::DataSet;
use crate::policy::purpose::OrderKind;
use crate::policy::reader::shown;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Legal hold: nothing of the record is touched.
    Hold(Place),
    /// Restriction of processing (Art. 18): nothing of the record is touched.
    Restrict(Place),
    /// Objection (Art. 21): ends the purposes that objections end.
    Object(Place),
    /// Erasure request (Art. 17): ends the purposes that erasures end, and disposes of what is uncovered.
    Erase(Place),
    /// A customer's instruction to its processor: ends every purpose.
    Instruct(Place),
    /// Lift an order.
    Lift(Lift),
    /// List the orders of all sources, or of one.
    List {
        /// Only this source.
        #[arg(long)]
        source: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The data set, `source.data_set`.
    #[arg(long, required_unless_present = "subject")]
    data: Option<String>,
    /// The record's key; once for each column of it.
    #[arg(long, required_unless_present_any = ["tenant", "subject"], conflicts_with = "tenant", allow_hyphen_values = true)]
    key: Vec<String>,
    /// All records of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// A person, in all data sets of all sources whose map names this subject.
    #[arg(long, requires = "id", conflicts_with_all = ["data", "key", "tenant"])]
    subject: Option<String>,
    /// The person's identifier.
    #[arg(long, requires = "subject", allow_hyphen_values = true)]
    id: Option<String>,
    /// The last day on which it holds; without it, until it is lifted.
    #[arg(long)]
    until: Option<NaiveDate>,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
pub(super) struct Why {
    /// Who; one of the settings' `actors`.
    #[arg(long)]
    actor: String,
    /// Why: litigation, audit, regulator_request, data_subject_request, consent_withdrawn, end_of_service, …
    #[arg(long)]
    reason: String,
    /// The file or decision outside: letters, digits, `.`, `_`, `/`, `-`.
    #[arg(long)]
    reference: String,
}

impl Why {
    /// Who, why, and the file outside, as the journal has them.
    pub(super) fn read(&self, cx: &Cx, workspace: &Workspace) -> Result<(Name, OrderReason, Reference), Failure> {
        Ok((cx.actor(workspace, &self.actor)?, reason(&self.reason)?, Reference::parse(&self.reference)?))
    }
}

#[derive(Debug, clap::Args)]
struct Lift {
    /// The source.
    #[arg(long, required_unless_present = "subject")]
    source: Option<String>,
    /// The order's id.
    #[arg(long, required_unless_present_any = ["subject", "placed_under"])]
    order: Option<String>,
    /// Instead of one order: all those on a person, in all sources, that were placed under one reference.
    #[arg(long, requires = "id", requires = "placed_under", conflicts_with_all = ["source", "order"])]
    subject: Option<String>,
    /// The person's identifier.
    #[arg(long, requires = "subject", allow_hyphen_values = true)]
    id: Option<String>,
    /// Instead of one order: all those of the source, or on the person, that were placed under this reference.
    #[arg(long, conflicts_with = "order")]
    placed_under: Option<String>,
    /// Whether the person was informed before a restriction is lifted (Art. 18(3)).
    #[arg(long)]
    person_informed: Option<bool>,
    #[command(flatten)]
    why: Why,
}

/// Places, lifts or lists.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    match args.what {
        What::Hold(p) => place(cx, OrderKind::Hold, p).await,
        What::Restrict(p) => place(cx, OrderKind::Restriction, p).await,
        What::Object(p) => place(cx, OrderKind::Objection, p).await,
        What::Erase(p) => place(cx, OrderKind::Erasure, p).await,
        What::Instruct(p) => place(cx, OrderKind::Instruction, p).await,
        What::Lift(l) => lift(cx, l).await,
        What::List { source } => list(cx, source).await,
    }
}

fn reason(text: &str) -> Result<OrderReason, Failure> {
    text.parse().map_err(|_| {
        let known: Vec<&str> = OrderReason::ALL.iter().map(|r| r.as_str()).collect();
        Failure::new(Exit::Usage, format!("`{}` is not a reason: {}", shown(text), known.join(", ")))
    })
}

/// An order ends today or later.
pub(super) fn not_past(until: Option<NaiveDate>, today: NaiveDate) -> Result<(), Failure> {
    match until.filter(|until| *until < today) {
        Some(until) => {
            Err(Failure::new(Exit::Usage, format!("{until} is past: an order that ends before it begins holds nothing")))
        }
        None => Ok(()),
    }
}

async fn place(cx: &Cx, kind: OrderKind, args: Place) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    if let (Some(subject), Some(id)) = (&args.subject, &args.id) {
        return subject::place(cx, &workspace, Person { subject, id }, kind, args.until, &args.why).await;
    }
    let name = args.data.unwrap_or_default();
    let (rules, data) = cx.data_set(&workspace, &name)?;
    not_past(args.until, rules.today(cx.clock.now()))?;
    let (actor, reason, reference) = args.why.read(cx, &workspace)?;
    let id = rules.map.source.value.clone();
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect(&workspace, &id).await?;
    let now = cx.clock.now();
    let prepared = cx.prepare(&workspace, &source, &rules, now).await?;
    let resolved = Resolved::new(&rules.map, &prepared.schema);
    let target = match args.tenant {
        Some(_) if data.tenant.is_none() => {
            return Err(Failure::new(Exit::Usage, format!("data set `{}` has no tenant column", data.id)));
        }
        Some(tenant) => Target::Tenant(tenant),
        None => Target::Record(typed_key(&resolved, &data, &args.key)?),
    };
    let order = NewOrder { kind, target, actor, reason, reference, until: args.until, once: false };
    let placed = orders::place(&source, &journal, &prepared, &resolved, &data, order, prepared.plan.today)
        .await
        .map_err(|e| refused(e, &resolved, &data))?;
    source.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({
            "order": placed.order.to_string(),
            "kind": kind.word(),
            "data_set": placed.data_set,
            "others": placed.others,
            "records": placed.records,
        }))?,
        Format::Text => output::line(placed_text(&placed, (&id, &name), kind, &data, cx.lang(&workspace)))?,
    }
    state.close().await;
    Ok(Exit::Ok)
}

/// What was placed, in words.
fn placed_text(placed: &Placed, (source, name): (&str, &str), kind: OrderKind, data: &DataSet, lang: Lang) -> String {
    let mut said = match lang {
        Lang::Fr => format!("Mesure {}\u{a0}: {} sur {name}.", placed.order, in_words(kind.word().to_owned(), lang)),
        Lang::En => format!("Order {}: {} on {name}.", placed.order, kind.word()),
    };
    if placed.data_set.as_str() != data.id.value {
        said += &match lang {
            Lang::Fr => format!(
                " Elle porte sur la fiche de {source}.{} que suit cette ligne, et sur tout ce qui la suit.",
                placed.data_set
            ),
            Lang::En => {
                format!(" It stands on the record of {source}.{} that this row follows, and on all of it.", placed.data_set)
            }
        };
    }
    match (placed.records, lang) {
        (None, _) => {}
        (Some(0), Lang::Fr) => {
            said += " La base n’a aucune fiche de ce client\u{a0}: vérifiez son nom, comparé caractère par caractère."
        }
        (Some(0), Lang::En) => {
            said += " The database has no record of this tenant: check the name, which is compared character by character."
        }
        (Some(n), Lang::Fr) => said += &format!(" Elle porte aujourd’hui sur {}.", count(n, lang, ("fiche", "fiches"), ("", ""))),
        (Some(n), Lang::En) => said += &format!(" It stands on {} now.", count(n, lang, ("", ""), ("record", "records"))),
    }
    match (placed.others, lang) {
        (0, _) => {}
        (n, Lang::Fr) => said += &format!(" Déjà {n} du même type sur la même cible\u{a0}: en lever une laisse les autres."),
        (n, Lang::En) => said += &format!(" {n} of the same kind stood there already: lifting one leaves the others."),
    }
    said
}

/// What to say to somebody who lifts a restriction in silence.
pub(super) fn uninformed() -> Failure {
    Failure::new(
        Exit::Usage,
        "before a restriction is lifted the person must be informed (Art. 18(3) GDPR): say `--person-informed true` or `false`",
    )
}

async fn lift(cx: &Cx, args: Lift) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    if let (Some(subject), Some(id), Some(under)) = (&args.subject, &args.id, &args.placed_under) {
        let under = Reference::parse(under)?;
        return subject::lift(cx, &workspace, Person { subject, id }, &under, args.person_informed, &args.why).await;
    }
    let (actor, reason, reference) = args.why.read(cx, &workspace)?;
    if let (Some(id), Some(under)) = (&args.source, &args.placed_under) {
        let today = workspace.sources.get(id).ok_or_else(|| unknown_source(&workspace, id))?.today(cx.clock.now());
        let by = Lifting { actor, reason, reference, person_informed: args.person_informed, today };
        return lift_case(cx, &workspace, id, &Reference::parse(under)?, by).await;
    }
    let (id, typed) = (args.source.unwrap_or_default(), args.order.unwrap_or_default());
    let order = Id128::parse(&typed)?;
    cx.sources(&workspace, Some(&id))?;
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect(&workspace, &id).await?;
    let standing = orders::list(&source, &id).await?.into_iter().find(|o| o.order == typed);
    if standing.as_ref().is_some_and(|o| o.kind == "restriction") && args.person_informed.is_none() {
        return Err(uninformed());
    }
    let today = workspace.sources.get(&id).ok_or_else(|| unknown_source(&workspace, &id))?.today(cx.clock.now());
    orders::lift(&source, &journal, &id, order, actor, reason, reference, args.person_informed, today).await?;
    source.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "order": typed, "lifted": true }))?,
        Format::Text => output::line(match cx.lang(&workspace) {
            Lang::Fr => format!("Mesure {typed} levée\u{a0}; le prochain passage décidera à nouveau."),
            Lang::En => format!("Order {typed} is lifted; the next run decides anew."),
        })?,
    }
    state.close().await;
    Ok(Exit::Ok)
}

/// A kind or a scope of an order as people call it.
fn in_words(word: String, lang: Lang) -> String {
    let french = match word.as_str() {
        "hold" => "gel",
        "restriction" => "limitation",
        "objection" => "opposition",
        "erasure" => "effacement",
        "record" => "fiche",
        "tenant" => "client",
        "subject" => "personne",
        _ => return word,
    };
    match lang {
        Lang::Fr => french.to_owned(),
        Lang::En => word,
    }
}

/// Lifts all orders of a source that were placed under one reference.
async fn lift_case(cx: &Cx, workspace: &Workspace, id: &str, under: &Reference, by: Lifting) -> Result<Exit, Failure> {
    let (state, journal) = cx.state(workspace).await?;
    let standing = placed_under(&journal, id, under).await?;
    if standing.is_empty() {
        return Err(Failure::new(Exit::Failed, "no order of this source stands that was placed under this reference"));
    }
    if standing.iter().any(|(_, kind)| *kind == Kind::Restriction) && by.person_informed.is_none() {
        return Err(uninformed());
    }
    let source = cx.connect(workspace, id).await?;
    lift_all(&source, &journal, id, &standing, &by).await?;
    source.close().await;
    state.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "source": id, "placed_under": under, "lifted": standing.len() }))?,
        Format::Text => {
            let n = standing.len() as u64;
            let lang = cx.lang(workspace);
            let lifted = count(n, lang, ("mesure levée", "mesures levées"), ("order is lifted", "orders are lifted"));
            let then = pick(lang, "\u{a0}; le prochain passage décidera à nouveau.", "; the next run decides anew.");
            output::line(format!("{lifted}{then}"))?;
        }
    }
    Ok(Exit::Ok)
}

async fn list(cx: &Cx, source: Option<String>) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let journal = Reader::new(&cx.state_to_read(&workspace).await?);
    let mut all = Vec::new();
    for id in cx.sources(&workspace, source.as_deref())? {
        let connection = cx.connect(&workspace, &id).await?;
        let mut cases = orders::cases(&journal, &id).await?;
        let list = orders::list(&connection, &id).await?;
        all.extend(list.into_iter().map(|o| (id.clone(), cases.remove(&o.order), o)));
        connection.close().await;
    }
    match cx.format {
        Format::Json => {
            let list: Vec<_> =
                all.iter().map(|(id, case, o)| serde_json::json!({ "source": id, "order": o, "case": case })).collect();
            output::json(&serde_json::Value::from(list))?;
        }
        Format::Text => {
            let lang = cx.lang(&workspace);
            let mut table = Table::new(&match lang {
                Lang::Fr => [
                    "ordre",
                    "jeu de données",
                    "mesure",
                    "portée",
                    "dossier",
                    "motif",
                    "auteur",
                    "prise le",
                    "jusqu'au",
                    "levée le",
                ],
                Lang::En => ["order", "data set", "kind", "scope", "case", "reason", "actor", "placed", "until", "lifted"],
            });
            for (id, case, o) in all {
                let dash = |t: Option<String>| t.unwrap_or_else(|| "-".to_owned());
                table.row(vec![
                    o.order,
                    format!("{id}.{}", shown(&o.data_set)),
                    in_words(o.kind, lang),
                    in_words(o.scope, lang),
                    dash(case.as_ref().map(|c| c.reference.to_string())),
                    dash(case.as_ref().map(|c| c.reason.as_str().to_owned())),
                    dash(case.as_ref().map(|c| c.actor.to_string())),
                    written_day(&o.placed_on, lang),
                    dash(o.until.map(|day| written_day(&day, lang))),
                    dash(o.lifted_on.map(|day| written_day(&day, lang))),
                ]);
            }
            output::say(table.render())?;
        }
    }
    Ok(Exit::Ok)
}
