//! The run of an ordinary night: nothing due, a fifth masked in earlier years, the index that `check` advises; then 0.1 % newly due.

use std::time::Instant;

use retentiond::plan::action::Path;
use retentiond::plan::due::Of;
use retentiond::plan::schema::Engine;
use serde_json::{Value, json};

use super::advice::{advice, follow};
use crate::Outcome;
use crate::args::Args;
use crate::base::Base;
use crate::client::Client;
use crate::data::Shape;
use crate::product::Product;
use crate::reference;
use crate::report::{Series, emit, median, rounded, series_json};
use crate::rules::{Rules, Task, rules};

/// How often a single statement is asked.
const REPEATS: usize = 5;

/// Measures both sizes.
pub async fn measure(args: &Args) -> Outcome<()> {
    for size in [args.rows, args.rows * args.factor] {
        one_size(args, size).await?;
    }
    Ok(())
}

async fn one_size(args: &Args, size: u64) -> Outcome<()> {
    let base = Base::new(args, Shape::Masked, size).await?;
    base.restore().await?;
    let mut client = base.client().await?;
    // The server's own account of what its statements took; sessions opened from now on are counted.
    if base.engine == Engine::Postgres {
        client.run("CREATE EXTENSION pg_stat_statements").await?;
        client.run("ALTER DATABASE run SET pg_stat_statements.track = 'top'").await?;
        client.run("ALTER DATABASE run SET pg_stat_statements.track_planning = on").await?;
    }
    let rules = rules(Task::Anonymise, None)?;
    let product = Product::new(&base, args.workers).await?;
    let advice = advice(&product, &rules).await?;
    let rules = follow(&mut client, &advice).await?.unwrap_or(rules);
    match base.engine {
        Engine::Postgres => drop(client.run("VACUUM (ANALYZE) customers").await?),
        Engine::Sqlite => drop(client.run("ANALYZE").await?),
        _ => drop(client.texts("ANALYZE TABLE customers").await?),
    }
    base.rest().await?;
    // The first run meets the source for the first time; nights do not.
    product.run(&rules, args.paced()?).await?;

    let (mut nothing, mut some) = (Series::default(), Series::default());
    for _ in 0..args.rounds {
        reset(&base, &mut client).await?;
        let done = product.run(&rules, args.paced()?).await?;
        done.note(&mut nothing);
        account(&base, &mut client, &mut nothing).await?;
    }
    let mut probes = statements(&product, &rules, &mut client).await?;
    for (name, sql) in scans(&base, &advice) {
        probes.push((name.to_owned(), timed(&mut client, &sql).await?));
    }
    for round in 0..args.rounds {
        client.run(&newly_due(&base, round)).await?;
        base.rest().await?;
        reset(&base, &mut client).await?;
        let done = product.run(&rules, args.paced()?).await?;
        done.note(&mut some);
        account(&base, &mut client, &mut some).await?;
    }
    product.close().await;
    client.close().await?;
    say(args, size, &advice, &nothing, &some, &probes)
}

fn say(args: &Args, size: u64, advice: &[String], nothing: &Series, some: &Series, probes: &[(String, f64)]) -> Outcome<()> {
    let figure = |s: &Series, name: &str| {
        s.more.iter().find(|(n, _)| *n == name).map_or("-".to_owned(), |(_, f)| format!("{:.2} ms", median(f)))
    };
    let probe = |name: &str| probes.iter().find(|(n, _)| n == name).map_or(0.0, |(_, ms)| *ms);
    let listed: Vec<String> = probes.iter().map(|(name, ms)| format!("{name} {ms:.2} ms")).collect();
    let people = format!(
        "{size} rows, nothing due: whole run {:.1} ms, database {} (statements on the table {}); full scan {:.2} ms, index probe {:.2} ms; \
         {} newly due: {:.1} ms, database {}; {}",
        median(&nothing.seconds) * 1e3,
        figure(nothing, "database_ms"),
        figure(nothing, "database_table_ms"),
        probe("full scan"),
        probe("index probe"),
        some.rows,
        median(&some.seconds) * 1e3,
        figure(some, "database_ms"),
        listed.join(", ")
    );
    let statements: Value =
        probes.iter().map(|(name, ms)| (name.clone(), json!(rounded(*ms)))).collect::<serde_json::Map<_, _>>().into();
    let figures = json!({
        "size": size, "advice": advice, "statements_ms": statements,
        "variants": series_json(&[("nothing_due", nothing), ("newly_due", some)]),
    });
    emit(args, figures, &people)
}

/// What a run that finds nothing asks of the table, one by one, in milliseconds as the driver sees them.
async fn statements(product: &Product, rules: &Rules, client: &mut Client) -> Outcome<Vec<(String, f64)>> {
    let plan = product.prepare(rules).await?.plan;
    let mut all = Vec::new();
    let postgres = plan.dialect.engine == Engine::Postgres;
    if postgres {
        // As the product's own sessions are.
        client.run("SET max_parallel_workers_per_gather = 0").await?;
    }
    for census in &plan.due {
        for action in plan.actions.iter().filter(|a| a.data_set == census.data_set) {
            let sql = census.count(plan.dialect, Path::Planned, action, Of::Due, false, &[]);
            all.push((format!("{} count", action.id), timed(client, &sql).await?));
        }
    }
    for aside in plan.due.iter().flat_map(|census| &census.asides) {
        if let Some(sql) = &aside.sql {
            all.push((format!("{:?}", aside.kind), timed(client, sql).await?));
        }
    }
    if postgres {
        client.run("RESET max_parallel_workers_per_gather").await?;
    }
    Ok(all)
}

/// What anybody could ask: every row read, and the index alone.
fn scans(base: &Base, advice: &[String]) -> Vec<(&'static str, String)> {
    let condition = format!("last_contact_at < {}", reference::instant(base.engine, reference::THREE_YEARS));
    let full = match base.engine {
        // An expression that no index has.
        Engine::Postgres => {
            format!("last_contact_at + interval '0' < {}", reference::instant(base.engine, reference::THREE_YEARS))
        }
        Engine::Sqlite => format!("+{condition}"),
        _ => condition.clone(),
    };
    let full_table = if base.engine.is_mysql_family() { "customers FORCE INDEX (PRIMARY)" } else { "customers" };
    // The predicate exactly as the index has it: without the row's alias, which the advice does not have either.
    let partial = advice.iter().find_map(|a| a.split_once(" WHERE ")).map(|(_, p)| p.trim_end_matches(';').to_owned());
    let probe = format!("{condition} AND {}", partial.unwrap_or_else(|| reference::TO_DO.to_owned()));
    vec![
        ("full scan", format!("SELECT id FROM {full_table} WHERE {full} AND {}", reference::TO_DO)),
        ("index probe", format!("SELECT id FROM customers WHERE {probe}")),
    ]
}

async fn timed(client: &mut Client, sql: &str) -> Outcome<f64> {
    let mut all = Vec::new();
    for _ in 0..REPEATS {
        let begun = Instant::now();
        client.texts(sql).await?;
        all.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&all))
}

/// One in a thousand becomes due, others each time.
fn newly_due(base: &Base, round: usize) -> String {
    let day = reference::instant(base.engine, "2022-12-31 00:00:00");
    format!("UPDATE customers SET last_contact_at = {day} WHERE id % 1000 = {} AND first_name <> 'ANON'", 7 + round)
}

async fn reset(base: &Base, client: &mut Client) -> Outcome<()> {
    match base.engine {
        Engine::Postgres => drop(client.texts("SELECT pg_stat_statements_reset()::text").await?),
        Engine::Sqlite => {}
        _ => drop(client.run("FLUSH USER_STATISTICS").await?),
    }
    Ok(())
}

/// What the server says that the run's statements took; SQLite has none to ask.
async fn account(base: &Base, client: &mut Client, series: &mut Series) -> Outcome<()> {
    match base.engine {
        Engine::Postgres => {
            let sum = "SELECT COALESCE(sum(total_exec_time + total_plan_time), 0)::text FROM pg_stat_statements \
                 WHERE query NOT LIKE '%pg_stat_statements%'";
            series.note("database_ms", client.number(sum).await?);
            series.note("database_table_ms", client.number(&format!("{sum} AND query LIKE '%\"public\".\"customers\"%'")).await?);
        }
        Engine::Sqlite => {}
        _ => {
            let sum = "SELECT SUM(busy_time) * 1000 FROM information_schema.user_statistics";
            series.note("database_ms", client.number(sum).await?);
        }
    }
    Ok(())
}
