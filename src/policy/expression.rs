//! Conditions and filters: a small allow-listed expression language over the columns of one row.
//!
//! The text is parsed by `sqlparser` and turned into our own tree; whatever the tree cannot say is refused. Nothing of the author's text ever
//! reaches a database: statements are generated from the tree.

use chrono::NaiveDate;
use sqlparser::ast;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::period::Period;

/// Longest text of an expression, in bytes.
pub const LONGEST: usize = 4_096;
/// The most tokens of an expression.
const MOST_TOKENS: usize = 600;

/// An expression over one row's columns, three-valued where it is a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A column of the row, by its stored name.
    Column(String),
    /// A text literal.
    Text(String),
    /// A number literal: digits with an optional sign and fraction.
    Number(String),
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// `NULL`.
    Null,
    /// `DATE '2020-01-31'`.
    Date(NaiveDate),
    /// A comparison.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// All of them.
    And(Vec<Expr>),
    /// Any of them.
    Or(Vec<Expr>),
    /// Negation.
    Not(Box<Expr>),
    /// `IS NULL`.
    IsNull(Box<Expr>),
    /// `IS TRUE` or `IS FALSE`.
    Is(Box<Expr>, bool),
    /// `IN (…)`.
    In(Box<Expr>, Vec<Expr>),
    /// `BETWEEN … AND …`.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `LIKE` with a literal pattern; no escape character, so `\` is an ordinary character.
    Like(Box<Expr>, String),
    /// `COALESCE(…)`.
    Coalesce(Vec<Expr>),
    /// `CASE WHEN … THEN … ELSE … END`.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// A date or date-time plus (or, if `true`, minus) a literal period.
    Shift(Box<Expr>, Period, bool),
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator in SQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Why a text is not an expression: what is wrong, and what is expected instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionFault {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: &'static str,
}

const ALLOWED: &str = "columns of this row, literals, = <> < <= > >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, IS TRUE, COALESCE, CASE, a date plus INTERVAL '6 months'";

fn fault(message: impl Into<String>) -> ExpressionFault {
    ExpressionFault { message: message.into(), expected: ALLOWED }
}

fn comment() -> ExpressionFault {
    ExpressionFault { message: "a comment inside an expression".into(), expected: "comments in TOML: `# …`" }
}

/// Reads a condition.
///
/// # Errors
/// A syntax error, a construct outside the allow-list, a comment or a second statement, or a condition whose truth does not depend on the row.
pub fn parse(text: &str) -> Result<Expr, ExpressionFault> {
    if text.len() > LONGEST {
        return Err(ExpressionFault {
            message: format!("the expression is {} bytes long", text.len()),
            expected: "at most 4096 bytes",
        });
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize()
        .map_err(|_| fault("not an expression: a text or quoted name has no end, or a character does not belong"))?;
    if tokens.len() > MOST_TOKENS {
        return Err(ExpressionFault { message: format!("the expression has {} parts", tokens.len()), expected: "at most 600" });
    }
    for token in &tokens {
        match token {
            Token::SemiColon => {
                return Err(ExpressionFault { message: "a second statement".into(), expected: "one expression without `;`" });
            }
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                return Err(comment());
            }
            _ => {}
        }
    }
    // A comment of MySQL that carries code (`/*! … */`) leaves no token of its own: what it holds would be read as if it stood outside.
    let quoted: usize = tokens.iter().map(|t| t.to_string().matches("/*!").count()).sum();
    if text.matches("/*!").count() != quoted {
        return Err(comment());
    }
    let mut parser = Parser::new(&dialect).with_recursion_limit(40).with_tokens(tokens);
    let parsed = parser.parse_expr().map_err(|_| fault("not an expression"))?;
    if parser.peek_token().token != Token::EOF {
        return Err(fault("the expression does not end where it should"));
    }
    let expr = convert(&parsed)?;
    if constant(&expr) {
        return Err(ExpressionFault {
            message: "the condition does not depend on the row".into(),
            expected: "a condition that is true for some rows and false for others",
        });
    }
    Ok(expr)
}

fn convert(e: &ast::Expr) -> Result<Expr, ExpressionFault> {
    use ast::Expr as E;
    let boxed = |e: &ast::Expr| convert(e).map(Box::new);
    let negate = |negated: bool, e: Expr| if negated { Expr::Not(Box::new(e)) } else { e };
    Ok(match e {
        E::Identifier(name) if name.quote_style.is_none() && name.value.contains(['@', '#', '$']) => {
            return Err(fault("a variable or parameter; a column of that name stands in quotation marks"));
        }
        E::Identifier(name) => Expr::Column(name.value.clone()),
        E::CompoundIdentifier(_) => return Err(fault("a qualified name: an expression sees the columns of one row only")),
        E::Nested(inner) => convert(inner)?,
        E::Value(value) => literal(&value.value)?,
        E::TypedString(typed) if typed.data_type == ast::DataType::Date => {
            let ast::Value::SingleQuotedString(text) = &typed.value.value else { return Err(fault("not a date literal")) };
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.to_string() == *text);
            Expr::Date(date.ok_or_else(|| fault(format!("`{text}` is not a date of the form 2020-01-31")))?)
        }
        E::UnaryOp { op: ast::UnaryOperator::Not, expr } => Expr::Not(boxed(expr)?),
        E::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match convert(expr)? {
            Expr::Number(n) if !n.starts_with('-') => Expr::Number(format!("-{n}")),
            _ => return Err(fault("arithmetic")),
        },
        E::BinaryOp { left, op, right } => binary(left, op, right)?,
        E::IsNull(inner) => Expr::IsNull(boxed(inner)?),
        E::IsNotNull(inner) => Expr::Not(Box::new(Expr::IsNull(boxed(inner)?))),
        E::IsTrue(inner) => Expr::Is(boxed(inner)?, true),
        E::IsNotTrue(inner) => Expr::Not(Box::new(Expr::Is(boxed(inner)?, true))),
        E::IsFalse(inner) => Expr::Is(boxed(inner)?, false),
        E::IsNotFalse(inner) => Expr::Not(Box::new(Expr::Is(boxed(inner)?, false))),
        E::InList { expr, list, negated } => {
            if list.is_empty() {
                return Err(fault("an empty list"));
            }
            negate(*negated, Expr::In(boxed(expr)?, list.iter().map(convert).collect::<Result<_, _>>()?))
        }
        E::Between { expr, negated, low, high } => negate(*negated, Expr::Between(boxed(expr)?, boxed(low)?, boxed(high)?)),
        E::Like { negated, any: false, expr, pattern, escape_char: None } => match convert(pattern)? {
            Expr::Text(pattern) => negate(*negated, Expr::Like(boxed(expr)?, pattern)),
            _ => return Err(fault("LIKE needs a literal pattern")),
        },
        E::Function(call) => function(call)?,
        E::Case { operand, conditions, else_result, .. } => {
            let operand = operand.as_deref().map(convert).transpose()?;
            let mut arms = Vec::new();
            for arm in conditions {
                let condition = convert(&arm.condition)?;
                let condition = match &operand {
                    Some(o) => Expr::Compare(Comparison::Equal, Box::new(o.clone()), Box::new(condition)),
                    None => condition,
                };
                arms.push((condition, convert(&arm.result)?));
            }
            Expr::Case(arms, else_result.as_deref().map(boxed).transpose()?)
        }
        E::Subquery(_) | E::InSubquery { .. } | E::Exists { .. } => {
            return Err(fault("a sub-query: name related rows with `some`, `no` or `of` in the map"));
        }
        _ => return Err(fault("a construct that expressions do not have")),
    })
}

fn literal(value: &ast::Value) -> Result<Expr, ExpressionFault> {
    Ok(match value {
        ast::Value::SingleQuotedString(text) if text.contains('\0') => return Err(fault("a NUL character")),
        ast::Value::SingleQuotedString(text) => Expr::Text(text.clone()),
        ast::Value::Number(digits, false) if digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            Expr::Number(digits.clone())
        }
        ast::Value::Boolean(b) => Expr::Bool(*b),
        ast::Value::Null => Expr::Null,
        _ => return Err(fault("a literal of a form that expressions do not have")),
    })
}

fn binary(left: &ast::Expr, op: &ast::BinaryOperator, right: &ast::Expr) -> Result<Expr, ExpressionFault> {
    use ast::BinaryOperator as O;
    let comparison = match op {
        O::Eq => Comparison::Equal,
        O::NotEq => Comparison::NotEqual,
        O::Lt => Comparison::Less,
        O::LtEq => Comparison::LessOrEqual,
        O::Gt => Comparison::Greater,
        O::GtEq => Comparison::GreaterOrEqual,
        O::And | O::Or => {
            let (l, r) = (convert(left)?, convert(right)?);
            return Ok(match (op, l) {
                (O::And, Expr::And(mut all)) => {
                    all.push(r);
                    Expr::And(all)
                }
                (O::Or, Expr::Or(mut all)) => {
                    all.push(r);
                    Expr::Or(all)
                }
                (O::And, l) => Expr::And(vec![l, r]),
                (_, l) => Expr::Or(vec![l, r]),
            });
        }
        O::Plus | O::Minus => {
            let ast::Expr::Interval(interval) = right else {
                return Err(fault("arithmetic other than a date plus INTERVAL '…'"));
            };
            return Ok(Expr::Shift(Box::new(convert(left)?), interval_period(interval)?, matches!(op, O::Minus)));
        }
        _ => return Err(fault("an operator that expressions do not have")),
    };
    Ok(Expr::Compare(comparison, Box::new(convert(left)?), Box::new(convert(right)?)))
}

fn interval_period(interval: &ast::Interval) -> Result<Period, ExpressionFault> {
    let expected = "INTERVAL '6 months', with a period as policies write it";
    let wrong = |message: String| ExpressionFault { message, expected };
    let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(text), .. }) = &*interval.value else {
        return Err(wrong("an interval that is not a literal period".into()));
    };
    if interval.leading_field.is_some() || interval.last_field.is_some() {
        return Err(wrong("an interval with a unit outside its quotes".into()));
    }
    match Period::parse(text) {
        Ok(Period::Hours(_)) => Err(wrong("an interval in hours".into())),
        Ok(period) => Ok(period),
        Err(why) => Err(wrong(why.to_string())),
    }
}

fn function(call: &ast::Function) -> Result<Expr, ExpressionFault> {
    let name = call.name.to_string();
    if !name.eq_ignore_ascii_case("coalesce") {
        return Err(fault("a function other than COALESCE"));
    }
    let ast::FunctionArguments::List(list) = &call.args else { return Err(fault("COALESCE without a list")) };
    let plain = call.filter.is_none() && call.over.is_none() && list.duplicate_treatment.is_none() && list.clauses.is_empty();
    if !plain || list.args.len() < 2 {
        return Err(fault("COALESCE needs two or more plain arguments"));
    }
    let args = list.args.iter().map(|arg| match arg {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => convert(e),
        _ => Err(fault("COALESCE needs plain arguments")),
    });
    Ok(Expr::Coalesce(args.collect::<Result<_, _>>()?))
}

impl Expr {
    /// Calls `see` with the name of each column in the expression.
    pub fn columns<'a>(&'a self, see: &mut impl FnMut(&'a str)) {
        match self {
            Self::Column(name) => see(name),
            Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null | Self::Date(_) => {}
            Self::Compare(_, l, r) => {
                l.columns(see);
                r.columns(see);
            }
            Self::And(all) | Self::Or(all) | Self::Coalesce(all) => all.iter().for_each(|e| e.columns(see)),
            Self::Not(e) | Self::IsNull(e) | Self::Is(e, _) | Self::Like(e, _) | Self::Shift(e, ..) => e.columns(see),
            Self::In(e, list) => {
                e.columns(see);
                list.iter().for_each(|e| e.columns(see));
            }
            Self::Between(e, low, high) => [e, low, high].into_iter().for_each(|e| e.columns(see)),
            Self::Case(arms, otherwise) => {
                for (condition, result) in arms {
                    condition.columns(see);
                    result.columns(see);
                }
                if let Some(e) = otherwise {
                    e.columns(see);
                }
            }
        }
    }

    fn reads_the_row(&self) -> bool {
        let mut any = false;
        self.columns(&mut |_| any = true);
        any
    }
}

/// Whether the truth of a condition plainly does not depend on the row: no column at all, a column compared with itself, a literal
/// that decides an AND or OR, or a condition beside its own negation.
fn constant(e: &Expr) -> bool {
    match e {
        Expr::And(all) | Expr::Or(all) => all.iter().any(|x| constant(x) || all.iter().any(|y| is_negation(x, y))),
        Expr::Not(inner) => constant(inner),
        Expr::Compare(_, l, r) => l == r || !e.reads_the_row(),
        Expr::Between(x, low, high) => x == low || x == high || !e.reads_the_row(),
        Expr::Like(_, pattern) => pattern.chars().all(|c| c == '%') || !e.reads_the_row(),
        Expr::In(x, list) => list.contains(x) || !e.reads_the_row(),
        _ => !e.reads_the_row(),
    }
}

fn is_negation(x: &Expr, y: &Expr) -> bool {
    matches!(y, Expr::Not(inner) if **inner == *x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_in_a_comment_or_reads_a_variable_is_refused() {
        for text in
            ["a = 1 /*!50000 OR b IS NULL */", "a = '/*!' /*! OR b = 2 */", "a = @b", "a = @@version", "a = #b", "a = b$c"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["a = '/*! x */'", "\"/*!\" = 1", "\"@a\" = 1", "`a#b` = 1"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_the_language_has_is_read() {
        for text in [
            "kind = 'P'",
            "kind IN ('P', 'Q') AND NOT archived",
            "a IS NULL OR b BETWEEN 1 AND 2",
            "ended_on > facts_on + INTERVAL '6 years'",
            "COALESCE(a, b) = 'x'",
            "CASE WHEN a = 1 THEN b ELSE c END = 'x'",
            "CASE kind WHEN 'a' THEN TRUE END",
            "\"weird \"\"name\" LIKE 'x%'",
            "signed_on >= DATE '2020-01-31'",
            "amount < -3.5",
            "flag",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn what_it_has_not_is_refused() {
        for text in [
            "",
            " ",
            "1=1",
            "TRUE",
            "a = a",
            "a OR TRUE",
            "a IS NULL OR a IS NOT NULL",
            "a = 1; drop table x",
            "a = 1 -- x",
            "a = 1 /* x */",
            "lower(a) = 'x'",
            "a IN (SELECT 1)",
            "EXISTS (SELECT 1)",
            "a + 1 > 2",
            "t.a = 1",
            "a = $1",
            "a = ?",
            "a::text = 'x'",
            "a ILIKE 'x'",
            "a LIKE '%'",
            "a = 1 b",
            "a ~ 'x'",
            "ended_on > facts_on + INTERVAL '6' YEAR",
            "d > e + INTERVAL '2 hours'",
            "a = E'\\n'",
            "a = x'41'",
            "NOT 1 = 1",
            "a IN ()",
            "a || b = 'x'",
            "CURRENT_DATE > a",
            "now() > a",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn long_and_deep_texts_are_refused_before_they_cost_anything() {
        assert!(parse(&"(".repeat(3_000)).is_err());
        assert!(parse(&"a AND ".repeat(5_000)).is_err());
        assert!(parse(&format!("{}a", "NOT ".repeat(500))).is_err());
    }
}
