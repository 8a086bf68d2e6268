//! Predicates as trees, simplified while they are built, rendered once.
//!
//! A predicate here is *true or not true*: NULL counts as not true. In conjunctions and disjunctions that is what SQL does anyway; a
//! negation is rendered as `(…) IS NOT TRUE`, so that it is the exact complement.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// The text of a condition, cheap to copy and to tell from others: predicates repeat themselves, and are compared with each other over and over.
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    hash: u64,
}

impl Deref for Condition {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// A predicate over a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum B {
    /// Always.
    True,
    /// Never.
    False,
    /// An SQL condition; NULL means not true.
    Sql(Condition),
    /// All of them; at least two.
    And(Vec<B>),
    /// Any of them; at least two.
    Or(Vec<B>),
    /// Not true.
    Not(Box<B>),
}

impl From<bool> for B {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl B {
    /// An SQL condition.
    pub fn sql(text: impl Into<String>) -> Self {
        let text: String = text.into();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self::Sql(Condition { text: text.into(), hash: hasher.finish() })
    }

    /// Whether this can never hold.
    #[must_use]
    pub fn is_false(&self) -> bool {
        *self == Self::False
    }

    /// All of `parts`, each read in the light of the others.
    #[must_use]
    pub fn and(parts: impl IntoIterator<Item = B>) -> Self {
        Self::and_all(parts.into_iter().collect())
    }

    fn and_all(parts: Vec<B>) -> Self {
        let mut all: Vec<B> = Vec::new();
        for part in parts {
            match part {
                Self::True => {}
                Self::False => return Self::False,
                Self::And(inner) => inner.into_iter().for_each(|b| push_new(&mut all, b)),
                other => push_new(&mut all, other),
            }
        }
        let mut i = 0;
        while i < all.len() {
            // Holds only where all others do: what they say is true in it.
            let (before, rest) = all.split_at(i);
            let read = rest.first().and_then(|part| part.given(&Known { parts: [before, &rest[1..]], hold: true }));
            match read {
                Some(Self::False) => return Self::False,
                Some(Self::True) => drop(all.remove(i)),
                // What it became may say more about those before it.
                Some(simpler) if simpler != all[i] => {
                    let parts = if let Self::And(parts) = simpler { parts } else { vec![simpler] };
                    let new: Vec<B> = parts.into_iter().filter(|b| !all.contains(b)).collect();
                    all.splice(i..=i, new);
                    i = 0;
                }
                _ => i += 1,
            }
        }
        one_of(all, Self::True, Self::And)
    }

    /// Any of `parts`, each read in the light of the others; what all of them demand is demanded once.
    #[must_use]
    pub fn or(parts: impl IntoIterator<Item = B>) -> Self {
        Self::or_all(parts.into_iter().collect())
    }

    fn or_all(parts: Vec<B>) -> Self {
        let mut all: Vec<B> = Vec::new();
        for part in parts {
            match part {
                Self::False => {}
                Self::True => return Self::True,
                Self::Or(inner) => inner.into_iter().for_each(|b| push_new(&mut all, b)),
                other => push_new(&mut all, other),
            }
        }
        let mut i = 0;
        while i < all.len() {
            // Matters only where no other one holds.
            let (before, rest) = all.split_at(i);
            let read = rest.first().and_then(|part| part.given(&Known { parts: [before, &rest[1..]], hold: false }));
            match read {
                Some(Self::True) => return Self::True,
                Some(Self::False) => drop(all.remove(i)),
                // What it became may say more about those before it.
                Some(simpler) if simpler != all[i] => {
                    let parts = if let Self::Or(parts) = simpler { parts } else { vec![simpler] };
                    let new: Vec<B> = parts.into_iter().filter(|b| !all.contains(b)).collect();
                    all.splice(i..=i, new);
                    i = 0;
                }
                _ => i += 1,
            }
        }
        let common: Vec<B> = match all.as_slice() {
            [first, rest @ ..] if !rest.is_empty() => {
                first.demands().iter().filter(|b| rest.iter().all(|other| other.demands().contains(b))).cloned().collect()
            }
            _ => Vec::new(),
        };
        if common.is_empty() {
            return one_of(all, Self::False, Self::Or);
        }
        let left = all.iter().map(|b| Self::and_all(b.demands().iter().filter(|d| !common.contains(d)).cloned().collect()));
        let left = Self::or_all(left.collect());
        Self::and_all(std::iter::once(left).chain(common).collect())
    }

    /// What is left to ask of rows that another predicate has chosen.
    #[must_use]
    pub fn where_holds(&self, chosen: &B) -> Self {
        self.given(&Known { parts: [chosen.demands(), &[]], hold: true }).unwrap_or_else(|| self.clone())
    }

    /// What must hold for this to hold.
    fn demands(&self) -> &[B] {
        match self {
            Self::And(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// What is left of it where something is known: it holds exactly where this holds. `None` where nothing of it is known.
    fn given(&self, known: &Known<'_>) -> Option<Self> {
        if let Some(answer) = known.says(self) {
            return Some(if answer { Self::True } else { Self::False });
        }
        match self {
            Self::And(parts) => each_given(parts, known).map(Self::and_all),
            Self::Or(parts) if known.implies_any(parts) => Some(Self::True),
            Self::Or(parts) => each_given(parts, known).map(Self::or_all),
            Self::Not(inner) => inner.given(known).map(Self::negate),
            Self::True | Self::False | Self::Sql(_) => None,
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
        // What reads the row alone stands before what reads other rows: engines that keep the order ask the cheap question first.
        let joined = |parts: &[B], word: &str| {
            let mut texts: Vec<String> = parts.iter().map(B::render).collect();
            texts.sort_by_key(|text| text.contains("EXISTS ("));
            format!("({})", texts.join(word))
        };
        match self {
            Self::True => "(1 = 1)".to_owned(),
            Self::False => "(1 = 0)".to_owned(),
            Self::Sql(text) => text.text.as_ref().to_owned(),
            Self::And(parts) => joined(parts, " AND "),
            Self::Or(parts) => joined(parts, " OR "),
            Self::Not(inner) => match &**inner {
                // EXISTS is never NULL: the plain negation is exact and lets engines use an anti-join.
                Self::Sql(text) if text.starts_with("EXISTS (") => format!("NOT {}", &**text),
                Self::Or(parts) if parts.iter().all(|p| matches!(p, Self::Sql(text) if text.starts_with("EXISTS ("))) => {
                    Self::And(parts.iter().cloned().map(Self::negate).collect()).render()
                }
                other => format!("({} IS NOT TRUE)", other.render()),
            },
        }
    }
}

/// The parts where something is known; `None` where nothing of any is: they are simple already.
fn each_given(parts: &[B], known: &Known<'_>) -> Option<Vec<B>> {
    let mut read: Vec<B> = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        match part.given(known) {
            Some(simpler) => {
                if read.is_empty() {
                    read.reserve_exact(parts.len());
                    read.extend_from_slice(&parts[..i]);
                }
                read.push(simpler);
            }
            None if !read.is_empty() => read.push(part.clone()),
            None => {}
        }
    }
    (!read.is_empty()).then_some(read)
}

fn push_new(all: &mut Vec<B>, part: B) {
    if !all.contains(&part) {
        all.push(part);
    }
}

fn one_of(all: Vec<B>, none: B, several: fn(Vec<B>) -> B) -> B {
    let mut all = all;
    match all.len() {
        0 => none,
        1 => all.pop().unwrap_or(none),
        _ => several(all),
    }
}

/// Predicates of which it is known that all hold, or that none does.
struct Known<'k> {
    parts: [&'k [B]; 2],
    hold: bool,
}

impl Known<'_> {
    /// Whether a predicate holds, where that follows.
    fn says(&self, b: &B) -> Option<bool> {
        for part in self.parts.iter().flat_map(|p| p.iter()) {
            match (part, b) {
                _ if part == b => return Some(self.hold),
                (B::Not(inner), other) | (other, B::Not(inner)) if **inner == *other => return Some(!self.hold),
                _ => {}
            }
        }
        None
    }

    /// Whether one of these holds because a narrower choice among them does.
    fn implies_any(&self, wider: &[B]) -> bool {
        let narrower = |b: &B| matches!(b, B::Or(parts) if parts.iter().all(|p| wider.contains(p)));
        self.hold && self.parts.iter().flat_map(|p| p.iter()).any(narrower)
    }
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
        // What is known is not asked again, however deep.
        assert_eq!(
            B::and([s("a"), B::or([B::and([s("a"), s("b")]), B::and([s("c"), s("a").negate()])])]),
            B::And(vec![s("a"), s("b")])
        );
        assert_eq!(B::and([B::or([s("a"), s("b")]), s("a").negate()]), B::And(vec![s("b"), s("a").negate()]));
        assert_eq!(B::or([s("a"), B::and([s("a").negate(), s("b")])]), B::Or(vec![s("a"), s("b")]));
        assert_eq!(
            B::or([B::and([s("a"), s("b")]), B::and([s("a"), s("c")])]),
            B::And(vec![B::Or(vec![s("b"), s("c")]), s("a")])
        );
        assert_eq!(B::and([B::or([s("a"), s("b")]), B::or([s("a"), s("b")])]), B::Or(vec![s("a"), s("b")]));
        assert_eq!(s("a").negate().render(), "(a IS NOT TRUE)");
        assert_eq!(s("EXISTS (SELECT 1)").negate().render(), "NOT EXISTS (SELECT 1)");
        let either = B::or([s("EXISTS (SELECT 1)"), s("EXISTS (SELECT 2)")]);
        assert_eq!(either.negate().render(), "(NOT EXISTS (SELECT 1) AND NOT EXISTS (SELECT 2))");
        assert_eq!(B::or([s("EXISTS (SELECT 1)"), s("a")]).negate().render(), "((a OR EXISTS (SELECT 1)) IS NOT TRUE)");
    }

    /// A predicate as it is written, and as it was built.
    #[derive(Debug, Clone)]
    enum Plain {
        Atom(usize),
        And(Vec<Plain>),
        Or(Vec<Plain>),
        Not(Box<Plain>),
    }

    impl Plain {
        fn build(&self) -> B {
            match self {
                Self::Atom(i) => s(&i.to_string()),
                Self::And(parts) => B::and(parts.iter().map(Self::build)),
                Self::Or(parts) => B::or(parts.iter().map(Self::build)),
                Self::Not(inner) => inner.build().negate(),
            }
        }

        fn holds(&self, row: &[Option<bool>]) -> bool {
            match self {
                Self::Atom(i) => row[*i] == Some(true),
                Self::And(parts) => parts.iter().all(|p| p.holds(row)),
                Self::Or(parts) => parts.iter().any(|p| p.holds(row)),
                Self::Not(inner) => !inner.holds(row),
            }
        }
    }

    /// As an engine reads the text: three values, and `IS NOT TRUE` where something is negated.
    fn asked(b: &B, row: &[Option<bool>]) -> Option<bool> {
        match b {
            B::True => Some(true),
            B::False => Some(false),
            B::Sql(text) => row[text.parse::<usize>().unwrap()],
            B::And(parts) => {
                let all: Vec<_> = parts.iter().map(|p| asked(p, row)).collect();
                if all.contains(&Some(false)) { Some(false) } else { all.iter().all(Option::is_some).then_some(true) }
            }
            B::Or(parts) => {
                let all: Vec<_> = parts.iter().map(|p| asked(p, row)).collect();
                if all.contains(&Some(true)) { Some(true) } else { all.iter().all(Option::is_some).then_some(false) }
            }
            B::Not(inner) => Some(asked(inner, row) != Some(true)),
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_simplified_selects_the_same_rows(plain in plain(), rows in proptest::collection::vec(proptest::collection::vec(proptest::option::of(proptest::bool::ANY), 5), 40)) {
            let built = plain.build();
            for row in rows {
                proptest::prop_assert_eq!(asked(&built, &row) == Some(true), plain.holds(&row), "{:?}", built);
            }
        }
    }

    fn plain() -> impl proptest::strategy::Strategy<Value = Plain> {
        use proptest::prelude::*;
        (0usize..5).prop_map(Plain::Atom).prop_recursive(5, 60, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Plain::And),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Plain::Or),
                inner.prop_map(|p| Plain::Not(Box::new(p))),
            ]
        })
    }
}
