//! The data map meets the live schema: every name becomes a table, a column, a form of date.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use super::dialect::Dialect;
use super::dialect::dates::DateForm;
use super::dialect::keys::kind_of;
use super::key::KeyKind;
use super::schema::{Column, Schema, Table, TableKind};
use crate::policy::located::{Faults, Located};
use crate::policy::map::{DataMap, DataSet, Event, RelatedTo, TableRef, Test};
use crate::policy::reader::shown;

/// A source whose map and schema fit each other.
#[derive(Debug, Clone, Copy)]
pub struct Resolved<'a> {
    /// The data map.
    pub map: &'a DataMap,
    /// The live schema.
    pub schema: &'a Schema,
    /// How SQL is written for it.
    pub dialect: Dialect,
    /// Whether predicates are asked of a few rows, named by their keys, which are changed if they hold: what they read in other tables is then looked
    /// up for each row, and locked where the engine must be told.
    pub of_keys: bool,
}

impl<'a> Resolved<'a> {
    /// A map with a schema; [`Resolved::check`] tells whether they fit.
    #[must_use]
    pub fn new(map: &'a DataMap, schema: &'a Schema) -> Self {
        Self { map, schema, dialect: Dialect { engine: schema.server.engine }, of_keys: false }
    }

    /// The table that a reference means: as qualified, or the first of that name on the search path.
    #[must_use]
    pub fn find_table(&self, name: &TableRef) -> Option<&'a Table> {
        match &name.schema {
            Some(schema) => self.schema.tables.iter().find(|t| t.name.name == name.name && t.name.schema == *schema),
            None => self
                .schema
                .search_path
                .iter()
                .find_map(|schema| self.schema.tables.iter().find(|t| t.name.name == name.name && t.name.schema == *schema)),
        }
    }

    /// The table of a data set. Panics never: a data set without a table does not pass [`Resolved::check`], and an empty stand-in matches nothing.
    #[must_use]
    pub fn table(&self, data: &DataSet) -> Option<&'a Table> {
        self.find_table(&data.table)
    }

    /// The columns of a data set that identify persons, each after what the person is to its records.
    pub fn subjects<'d>(&self, data: &'d DataSet) -> impl Iterator<Item = (&'d str, &'a Column)> + use<'a, 'd> {
        let table = self.table(data);
        data.subjects.iter().filter_map(move |s| Some((s.subject.as_str(), table?.column(&s.column)?)))
    }

    /// The key columns of a data set, in the map's order.
    #[must_use]
    pub fn key_columns(&self, data: &DataSet) -> Vec<Column> {
        let Some(table) = self.table(data) else { return Vec::new() };
        data.key.iter().filter_map(|k| table.column(k)).cloned().collect()
    }

    /// The data set of a table, if it is mapped.
    #[must_use]
    pub fn data_set_of(&self, table: &Table) -> Option<&'a DataSet> {
        self.map.data_sets.iter().find(|d| self.table(d).is_some_and(|t| t.name == table.name))
    }

    /// The table that related rows stand in, and the pairs that join it: (column there, column here).
    #[must_use]
    pub fn related(&self, data: &DataSet, to: &RelatedTo) -> Option<(&'a Table, Vec<(String, String)>)> {
        match to {
            RelatedTo::Table(table, on) => Some((
                self.find_table(table)?,
                on.iter().map(|(there, here)| (there.value.clone(), here.value.clone())).collect(),
            )),
            RelatedTo::DataSet(id) => {
                let other = self.map.data_set(id)?;
                let table = self.table(other)?;
                let as_child = other.parent.as_ref().filter(|p| p.data == data.id);
                let as_parent = data.parent.as_ref().filter(|p| p.data == other.id);
                let pairs = match (as_child, as_parent) {
                    (Some(p), _) => p.on.iter().map(|(child, parent)| (child.value.clone(), parent.value.clone())).collect(),
                    (None, Some(p)) => p.on.iter().map(|(child, parent)| (parent.value.clone(), child.value.clone())).collect(),
                    (None, None) => return None,
                };
                Some((table, pairs))
            }
        }
    }

    /// The column of an event and the form of its dates.
    #[must_use]
    pub fn event_form(&self, data: &DataSet, event: &Event) -> Option<(&'a Column, DateForm)> {
        let table = match &event.of {
            None => self.table(data)?,
            Some(of) => self.related(data, &of.to)?.0,
        };
        let column = table.column(&event.column)?;
        let form =
            DateForm::of(self.dialect.engine, column.class, &column.sql_type, self.format(event), self.zone(event)).ok()?;
        Some((column, form))
    }

    /// Columns of a table that date events, of its own data set or of related ones.
    #[must_use]
    pub fn event_columns(&self, table: &Table) -> BTreeSet<String> {
        let events = self.map.data_sets.iter().flat_map(|d| d.events.iter().map(move |e| (d, e)));
        let here = events.filter(|(data, event)| {
            let dated = match &event.of {
                None => self.table(data),
                Some(of) => self.related(data, &of.to).map(|(t, _)| t),
            };
            dated.is_some_and(|t| t.name == table.name)
        });
        here.map(|(_, event)| event.column.value.clone()).collect()
    }

    fn format(&self, event: &Event) -> Option<crate::policy::map::DateFormat> {
        event.format.as_ref().map(|f| f.value)
    }

    fn zone(&self, event: &Event) -> Option<Tz> {
        event.zone.or(self.map.time_zone)
    }

    /// Compares map and schema; every name that does not fit is a fault with its place.
    pub fn check(&self, faults: &mut Faults) {
        let mut seen: BTreeMap<_, &str> = BTreeMap::new();
        for data in &self.map.data_sets {
            let Some(table) = self.check_table(&data.table, faults) else { continue };
            if let Some(other) = seen.insert(&table.name, &data.id) {
                faults.error(&data.table.at, format!("data sets `{other}` and `{}` have the same table", data.id));
            }
            self.check_key(data, table, faults);
            self.check_columns(data, table, faults);
            self.check_join(data, table, faults);
            self.check_events(data, faults);
            for condition in &data.conditions {
                match &condition.test {
                    Test::Row(expr) => check_expression(expr, table, faults),
                    Test::Some(related) | Test::No(related) => self.check_related(data, related, faults),
                }
            }
            for (_, own) in data.copies.iter().flat_map(|c| &c.matched_by) {
                if let Some(column) = require_column(table, own, faults)
                    && kind_of(column.class).is_none()
                {
                    faults
                        .error(
                            &own.at,
                            format!("column `{}` holds {}, which cannot be compared exactly", shown(own), column.sql_type),
                        )
                        .expected("a column of a whole number, a decimal, a text, a date, a UUID or bytes");
                }
            }
            for file in &data.files {
                if let Some(column) = require_column(table, &file.column, faults)
                    && column.class != super::schema::TypeClass::Text
                {
                    faults
                        .error(&file.column.at, format!("column `{}` holds {}", shown(&file.column), column.sql_type))
                        .expected("texts: paths below the store's root");
                }
            }
            for period in &data.periods {
                if let Some(column) = require_column(table, &period.column, faults)
                    && column.class != super::schema::TypeClass::Integer
                {
                    faults
                        .error(&period.column.at, format!("column `{}` holds {}", shown(&period.column), column.sql_type))
                        .expected("whole numbers");
                }
            }
        }
        for free in &self.map.free_of_personal_data {
            if self.dialect.engine.is_mysql_family() && self.find_table(free).is_none() {
                // They hide a table from whoever has no right on it, and nobody needs one on this.
                faults
                    .warning(&free.at, format!("the database shows no table `{}`", shown(&free.name)))
                    .help("it is not there, or this role has no right on it and needs none; an administrator's `check` tells");
                continue;
            }
            self.check_table(free, faults);
        }
    }

    fn check_table(&self, name: &Located<TableRef>, faults: &mut Faults) -> Option<&'a Table> {
        if name.schema.is_none() {
            let places: Vec<&str> =
                self.schema.tables.iter().filter(|t| t.name.name == name.name).map(|t| t.name.schema.as_str()).collect();
            if places.len() > 1 {
                faults
                    .error(&name.at, format!("table `{}` exists in more than one schema", shown(&name.name)))
                    .expected("the schema too: { schema = \"…\", name = \"…\" }")
                    .help(format!(
                        "it is in {}",
                        places.iter().map(|p| format!("`{}`", shown(p))).collect::<Vec<_>>().join(", ")
                    ));
                return None;
            }
        }
        let found = self.find_table(name);
        if found.is_none() {
            let known: Vec<&str> = self.schema.tables.iter().map(|t| t.name.name.as_str()).collect();
            faults.error(&name.at, format!("the database has no table `{}`", shown(&name.name))).nearest(&name.name, known);
        }
        found
    }

    fn check_key(&self, data: &DataSet, table: &Table, faults: &mut Faults) {
        if matches!(table.kind, TableKind::View | TableKind::Foreign) {
            let what = if table.kind == TableKind::View { "a view" } else { "a foreign or virtual table" };
            faults
                .error(&data.table.at, format!("`{}` is {what}: its rows are somewhere else", shown(&table.name.name)))
                .expected("the table that holds the rows, in a source of its own where it is in another database");
            return;
        }
        if table.primary_key.is_empty() {
            faults
                .error(&data.table.at, format!("table `{}` has no primary key", shown(&table.name.name)))
                .expected("a primary key: without one no row can be named, locked or proven");
            return;
        }
        let declared: BTreeSet<&str> = data.key.iter().map(|k| k.value.as_str()).collect();
        let real: BTreeSet<&str> = table.primary_key.iter().map(String::as_str).collect();
        if declared != real {
            let at = data.key.first().map_or(&data.table.at, |k| &k.at);
            faults.error(at, format!("the key of data set `{}` is not the primary key of its table", data.id)).expected(format!(
                "key = [{}]",
                table.primary_key.iter().map(|k| format!("\"{}\"", shown(k))).collect::<Vec<_>>().join(", ")
            ));
            return;
        }
        for key in &data.key {
            if let Some(column) = table.column(key)
                && kind_of(column.class).is_none()
            {
                faults
                    .error(&key.at, format!("key column `{}` is of type {}", shown(key), column.sql_type))
                    .expected("a type that names a row exactly: no floating point, JSON or composite");
            }
        }
    }

    fn check_columns(&self, data: &DataSet, table: &Table, faults: &mut Faults) {
        for category in &data.categories {
            for personal in &category.columns {
                let Some(column) = require_column(table, &personal.name, faults) else { continue };
                self.check_mask(table, column, personal, faults);
            }
        }
        for plain in &data.plain {
            require_column(table, plain, faults);
        }
        if let Some(tenant) = &data.tenant {
            require_column(table, tenant, faults);
        }
        for subject in &data.subjects {
            let Some(column) = require_column(table, &subject.column, faults) else { continue };
            if !matches!(kind_of(column.class), Some(KeyKind::Integer | KeyKind::Text | KeyKind::Uuid)) {
                faults
                    .error(
                        &subject.column.at,
                        format!("column `{}` of type {} cannot name a person", column.name, column.sql_type),
                    )
                    .expected("a whole number, a text or a UUID: identifiers are compared exactly");
            }
        }
    }

    fn check_join(&self, data: &DataSet, table: &Table, faults: &mut Faults) {
        let Some(parent) = &data.parent else { return };
        let parent_table = self.map.data_set(&parent.data).and_then(|p| self.table(p));
        for (here, there) in &parent.on {
            require_column(table, here, faults);
            if let Some(parent_table) = parent_table {
                require_column(parent_table, there, faults);
            }
        }
        if let Some(p) = parent_table
            && parent.follows
        {
            let on: BTreeSet<&str> = parent.on.iter().map(|(_, there)| there.value.as_str()).collect();
            let unique =
                p.indexes.iter().any(|i| i.unique && i.predicate.is_none() && i.columns.iter().all(|c| on.contains(c.as_str())));
            if !unique {
                faults
                    .error(&parent.data.at, format!("data set `{}` could follow several rows of `{}`", data.id, parent.data))
                    .expected("joining columns that are the parent's primary key or unique");
            }
        }
    }

    fn check_events(&self, data: &DataSet, faults: &mut Faults) {
        for event in &data.events {
            let table = match &event.of {
                None => self.table(data),
                Some(of) => {
                    self.check_related(data, of, faults);
                    self.related(data, &of.to).map(|(t, _)| t)
                }
            };
            let Some(column) = table.and_then(|t| require_column(t, &event.column, faults)) else { continue };
            use super::dialect::dates::DateFormFault as F;
            match DateForm::of(self.dialect.engine, column.class, &column.sql_type, self.format(event), self.zone(event)) {
                Ok(_) => {}
                Err(F::NoZone) => {
                    faults
                        .error(&event.column.at, format!("column `{}` holds date-times without a zone", shown(&event.column)))
                        .expected("time_zone = \"Europe/Paris\" in [source] or in the event: an hour decides about a day");
                }
                Err(F::NoFormat) => {
                    faults
                        .error(&event.column.at, format!("column `{}` is of type {}, not a date", shown(&event.column), column.sql_type))
                        .expected("format = \"iso_date\", \"iso_datetime\", \"iso_instant\", \"compact_date\", \"epoch_seconds\" or \"epoch_milliseconds\"");
                }
                Err(F::WrongFormat) => {
                    let at = event.format.as_ref().map_or(&event.column.at, |f| &f.at);
                    faults
                        .error(at, format!("a column of type {} cannot hold this format", column.sql_type))
                        .expected("an epoch for whole numbers, ISO for texts");
                }
                Err(F::NoDate) => {
                    faults.error(
                        &event.column.at,
                        format!("column `{}` is of type {} and holds no date", shown(&event.column), column.sql_type),
                    );
                }
            }
            if let Some(column) = table.and_then(|t| t.column(&event.column))
                && (column.on_update_now
                    || ["updated_at", "modified_at", "tms", "last_modified"].contains(&column.name.to_ascii_lowercase().as_str()))
            {
                faults
                    .warning(
                        &event.column.at,
                        format!(
                            "`{}` looks like a technical timestamp: any update of the row moves this start",
                            shown(&event.column)
                        ),
                    )
                    .help("a start should be a fact about the person or contract, not about the row");
            }
        }
    }

    fn check_related(&self, data: &DataSet, related: &crate::policy::map::Related, faults: &mut Faults) {
        if let RelatedTo::Table(name, on) = &related.to {
            let Some(table) = self.check_table(name, faults) else { return };
            for (there, here) in on {
                require_column(table, there, faults);
                if let Some(own) = self.table(data) {
                    require_column(own, here, faults);
                }
            }
        }
        if let (Some(filter), Some((table, _))) = (&related.filter, self.related(data, &related.to)) {
            check_expression(filter, table, faults);
        }
    }
}

fn require_column<'t>(table: &'t Table, name: &Located<String>, faults: &mut Faults) -> Option<&'t Column> {
    let found = table.column(name);
    if found.is_none() {
        faults
            .error(&name.at, format!("table `{}` has no column `{}`", shown(&table.name.name), shown(name)))
            .nearest(name, table.columns.iter().map(|c| c.name.as_str()));
    }
    found
}

fn check_expression(expr: &Located<crate::policy::expression::Expr>, table: &Table, faults: &mut Faults) {
    let mut missing = BTreeSet::new();
    expr.columns(&mut |c| {
        if table.column(c).is_none() {
            missing.insert(c);
        }
    });
    for name in missing {
        faults
            .error(&expr.at, format!("table `{}` has no column `{}`", shown(&table.name.name), shown(name)))
            .nearest(name, table.columns.iter().map(|c| c.name.as_str()));
    }
}
