//! `retentiond demo`: the five organisations in SQLite files, from nothing to a verified journal, every record compared with the reference model.

mod build;
mod compare;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::words::{number, pick};
use super::{Format, enforce, output, plan};
use crate::clock::{Clock, FixedClock};
use crate::config::{Lang, Workspace};
use crate::demo::Organisation;
use crate::enforce::{RunRequest, Silent, run as enforce_run, take_census};
use crate::journal::{Journal, Reader, Trigger, export, random_origin, verify};
use crate::state::State;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to build it; must not exist yet.
    #[arg(long, default_value = "retentiond-demo")]
    dir: PathBuf,
    /// About how many records, over all five organisations.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Varies the invented data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds, checks, plans, enforces, compares, verifies.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    // The demonstration's clock stands still: plan, run and comparison mean the same instant.
    let now = cx.clock.now();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(now));
    let config = build::files(&args.dir)?;
    let lang = cx.lang_or(Lang::En);
    let cx = Cx::with(config.clone(), Format::Text, lang, clock.clone());
    let say = |fr: String, en: String| output::line(if lang == Lang::Fr { fr } else { en });
    let number = |n: u64| number(n, lang);
    let dir = args.dir.display();
    say(
        format!("1. Cinq organisations, données inventées, dans {dir}"),
        format!("1. Five organisations, invented data, in {dir}"),
    )?;
    let mut worlds = Vec::new();
    for org in Organisation::FIVE {
        let world = build::database(&args.dir, org, args.records, args.seed, now.date_naive()).await?;
        output::line(format!("   {:<16} {:>8} {}", org.name(), number(world.rows), pick(lang, "lignes", "rows")))?;
        worlds.push((org, world));
    }
    let seconds = |of: Instant, decimals: usize| {
        let text = format!("{:.decimals$}", of.elapsed().as_secs_f64());
        if lang == Lang::Fr { format!("{}\u{a0}s", text.replace('.', ",")) } else { format!("{text} s") }
    };
    output::line(format!("   {} {}", pick(lang, "en", "in"), seconds(started, 1)))?;
    let identity = args.dir.join(build::IDENTITY);
    let identity = identity.display();
    say(
        format!(
            "   Une nouvelle identité, {identity}, ouvre les archives (mode 0600\u{a0}; les réglages n'ont que sa clé publique)\n"
        ),
        format!("   A new identity in {identity} opens the archives (mode 0600; the settings have its public key alone)\n"),
    )?;

    say(
        "2. Vérification\u{a0}: réglages, cartes des données, politiques, schémas des bases".to_owned(),
        "2. Check: settings, data maps, policies, live schemas".to_owned(),
    )?;
    let workspace = cx.workspace()?;
    let state = State::create(&args.dir.join("state")).await?;
    let journal = Journal::create(&state, clock, random_origin()?).await?;
    let key = journal.verifier_key().await;
    let (sources, purposes) = (workspace.sources.len(), workspace.purposes());
    say(
        format!("   {sources} sources, {purposes} finalités, aucune erreur\n"),
        format!("   {sources} sources, {purposes} purposes, no error\n"),
    )?;

    say("3. Plan et exécution\n".to_owned(), "3. Plan and enforce\n".to_owned())?;
    let mut differences = 0;
    let (mut compared, mut files) = (0, 0);
    let (mut changed, mut failed) = (0, 0);
    // Somebody whose record lies in an archive now.
    let mut customer = None;
    for (org, world) in &worlds {
        let timer = Instant::now();
        let outcome = source(&cx, &workspace, &state, &journal, org.id()).await?;
        changed += outcome.changed();
        failed += outcome.failed();
        let took = seconds(timer, 2);
        let result = compare::all(&cx, &workspace, *org, world, now).await?;
        let (rows, found) = (number(result.rows), result.differences.len());
        say(
            format!(
                "   plan et exécution {took}\u{a0}; {rows} lignes comparées au modèle de référence, différences\u{a0}: {found}\n"
            ),
            format!("   plan and run {took}; {rows} rows compared with the reference model, {found} differences\n"),
        )?;
        for difference in result.differences.iter().take(5) {
            say(format!("   DIFFÉRENCE\u{a0}: {difference}"), format!("   DIFFERENT: {difference}"))?;
        }
        if *org == Organisation::Secufor {
            let one = result.archived.iter().find(|a| a.data_set == "customer").and_then(|a| a.key.first());
            customer = one.and_then(compare::text);
        }
        compared += result.rows;
        files += result.files;
        differences += result.differences.len();
    }

    say(
        "4. Le journal, vérifié comme le ferait un auditeur\u{a0}: à partir d'un export et de la seule clé publique".to_owned(),
        "4. The journal, verified as an auditor would: from an export and the public key alone".to_owned(),
    )?;
    let path = args.dir.join("journal.export");
    let mut file =
        std::fs::File::create_new(&path).map_err(|e| Failure::new(Exit::Unavailable, format!("{}: {e}", path.display())))?;
    export(&Reader::new(&state), &mut file).await?;
    let file = std::fs::File::open(&path).map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
    let report =
        verify(&mut std::io::BufReader::new(file), &key, &[]).map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
    for fault in &report.faults {
        say(format!("   ALTÉRÉ\u{a0}: {fault}"), format!("   UNSOUND: {fault}"))?;
    }
    std::fs::write(args.dir.join("journal.pub"), format!("{key}\n"))
        .map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
    let (entries, sound) = (number(report.entries), report.is_sound());
    say(
        format!("   {entries} entrées, journal {}\n", if sound { "intègre" } else { "NON INTÈGRE" }),
        format!("   {entries} entries, {}\n", if sound { "sound" } else { "NOT SOUND" }),
    )?;
    state.close().await;

    let took = seconds(started, 1);
    say(format!("5. Ce qui s'est passé, en {took}"), format!("5. What happened, in {took}"))?;
    let (changed, compared, files) = (number(changed), number(compared), number(files));
    say(
        format!(
            "   Lignes supprimées ou masquées\u{a0}: {changed}, refusées\u{a0}: {failed}\u{a0}; lignes comparées\u{a0}: {compared}, fichiers\u{a0}: {files}, différences\u{a0}: {differences}"
        ),
        format!(
            "   {changed} rows deleted or masked, {failed} refused; {compared} rows and {files} files compared, {differences} differences"
        ),
    )?;
    say("\nEnsuite, sur les mêmes fichiers\u{a0}:".to_owned(), "\nNext, on the same files:".to_owned())?;
    let (person, plan) = after(&cx, &workspace, "sofraco", "SELECT min(id) FROM person").await?;
    for command in next_commands(&args.dir, now.date_naive(), &plan, &person, customer.as_deref()) {
        output::line(format!("   {command}"))?;
    }
    let right = differences == 0 && failed == 0 && report.is_sound();
    Ok(if right { Exit::Ok } else { Exit::Failed })
}

async fn source(
    cx: &Cx,
    workspace: &Workspace,
    state: &State,
    journal: &Journal,
    id: &str,
) -> Result<crate::enforce::RunOutcome, Failure> {
    let rules =
        workspace.sources.get(id).ok_or_else(|| Failure::new(Exit::Config, "a source of the demonstration is missing"))?;
    let source = cx.connect(workspace, id).await?;
    let prepared = cx.prepare(workspace, &source, &rules, cx.clock.now()).await?;
    let mut session = source.session().await?;
    let counts = take_census(&mut session, &prepared.plan).await?;
    session.done().await?;
    let lang = cx.lang(workspace);
    output::say(indent(&plan::text(&prepared, &rules, &counts, &workspace.settings, lang)))?;
    let fence = crate::enforce::run::take_fence(&source, state, journal, &prepared).await?;
    let (settings, archives) = (cx.limits(workspace, id), cx.archives(workspace)?);
    let files = cx.files(workspace, &rules.map)?;
    let request = RunRequest {
        scope: crate::enforce::Scope::Everything,
        source: &source,
        prepared: &prepared,
        journal,
        fence,
        settings,
        full_census: true,
        archives: &archives,
        copies: &crate::enforce::Copies::default(),
        elsewhere: &crate::enforce::Elsewhere::default(),
        files,
        watch: &Silent,
        trigger: Trigger::Command,
    };
    let outcome = enforce_run(request).await?;
    source.close().await;
    output::say(indent(&enforce::text(id, &outcome, &workspace.settings, lang)))?;
    Ok(outcome)
}

/// After the run: a key that is still there, and the hash of the plan.
async fn after(cx: &Cx, workspace: &Workspace, id: &str, sql: &str) -> Result<(String, String), Failure> {
    let rules =
        workspace.sources.get(id).ok_or_else(|| Failure::new(Exit::Config, "a source of the demonstration is missing"))?;
    let source = cx.connect(workspace, id).await?;
    let prepared = cx.prepare(workspace, &source, &rules, cx.clock.now()).await?;
    let mut session = source.session().await?;
    let rows = session.rows(sql).await?;
    session.done().await?;
    source.close().await;
    Ok((rows.into_iter().flatten().flatten().next().unwrap_or_else(|| "1".to_owned()), prepared.plan.hash))
}

/// What to try on the files of the demonstration, as a shell takes it. `customer` is the key of one whose record lies in an archive.
fn next_commands(dir: &Path, today: NaiveDate, plan: &str, person: &str, customer: Option<&str>) -> Vec<String> {
    let quoted = |path: &Path| quoted(&path.display().to_string());
    let program = format!("{} --config {}", program(), quoted(&dir.join("retentiond.toml")));
    let (export, key) = (quoted(&dir.join("journal.export")), quoted(&dir.join("journal.pub")));
    let mut commands = vec![
        format!("{program} plan --source sofraco --lang fr"),
        format!("{program} plan --source secufor --at {}", today + chrono::Months::new(12)),
        format!("{program} explain --data sofraco.person --key {person} --lang fr"),
        format!("{program} enforce --source sofraco --plan {plan}"),
        format!("{program} order hold --data sofraco.person --key {person} --actor dpo --reason litigation --reference CASE-1"),
        format!("{program} order list"),
        format!("{program} journal verify {export} --key {key}"),
        format!("{program} archive list"),
    ];
    if let Some(customer) = customer {
        let (record, identity) = (format!("--data secufor.customer --key {customer}"), quoted(&dir.join(build::IDENTITY)));
        commands.push(format!("{program} archive find {record}"));
        let why = "--actor dpo --reason data_subject_access --reference REQUEST-1";
        commands.push(format!("{program} archive export {record} --identity {identity} {why}"));
    }
    commands
}

/// How a shell calls this program: by its name where that finds it, otherwise by its path.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else { return "retentiond".to_owned() };
    let on_path = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .any(|dir| dir.join("retentiond").canonicalize().is_ok_and(|p| Some(p) == exe.canonicalize().ok()))
    });
    if on_path {
        return "retentiond".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = match exe.strip_prefix(&here) {
        Ok(below) if below.components().count() > 1 => below,
        _ => &exe,
    };
    quoted(&shown.display().to_string())
}

/// A word as a POSIX shell takes it literally.
fn quoted(word: &str) -> String {
    if word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@".contains(&b)) && !word.is_empty() {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn indent(text: &str) -> String {
    text.lines().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("   {l}\n") }).collect()
}
