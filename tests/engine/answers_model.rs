//! Which records may go by what two sources have: in plain Rust.

use std::collections::BTreeMap;

use retentiond::source::Source;

use crate::scene::DUE;

/// The rows of a table by their ids.
pub type Table = BTreeMap<i64, Vec<Option<String>>>;

/// What both sources have. Of a table that is not there nobody knows anything.
#[derive(Clone)]
pub struct Both {
    pub request: Table,
    pub person: Table,
    pub paper: Option<Table>,
    pub contract: Option<Table>,
}

impl Both {
    /// What is committed.
    pub async fn look([here, there]: [&Source; 2]) -> Self {
        Self {
            request: read(here, "request", &["id", "code", "body", "seen"]).await.unwrap(),
            person: read(here, "person", &["id", "code", "name", "email", "seen"]).await.unwrap(),
            paper: read(there, "paper", &["id", "number", "code"]).await,
            contract: read(there, "contract", &["id", "holder", "ended"]).await,
        }
    }

    /// Whether a request may go.
    fn request_is_free(&self, id: i64) -> bool {
        let row = &self.request[&id];
        let is_copy = |there: &Vec<Option<String>>| there[0] == Some(id.to_string()) && there[1] == row[0];
        row[2].as_deref() == Some(DUE) && self.paper.as_ref().is_some_and(|all| all.values().any(is_copy))
    }

    fn person_is_due(&self, id: i64) -> bool {
        self.person[&id][3].as_deref() == Some(DUE)
    }

    /// Whether a person may go.
    fn person_is_free(&self, id: i64) -> bool {
        let needs = |there: &Vec<Option<String>>| there[0] == self.person[&id][0] && there[1].is_none();
        self.person_is_due(id) && self.contract.as_ref().is_some_and(|all| !all.values().any(needs))
    }

    /// What is gone in a later state that was not free in this one.
    pub fn wrongly_gone(&self, later: &Self) -> Vec<String> {
        let requests = self.request.keys().filter(|id| !later.request.contains_key(id) && !self.request_is_free(**id));
        let mut wrong: Vec<String> = requests.map(|id| format!("request {id}")).collect();
        for (id, row) in &self.person {
            match later.person.get(id) {
                None if !self.person_is_free(*id) => wrong.push(format!("person {id}")),
                Some(now) if now[1] != row[1] && !self.person_is_free(*id) => wrong.push(format!("name of {id}")),
                Some(now) if now[2] != row[2] && !self.person_is_due(*id) => wrong.push(format!("email of {id}")),
                _ => {}
            }
        }
        wrong
    }

    /// What is free and left.
    pub fn left(&self) -> Vec<String> {
        let requests = self.request.keys().filter(|id| self.request_is_free(**id)).map(|id| format!("request {id}"));
        let persons = self.person.keys().filter(|id| self.person_is_free(**id)).map(|id| format!("person {id}"));
        let emails = self.person.iter().filter(|(id, row)| self.person_is_due(**id) && row[2].is_some());
        requests.chain(persons).chain(emails.map(|(id, _)| format!("email of {id}"))).collect()
    }
}

async fn read(source: &Source, table: &str, columns: &[&str]) -> Option<Table> {
    let mysql = source.engine().is_mysql_family();
    let text = if mysql { "CHAR" } else { "TEXT" };
    let list: Vec<String> = columns.iter().map(|c| format!("CAST({c} AS {text})")).collect();
    let mut session = source.session().await.unwrap();
    let rows = session.rows(&format!("SELECT {} FROM {table}", list.join(", "))).await;
    let Ok(rows) = rows else {
        session.discard().await;
        return None;
    };
    if mysql {
        // What was read opened a transaction.
        session.rows("COMMIT").await.unwrap();
    }
    session.done().await.unwrap();
    Some(rows.into_iter().map(|mut row| (row.remove(0).unwrap().parse().unwrap(), row)).collect())
}
