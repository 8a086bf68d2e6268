//! What a data map may say of files: each goes with the field that points to it.

use super::link::needs_category;
use super::located::Faults;
use super::map::{DataMap, DataSet};
use super::mask::Mask;
use super::purpose::Purpose;
use super::reader::shown;

/// Checks the files of a data set: their columns are personal, and what goes there leaves nothing.
pub(super) fn check(data: &DataSet, faults: &mut Faults) {
    for (n, file) in data.files.iter().enumerate() {
        let personal = data.categories.iter().flat_map(|c| &c.columns).find(|c| c.name.value == file.column.value);
        match personal {
            None => {
                faults
                    .error(&file.column.at, format!("column `{}` points to files and is in no category", shown(&file.column)))
                    .expected("the column in a category: its file is kept as long as the field is");
            }
            Some(column) if !matches!(column.mask.value, Mask::Null | Mask::Fixed(_)) => {
                faults
                    .error(&column.mask.at, format!("column `{}` points to files and is not cleared", shown(&file.column)))
                    .expected("mask = \"null\" or a fixed value: a file cannot be kept behind a masked path");
            }
            Some(_) => {}
        }
        if data.files[..n].iter().any(|f| f.column.value == file.column.value) {
            faults
                .error(&file.column.at, format!("column `{}` points to files twice", shown(&file.column)))
                .expected("one store for each column");
        }
    }
}

/// Checks a purpose that is kept in an archive: it needs no field that points to a file, which no archive takes.
pub(super) fn check_archived(purpose: &Purpose, map: &DataMap, faults: &mut Faults) {
    let Some(data) = map.data_set(&purpose.data.data_set) else { return };
    for member in map.record_of(data) {
        for file in &member.files {
            let holds = |c: &&super::map::Category| c.columns.iter().any(|p| p.name.value == file.column.value);
            if let Some(category) = member.categories.iter().find(holds).filter(|c| needs_category(purpose, &c.name)) {
                faults
                    .error(
                        &purpose.needs.at,
                        format!(
                            "archive purpose `{}` needs `{}`, of which column `{}` of `{}` points to files: no archive takes them",
                            purpose.id,
                            category.name,
                            shown(&file.column),
                            member.id
                        ),
                    )
                    .expected("categories without files: the column in a category of its own, which a purpose of the active base needs");
            }
        }
    }
}
