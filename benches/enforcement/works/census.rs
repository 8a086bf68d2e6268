//! Plan and census of a large table, beside one count with the same predicate.

use std::time::Instant;

use retentiond::enforce::take_census;
use retentiond::plan::action::{ActionKind, ROW};
use serde_json::json;

use crate::Outcome;
use crate::args::Args;
use crate::base::Base;
use crate::data::Shape;
use crate::product::Product;
use crate::report::{Series, emit, median, rounded, series_json};
use crate::rules::{Task, rules};

/// Measures one purpose, and three.
pub async fn measure(args: &Args) -> Outcome<()> {
    let base = Base::new(args, Shape::Customers, args.rows * args.factor).await?;
    base.restore().await?;
    // One count of what a single purpose over all categories has due, whatever number of purposes is planned beside it.
    let product = Product::new(&base, args.workers).await?;
    let plan = product.prepare(&rules(Task::Anonymise, None)?).await?.plan;
    let action = plan.actions.iter().find(|a| a.kind == ActionKind::Anonymise).ok_or("no action")?;
    let sql = format!(
        "SELECT {} FROM {} AS {ROW} WHERE {}",
        plan.dialect.as_text("COUNT(*)"),
        plan.dialect.table(&action.table),
        action.predicate.render()
    );
    product.close().await;
    for (task, purposes) in [(Task::Anonymise, 1), (Task::ThreePurposes, 3)] {
        let rules = rules(task, None)?;
        let product = Product::new(&base, args.workers).await?;
        let mut client = base.client().await?;
        let (mut ours, mut planning, mut count) = (Series::default(), Series::default(), Series::default());
        // Once without a clock: the first look at a page marks what it finds.
        for round in 0..=args.rounds {
            let begun = Instant::now();
            let prepared = product.prepare(&rules).await?;
            let planned = begun.elapsed().as_secs_f64();
            let mut session = product.source.session().await?;
            let counts = take_census(&mut session, &prepared.plan).await?;
            let seconds = begun.elapsed().as_secs_f64();
            session.done().await?;
            let begun = Instant::now();
            let found = client.number(&sql).await?;
            let counting = begun.elapsed().as_secs_f64();
            let said: u64 = counts.iter().flat_map(|(_, c)| &c.actions).map(|(_, n)| n).sum();
            if found as u64 != said && purposes == 1 {
                return Err(format!("the census says {said}, the count {found}").into());
            }
            if round > 0 {
                ours.push(base.rows, seconds);
                planning.push(base.rows, planned);
                count.push(base.rows, counting);
            }
        }
        let all: Vec<f64> = ours.seconds.iter().zip(&count.seconds).map(|(o, c)| o / c).collect();
        let people = format!(
            "{} rows, {purposes} purpose(s): plan and census take {:.2} of one count ({:.1} ms, of which the plan {:.1} ms; count {:.1} ms)",
            base.rows,
            median(&all),
            median(&ours.seconds) * 1e3,
            median(&planning.seconds) * 1e3,
            median(&count.seconds) * 1e3
        );
        let figures = json!({
            "size": base.rows, "purposes": purposes, "time_to_count": rounded(median(&all)),
            "variants": series_json(&[("plan_and_census", &ours), ("plan", &planning), ("count", &count)]),
        });
        emit(args, figures, &people)?;
        client.close().await?;
        product.close().await;
    }
    Ok(())
}
