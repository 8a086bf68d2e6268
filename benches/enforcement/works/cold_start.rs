//! From the start of the program to the end of a run, on a SQLite file; `init` and the setup script came before.

use serde_json::json;

use crate::Outcome;
use crate::args::Args;
use crate::base::Base;
use crate::binary::Installation;
use crate::data::Shape;
use crate::report::{Series, emit, median, series_json};
use crate::rules::Task;

/// Measures it.
pub async fn measure(args: &Args) -> Outcome<()> {
    let base = Base::new(args, Shape::Customers, args.rows).await?;
    let (mut planned, mut series) = (Series::default(), Series::default());
    for _ in 0..args.rounds {
        base.restore().await?;
        let installation = Installation::new(&base, Task::Anonymise, args.workers).await?;
        let (plan, run, changed) = installation.plan_and_enforce()?;
        planned.push(base.rows, plan.seconds);
        series.push(changed, run.seconds);
        series.note("peak_mib", run.peak_mib);
    }
    let people = format!(
        "{:.2} s from start to finished run ({} of {} records changed); the plan before it {:.2} s",
        median(&series.seconds),
        series.rows,
        base.rows,
        median(&planned.seconds)
    );
    emit(args, json!({ "variants": series_json(&[("enforce", &series), ("plan", &planned)]) }), &people)
}
