//! Conditions of the map as SQL: generated from the tree, never copied from the author's text.

use super::Dialect;
use crate::plan::schema::Engine;
use crate::policy::expression::Expr;
use crate::policy::period::Period;

impl Dialect {
    /// The expression over the row of `alias`.
    #[must_use]
    pub fn expression(self, alias: &str, e: &Expr) -> String {
        let sub = |e: &Expr| self.expression(alias, e);
        let list = |all: &[Expr], between: &str| all.iter().map(sub).collect::<Vec<_>>().join(between);
        match e {
            Expr::Column(name) => self.column(alias, name),
            Expr::Text(text) => self.text(text),
            Expr::Number(digits) => digits.clone(),
            Expr::Bool(true) => "TRUE".to_owned(),
            Expr::Bool(false) => "FALSE".to_owned(),
            Expr::Null => "NULL".to_owned(),
            Expr::Date(day) => self.date(*day),
            Expr::Compare(operator, l, r) => format!("({} {} {})", sub(l), operator.sql(), sub(r)),
            Expr::And(all) => format!("({})", list(all, " AND ")),
            Expr::Or(all) => format!("({})", list(all, " OR ")),
            Expr::Not(inner) => format!("(NOT {})", sub(inner)),
            Expr::IsNull(inner) => format!("({} IS NULL)", sub(inner)),
            Expr::Is(inner, true) => format!("({} IS TRUE)", sub(inner)),
            Expr::Is(inner, false) => format!("({} IS FALSE)", sub(inner)),
            Expr::In(x, all) => format!("({} IN ({}))", sub(x), list(all, ", ")),
            Expr::Between(x, low, high) => format!("({} BETWEEN {} AND {})", sub(x), sub(low), sub(high)),
            Expr::Like(x, pattern) => {
                let escape = if self.engine == Engine::Sqlite { "" } else { " ESCAPE ''" };
                format!("({} LIKE {}{escape})", sub(x), self.text(pattern))
            }
            Expr::Coalesce(all) => format!("COALESCE({})", list(all, ", ")),
            Expr::Case(arms, otherwise) => {
                let arms: Vec<String> = arms.iter().map(|(c, r)| format!("WHEN {} THEN {}", sub(c), sub(r))).collect();
                let otherwise = otherwise.as_deref().map(|e| format!(" ELSE {}", sub(e))).unwrap_or_default();
                format!("(CASE {}{otherwise} END)", arms.join(" "))
            }
            Expr::Shift(date, period, back) => self.shift(&sub(date), *period, *back),
        }
    }

    /// A date plus or minus a period, by the civil calendar: months first, clamped to the month's end, then days.
    fn shift(self, date: &str, period: Period, back: bool) -> String {
        let Period::Calendar { months, days } = period else { return "NULL".to_owned() };
        let sign = if back { "-" } else { "+" };
        match self.engine {
            Engine::Postgres => format!("({date} {sign} INTERVAL '{months} months {days} days')"),
            Engine::MariaDb | Engine::MySql => {
                let function = if back { "DATE_SUB" } else { "DATE_ADD" };
                format!("{function}({function}({date}, INTERVAL {months} MONTH), INTERVAL {days} DAY)")
            }
            // `floor` keeps the last day of a shorter month; without it SQLite overflows into the next.
            Engine::Sqlite => {
                let steps = format!("'{sign}{months} months', 'floor', '{sign}{days} days'");
                format!("(CASE WHEN length({date}) > 10 THEN datetime({date}, {steps}) ELSE date({date}, {steps}) END)")
            }
        }
    }
}
