//! What entries about runs that are undone must say of each other: nothing comes back but what a batch took, and nothing without a hold.

use std::collections::{HashMap, HashSet};

use super::rules::{Ruling, ensure};
use crate::journal::event::Event;
use crate::journal::value::{Id128, Name};
use crate::journal::words::{OrderKind, OrderScope};

/// An attempt that has not ended.
struct Open {
    source: Name,
    batch: Id128,
    data_set: Name,
    records: u64,
    /// The holds that it has placed and nobody has lifted.
    orders: HashSet<Id128>,
}

/// Attempts to put records back.
#[derive(Default)]
pub(super) struct Undos {
    open: HashMap<Id128, Open>,
    known: HashSet<Id128>,
    /// Records that are back, by batch.
    back: HashMap<Id128, u64>,
}

impl Undos {
    /// Takes the intent to put records back.
    pub(super) fn intended(&mut self, event: &Event) -> Ruling {
        let Event::UndoIntended { undo, source, batch, data_set, records, .. } = event else { return Ok(()) };
        let (source, data_set) = (source.clone(), data_set.clone());
        self.open.insert(*undo, Open { source, batch: *batch, data_set, records: *records, orders: HashSet::new() });
        ensure(self.known.insert(*undo), "an attempt to undo begins once")
    }

    /// Takes an order that an attempt places.
    pub(super) fn placed(&mut self, event: &Event) -> Ruling {
        let Event::OrderPlaced { order, source, order_kind, scope, data_set, undo: Some(undo), .. } = event else {
            return Ok(());
        };
        let open = self.open.get_mut(undo).ok_or("an order names an attempt to undo that is open")?;
        open.orders.insert(*order);
        let hold = (*order_kind, *scope) == (OrderKind::Hold, OrderScope::Record);
        ensure(hold && (source, data_set) == (&open.source, &open.data_set), "an attempt to undo holds what it puts back")
    }

    /// Takes the lifting of an order.
    pub(super) fn lifted(&mut self, order: &Id128) {
        for open in self.open.values_mut() {
            open.orders.remove(order);
        }
    }

    /// Takes the end of an attempt; `taken` says how many records each batch took.
    pub(super) fn undone(&mut self, undo: &Id128, records: u64, taken: impl Fn(&Id128) -> u64) -> Ruling {
        let open = self.open.remove(undo).ok_or("what is undone was intended to be, once")?;
        let back = self.back.entry(open.batch).or_default();
        *back = back.saturating_add(records);
        ensure(open.orders.len() as u64 == records, "what is undone stands under a hold, record by record")?;
        ensure(records <= open.records, "no more is undone than was intended to be")?;
        ensure(*back <= taken(&open.batch), "no more comes back than a batch took")
    }

    /// Takes the end of an attempt that changed nothing.
    pub(super) fn aborted(&mut self, undo: &Id128) -> Ruling {
        let open = self.open.remove(undo).ok_or("an attempt to undo that is given up was intended, once")?;
        ensure(open.orders.is_empty(), "an attempt to undo that changed nothing leaves no hold")
    }
}
