//! [`Condition`]: what must hold of an experiment's figures.
//!
//! ```text
//! condition  what [if need]
//! what       sum (= | < | > | <= | >=) sum | sum = sum within NUMBER % | [RUN] says 'TEXT'
//! need       parallel | native
//! ```
//! `parallel` is for what holds only where each vCPU has a processor of the host for itself,
//! `native` for what holds only where that is no emulator's. Elsewhere it is not judged.

use super::expression::Expression;
use super::token::{Token, Tokens};
use super::{FormulaError, Named, Values};
use crate::lab::number::number;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Condition {
    what: What,
    /// What the host must be for it to be judged.
    pub(in crate::lab) need: Option<Need>,
}

/// What a host must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Need {
    /// It has a processor for each vCPU.
    Parallel,
    /// Its processors are not emulated.
    Native,
}

const NEEDS: [(&str, Need); 2] = [("parallel", Need::Parallel), ("native", Need::Native)];

#[derive(Clone, Debug)]
enum What {
    Compare {
        left: Expression,
        relation: Relation,
        right: Expression,
        /// In percent of the right side.
        within: Option<f64>,
    },
    Says {
        run: Option<Named>,
        text: String,
    },
}

/// Whether two numbers stand so to each other.
type Holds = fn(f64, f64) -> bool;

/// How two sides are to stand to each other.
#[derive(Clone, Copy, Debug)]
struct Relation {
    sign: &'static str,
    holds: Holds,
}

/// Of two numbers, so much is rounding.
const ROUNDING: f64 = 1e-9;

fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= ROUNDING * a.abs().max(b.abs())
}

const RELATIONS: [(&str, Holds); 5] = [
    ("<=", |a, b| a <= b || equal(a, b)),
    (">=", |a, b| a >= b || equal(a, b)),
    ("=", equal),
    ("<", |a, b| a < b && !equal(a, b)),
    (">", |a, b| a > b && !equal(a, b)),
];

/// What came of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) struct Checked {
    pub(in crate::lab) holds: bool,
    /// What was found: the two sides, or why it could not be looked at.
    pub(in crate::lab) found: String,
}

impl Condition {
    /// The condition that `text` is.
    pub(in crate::lab) fn parse(text: &str) -> Result<Self, FormulaError> {
        let mut tokens = Tokens::of(text)?;
        let what = What::parse(&mut tokens)?;
        let need = match tokens.take_name("if") {
            false => None,
            true => Some(need(&mut tokens)?),
        };
        tokens.end("\"if\" or the end")?;
        Ok(Self { what, need })
    }

    /// Looks whether it holds.
    pub(in crate::lab) fn check(&self, values: &dyn Values) -> Checked {
        self.what.check(values)
    }

    /// The runs and figures that it names.
    pub(in crate::lab) fn named(&self) -> Vec<Named> {
        self.what.named()
    }
}

fn need(tokens: &mut Tokens<'_>) -> Result<Need, FormulaError> {
    let known = NEEDS.iter().find(|(name, _)| tokens.take_name(name));
    let known = known.map(|(_, need)| *need);
    known.ok_or_else(|| tokens.expected("parallel or native"))
}

impl What {
    fn parse(tokens: &mut Tokens<'_>) -> Result<Self, FormulaError> {
        if let Some(says) = Self::says(tokens)? {
            return Ok(says);
        }
        let left = Expression::sum(tokens, 0)?;
        let relation = RELATIONS
            .into_iter()
            .find(|(sign, _)| tokens.take_sign(sign));
        let (sign, holds) = relation.ok_or_else(|| tokens.expected("=, <, >, <= or >="))?;
        let right = Expression::sum(tokens, 0)?;
        let within = match sign == "=" && tokens.take_name("within") {
            true => Some(percent(tokens)?),
            false => None,
        };
        Ok(Self::Compare {
            left,
            relation: Relation { sign, holds },
            right,
            within,
        })
    }

    fn says(tokens: &mut Tokens<'_>) -> Result<Option<Self>, FormulaError> {
        let (at, first) = tokens.peek();
        let run = match first {
            Token::Name("says") => None,
            Token::Name(name) if tokens.second_is("says") => {
                tokens.take();
                Some(Named {
                    at,
                    run: Some(name.to_owned()),
                    figure: None,
                })
            }
            _ => return Ok(None),
        };
        tokens.take();
        let Token::Text(text) = tokens.peek().1 else {
            return Err(tokens.expected("a text in single quotes"));
        };
        tokens.take();
        let text = text.to_owned();
        Ok(Some(Self::Says { run, text }))
    }

    fn check(&self, values: &dyn Values) -> Checked {
        let checked = match self {
            Self::Compare {
                left,
                relation,
                right,
                within,
            } => left.value(values).and_then(|left| {
                let right = right.value(values)?;
                Ok(compare(left, *relation, right, *within))
            }),
            Self::Says { run, text } => {
                let run = run.as_ref().and_then(|named| named.run.as_deref());
                values.says(run, text).map(|holds| Checked {
                    holds,
                    found: if holds { "said" } else { "not said" }.to_owned(),
                })
            }
        };
        checked.unwrap_or_else(|found| Checked {
            holds: false,
            found,
        })
    }

    fn named(&self) -> Vec<Named> {
        let mut all = Vec::new();
        match self {
            Self::Compare { left, right, .. } => {
                left.named_in(&mut all);
                right.named_in(&mut all);
            }
            Self::Says { run, .. } => all.extend(run.clone()),
        }
        all
    }
}

fn percent(tokens: &mut Tokens<'_>) -> Result<f64, FormulaError> {
    let Token::Number(number) = tokens.peek().1 else {
        return Err(tokens.expected("a number of percent"));
    };
    tokens.take();
    match tokens.take_sign("%") {
        true => Ok(number),
        false => Err(tokens.expected("%")),
    }
}

fn compare(left: f64, relation: Relation, right: f64, within: Option<f64>) -> Checked {
    let holds = match within {
        Some(percent) => (left - right).abs() <= right.abs() * percent / 100.0,
        None => (relation.holds)(left, right),
    };
    let (left, right) = (number(left), number(right));
    let sign = match (holds, relation.sign) {
        (true, "=") if within.is_some() && left != right => "~",
        (false, "=") => "is not",
        (_, sign) => sign,
    };
    let found = match holds {
        true => format!("{left} {sign} {right}"),
        false if sign == "is not" => format!("{left} is not {right}"),
        false => format!("{left} is not {sign} {right}"),
    };
    Checked { holds, found }
}
