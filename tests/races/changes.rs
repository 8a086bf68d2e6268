//! What applications do beside a batch: transactions over the target record, its children and its orders.

use retentiond::plan::schema::Engine;

use crate::scene::{DUE, KEPT, Shape, TARGET};

/// One transaction's statements, without its end, and the state of the scene in which it makes a difference.
#[derive(Debug, Clone)]
pub struct Change {
    pub name: &'static str,
    /// Run after the scene was filled; empty for a target that is due.
    pub init: String,
    pub steps: Vec<String>,
}

impl Change {
    /// Whether it keeps a record that was due.
    pub fn keeps(&self) -> bool {
        self.init.is_empty()
            && ["date later", "undate", "hold", "revive", "insert keeping child", "revive child", "move child in", "hold child"]
                .contains(&self.name)
    }
}

/// The name of our table of orders.
pub fn hold_table(engine: Engine) -> &'static str {
    if engine == Engine::Postgres { "retentiond.hold" } else { "retentiond_hold" }
}

struct Writer {
    engine: Engine,
    shape: Shape,
    all: Vec<Change>,
}

impl Writer {
    fn add(&mut self, name: &'static str, init: &str, steps: &[&str]) {
        let (root, child, column) = (self.shape.root(), self.shape.child().unwrap_or_default(), self.shape.child_column());
        let (keeps, lets_go) = (self.shape.child_value(true), self.shape.child_value(false));
        let fill = |text: &str| {
            text.replace("{root}", root)
                .replace("{child}", child)
                .replace("{column}", column)
                .replace("{keeps}", &keeps)
                .replace("{lets_go}", &lets_go)
                .replace("{DUE}", DUE)
                .replace("{KEPT}", KEPT)
                .replace("{T}", &TARGET.to_string())
                .replace("{hold}", &self.hold(root, TARGET))
                .replace("{hold_child}", &self.hold(child, TARGET * 10))
                .replace("{lift}", &format!("UPDATE {} SET lifted_on = '2026-11-01'", hold_table(self.engine)))
        };
        self.all.push(Change { name, init: fill(init), steps: steps.iter().map(|s| fill(s)).collect() });
    }

    fn hold(&self, data_set: &str, id: i64) -> String {
        let id = id.to_string();
        // The number of orders so far makes the id: two sessions may place one each.
        format!(
            "INSERT INTO {table} (order_id, source, data_set, kind, scope, target, placed_on) \
             VALUES ('{order:032x}', 'crm', '{data_set}', 'hold', 'record', '{}:{id}', '2026-01-01')",
            id.len(),
            table = hold_table(self.engine),
            order = self.all.len() + 1,
        )
    }
}

/// All changes that make sense on a shape.
pub fn changes(engine: Engine, shape: Shape) -> Vec<Change> {
    let mut w = Writer { engine, shape, all: Vec::new() };
    own_row(&mut w);
    match shape {
        Shape::OwnDelete | Shape::OwnMask => state(&mut w),
        Shape::Followers => {
            children(&mut w);
            opposite(&mut w);
        }
        _ => {
            children(&mut w);
            children_that_keep(&mut w);
            opposite(&mut w);
        }
    }
    if shape.child_is_record() {
        w.add("hold child", "", &["{hold_child}"]);
        w.add("lift child", "{hold_child}", &["{lift}"]);
    }
    w.all
}

fn own_row(w: &mut Writer) {
    // A row with a child can neither be deleted nor change its key: the foreign key is on our side there.
    let alone = if w.shape.child().is_some() { "DELETE FROM {child} WHERE {root}_id = {T}" } else { "" };
    w.add("date later", "", &["UPDATE {root} SET seen = '{KEPT}' WHERE id = {T}"]);
    w.add("undate", "", &["UPDATE {root} SET seen = NULL WHERE id = {T}"]);
    w.add("touch", "", &["UPDATE {root} SET name = 'app' WHERE id = {T}"]);
    w.add("date", "UPDATE {root} SET seen = NULL WHERE id = {T}", &["UPDATE {root} SET seen = '{DUE}' WHERE id = {T}"]);
    w.add(
        "date earlier",
        "UPDATE {root} SET seen = '{KEPT}' WHERE id = {T}",
        &["UPDATE {root} SET seen = '{DUE}' WHERE id = {T}"],
    );
    w.add("hold", "", &["{hold}"]);
    w.add("lift", "{hold}", &["{lift}"]);
    w.add("delete", alone, &["DELETE FROM {root} WHERE id = {T}"]);
    w.add("change key", alone, &["UPDATE {root} SET id = {T}007 WHERE id = {T}"]);
    w.add("change key and date later", alone, &["UPDATE {root} SET id = {T}007, seen = '{KEPT}' WHERE id = {T}"]);
}

fn state(w: &mut Writer) {
    w.add("revive", "", &["UPDATE {root} SET open = 1 WHERE id = {T}"]);
    w.add("end revival", "UPDATE {root} SET open = 1 WHERE id = {T}", &["UPDATE {root} SET open = 0 WHERE id = {T}"]);
    w.add("insert due", "", &["INSERT INTO {root} VALUES (70, 'new', '{DUE}', 0)"]);
    w.add("insert kept", "", &["INSERT INTO {root} VALUES (70, 'new', '{KEPT}', 0)"]);
    w.add("revive twice", "", &["UPDATE {root} SET open = 1 WHERE id = {T}", "UPDATE {root} SET seen = '{KEPT}' WHERE id = {T}"]);
}

fn children(w: &mut Writer) {
    w.add("insert child", "", &["INSERT INTO {child} VALUES (77, {T}, {lets_go})"]);
    w.add("move child away", "", &["UPDATE {child} SET {root}_id = 8 WHERE id = {T}0"]);
    w.add("move child in", "", &["UPDATE {child} SET {root}_id = {T} WHERE id = 80"]);
    w.add("delete child", "", &["DELETE FROM {child} WHERE id = {T}0"]);
    w.add("update child", "", &["UPDATE {child} SET {column} = {lets_go} WHERE id = {T}0"]);
    w.add("delete both", "", &["DELETE FROM {child} WHERE {root}_id = {T}", "DELETE FROM {root} WHERE id = {T}"]);
}

fn children_that_keep(w: &mut Writer) {
    let kept = "UPDATE {child} SET {column} = {keeps} WHERE id = {T}0";
    w.add("insert keeping child", "", &["INSERT INTO {child} VALUES (77, {T}, {keeps})"]);
    w.add("revive child", "", &[kept]);
    w.add("end child", kept, &["UPDATE {child} SET {column} = {lets_go} WHERE id = {T}0"]);
    w.add("move keeping child away", kept, &["UPDATE {child} SET {root}_id = 8 WHERE id = {T}0"]);
    w.add("delete keeping child", kept, &["DELETE FROM {child} WHERE id = {T}0"]);
}

/// Children first, then the row, or the other way round: whoever locks in one order meets whoever locks in the other.
fn opposite(w: &mut Writer) {
    let (child, root) =
        ("UPDATE {child} SET {column} = {keeps} WHERE id = {T}0", "UPDATE {root} SET name = 'app' WHERE id = {T}");
    w.add("child, then row", "", &[child, root]);
    w.add("row, then child", "", &[root, child]);
}
