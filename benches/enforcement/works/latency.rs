//! The application's latency: alone, during a run in the settings that nobody changed, beside batches of 1000 written by hand, and during the single
//! statement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use retentiond::plan::schema::Engine;
use serde_json::json;

use super::application::{Application, Sample};
use crate::Outcome;
use crate::args::Args;
use crate::base::Base;
use crate::data::Shape;
use crate::product::Product;
use crate::reference;
use crate::report::{Series, emit, median, quantile, rounded, series_json};
use crate::rules::{Rules, Task, rules};

/// Keys of a batch by hand: a fifth of them is due.
const WINDOW: u64 = 5_000;
/// What the application's first moments are not counted for: connections and plans are new.
const WARMING: Duration = Duration::from_millis(1_500);

/// What runs beside the application.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Product,
    ByHand,
    Statement,
}

const ALL: [(Beside, &str); 3] =
    [(Beside::Product, "product"), (Beside::ByHand, "batches_of_1000"), (Beside::Statement, "statement")];

/// Measures it.
pub async fn measure(args: &Args) -> Outcome<()> {
    let base = Arc::new(Base::new(args, Shape::Customers, args.rows).await?);
    let rules = rules(Task::Anonymise, None)?;
    let mut series = vec![Series::default(); ALL.len()];
    for round in 0..args.rounds {
        for i in 0..ALL.len() {
            let at = (i + round) % ALL.len();
            once(args, &base, &rules, ALL[at].0, &mut series[at]).await?;
            eprintln!("bench: round {} {} {:.1} s", round + 1, ALL[at].1, series[at].seconds[round]);
        }
    }
    say(args, &series)
}

async fn once(args: &Args, base: &Arc<Base>, rules: &Rules, beside: Beside, series: &mut Series) -> Outcome<()> {
    base.restore().await?;
    let product = match beside {
        Beside::Product => Some(Product::new(base, args.workers).await?),
        _ => None,
    };
    let application = Application::start(base, args.rate(), args.connections())?;
    let begun = application.first;
    tokio::time::sleep(WARMING + Duration::from_secs(args.idle)).await;
    let from = Instant::now();
    let rows = match (&product, beside) {
        (Some(product), _) => product.run(rules, args.paced()?).await?.outcome.changed(),
        (None, Beside::ByHand) => by_hand(base).await?,
        (None, _) => {
            let mut client = base.client().await?;
            let rows = client.run(&reference::anonymise(base.engine)).await?;
            client.close().await?;
            rows
        }
    };
    let to = Instant::now();
    let samples = tokio::task::block_in_place(|| application.end())?;
    if let Some(product) = product {
        product.close().await;
    }
    series.push(rows, (to - from).as_secs_f64());
    note(series, &samples, begun + WARMING, from, ["idle_p50_ms", "idle_p99_ms", "idle_longest_ms"]);
    note(series, &samples, from, to, ["p50_ms", "p99_ms", "longest_ms"]);
    series.note("samples", samples.iter().filter(|s| s.scheduled >= from && s.scheduled < to).count() as f64);
    series.note("errors", samples.iter().filter(|s| !s.done).count() as f64);
    Ok(())
}

fn note(series: &mut Series, samples: &[Sample], from: Instant, to: Instant, names: [&'static str; 3]) {
    let within: Vec<f64> = samples.iter().filter(|s| s.scheduled >= from && s.scheduled < to).map(|s| s.latency_ms).collect();
    series.note(names[0], quantile(&within, 0.5));
    series.note(names[1], quantile(&within, 0.99));
    series.note(names[2], within.iter().copied().fold(0.0, f64::max));
}

/// Windows of keys, each a transaction of its own.
async fn by_hand(base: &Base) -> Outcome<u64> {
    let mut client = base.client().await?;
    if base.engine.is_mysql_family() {
        client.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    }
    let mut rows = 0;
    for after in (0..base.rows).step_by(WINDOW as usize) {
        rows += client.run(&reference::anonymise_range(base.engine, after, after + WINDOW)).await?;
        if base.engine == Engine::Sqlite {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    client.close().await?;
    Ok(rows)
}

fn say(args: &Args, series: &[Series]) -> Outcome<()> {
    let figure = |s: &Series, name: &str| s.more.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, f)| median(f));
    let worst =
        |s: &Series| s.more.iter().find(|(n, _)| *n == "longest_ms").map_or(0.0, |(_, f)| f.iter().copied().fold(0.0, f64::max));
    let product = &series[0];
    let ratio = figure(product, "p99_ms") / figure(product, "idle_p99_ms").max(1e-9);
    let named: Vec<(&str, &Series)> = ALL.iter().map(|(_, name)| *name).zip(series).collect();
    let mut people = format!("p99 during the product's run is {ratio:.2} of idle; ");
    for (name, s) in &named {
        people.push_str(&format!(
            "{name}: idle p50/p99/longest {:.1}/{:.1}/{:.1} ms, during {:.1}/{:.1}/{:.1} ms (longest of all rounds {:.1}), {:.0} rows/s, {:.0} errors; ",
            figure(s, "idle_p50_ms"),
            figure(s, "idle_p99_ms"),
            figure(s, "idle_longest_ms"),
            figure(s, "p50_ms"),
            figure(s, "p99_ms"),
            figure(s, "longest_ms"),
            worst(s),
            s.speed(),
            figure(s, "errors"),
        ));
    }
    let figures = json!({
        "rate": args.rate(),
        "connections": args.connections(),
        "p99_to_idle": rounded(ratio),
        "longest_of_all_rounds_ms": named.iter().map(|(n, s)| ((*n).to_owned(), json!(rounded(worst(s))))).collect::<serde_json::Map<_, _>>(),
        "variants": series_json(&named),
    });
    emit(args, figures, people.trim_end_matches("; "))
}
