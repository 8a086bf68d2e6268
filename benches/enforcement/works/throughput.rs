//! Rows a second of the product, beside the single statement that does the same, and beside pt-archiver.

use std::process::Command;
use std::time::Instant;

use retentiond::plan::schema::Engine;
use serde_json::json;

use super::advice::{advice, follow};
use crate::Outcome;
use crate::args::{Args, Work};
use crate::base::Base;
use crate::data::Shape;
use crate::product::Product;
use crate::reference;
use crate::report::{Series, emit, median, ratio, rounded, series_json};
use crate::rules::{Rules, Task, rules};

/// Measures one work: product and reference, interleaved, in an order that changes from round to round.
pub async fn measure(args: &Args) -> Outcome<()> {
    let (task, shape) = match args.work {
        Work::Anonymise => (Task::Anonymise, Shape::Customers),
        Work::AnonymiseChildren => (Task::AnonymiseChildren, Shape::Full),
        Work::Cascade => (Task::Cascade, Shape::Full),
        Work::Archive => (Task::Archive, Shape::Full),
        _ => (Task::Delete, Shape::Full),
    };
    let mut rules = rules(task, None)?;
    let base = Base::new(args, shape, args.rows).await?;
    // Both sides work on a table that has the index which `check` wants for a policy that masks.
    let wanted = if task == Task::Anonymise { wanted(args, &base, &rules).await? } else { Vec::new() };
    let mut variants = vec![Variant::Product, Variant::Statement];
    match (args.work, base.engine) {
        (Work::Ptarchiver, _) => variants.push(Variant::Archiver),
        (Work::Archive, Engine::Postgres) => variants.push(Variant::Copy),
        (Work::Archive, Engine::MariaDb) => variants.push(Variant::ArchiverToFile),
        _ => {}
    }
    let mut series = vec![Series::default(); variants.len()];
    for round in 0..args.rounds {
        let mut after: Option<Vec<String>> = None;
        for i in 0..variants.len() {
            let at = (i + round) % variants.len();
            base.restore().await?;
            let mut client = base.client().await?;
            rules = follow(&mut client, &wanted).await?.unwrap_or(rules);
            client.close().await?;
            base.rest().await?;
            variants[at].once(args, &base, task, &rules, &mut series[at]).await?;
            eprintln!("bench: round {} {:?} {:.3} s", round + 1, variants[at], series[at].seconds[round]);
            let found = fingerprint(&base).await?;
            if let Some(other) = after.replace(found).filter(|other| Some(other) != after.as_ref()) {
                return Err(format!("two variants left different data: {other:?} and {after:?}").into());
            }
        }
    }
    say(args, &variants, &series)
}

async fn wanted(args: &Args, base: &Base, rules: &Rules) -> Outcome<Vec<String>> {
    base.restore().await?;
    let product = Product::new(base, args.workers).await?;
    let all = advice(&product, rules).await?;
    product.close().await;
    Ok(all)
}

fn say(args: &Args, variants: &[Variant], series: &[Series]) -> Outcome<()> {
    let product = &series[0];
    let mut figures = json!({ "variants": series_json(&variants.iter().map(|v| v.name()).zip(series).collect::<Vec<_>>()) });
    let mut people = String::new();
    for (variant, other) in variants.iter().zip(series).skip(1) {
        let (middle, all) = ratio(product, other);
        figures[format!("ratio_to_{}", variant.name())] = json!(rounded(middle));
        let all: Vec<String> = all.iter().map(|r| format!("{r:.2}")).collect();
        people.push_str(&format!("ratio product/{} {middle:.3} ({}); ", variant.name(), all.join(" ")));
    }
    let each: Vec<String> = variants
        .iter()
        .zip(series)
        .map(|(v, s)| format!("{} {:.2} s, {:.0} rows/s", v.name(), median(&s.seconds), s.speed()))
        .collect();
    people.push_str(&format!("{} rows; {}", product.rows, each.join("; ")));
    emit(args, figures, &people)
}

#[derive(Debug, Clone, Copy)]
enum Variant {
    Product,
    Statement,
    Archiver,
    ArchiverToFile,
    Copy,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Statement => "statement",
            Self::Archiver => "ptarchiver",
            Self::ArchiverToFile => "ptarchiver_to_file",
            Self::Copy => "copy_and_delete",
        }
    }

    async fn once(self, args: &Args, base: &Base, task: Task, rules: &Rules, series: &mut Series) -> Outcome<()> {
        match self {
            Self::Product => {
                let product = Product::new(base, args.workers).await?;
                let done = product.run(rules, args.maintenance()?).await?;
                product.close().await;
                done.note(series);
            }
            Self::Statement => {
                let sql = match task {
                    Task::Anonymise | Task::ThreePurposes => reference::anonymise(base.engine),
                    Task::AnonymiseChildren => reference::anonymise_children(base.engine),
                    Task::Delete | Task::Archive => reference::delete(base.engine),
                    Task::Cascade => reference::cascade(base.engine),
                };
                let mut client = base.client().await?;
                let begun = Instant::now();
                let rows = client.run(&sql).await?;
                series.push(rows, begun.elapsed().as_secs_f64());
                client.close().await?;
            }
            Self::Copy => {
                // The server writes the file, in the transaction that deletes: nothing is encrypted, nothing synced, nothing read back.
                let mut client = base.client().await?;
                let begun = Instant::now();
                client.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
                client.run(&reference::copy(base.engine, &base.dir().join("postgres/copied.txt"))).await?;
                let rows = client.run(&reference::delete(base.engine)).await?;
                client.run("COMMIT").await?;
                series.push(rows, begun.elapsed().as_secs_f64());
                client.close().await?;
            }
            Self::Archiver | Self::ArchiverToFile => {
                let mut client = base.client().await?;
                let count = "SELECT CAST(COUNT(*) AS CHAR) FROM interactions";
                let before = client.number(count).await?;
                let begun = Instant::now();
                archive(base, matches!(self, Self::ArchiverToFile))?;
                let seconds = begun.elapsed().as_secs_f64();
                let after = client.number(count).await?;
                series.push((before - after) as u64, seconds);
                client.close().await?;
            }
        }
        Ok(())
    }
}

/// pt-archiver with the setting that was found to be its fastest.
fn archive(base: &Base, to_file: bool) -> Outcome<()> {
    let source = format!("h=localhost,S={}/mariadb/s,u=root,D=run,t=interactions,A=utf8mb4", base.dir().display());
    let condition = format!("occurred_at < {}", reference::instant(base.engine, reference::FOUR_YEARS));
    let output = Command::new("pt-archiver")
        .args(["--source", &source, "--where", &condition, "--limit", "10000", "--bulk-delete", "--commit-each", "--purge"])
        .args(["--no-check-charset", "--no-version-check"])
        .args(to_file.then(|| format!("--file={}", base.dir().join("archived-%Y%m%d%H%i%s.txt").display())))
        .output()
        .map_err(|e| format!("pt-archiver (package percona-toolkit): {e}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("pt-archiver: {}", String::from_utf8_lossy(&output.stderr)).into()) }
}

async fn fingerprint(base: &Base) -> Outcome<Vec<String>> {
    let mut client = base.client().await?;
    let mut all = Vec::new();
    for sql in reference::fingerprint(base.engine, base.shape.tables()) {
        all.push(client.text(&sql).await?);
    }
    client.close().await?;
    Ok(all)
}
