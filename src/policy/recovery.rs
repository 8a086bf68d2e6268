//! Recovery windows: for the last days of its period, what a purpose kept lies sealed instead of in the active base, so that a mistake can be undone.
//!
//! A window is inside the period, so nothing outlives it. It is told in the words that there are already: each purpose of the data set ends in the
//! active base so many days before its period, and beside it stands another that keeps the same fields, of the same records, for the whole period, in
//! an archive. What is decided, sealed, counted, destroyed and put back follows from these two.

use toml::de::DeValue;

use super::located::{Faults, Located};
use super::map::Title;
use super::period::Period;
use super::purpose::{Needs, Place, Purpose, RecoveryWindow, Window};
use super::read_policy::{data_name, kept_in};
use super::reader::{Reader, shown};

/// How the id of a window's purpose begins, before that of the purpose whose window it is; nothing declared has such an id.
pub const PREFIX: &str = "recovery-";

/// The longest id that a purpose with a window can have: its window's must be a name, too.
pub const LONGEST_ID: usize = 64 - PREFIX.len();

/// How many days a window may have.
const DAYS: std::ops::RangeInclusive<i64> = 1..=366;

/// The windows that a policy file declares.
pub(super) fn read(root: &Reader<'_, '_>, faults: &mut Faults) -> Vec<RecoveryWindow> {
    let Some(list) = root.get("recovery") else { return Vec::new() };
    let DeValue::Array(items) = list.get_ref() else {
        faults.error(&root.place(list), "`recovery` is not a list of tables").expected("[[recovery]]");
        return Vec::new();
    };
    let mut all = Vec::new();
    for item in items {
        let Some(r) = Reader::of(item, root.at.file, faults) else { continue };
        all.extend(window(&r, faults));
        r.finish(faults);
    }
    all
}

fn window(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<RecoveryWindow> {
    let data = r.required_text("data", "the data set, as \"source.data_set\"", faults).and_then(|t| data_name(&t, faults));
    let days = r.require("days", "how many days of each period it takes", faults).and_then(|value| {
        let number = match value.get_ref() {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => None,
        };
        let days = number.filter(|n| DAYS.contains(n)).and_then(|n| u32::try_from(n).ok());
        if days.is_none() {
            faults.error(&r.place(value), "not the days of a recovery window").expected(format!(
                "a whole number from {} to {}",
                DAYS.start(),
                DAYS.end()
            ));
        }
        Some(Located::new(days?, r.place(value)))
    });
    let place = r.required_text("kept_in", "the archive in which it lies, as \"archive:name\"", faults).and_then(|t| {
        let at = t.at.clone();
        match kept_in(t, faults)? {
            Place::Archive(archive) => Some(archive),
            Place::ActiveBase | Place::Copy(_) => {
                faults
                    .error(&at, "a recovery window is kept in an archive")
                    .expected("kept_in = \"archive:\" and the name of an archive");
                None
            }
        }
    });
    Some(RecoveryWindow { data: data?, days: days?, archive: place? })
}

/// Ends the purposes of a window's data set earlier in the active base, and puts its own beside them.
pub(super) fn apply(windows: &[RecoveryWindow], purposes: &mut Vec<Purpose>) {
    for window in windows {
        let mine = |p: &&mut Purpose| p.is_active() && p.data.value == window.data.value && p.window == Window::None;
        let mut added = Vec::new();
        // Without a period nothing ends on a day that is known before.
        for purpose in purposes.iter_mut().filter(mine).filter(|p| p.starts.is_some() && p.keeps.is_some()) {
            purpose.window = Window::Before(window.days.value);
            added.push(beside(purpose, window));
        }
        purposes.extend(added);
    }
}

/// The purpose that keeps for the window of another.
fn beside(purpose: &Purpose, window: &RecoveryWindow) -> Purpose {
    let title = &purpose.title;
    Purpose {
        id: Located::new(format!("{PREFIX}{}", purpose.id), purpose.id.at.clone()),
        title: Title {
            fr: format!("Fenêtre de récupération\u{a0}: {}", title.fr), en: format!("Recovery window: {}", title.en)
        },
        kept_in: Place::Archive(window.archive.clone()),
        window: Window::Is,
        // A deadline is that of the declared purpose, and so is what becomes of the row.
        done_within: None,
        then_delete: false,
        ..purpose.clone()
    }
}

/// The fewest days that a period has; `None` for hours, which are no days.
#[must_use]
pub fn fewest_days(period: Period) -> Option<u32> {
    match period {
        Period::Calendar { months, days } => Some(months / 12 * 365 + months % 12 * 28 + days),
        Period::Hours(_) => None,
    }
}

/// Refuses an id that only a window's purpose has.
pub(super) fn check_id(id: &Located<String>, faults: &mut Faults) {
    if id.starts_with(PREFIX) {
        faults
            .error(&id.at, format!("`{}` would be the recovery window of a purpose", shown(id)))
            .expected(format!("an id that does not begin with `{PREFIX}`"));
    }
}

/// Whether a purpose keeps something of the record that it belongs to.
pub(super) fn needs_of_parent(purpose: &Purpose) -> impl Iterator<Item = &Located<String>> {
    let list: &[Located<String>] = match &purpose.needs.value {
        Needs::These(list) => list,
        Needs::All | Needs::AllBut(_) => &[],
    };
    list.iter().filter(|n| n.contains('.'))
}
