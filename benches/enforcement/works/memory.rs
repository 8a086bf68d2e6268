//! The most memory that the program holds, at two sizes: it should not know the table's size.

use serde_json::json;

use crate::Outcome;
use crate::args::{Args, Work};
use crate::base::Base;
use crate::binary::Installation;
use crate::data::Shape;
use crate::report::{Series, emit, median, rounded, series_json};
use crate::rules::Task;

/// Measures both sizes.
pub async fn measure(args: &Args) -> Outcome<()> {
    let mut peaks = Vec::new();
    let (task, shape) = match args.work {
        Work::MemoryArchive => (Task::Archive, Shape::Full),
        _ => (Task::Anonymise, Shape::Customers),
    };
    for size in [args.rows, args.rows * args.factor] {
        let base = Base::new(args, shape, size).await?;
        let (mut series, mut shown) = (Series::default(), Vec::new());
        for _ in 0..args.rounds {
            base.restore().await?;
            let installation = Installation::new(&base, task, args.workers).await?;
            let (plan, run, changed) = installation.plan_and_enforce()?;
            series.push(changed, run.seconds);
            if task == Task::Archive {
                let objects = installation.objects()?;
                if objects == 0 {
                    return Err("nothing was sealed".into());
                }
                series.note("objects", objects as f64);
            }
            series.note("peak_mib", run.peak_mib);
            series.note("plan_peak_mib", plan.peak_mib);
            shown.push(run.peak_mib);
        }
        peaks.push((size, series, median(&shown)));
    }
    let growth = peaks[1].2 / peaks[0].2.max(1e-9);
    let each: Vec<String> = peaks
        .iter()
        .map(|(size, s, peak)| format!("{size} rows ({} changed) {peak:.1} MiB in {:.1} s", s.rows, median(&s.seconds)))
        .collect();
    let figures = json!({
        "growth": rounded(growth),
        "sizes": peaks.iter().map(|(size, s, peak)| json!({ "size": size, "peak_mib": rounded(*peak), "runs": series_json(&[("enforce", s)]) })).collect::<Vec<_>>(),
    });
    emit(args, figures, &format!("peak {}; growth {growth:.2}", each.join(", ")))
}
