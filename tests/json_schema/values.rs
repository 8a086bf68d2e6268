//! Values: what the reader accepts the schemas accept, and what one refuses the other refuses.

use super::{BUCKET, DATA_SET, EVENT, HEAD, Kind, PURPOSE, RECIPIENTS, SOURCE, map, policy, settings};

/// A data set that says what its mask is.
fn map_pseudonymised() -> (Kind, String) {
    let data = DATA_SET.replace("\"delete\"", "\"pseudonymise\"");
    assert_ne!(data, DATA_SET);
    (Kind::Map, map(&format!("{data}, categories = {{ c = {{ masks = {{ c = \"pseudonym\" }} }} }}")))
}

/// Snippets that both accept or both refuse.
#[test]
fn reader_and_schemas_agree_on_values() {
    let purpose = |more: &str| (Kind::Policy, policy(HEAD, &format!("{PURPOSE}, {more}")));
    let recovery = |window: &str| (Kind::Policy, format!("{}recovery = [{{ {window} }}]\n", policy(HEAD, PURPOSE)));
    let data = |more: &str| (Kind::Map, map(&format!("{DATA_SET}, {more}")));
    let mask = |mask: &str| data(&format!("categories = {{ c = {{ masks = {{ c = {mask} }} }} }}"));
    let event = |more: &str| data(&format!("events = {{ e = {{ {EVENT}, {more} }} }}"));
    let mut right = vec![
        purpose("starts = \"e\", keeps = \"3 years\""),
        purpose("starts = \"e\", keeps = \"21 years 3 months\""),
        purpose("starts = \"e\", keeps = \"1 year 2 weeks 1 day\""),
        purpose("starts = \"e\", keeps = \"72 hours\", done_within = \"2 days\""),
        purpose("starts = { latest_of = [\"a\", \"b\"] }, keeps = \"0 days\""),
        purpose("starts = { earliest_of = [\"a\"], end_of = \"calendar_year\" }, keeps = \"9999 days\""),
        purpose("starts = { event = \"a\", end_of = { financial_year = \"02-29\" } }, keeps = \"10 years\""),
        purpose("when = { all = [\"a\", { not = { any = [\"b\", \"c\"] } }] }"),
        purpose("at_most = [\"a\", { starts = \"e\", keeps = \"1 week\" }]"),
        purpose("ended_by = [\"objection\"], then = \"delete\", kept_in = \"active_base\""),
        purpose("ended_by = [\"instruction\"]"),
        purpose("reference = \"R\""),
        purpose("starts = \"e\", keeps = \"5 years\", kept_in = \"archive:legal-2\""),
        recovery("data = \"s.d\", days = 14, kept_in = \"archive:undo\""),
        data("uncovered = \"clear\""),
        data("uncovered = [\"clear\", \"dispose\"], accepts_race = true, triggers = [\"t\"]"),
        data("belongs_to = \"x\", on = { a = \"b\" }"),
        data("cascades = [\"a\", \"s.b\", { name = \"c.d\" }]"),
        data("conditions = { c = { title = { fr = \"t\", en = \"t\" }, some = \"x\", where = \"a = 1\" } }"),
        mask("\"null\""),
        mask("{ fixed = 7 }"),
        mask("{ fixed = true }"),
        mask("{ token = { prefix = \"a-\", suffix = \"@x.y\", digits = 8 } }"),
        mask("{ pseudonym = { prefix = \"a-\", suffix = \"@x.y\", digits = 16 } }"),
        mask("{ pseudonym = { prefix = \"a-\", digits = 64 } }"),
        map_pseudonymised(),
        mask("{ json_remove = [\"$.a.b\", \"c\"] }"),
        event("missing = \"ignore\""),
        event("else = \"x\""),
        event("of = { table = \"t\", on = { a = \"b\" } }, where = \"a = 1\""),
    ];
    for basis in ["consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interest"] {
        right.push((Kind::Policy, policy(HEAD, &format!("{}, ends_when = \"c\"", PURPOSE.replace("consent", basis)))));
    }
    for format in ["iso_date", "iso_datetime", "iso_instant", "compact_date", "epoch_seconds", "epoch_milliseconds"] {
        right.push(event(&format!("format = \"{format}\", missing = \"running\"")));
    }
    for unit in ["years", "months", "weeks", "days"] {
        right.push(data(&format!(
            "periods = {{ p = {{ title = {{ fr = \"t\", en = \"t\" }}, column = \"c\", unit = \"{unit}\" }} }}"
        )));
    }
    for word in ["token", "pseudonym", "month", "year", "decade"] {
        right.push(mask(&format!("\"{word}\"")));
    }
    let wrong = [
        purpose("starts = \"e\", keeps = \"7\""),
        purpose("starts = \"e\", keeps = 7"),
        purpose("starts = \"e\", keeps = \"-3 years\""),
        purpose("starts = \"e\", keeps = \"0.5 years\""),
        purpose("starts = \"e\", keeps = \"3 months 1 year\""),
        purpose("starts = \"e\", keeps = \"1 year 1 year\""),
        purpose("starts = \"e\", keeps = \"1 day 2 hours\""),
        purpose("starts = \"e\", keeps = \"10000 days\""),
        purpose("starts = \"e\", keeps = \"3 Years\""),
        purpose("starts = \"e\", keeps = \"\""),
        purpose("starts = \"e\""),
        purpose("keeps = \"3 years\""),
        purpose("starts = { latest_of = [] }, keeps = \"3 years\""),
        purpose("starts = { latest_of = [\"a\"], event = \"b\" }, keeps = \"3 years\""),
        purpose("starts = { event = \"a\", end_of = \"week\" }, keeps = \"3 years\""),
        purpose("starts = { event = \"a\", end_of = { financial_year = \"02-28\" } }, keeps = \"3 years\""),
        purpose("starts = { event = \"a\", end_of = { financial_year = \"06-31\" } }, keeps = \"3 years\""),
        purpose("starts = { event = \"a\", end_of = { financial_year = \"6-30\" } }, keeps = \"3 years\""),
        purpose("when = { all = [] }"),
        purpose("when = { not = \"a\", any = [\"b\"] }"),
        purpose("when = []"),
        purpose("at_most = \"a\""),
        purpose("ended_by = [\"hold\"]"),
        purpose("then = \"anonymise\""),
        purpose("kept_in = \"archive\""),
        purpose("starts = \"e\", keeps = \"5 years\", kept_in = \"archive:\""),
        purpose("starts = \"e\", keeps = \"5 years\", kept_in = \"archive:Legal\""),
        recovery("data = \"s.d\", days = 0, kept_in = \"archive:undo\""),
        recovery("data = \"s.d\", days = 367, kept_in = \"archive:undo\""),
        recovery("data = \"s.d\", days = \"14\", kept_in = \"archive:undo\""),
        recovery("data = \"d\", days = 14, kept_in = \"archive:undo\""),
        recovery("data = \"s.d\", days = 14, kept_in = \"active_base\""),
        recovery("data = \"s.d\", days = 14"),
        recovery("days = 14, kept_in = \"archive:undo\""),
        (Kind::Policy, policy(HEAD, &PURPOSE.replace("\"all\"", "[]"))),
        (Kind::Policy, policy(HEAD, &PURPOSE.replace("\"all\"", "\"none\""))),
        (Kind::Policy, policy(HEAD, &PURPOSE.replace("consent", "interest"))),
        (Kind::Policy, policy(HEAD, &PURPOSE.replace("s.d", "d"))),
        (Kind::Policy, policy(HEAD, &PURPOSE.replace("s.d", "s.d.e"))),
        (Kind::Policy, policy(&HEAD.replace("\"p\"", "\"P\""), PURPOSE)),
        (Kind::Policy, format!("policy = {{ {HEAD} }}\npurpose = []\n")),
        (Kind::Map, "source = { id = \"s\" }\ndata = {}\n".to_owned()),
        (Kind::Map, map(&DATA_SET.replace("delete", "erase"))),
        (Kind::Map, map(&DATA_SET.replace("[\"id\"]", "[]"))),
        data("uncovered = \"delete\""),
        data("belongs_to = \"x\""),
        data("belongs_to = \"x\", follows = \"y\", on = { a = \"b\" }"),
        data("belongs_to = \"x\", on = {}"),
        data("accepts_race = 1"),
        data("categories = { c = { columns = [\"a\"] } }"),
        data("categories = { C = { columns = [\"a\"], mask = \"null\" } }"),
        data("conditions = { c = { title = { fr = \"t\", en = \"t\" } } }"),
        data("conditions = { c = { title = { fr = \"t\", en = \"t\" }, some = \"x\", no = \"x\" } }"),
        data("conditions = { c = { title = { fr = \"t\", en = \"t\" }, sql = \"a = 1\", where = \"a = 1\" } }"),
        mask("\"none\""),
        mask("{}"),
        mask("{ band = 1 }"),
        mask("{ band = 0.5 }"),
        mask("{ first = -1 }"),
        mask("{ first = 1, band = 10 }"),
        mask("{ token = { prefix = \"a\" } }"),
        mask("{ token = { prefix = \"a b\" } }"),
        mask("{ token = { prefix = \"aa\", digits = 7 } }"),
        mask("{ pseudonym = { digits = 32 } }"),
        mask("{ pseudonym = { prefix = \"a b\" } }"),
        mask("{ pseudonym = { prefix = \"aa\", digits = 15 } }"),
        mask("{ pseudonym = { prefix = \"aa\", digits = 65 } }"),
        mask("{ ip_prefix = { v4 = 20, v6 = 48 } }"),
        mask("{ ip_prefix = { v4 = 24, v6 = 129 } }"),
        mask("{ json_remove = [] }"),
        mask("{ json_remove = [\"a[0]\"] }"),
        event("missing = \"never\""),
        event("format = \"french\""),
        event("where = \"a = 1\""),
        event("of = { table = \"t\", on = {} }"),
    ];
    let source = |keys: &str| (Kind::Settings, settings(&format!("sources = {{ c = {{ {keys} }} }}")));
    let general = |more: &str| (Kind::Settings, settings(&format!("{more}\nsources = {{ c = {{ {SOURCE} }} }}")));
    for keys in ["map = \"m\", url_file = \"u\"", "map = \"m\", credential = \"c\"", SOURCE] {
        right.push(source(keys));
    }
    for tls in ["default", "verify-full", "verify-ca", "off"] {
        right.push(source(&format!("{SOURCE}, tls = \"{tls}\", ca_file = \"f\", role = \"r\"")));
    }
    for pace in ["gentle", "full"] {
        right.push(source(&format!("{SOURCE}, pace = \"{pace}\", workers = 64, ceilings = {{ rows = 0, minutes = 525600 }}")));
    }
    right.extend([
        general("actors = [\"dpo\", \"a.b:c-d_1\"]"),
        general("language = \"fr\"\nfull_census_days = 0"),
        general("ceilings = { share_percent = 100 }\nfull_census_days = 366"),
    ]);
    let family = |keys: &str| source(&format!("map = \"m\", family = {{ {keys} }}"));
    right.extend([
        family("glob = \"*.db\""),
        family("glob = \"/srv/t/crm-*.db\", at_once = 64"),
        family("control = \"c\", query = \"SELECT tenant, url FROM t\", user = \"u\", password_file = \"p\""),
        family("control = \"c\", query = \"SELECT tenant, url FROM t\", at_once = 2"),
        family("list = { north = \"sqlite:n\", 0-south_2 = \"sqlite:s\" }, at_once = 1"),
    ]);
    let archive = |keys: &str| general(&format!("archives = {{ evidence = {{ {keys} }} }}"));
    let bucket = |more: &str| archive(&format!("{RECIPIENTS}, bucket = {{ {BUCKET}, {more} }}"));
    right.extend([
        archive(&format!("{RECIPIENTS}, directory = \"d\"")),
        bucket("secret_file = \"f\""),
        bucket("secret_credential = \"c\", endpoint = \"https://s3.example\", prefix = \"p/\", allow_http = false"),
        bucket("secret_file = \"f\", object_lock = \"compliance\""),
        bucket("secret_file = \"f\", object_lock = \"governance\", allow_http = true"),
    ]);
    let store = |keys: &str| general(&format!("files = {{ scans = {{ {keys} }} }}"));
    let held = |more: &str| store(&format!("bucket = {{ {BUCKET}, {more} }}"));
    right.extend([store("directory = \"d\""), held("secret_file = \"f\", prefix = \"p\", allow_http = true")]);
    let wrong = wrong.into_iter().chain([
        store(""),
        store(&format!("directory = \"d\", bucket = {{ {BUCKET}, secret_file = \"f\" }}")),
        held("prefix = \"p\""),
        held("secret_file = \"f\", object_lock = \"governance\""),
        archive("directory = \"d\""),
        archive("directory = \"d\", recipients = []"),
        archive("directory = \"d\", recipients = [\"AGE-SECRET-KEY-1TQVDDM\"]"),
        archive(RECIPIENTS),
        archive(&format!("{RECIPIENTS}, directory = \"d\", bucket = {{ {BUCKET}, secret_file = \"f\" }}")),
        bucket("prefix = \"p\""),
        bucket("secret_file = \"f\", secret_credential = \"c\""),
        bucket("secret_file = \"f\", object_lock = \"legal\""),
        bucket("secret_file = \"f\", allow_http = \"yes\""),
        general(&format!("archives = {{ Evidence = {{ {RECIPIENTS}, directory = \"d\" }} }}")),
        source("url = \"sqlite:x\""),
        source("map = \"m\""),
        source(&format!("{SOURCE}, url_file = \"u\"")),
        source(&format!("{SOURCE}, family = {{ glob = \"*.db\" }}")),
        family("at_once = 1"),
        family("query = \"SELECT tenant, url FROM t\""),
        family("control = \"c\", glob = \"*.db\""),
        family("control = \"c\", query = \"SELECT 1; SELECT 2\""),
        family("control = \"c\", query = \" \""),
        family("control = \"c\", query = \"SELECT tenant, url FROM t\", password_file = \"p\""),
        family("list = {}"),
        family("list = { North = \"sqlite:n\" }"),
        family("list = { north = 1 }"),
        family("list = { north = \"sqlite:n\" }, glob = \"*.db\""),
        family("glob = \"crm.db\""),
        family("glob = \"*/crm.db\""),
        family("glob = \"*-*.db\""),
        family("glob = \"*.db\", at_once = 0"),
        family("glob = \"*.db\", at_once = 65"),
        source(&format!("{SOURCE}, tls = \"prefer\"")),
        source(&format!("{SOURCE}, pace = \"fast\"")),
        source(&format!("{SOURCE}, workers = 0")),
        source(&format!("{SOURCE}, workers = 65")),
        source(&format!("{SOURCE}, ceilings = {{ minutes = 0 }}")),
        source(&format!("{SOURCE}, role = 1")),
        general("actors = [\"Jean Dupont\"]"),
        general("actors = \"dpo\""),
        general("language = \"de\""),
        general("full_census_days = 367"),
        general("ceilings = { share_percent = 101 }"),
        general("ceilings = { rows = -1 }"),
        (Kind::Settings, settings("")),
        (Kind::Settings, settings("sources = {}")),
        (Kind::Settings, settings(&format!("sources = {{ c = {{ {SOURCE} }} }}")).replace("[\"p\"]", "[]")),
        (Kind::Settings, settings(&format!("sources = {{ c = {{ {SOURCE} }} }}")).replace("[\"p\"]", "[\"p\", \"p\"]")),
    ]);
    let wrong: Vec<_> = wrong.collect();
    for (kind, text) in &right {
        assert_eq!(kind.errors(text), Vec::<String>::new(), "the reader\n{text}");
        assert_eq!(kind.invalid(text), Vec::<String>::new(), "the schema\n{text}");
    }
    for (kind, text) in &wrong {
        assert!(!kind.errors(text).is_empty(), "the reader accepts\n{text}");
        assert!(!kind.invalid(text).is_empty(), "the schema accepts\n{text}");
    }
}
