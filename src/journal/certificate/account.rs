//! What entries say of a source: the same account when a certificate is written and when it is checked.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Account, Along, DestroyedIn, Done, OrderDone, PurposeOver, RunDone};
use crate::journal::entry::Entry;
use crate::journal::event::Event;
use crate::journal::value::{Id128, Instant, Name};
use crate::journal::words::{Action, OrderKind, Phase, RelatedAction};

/// Whether an order is one that a certificate names: what a customer instructed or a person asked for.
pub(super) fn is_named(kind: OrderKind) -> bool {
    matches!(kind, OrderKind::Instruction | OrderKind::Erasure)
}

/// A batch that was committed.
struct Batch {
    time: Instant,
    batch: Id128,
    rows: u64,
    related: Vec<(Name, RelatedAction, u64)>,
}

#[derive(Default)]
struct Sums {
    runs: Vec<RunDone>,
    intents: HashMap<Id128, (Name, Action)>,
    applied: Vec<Batch>,
    reverted: HashSet<Id128>,
    intended: HashMap<Id128, (Name, Name)>,
    destroyed: BTreeMap<(Name, Name), u64>,
    found: Vec<(Id128, u64)>,
    orders: Vec<OrderDone>,
    lifted: HashSet<Id128>,
    purposes: Vec<PurposeOver>,
}

/// The account of a source. `None` when an entry is of another source or of a kind that proves nothing here, when a batch, a destruction or a
/// lift has not its beginning among the entries, or when the last census found something due.
pub(super) fn of(source: &Name, entries: &[Entry]) -> Option<Account> {
    let mut sums = Sums::default();
    for entry in entries {
        take(&mut sums, source, entry)?;
    }
    let mut account = Account { runs: sums.runs, purposes: sums.purposes, ..Account::default() };
    let (mut done, mut along) = (BTreeMap::<(Name, Action), (u64, Instant, Instant)>::new(), BTreeMap::new());
    for Batch { time, batch, rows, related } in sums.applied {
        if sums.reverted.contains(&batch) {
            continue;
        }
        let of = sums.intents.get(&batch)?.clone();
        let sum = done.entry(of).or_insert((0, time, time));
        *sum = (sum.0.checked_add(rows)?, sum.1.min(time), sum.2.max(time));
        for (data_set, action, rows) in related {
            let sum = along.entry((data_set, action)).or_insert(0_u64);
            *sum = sum.checked_add(rows)?;
        }
    }
    account.done =
        done.into_iter().map(|((data_set, action), (rows, first, last))| Done { data_set, action, rows, first, last }).collect();
    account.along = along.into_iter().map(|((data_set, action), rows)| Along { data_set, action, rows }).collect();
    account.destroyed =
        sums.destroyed.into_iter().map(|((archive, purpose), records)| DestroyedIn { archive, purpose, records }).collect();
    for (batch, rows) in sums.found {
        if !sums.reverted.contains(&batch) {
            account.unattributed = account.unattributed.checked_add(rows)?;
        }
    }
    account.orders = sums.orders.into_iter().filter(|o| !sums.lifted.contains(&o.order)).collect();
    Some(account)
}

fn take(sums: &mut Sums, source: &Name, entry: &Entry) -> Option<()> {
    let own = |of: &Name| (of == source).then_some(());
    match &entry.event {
        Event::RunStarted { run, source: of, now, plan_hash, policy_hash, map_hash, schema_hash, .. } => {
            own(of)?;
            sums.runs.push(RunDone {
                run: *run,
                now: *now,
                plan_hash: *plan_hash,
                policy_hash: *policy_hash,
                map_hash: *map_hash,
                schema_hash: *schema_hash,
            });
        }
        Event::Intent { batch, run, source: of, data_set, action, .. } => {
            own(of)?;
            sums.runs.iter().find(|r| r.run == *run)?;
            sums.intents.insert(*batch, (data_set.clone(), *action));
        }
        Event::Applied { batch, rows, related, .. } => {
            sums.intents.get(batch)?;
            let related = related.iter().map(|r| (r.data_set.clone(), r.action, r.rows)).collect();
            sums.applied.push(Batch { time: entry.time, batch: *batch, rows: *rows, related });
        }
        Event::BatchFound { source: of, batch, rows, .. } => {
            own(of)?;
            sums.found.push((*batch, *rows));
        }
        Event::Reverted { batch, .. } => {
            sums.applied.iter().map(|a| a.batch).chain(sums.found.iter().map(|f| f.0)).find(|b| b == batch)?;
            sums.reverted.insert(*batch);
        }
        Event::DestructionIntended { destruction, source: of, archive, purpose, .. } => {
            own(of)?;
            sums.intended.insert(*destruction, (archive.clone(), purpose.clone()));
        }
        Event::ArchiveErasureIntended { erasure, source: of, archive, purpose, .. } => {
            own(of)?;
            sums.intended.insert(*erasure, (archive.clone(), purpose.clone()));
        }
        Event::Destroyed { destruction, records, .. } | Event::ArchiveErased { erasure: destruction, records, .. } => {
            let sum = sums.destroyed.entry(sums.intended.get(destruction)?.clone()).or_insert(0);
            *sum = sum.checked_add(*records)?;
        }
        Event::OrderPlaced { order, source: of, order_kind, scope, data_set, actor, reason, reference, .. } => {
            own(of)?;
            is_named(*order_kind).then_some(())?;
            sums.orders.push(OrderDone {
                order: *order,
                kind: *order_kind,
                scope: *scope,
                data_set: data_set.clone(),
                actor: actor.clone(),
                reason: *reason,
                reference: reference.clone(),
                placed: entry.time,
            });
        }
        Event::OrderLifted { order, .. } => {
            sums.orders.iter().find(|o| o.order == *order)?;
            sums.lifted.insert(*order);
        }
        Event::Census { run, source: of, phase, data_set, purpose, due, held, .. } => {
            own(of)?;
            let last = sums.runs.last()?.run;
            (*run == last && *phase == Phase::After && (*due, *held) == (0, 0)).then_some(())?;
            sums.purposes.push(PurposeOver { data_set: data_set.clone(), purpose: purpose.clone() });
        }
        _ => return None,
    }
    Some(())
}
