//! Predicates as trees, simplified while they are built, rendered once.
//!
//! A predicate here is *true or not true*: NULL counts as not true. In conjunctions and disjunctions that is what SQL does anyway; a
//! negation is rendered as `(…) IS NOT TRUE`, so that it is the exact complement.

use std::collections::BTreeSet;

/// A predicate over a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum B {
    /// Always.
    True,
    /// Never.
    False,
    /// An SQL condition; NULL means not true.
    Sql(String),
    /// All of them; at least two.
    And(Vec<B>),
    /// Any of them; at least two.
    Or(Vec<B>),
    /// Not true.
    Not(Box<B>),
}

impl B {
    /// An SQL condition.
    pub fn sql(text: impl Into<String>) -> Self {
        Self::Sql(text.into())
    }

    /// Whether this can never hold.
    #[must_use]
    pub fn is_false(&self) -> bool {
        *self == Self::False
    }

    /// All of `parts`.
    #[must_use]
    pub fn and(parts: impl IntoIterator<Item = B>) -> Self {
        let mut all: Vec<B> = Vec::new();
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                Self::And(inner) => inner.into_iter().for_each(|b| push_new(&mut all, b)),
                other => push_new(&mut all, other),
            }
        }
        // A disjunction is implied when another conjunct is one of its parts, or a disjunction of some of its parts.
        let parts_of = |b: &B| -> BTreeSet<String> {
            match b {
                Self::Or(parts) => parts.iter().map(B::render).collect(),
                other => BTreeSet::from([other.render()]),
            }
        };
        let sets: Vec<BTreeSet<String>> = all.iter().map(parts_of).collect();
        let implied = |i: usize| {
            matches!(all[i], Self::Or(_))
                && (0..all.len()).any(|j| j != i && sets[j].is_subset(&sets[i]) && (sets[j] != sets[i] || j < i))
        };
        let kept: Vec<B> = (0..all.len()).filter(|i| !implied(*i)).map(|i| all[i].clone()).collect();
        if contradictory(&kept) {
            return Self::False;
        }
        match kept.len() {
            0 => Self::True,
            1 => kept.into_iter().next().unwrap_or(Self::True),
            _ => Self::And(kept),
        }
    }

    /// Any of `parts`.
    #[must_use]
    pub fn or(parts: impl IntoIterator<Item = B>) -> Self {
        let mut all: Vec<B> = Vec::new();
        for part in parts {
            match part {
                Self::False => {}
                Self::True => return Self::True,
                Self::Or(inner) => inner.into_iter().for_each(|b| push_new(&mut all, b)),
                other => push_new(&mut all, other),
            }
        }
        if contradictory(&all) {
            return Self::True;
        }
        match all.len() {
            0 => Self::False,
            1 => all.into_iter().next().unwrap_or(Self::False),
            _ => Self::Or(all),
        }
    }

    /// Whether it is not true.
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The SQL text, in parentheses where it needs them.
    #[must_use]
    pub fn render(&self) -> String {
        let joined = |parts: &[B], word: &str| format!("({})", parts.iter().map(B::render).collect::<Vec<_>>().join(word));
        match self {
            Self::True => "(1 = 1)".to_owned(),
            Self::False => "(1 = 0)".to_owned(),
            Self::Sql(text) => text.clone(),
            Self::And(parts) => joined(parts, " AND "),
            Self::Or(parts) => joined(parts, " OR "),
            Self::Not(inner) => match &**inner {
                // EXISTS is never NULL: the plain negation is exact and lets engines use an anti-join.
                Self::Sql(text) if text.starts_with("EXISTS (") => format!("NOT {text}"),
                other => format!("({} IS NOT TRUE)", other.render()),
            },
        }
    }
}

fn push_new(all: &mut Vec<B>, part: B) {
    if !all.contains(&part) {
        all.push(part);
    }
}

fn contradictory(parts: &[B]) -> bool {
    parts.iter().any(|p| parts.iter().any(|q| matches!(q, B::Not(inner) if **inner == *p)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> B {
        B::sql(text)
    }

    #[test]
    fn simplification_keeps_the_meaning() {
        assert_eq!(B::and([s("a"), B::or([s("a"), s("b")])]), s("a"));
        assert_eq!(B::and([B::or([s("a"), s("b")]), B::or([s("b"), s("a"), s("c")])]), B::Or(vec![s("a"), s("b")]));
        assert_eq!(B::and([s("a"), s("a").negate()]), B::False);
        assert_eq!(B::or([s("a"), s("a").negate()]), B::True);
        assert_eq!(B::and([B::True, s("a")]), s("a"));
        assert_eq!(B::or([B::False, B::False]), B::False);
        assert_eq!(B::and([B::or([s("a"), s("b")]), B::or([s("a"), s("b")])]), B::Or(vec![s("a"), s("b")]));
        assert_eq!(s("a").negate().render(), "(a IS NOT TRUE)");
        assert_eq!(s("EXISTS (SELECT 1)").negate().render(), "NOT EXISTS (SELECT 1)");
    }
}
