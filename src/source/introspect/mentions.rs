//! Which tables a trigger's body names. The text is read generously: strings count too, because dynamic SQL hides there, and a column
//! of a table's name is taken for the table. Naming one too many asks a question; naming one too few would hide an effect.

/// How an engine compares an unquoted identifier with a stored name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// Unquoted identifiers are lower-cased, quoted ones exact (PostgreSQL).
    Lower,
    /// Case does not matter (SQLite; and to be generous MariaDB and MySQL).
    Ignore,
}

/// Those of `tables` that `body` names, sorted, `owner` excepted.
pub(super) fn find(body: &str, tables: &[String], owner: &str, fold: Fold) -> Vec<String> {
    let words = words(body);
    let mut found: Vec<String> = tables
        .iter()
        .filter(|t| t.as_str() != owner)
        .filter(|t| {
            words.iter().any(|(word, quoted)| match fold {
                Fold::Lower if *quoted => word == *t,
                Fold::Lower => word.to_lowercase() == **t,
                Fold::Ignore => word.to_lowercase() == t.to_lowercase(),
            })
        })
        .cloned()
        .collect();
    found.sort();
    found.dedup();
    found
}

/// All identifiers of a text, and whether each was quoted.
fn words(body: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut rest = body.chars().peekable();
    while let Some(c) = rest.next() {
        let end = match c {
            '"' | '`' => c,
            '[' => ']',
            c if is_word(c) => {
                let mut word = c.to_string();
                while let Some(next) = rest.next_if(|c| is_word(*c)) {
                    word.push(next);
                }
                words.push((word, false));
                continue;
            }
            _ => continue,
        };
        // A quoted identifier; a doubled quote stands for one. An array's `[1]` gives a harmless word.
        let (mut word, mut closed) = (String::new(), false);
        let ahead = rest.clone();
        while let Some(next) = rest.next() {
            if next != end {
                word.push(next);
            } else if end != ']' && rest.next_if_eq(&end).is_some() {
                word.push(end);
            } else {
                closed = true;
                break;
            }
        }
        words.push((word, true));
        if !closed || end == ']' || words.last().is_some_and(|(w, _)| w.contains([';', '\n'])) {
            // Not a quotation after all, or a quote inside a string: read on right behind it.
            rest = ahead;
        }
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(body: &str, fold: Fold) -> Vec<String> {
        let tables = ["invoice", "Order", "we\"ird", "person", "émile"].map(str::to_owned);
        find(body, &tables, "person", fold)
    }

    #[test]
    fn a_trigger_names_tables_bare_quoted_qualified_and_inside_strings_but_never_its_own() {
        assert_eq!(named("DELETE FROM app.Invoice WHERE person.id = 1", Fold::Lower), ["invoice"]);
        assert_eq!(named("EXECUTE 'DELETE FROM invoice'", Fold::Lower), ["invoice"]);
        assert_eq!(named("SELECT * FROM \"Order\", \"we\"\"ird\", Émile", Fold::Lower), ["Order", "we\"ird", "émile"]);
        assert_eq!(named("UPDATE order SET a = b[1]", Fold::Lower), Vec::<String>::new());
        assert_eq!(named("UPDATE `oRDer`, [invoice] SET x = 1", Fold::Ignore), ["Order", "invoice"]);
        assert_eq!(named("INSERT INTO invoices_old VALUES (1)", Fold::Ignore), Vec::<String>::new());
    }

    #[test]
    fn a_stray_quote_hides_nothing_behind_it() {
        assert_eq!(named("RAISE 'an inch is 1\"'; DELETE FROM invoice; SELECT 'and \" again'", Fold::Lower), ["invoice"]);
        assert_eq!(named("x := '\"'; DELETE FROM invoice", Fold::Lower), ["invoice"]);
    }
}
