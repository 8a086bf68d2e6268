//! Data map and policy of each work.

use retentiond::enforce::{Documents, run_documents};
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, read_map, read_policy};

use super::Outcome;

/// Map and policy, read and linked.
pub struct Rules {
    /// The map.
    pub map: DataMap,
    /// The policy.
    pub policies: Vec<Policy>,
    /// The texts of both.
    pub documents: Documents,
    /// The map as it was written.
    pub map_text: String,
    /// The policy as it was written.
    pub policy_text: String,
}

/// What a work asks of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Customers are masked by their own date.
    Anonymise,
    /// The same, by three purposes with a category each.
    ThreePurposes,
    /// Customers are masked by their latest interaction.
    AnonymiseChildren,
    /// Interactions are deleted by their own date.
    Delete,
    /// The same, and an archive keeps them.
    Archive,
    /// Customers are deleted, their children by declared cascades.
    Cascade,
}

const MAP_HEAD: &str = r#"[source]
id = "bench"
time_zone = "UTC"
"#;

const CUSTOMERS: &str = r#"
[data.customers]
title = { fr = "Clients", en = "Customers" }
table = "customers"
key = ["id"]
plain = ["id", "city", "postcode", "birth_date", "notes", "status", "created_at", "last_contact_at", "contract_end_at"]

[data.customers.categories.identity.masks]
first_name = { fixed = "ANON" }
last_name = { fixed = "ANON" }

[data.customers.categories.contact]
columns = ["phone", "address"]
mask = "null"
masks = { email = { token = { prefix = "anon-", suffix = "@invalid.example" } } }

[data.customers.categories.bank]
columns = ["iban"]
mask = "null"
"#;

const LAST_CONTACT: &str = r#"
[data.customers.events.last_contact]
title = { fr = "dernier contact", en = "last contact" }
column = "last_contact_at"
format = "iso_datetime"
"#;

const INTERACTION: &str = r#"
[data.customers.events.last_contact]
title = { fr = "interaction", en = "interaction" }
of = { table = "interactions", on = { customer_id = "id" } }
column = "occurred_at"
format = "iso_datetime"
"#;

const INTERACTIONS: &str = r#"
[data.interactions]
title = { fr = "Interactions", en = "Interactions" }
table = "interactions"
key = ["id"]
disposition = "delete"
plain = ["id", "customer_id", "occurred_at", "channel"]

[data.interactions.categories.content]
columns = ["subject", "body"]
mask = { fixed = "" }

[data.interactions.events.occurred]
title = { fr = "interaction", en = "interaction" }
column = "occurred_at"
format = "iso_datetime"
"#;

/// The map and policy of a task. `period` is how long everything is kept, for a caller whose clock does not stand on 2026-01-01.
pub fn rules(task: Task, period: Option<&str>) -> Outcome<Rules> {
    read(map(task), policy(task, period))
}

/// Map and policy of customers that are masked, with the to-do column that `check` advised.
pub fn with_to_do(column: &str) -> Outcome<Rules> {
    let named = map(Task::Anonymise).replace("[data.customers]\n", &format!("[data.customers]\nto_do = \"{column}\"\n"));
    read(named, policy(Task::Anonymise, None))
}

fn read(map_text: String, policy_text: String) -> Outcome<Rules> {
    let mut faults = Faults::default();
    let map = read_map::read(&map_text, 0, &mut faults);
    let read = read_policy::read(&policy_text, 1, &mut faults);
    let (Some(map), Some(read)) = (map, read) else { return Err(format!("{:#?}", faults.sorted()).into()) };
    let policies = vec![read];
    link::link(std::slice::from_ref(&map), &policies, &mut faults);
    if faults.any_error() {
        return Err(format!("{:#?}", faults.sorted()).into());
    }
    let documents = run_documents(&map_text, &mut [(policies[0].id.as_str(), policy_text.as_str())]);
    Ok(Rules { map, policies, documents, map_text, policy_text })
}

fn map(task: Task) -> String {
    let customers = |disposition: &str| CUSTOMERS.replace("key = [\"id\"]\n", &format!("key = [\"id\"]\n{disposition}\n"));
    match task {
        Task::Anonymise | Task::ThreePurposes => {
            format!("{MAP_HEAD}{}{LAST_CONTACT}", customers("disposition = \"anonymise\""))
        }
        Task::AnonymiseChildren => format!(
            "{MAP_HEAD}free_of_personal_data = [\"interactions\", \"contracts\"]\n{}{INTERACTION}",
            customers("disposition = \"anonymise\"")
        ),
        Task::Delete | Task::Archive => {
            format!("{MAP_HEAD}free_of_personal_data = [\"customers\", \"contracts\"]\n{INTERACTIONS}")
        }
        Task::Cascade => format!(
            "{MAP_HEAD}{}{LAST_CONTACT}",
            customers("disposition = \"delete\"\ncascades = [\"interactions\", \"contracts\"]")
        ),
    }
}

fn policy(task: Task, period: Option<&str>) -> String {
    let mut text = String::from(
        "[policy]\nid = \"bench\"\nauthor = \"dpo\"\ntitle = { fr = \"Conservation\", en = \"Retention\" }\ntime_zone = \"UTC\"\n",
    );
    let mut purpose = |id: &str, data: &str, needs: &str, starts: &str, keeps: &str| {
        text.push_str(&format!(
            "\n[[purpose]]\nid = \"{id}\"\ntitle = {{ fr = \"{id}\", en = \"{id}\" }}\nlegal_basis = \"contract\"\n\
             data = \"bench.{data}\"\nneeds = {needs}\nstarts = {starts}\nkeeps = \"{keeps}\"\n"
        ));
    };
    let usually = |keeps| period.unwrap_or(keeps);
    match task {
        Task::Anonymise | Task::Cascade => purpose("contacts", "customers", "\"all\"", "\"last_contact\"", usually("3 years")),
        Task::ThreePurposes => {
            purpose("identities", "customers", "[\"identity\"]", "\"last_contact\"", usually("5 years"));
            purpose("contacts", "customers", "[\"contact\"]", "\"last_contact\"", usually("4 years"));
            purpose("accounts", "customers", "[\"bank\"]", "\"last_contact\"", usually("3 years"));
        }
        Task::AnonymiseChildren => {
            purpose("contacts", "customers", "\"all\"", "{ latest_of = [\"last_contact\"] }", usually("3 years"));
        }
        Task::Delete | Task::Archive => {
            purpose("interactions", "interactions", "\"all\"", "\"occurred\"", usually("4 years"));
        }
    }
    if task == Task::Archive {
        purpose("evidence", "interactions", "\"all\"\nkept_in = \"archive:evidence\"", "\"occurred\"", "20 years");
    }
    text
}
