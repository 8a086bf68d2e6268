//! What `check` advises, and following it.

use retentiond::enforce::check;
use retentiond::policy::located::Faults;

use crate::Outcome;
use crate::client::Client;
use crate::product::{Product, now};
use crate::rules::{Rules, with_to_do};

/// The statements that `check` advises.
pub async fn advice(product: &Product, rules: &Rules) -> Outcome<Vec<String>> {
    let mut faults = Faults::default();
    check(&product.source, &rules.map, &rules.policies, now(), false, &mut faults).await?;
    let helps = faults.sorted().into_iter().filter_map(|f| f.help.clone());
    let advice: Vec<String> = helps.filter(|h| h.starts_with("CREATE INDEX") || h.starts_with("ALTER TABLE")).collect();
    if advice.is_empty() {
        eprintln!("bench: `check` advises no index");
    }
    Ok(advice)
}

/// Follows the advice; the rules with the to-do column named, where one was advised.
pub async fn follow(client: &mut Client, advice: &[String]) -> Outcome<Option<Rules>> {
    let mut named = None;
    for sql in advice {
        client.run(sql).await?;
        if let Some(column) = sql.split('`').find(|word| word.starts_with("retentiond_todo_")) {
            named = Some(with_to_do(column)?);
        }
    }
    Ok(named)
}
