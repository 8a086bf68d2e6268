//! Holds on children: what is evidence is evidence with the name on it.

use retentiond::enforce::explain;
use retentiond::plan::explain::{Outcome, State};
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules};
use crate::restore::{lift, place, record};
use crate::scene::{ENGINES, consistent, now, read};
use crate::support::database;
use crate::together::{data, dates, of, purpose};

/// Persons and their invoices, which need the identity of the person, and not how to reach it.
fn invoices() -> Rules {
    let person = "[data.person]\ntitle = { fr = \"person\", en = \"person\" }\ntable = \"person\"\nkey = [\"id\"]\ndisposition = \"anonymise\"\n\
         [data.person.categories]\ntext = { columns = [\"body\"], mask = { fixed = \"\" } }\ncontact = { columns = [\"mail\"], mask = { fixed = \"-\" } }\n\
         [data.person.events.seen]\ntitle = { fr = \"seen\", en = \"seen\" }\ncolumn = \"seen\"\nformat = \"iso_date\"\n";
    let belongs = "belongs_to = \"person\"\non = { person_id = \"id\" }";
    let invoice = data("invoice", "\"id\"", belongs, &[("paid", "", "paid")]);
    let needs = "needs = [\"text\", \"person.text\"]";
    let of_invoice = purpose("invoice", "\"paid\"", "").replace("needs = \"all\"", needs);
    of(&[person.to_owned(), invoice], &[purpose("person", "\"seen\"", ""), of_invoice])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_on_a_child_keeps_what_its_purpose_needs_of_the_parent() {
    let sql = "CREATE TABLE person (id integer PRIMARY KEY, seen DATE, body varchar(50) NOT NULL, mail varchar(50));
         CREATE TABLE invoice (id integer PRIMARY KEY, person_id integer NOT NULL, paid DATE, body varchar(50) NOT NULL, FOREIGN KEY (person_id) REFERENCES person (id));
         INSERT INTO person VALUES (1, '{DUE}', 'a', 'm'), (2, '{DUE}', 'b', 'n');
         INSERT INTO invoice VALUES (11, 1, '{DUE}', 'A'), (21, 2, '{DUE}', 'B')";
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, sql)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = invoices();
        let hold = place(&fixture, &rules, OrderKind::Hold, "invoice", record(11)).await;
        let prepared = fixture.prepare(&rules).await;
        let story = explain(&fixture.source, &prepared, &rules.map, &rules.policies, "person", &["1".to_owned()]).await.unwrap();
        let held: Vec<&str> = story.purposes.iter().filter(|p| p.state == State::Held).map(|p| p.id.as_str()).collect();
        assert_eq!((held, story.outcome), (vec!["invoices"], Outcome::Clear), "{}", engine.name());
        let mut seen = Vec::new();
        for lifted in [false, true] {
            if lifted {
                lift(&fixture, hold).await;
            }
            fixture.run(&rules).await;
            seen.push([
                read(&fixture, "SELECT body FROM person ORDER BY id").await,
                read(&fixture, "SELECT mail FROM person ORDER BY id").await,
            ]);
            consistent(&fixture).await;
        }
        assert_eq!(seen, [[["a", ""], ["-", "-"]], [["", ""], ["-", "-"]]], "{}", engine.name());
    }
}
