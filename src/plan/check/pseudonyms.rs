//! Pseudonyms: personal data that stay although a purpose has ended, and values that come back.

use super::{Inspection, listed};
use crate::plan::schema::Table;
use crate::policy::link::needs_category;
use crate::policy::located::Faults;
use crate::policy::map::{DataSet, PersonalColumn};
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, faults: &mut Faults) {
    for (data, table) in cx.mapped() {
        for category in &data.categories {
            for column in category.columns.iter().filter(|c| c.mask.is_pseudonym()) {
                still_personal(cx, data, &category.name, column, faults);
                comes_back(table, column, faults);
            }
        }
    }
}

/// The end of a purpose that leaves a pseudonym is not the end of the processing.
fn still_personal(cx: &Inspection<'_>, data: &DataSet, category: &str, column: &PersonalColumn, faults: &mut Faults) {
    let root = cx.resolved.map.root_of(data);
    let purposes: Vec<String> =
        cx.purposes_of(root).filter(|p| !p.is_window() && needs_category(p, category)).map(|p| p.id.value.clone()).collect();
    let end = match purposes.as_slice() {
        [] => "when no purpose needs it".to_owned(),
        [one] => format!("when purpose `{one}` ends"),
        several => format!("when purposes {} end", listed(several)),
    };
    faults
        .warning(
            &column.mask.at,
            format!("{end}, column `{}` keeps a pseudonym: still personal data (GDPR Art. 4(5))", shown(&column.name)),
        )
        .help(
            "it may stay only as long as a purpose needs it; \"token\" or \"null\" leaves nothing that leads back to the person",
        );
}

/// A UNIQUE column whose value is used again, after its first holder was pseudonymised, gets the same pseudonym again.
fn comes_back(table: &Table, column: &PersonalColumn, faults: &mut Faults) {
    let name = &column.name.value;
    let unique = table
        .indexes
        .iter()
        .find(|i| i.unique && i.columns.contains(name) && !table.primary_key.iter().all(|k| i.columns.contains(k)));
    if let Some(index) = unique {
        faults
            .warning(
                &column.mask.at,
                format!(
                    "column `{}` is in the UNIQUE `{}`: a value that comes back later gets the same pseudonym, and its row cannot be masked",
                    shown(name),
                    shown(&index.name)
                ),
            )
            .help("\"token\" or \"null\" never collides");
    }
}
