//! `retentiond check`.

use std::path::PathBuf;

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use super::words::{self, count, pick};
use super::{Format, faults, tenants};
use crate::config::{Lang, SourceRules, Workspace, family_of, open_files};
use crate::enforce::{AskedOf, check};
use crate::plan::own_tables::OwnTable;
use crate::plan::schema::Engine;
use crate::policy::located::Faults;
use crate::source::Source;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// A private file with the URL of another user to connect as: an administrator sees every trigger and privilege.
    #[arg(long, value_name = "FILE", requires = "source")]
    url_file: Option<PathBuf>,
    /// Only the files: open no connection.
    #[arg(long, conflicts_with = "url_file")]
    offline: bool,
    /// Do not try the masks on a few rows of each table in a transaction that is rolled back.
    #[arg(long)]
    no_probe: bool,
}

/// Compares everything with everything.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let (mut workspace, found) = cx.workspace_with_faults()?;
    let mut lists = vec![(None, found)];
    if !args.offline && !lists[0].1.any_error() {
        cx.ask_for_tenants(&mut workspace).await;
        archives(cx, &workspace, &mut lists[0].1).await?;
        stores(&workspace, &mut lists[0].1).await;
        for family in tenants::families(&workspace, args.source.as_deref()) {
            for what in &workspace.families[family].unusable {
                lists[0].1.unplaced(format!("family `{family}`: {what}"));
            }
            if workspace.families[family].tenants.is_empty() {
                lists[0].1.unplaced(format!("family `{family}` has no tenant"));
            }
        }
        for id in cx.sources(&workspace, args.source.as_deref())? {
            let Some(rules) = workspace.sources.get(&id) else { continue };
            let mut found = Faults::default();
            match one(cx, &workspace, &id, &rules, &args, &mut found).await {
                // One tenant that cannot be asked does not keep the others from being asked.
                Err(failure) if family_of(&id).is_some() => {
                    found.unplaced(tenants::broken_text(&id, &failure, Lang::En).trim().to_owned());
                }
                other => other?,
            }
            lists.push((Some(id), found));
        }
    }
    let wrong = lists.iter().any(|(_, found)| found.any_error());
    match cx.format {
        Format::Json => {
            let mut all = Vec::new();
            for (id, found) in &lists {
                for mut fault in faults::list(found, &workspace.files) {
                    fault["source"] = serde_json::json!(id);
                    all.push(fault);
                }
            }
            let left_out: usize = lists.iter().map(|(_, found)| found.left_out()).sum();
            output::json(&serde_json::json!({ "faults": all, "left_out": left_out }))?;
        }
        Format::Text => {
            for (id, found) in &lists {
                if let (Some(id), false) = (id, found.sorted().is_empty()) {
                    eprintln!("── source {id}\n");
                }
                faults::print(found, &workspace.files, Format::Text)?;
            }
            let lang = cx.lang(&workspace);
            if !wrong {
                let purposes = count(workspace.purposes() as u64, lang, ("finalité", "finalités"), ("purpose", "purposes"));
                let sources = count(workspace.sources.len() as u64, lang, ("source", "sources"), ("source", "sources"));
                let (colon, none) = (words::colon(lang), pick(lang, "aucune erreur", "no error"));
                output::line(format!("{sources}, {purposes}{colon} {none}."))?;
            }
        }
    }
    Ok(if wrong { Exit::Config } else { Exit::Ok })
}

/// Compares one source with its database.
async fn one(
    cx: &Cx,
    workspace: &Workspace,
    id: &str,
    rules: &SourceRules,
    args: &Args,
    found: &mut Faults,
) -> Result<(), Failure> {
    let source = cx.connect_as(workspace, id, args.url_file.as_deref()).await?;
    check(&source, &rules.map, &rules.policies, cx.clock.now(), !args.no_probe, found).await?;
    if !found.any_error() {
        own_tables(&source, rules, found).await?;
    }
    source.close().await;
    tenants_stores(cx, workspace, rules, found).await;
    copies(cx, workspace, rules, found).await?;
    elsewhere(cx, workspace, rules, found).await;
    Ok(())
}

/// Whether the sources whose purposes keep something of this one can be asked.
async fn elsewhere(cx: &Cx, workspace: &Workspace, rules: &SourceRules, found: &mut Faults) {
    for (id, asked) in AskedOf::all(&rules.map, &rules.policies) {
        let purposes = rules.policies.iter().flat_map(|p| &p.purposes).filter(|p| p.data.source == id);
        let at = |name: &str| purposes.clone().find(|p| name.starts_with(&format!("{}:", p.full_name()))).map(|p| &p.needs.at);
        match cx.questions(workspace, &id, &asked, cx.clock.now()).await {
            Ok((source, questions)) => {
                for name in questions.unindexed() {
                    let Some(at) = at(name) else { continue };
                    found
                        .warning(at, format!("no index of the data set in `{id}` begins with the column that names the person"))
                        .help("each question reads that whole table, once for each batch while its rows are locked");
                }
                source.close().await;
            }
            Err(failure) => {
                for at in asked.iter().filter_map(|of| at(&of.name)) {
                    found.error(at, format!("`{id}` cannot be asked whom its purposes need: {}", failure.message));
                }
            }
        }
    }
}

/// Whether each archive can be written, read back and cleared now.
async fn archives(cx: &Cx, workspace: &Workspace, found: &mut Faults) -> Result<(), Failure> {
    for (name, archive) in &cx.archives(workspace)?.0 {
        if let Err(e) = archive.store.probe().await {
            found.unplaced(format!("archive `{name}` cannot be used: {e}"));
        }
    }
    Ok(())
}

/// Whether each store of files can be used now.
async fn stores(workspace: &Workspace, found: &mut Faults) {
    match open_files(&workspace.settings.files, &workspace.settings.archives, &workspace.base) {
        Ok(files) => {
            for (name, store) in files.iter() {
                if let Err(e) = store.probe().await {
                    found.unplaced(format!("store of files `{name}` cannot be used: {e}"));
                }
            }
        }
        Err((name, e)) => {
            found.unplaced(format!("store of files `{name}` cannot be used: {e}"));
        }
    }
}

/// Whether each store of files can be used now at a tenant's own root.
async fn tenants_stores(cx: &Cx, workspace: &Workspace, rules: &SourceRules, found: &mut Faults) {
    if family_of(&rules.map.source).is_none() {
        return;
    }
    let columns = || rules.map.data_sets.iter().flat_map(|data| &data.files);
    let files = match cx.files(workspace, &rules.map) {
        Ok(files) => files,
        Err(failure) => {
            found.unplaced(failure.message);
            return;
        }
    };
    for (name, store) in files.iter() {
        if let (Err(e), Some(column)) = (store.probe().await, columns().find(|c| c.store.value == *name)) {
            found.error(&column.store.at, format!("store of files `{name}` cannot be used: {e}"));
        }
    }
}

/// Whether the data sets that hold copies of a source's records can be asked for them.
async fn copies(cx: &Cx, workspace: &Workspace, rules: &SourceRules, found: &mut Faults) -> Result<(), Failure> {
    for copy in rules.map.data_sets.iter().flat_map(|data| &data.copies) {
        let base = match cx.copy_base(workspace, &copy.of.value).await {
            Ok(base) => base,
            Err(failure) => {
                found.error(&copy.of.at, format!("`{}` cannot be asked for copies: {}", copy.of.value, failure.message));
                continue;
            }
        };
        let unfit = base.unfit(copy);
        for (theirs, _) in copy.matched_by.iter().filter(|(theirs, _)| unfit.contains(&theirs.as_str())) {
            found
                .error(
                    &theirs.at,
                    format!("the table of `{}` has no column `{theirs}` that can be compared exactly", copy.of.value),
                )
                .expected("a column of a whole number, a decimal, a text, a date, a UUID or bytes");
        }
        if unfit.is_empty() {
            if let Err(e) = base.probe(copy).await {
                found.error(&copy.of.at, format!("`{}` cannot be asked for copies: {e}", copy.of.value));
            }
            if !base.is_indexed(copy) {
                found
                    .warning(
                        &copy.of.at,
                        format!("no index of `{}` begins with a column by which copies are found", copy.of.value),
                    )
                    .help("each batch reads that whole table, while its own rows are locked");
            }
        }
        base.close().await;
    }
    Ok(())
}

/// Whether our tables are there, as this version has them.
async fn own_tables(source: &Source, rules: &SourceRules, found: &mut Faults) -> Result<(), Failure> {
    let engine = source.engine();
    if engine == Engine::Sqlite {
        own_tables_of_sqlite(source, rules, found).await?;
    }
    if found.any_error() {
        return Ok(());
    }
    // One that was set up by an earlier version may lack columns that came later.
    for column in OwnTable::LATER {
        let mut session = source.session().await?;
        let ledger = OwnTable::Ledger.sql(engine);
        if session.rows(&format!("SELECT {column} FROM {ledger} WHERE 1 = 0")).await.is_ok() {
            session.done().await?;
            continue;
        }
        session.discard().await;
        let fault = found.error(&rules.map.source.at, format!("the ledger lacks the column `{column}`"));
        match engine {
            Engine::Postgres | Engine::MariaDb => {
                fault.expected("the script that `retentiond setup` prints, run again");
            }
            Engine::MySql => {
                let kind = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ('[]')";
                fault.help(format!("ALTER TABLE {ledger} ADD COLUMN {column} {kind};"));
            }
            Engine::Sqlite => {
                fault.help(format!("ALTER TABLE {ledger} ADD COLUMN {column} TEXT NOT NULL DEFAULT '[]';"));
            }
        }
    }
    Ok(())
}

/// SQLite has no privileges by which the absence of our tables shows: they are looked for by name.
async fn own_tables_of_sqlite(source: &Source, rules: &SourceRules, found: &mut Faults) -> Result<(), Failure> {
    let mut session = source.session().await?;
    let names = OwnTable::ALL.map(|own| format!("'{}'", own.sql(Engine::Sqlite))).join(", ");
    let there = session.rows(&format!("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({names})")).await?;
    session.done().await?;
    if there.len() < OwnTable::ALL.len() {
        found
            .error(&rules.map.source.at, "the database does not have all of this program's own tables")
            .expected("the script that `retentiond setup` prints");
    }
    Ok(())
}
