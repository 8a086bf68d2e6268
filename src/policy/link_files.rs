//! What a data map may say of files: each goes with the field that points to it.

use super::located::Faults;
use super::map::DataSet;
use super::mask::Mask;
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
