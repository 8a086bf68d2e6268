//! What entries about archives must say of each other: nothing is destroyed that was not sealed, none before its end.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::Days;

use super::rules::{Ruling, ensure};
use crate::journal::event::Event;
use crate::journal::sealed::{ObjectRef, Sealed};
use crate::journal::value::{Day, Id128, Instant, KeyId, Name};
use crate::journal::words::{DestructionCause, OrderKind};

struct Object {
    source: Name,
    data_set: Name,
    archive: Name,
    purpose: Name,
    until: Option<Day>,
    records: u64,
    key_id: KeyId,
    /// The entry that says so.
    entry: u64,
}

/// Records that are being taken out of an object.
struct Erasure {
    object: ObjectRef,
    part: u32,
    key_id: KeyId,
    macs: HashSet<[u8; 16]>,
    /// Whether the rest stands for the object already.
    resealed: bool,
}

/// Objects that were sealed and not destroyed, and destructions under way.
#[derive(Default)]
pub(super) struct Archives {
    objects: HashMap<ObjectRef, Object>,
    open: HashMap<Id128, BTreeSet<ObjectRef>>,
    known: BTreeSet<Id128>,
    erasures: HashMap<Id128, Erasure>,
    erased: BTreeSet<Id128>,
    /// The orders that stand and end purposes, each with its source and data set.
    ending: HashMap<Id128, (Name, Name)>,
}

impl Archives {
    /// Takes the objects of an applied batch of this source.
    pub(super) fn sealed(
        &mut self,
        entry: u64,
        batch: Id128,
        source: Option<&Name>,
        (sealed, key_id): (&[Sealed], KeyId),
    ) -> Ruling {
        for object in sealed {
            let new = Object {
                source: object.source.clone(),
                data_set: object.data_set.clone(),
                archive: object.archive.clone(),
                purpose: object.purpose.clone(),
                until: object.until,
                records: object.macs.len(),
                key_id,
                entry,
            };
            self.objects.insert(ObjectRef { batch, part: object.part }, new);
        }
        ensure(sealed.iter().all(|o| source == Some(&o.source)), "what a batch sealed came from its source")
    }

    /// Whether these objects were sealed by this batch with records of this data set, and are not destroyed.
    pub(super) fn hold(&self, batch: Id128, data_set: &Name, objects: &[ObjectRef]) -> Ruling {
        let there = |o: &ObjectRef| o.batch == batch && self.objects.get(o).is_some_and(|known| known.data_set == *data_set);
        ensure(!objects.is_empty() && objects.iter().all(there), "what is undone was sealed by its batch, and not destroyed yet")
    }

    /// Takes the last day of objects that had none.
    pub(super) fn dated(&mut self, event: &Event) -> Ruling {
        let Event::ArchiveDated { source, data_set, archive, purpose, until, objects, records, .. } = event else {
            return Ok(());
        };
        let mut counted = 0;
        for object in objects {
            let known = self.objects.get_mut(object).ok_or("what is dated was sealed before, and not destroyed yet")?;
            ensure(known.until.is_none(), "the last day of an object is said once")?;
            let same = (&known.source, &known.data_set, &known.archive, &known.purpose) == (source, data_set, archive, purpose);
            ensure(same, "what is dated is what was sealed")?;
            known.until = Some(*until);
            counted += known.records;
        }
        ensure(counted == *records, "a dating counts the records of its objects")
    }

    /// Takes an order that was placed.
    pub(super) fn ordered(&mut self, event: &Event) {
        let Event::OrderPlaced { order, source, order_kind, data_set, .. } = event else { return };
        if matches!(order_kind, OrderKind::Objection | OrderKind::Erasure | OrderKind::Instruction) {
            self.ending.insert(*order, (source.clone(), data_set.clone()));
        }
    }

    /// Takes one that was lifted.
    pub(super) fn lifted(&mut self, order: &Id128) {
        self.ending.remove(order);
    }

    /// Takes the intent to take records out of an object.
    pub(super) fn erasing(&mut self, event: &Event, time: Instant) -> Ruling {
        let Event::ArchiveErasureIntended { erasure, source, data_set, archive, purpose, object, part, key_id, macs, .. } = event
        else {
            return Ok(());
        };
        let names = macs.as_bytes().chunks_exact(16).filter_map(|mac| mac.try_into().ok()).collect();
        let new = Erasure { object: *object, part: *part, key_id: *key_id, macs: names, resealed: false };
        self.erasures.insert(*erasure, new);
        ensure(self.erased.insert(*erasure), "an erasure begins once")?;
        let known = self.objects.get(object).ok_or("what is erased was sealed before, and not destroyed yet")?;
        let same = (&known.source, &known.data_set, &known.archive, &known.purpose) == (source, data_set, archive, purpose);
        ensure(same && known.key_id == *key_id, "what is erased is what was sealed")?;
        ensure(macs.len() < known.records, "an erasure leaves a rest")?;
        ensure(
            is_over(known.until, time) || self.by_order(source, data_set),
            "nothing is erased before its last day has passed, unless an order that ends purposes stands on its data set",
        )
    }

    /// Takes the rest of an object, which stands for it.
    pub(super) fn resealed(&mut self, position: u64, event: &Event) -> Ruling {
        let Event::ArchiveResealed { erasure, object, entry, records: gone, key_id, sealed } = event else { return Ok(()) };
        let open = self.erasures.get_mut(erasure).ok_or("what is resealed was intended to be, and has not ended")?;
        ensure(!std::mem::replace(&mut open.resealed, true), "an object is resealed once")?;
        ensure((open.object, open.part) == (*object, sealed.part), "what is resealed is what was intended to be")?;
        let records = open.macs.len() as u64;
        let left = |mac: &[u8]| mac.try_into().is_ok_and(|mac: [u8; 16]| open.macs.contains(&mac));
        let clear = open.key_id == *key_id && !sealed.macs.as_bytes().chunks_exact(16).any(left);
        ensure(clear, "the rest of an object has none of the records that are erased")?;
        ensure(records == *gone, "an erasure counts its records")?;
        let known = self.objects.remove(object).ok_or("what is resealed was sealed before, and not destroyed yet")?;
        let new = ObjectRef { batch: object.batch, part: sealed.part };
        let same = (&known.source, &known.data_set, &known.archive, &known.purpose, known.until)
            == (&sealed.source, &sealed.data_set, &sealed.archive, &sealed.purpose, sealed.until);
        let counted = known.records.checked_sub(records) == Some(sealed.macs.len());
        let same = same && known.entry == *entry;
        let free = self.objects.insert(new, Object { records: sealed.macs.len(), entry: position, ..known }).is_none();
        ensure(same && free, "the rest of an object is kept as the object was")?;
        ensure(counted, "the rest of an object has all its records but those that are erased")
    }

    /// Takes the end of an erasure; whether it came about.
    pub(super) fn erased(&mut self, erasure: &Id128, records: Option<u64>) -> Ruling {
        let open = self.erasures.remove(erasure).ok_or("an erasure that ends was begun, and ends once")?;
        ensure(open.resealed == records.is_some(), "records are erased when their object was resealed, and only then")?;
        ensure(records.is_none_or(|n| n == open.macs.len() as u64), "an erasure counts its records")
    }

    /// Whether an order that ends purposes stands on a data set.
    fn by_order(&self, source: &Name, data_set: &Name) -> bool {
        self.ending.values().any(|(of, set)| (of, set) == (source, data_set))
    }

    /// Takes the intent to destroy objects.
    pub(super) fn intended(&mut self, event: &Event, time: Instant) -> Ruling {
        let Event::DestructionIntended { destruction, source, data_set, archive, purpose, until, cause, objects, .. } = event
        else {
            return Ok(());
        };
        let again = !self.known.insert(*destruction);
        self.open.insert(*destruction, objects.iter().copied().collect());
        ensure(!again, "a destruction begins once")?;
        for object in objects {
            let known = self.objects.get(object).ok_or("what is destroyed was sealed before, and not destroyed yet")?;
            let same = (&known.source, &known.data_set, &known.archive, &known.purpose, &known.until)
                == (source, data_set, archive, purpose, until);
            ensure(same, "a destruction says of its objects what was said when they were sealed")?;
        }
        match cause {
            DestructionCause::Ended => ensure(is_over(*until, time), "nothing is destroyed before its last day has passed"),
            DestructionCause::Ordered => ensure(
                self.by_order(source, data_set),
                "nothing is destroyed by order unless one that ends purposes stands on its data set",
            ),
        }
    }

    /// Takes the end of a destruction.
    pub(super) fn destroyed(&mut self, destruction: Id128, gone: &[ObjectRef], records: u64) -> Ruling {
        let intended = self.open.remove(&destruction).ok_or("what is destroyed was intended to be, once")?;
        ensure(gone.iter().all(|object| intended.contains(object)), "only what was intended to be destroyed is")?;
        let mut counted = 0;
        for object in gone {
            counted += self.objects.remove(object).ok_or("an object is destroyed once")?.records;
        }
        ensure(counted == records, "a destruction counts the records of its objects")
    }
}

/// Whether the last day of something may have passed somewhere.
fn is_over(until: Option<Day>, time: Instant) -> bool {
    // No clock on earth shows a day that is two after the one in Greenwich.
    let latest = time.utc().date_naive().checked_add_days(Days::new(1)).unwrap_or_default();
    until.is_some_and(|until| until.date() < latest)
}
