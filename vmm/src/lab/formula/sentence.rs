//! [`Sentence`]: text with values in it, `{EXPRESSION}` or `{EXPRESSION:UNIT}`.

use super::expression::Expression;
use super::{FormulaError, Named, Values};
use crate::lab::number::{Unit, shown};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Sentence(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value {
        at: usize,
        expression: Expression,
        unit: Unit,
    },
}

impl Sentence {
    /// The sentence that `text` is.
    pub(in crate::lab) fn parse(text: &str) -> Result<Self, FormulaError> {
        let (mut parts, mut at) = (Vec::new(), 0);
        while let Some(open) = text[at..].find('{') {
            parts.push(Part::Text(text[at..at + open].to_owned()));
            let from = at + open + 1;
            let close = text[from..].find('}').ok_or_else(|| FormulaError {
                at: from - 1,
                what: "\"{\" has no end: expected \"}\"".to_owned(),
            })?;
            parts.push(value(&text[from..from + close], from)?);
            at = from + close + 1;
        }
        parts.push(Part::Text(text[at..].to_owned()));
        Ok(Self(parts))
    }

    /// It with the values; what cannot be computed is a question mark.
    pub(in crate::lab) fn said(&self, values: &dyn Values) -> String {
        let said = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Value {
                expression, unit, ..
            } => {
                let value = expression.value(values);
                value.map_or_else(|_| "?".to_owned(), |value| shown(value, *unit))
            }
        });
        said.collect()
    }

    /// The runs and figures that it names.
    pub(in crate::lab) fn named(&self) -> Vec<Named> {
        let mut all = Vec::new();
        for part in &self.0 {
            if let Part::Value { at, expression, .. } = part {
                let first = all.len();
                expression.named_in(&mut all);
                all[first..].iter_mut().for_each(|named| named.at += at);
            }
        }
        all
    }
}

/// What stands between braces, from byte `at` on.
fn value(text: &str, at: usize) -> Result<Part, FormulaError> {
    let (formula, unit) = match text.split_once(':') {
        None => (text, None),
        Some((formula, name)) => {
            let unit = Unit::from_name(name).ok_or_else(|| FormulaError {
                at: at + formula.len() + 1,
                what: format!("there is no unit {name:?}: expected ns, bytes or percent"),
            })?;
            (formula, Some(unit))
        }
    };
    let expression = Expression::parse(formula).map_err(|error| FormulaError {
        at: at + error.at,
        ..error
    })?;
    let unit = unit.unwrap_or_else(|| expression.as_figure().map_or(Unit::None, Unit::of));
    Ok(Part::Value {
        at,
        expression,
        unit,
    })
}
