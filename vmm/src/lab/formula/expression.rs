//! [`Expression`]: a number computed of figures.
//!
//! ```text
//! sum      product {+ product | - product}
//! product  factor {* factor | / factor}
//! factor   number | - factor | ( sum ) | NAME | RUN . NAME | FUNCTION ( sum {, sum} )
//! ```

use super::token::{Token, Tokens};
use super::{FormulaError, Named, Values};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::lab) enum Expression {
    Number(f64),
    Figure(Named),
    Negative(Box<Self>),
    Operation(Operator, Box<[Self; 2]>),
    Call(Function, Vec<Self>),
}

/// Does it to two numbers.
type Operator = fn(f64, f64) -> f64;
/// Does it to several.
type Function = fn(&[f64]) -> f64;

const SUMS: [(&str, Operator); 2] = [("+", |a, b| a + b), ("-", |a, b| a - b)];
const PRODUCTS: [(&str, Operator); 2] = [("*", |a, b| a * b), ("/", |a, b| a / b)];

const FUNCTIONS: [(&str, Function); 4] = [
    ("min", |all| {
        all.iter().copied().fold(f64::INFINITY, f64::min)
    }),
    ("max", |all| {
        all.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }),
    ("sum", |all| all.iter().sum()),
    ("abs", |all| all.iter().map(|value| value.abs()).sum()),
];

/// Formulas are short; what is nested deeper than that is no formula.
const MOST_DEPTH: usize = 32;

impl Expression {
    /// The expression that `text` is.
    pub(in crate::lab) fn parse(text: &str) -> Result<Self, FormulaError> {
        let mut tokens = Tokens::of(text)?;
        let expression = Self::sum(&mut tokens, 0)?;
        tokens.end("an operator or the end")?;
        Ok(expression)
    }

    pub(super) fn sum(tokens: &mut Tokens<'_>, depth: usize) -> Result<Self, FormulaError> {
        Self::chain(tokens, &SUMS, |tokens| {
            Self::chain(tokens, &PRODUCTS, |tokens| Self::factor(tokens, depth))
        })
    }

    fn chain(
        tokens: &mut Tokens<'_>,
        operators: &[(&str, Operator)],
        part: impl Fn(&mut Tokens<'_>) -> Result<Self, FormulaError>,
    ) -> Result<Self, FormulaError> {
        let mut left = part(tokens)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| tokens.take_sign(sign)) {
            left = Self::Operation(*operator, Box::new([left, part(tokens)?]));
        }
        Ok(left)
    }

    fn factor(tokens: &mut Tokens<'_>, depth: usize) -> Result<Self, FormulaError> {
        if depth > MOST_DEPTH {
            return Err(tokens.expected("fewer parentheses within each other"));
        }
        if tokens.take_sign("-") {
            return Ok(Self::Negative(Box::new(Self::factor(tokens, depth + 1)?)));
        }
        if tokens.take_sign("(") {
            let inner = Self::sum(tokens, depth + 1)?;
            close(tokens)?;
            return Ok(inner);
        }
        match tokens.peek() {
            (_, Token::Number(number)) => {
                tokens.take();
                Ok(Self::Number(number))
            }
            (at, Token::Name(name)) => {
                tokens.take();
                Self::named(tokens, at, name, depth)
            }
            _ => Err(tokens.expected("a number or a figure")),
        }
    }

    fn named(
        tokens: &mut Tokens<'_>,
        at: usize,
        name: &str,
        depth: usize,
    ) -> Result<Self, FormulaError> {
        if tokens.take_sign("(") {
            let known = FUNCTIONS.iter().find(|(function, _)| *function == name);
            let (_, function) = known.ok_or_else(|| FormulaError {
                at,
                what: format!("there is no function {name:?}: expected min, max, sum or abs"),
            })?;
            let mut arguments = vec![Self::sum(tokens, depth + 1)?];
            while tokens.take_sign(",") {
                arguments.push(Self::sum(tokens, depth + 1)?);
            }
            close(tokens)?;
            return Ok(Self::Call(*function, arguments));
        }
        let (run, figure) = match tokens.take_sign(".") {
            false => (None, name),
            true => match tokens.peek().1 {
                Token::Name(figure) => {
                    tokens.take();
                    (Some(name.to_owned()), figure)
                }
                _ => return Err(tokens.expected("the name of a figure")),
            },
        };
        Ok(Self::Figure(Named {
            at,
            run,
            figure: Some(figure.to_owned()),
        }))
    }

    /// What it comes to; or why it cannot be computed.
    pub(in crate::lab) fn value(&self, values: &dyn Values) -> Result<f64, String> {
        let value = match self {
            Self::Number(number) => *number,
            Self::Figure(Named { run, figure, .. }) => {
                values.figure(run.as_deref(), figure.as_deref().unwrap_or_default())?
            }
            Self::Negative(of) => -of.value(values)?,
            Self::Operation(operator, sides) => {
                operator(sides[0].value(values)?, sides[1].value(values)?)
            }
            Self::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| argument.value(values));
                function(&arguments.collect::<Result<Vec<_>, _>>()?)
            }
        };
        match value.is_finite() {
            true => Ok(value),
            false => Err("it is divided by zero".to_owned()),
        }
    }

    /// Adds the figures that it names.
    pub(in crate::lab) fn named_in(&self, all: &mut Vec<Named>) {
        match self {
            Self::Number(_) => {}
            Self::Figure(named) => all.push(named.clone()),
            Self::Negative(of) => of.named_in(all),
            Self::Operation(_, sides) => sides.iter().for_each(|side| side.named_in(all)),
            Self::Call(_, arguments) => arguments.iter().for_each(|of| of.named_in(all)),
        }
    }

    /// The figure's name, if it is nothing else than one.
    pub(in crate::lab) fn as_figure(&self) -> Option<&str> {
        match self {
            Self::Figure(named) => named.figure.as_deref(),
            _ => None,
        }
    }
}

fn close(tokens: &mut Tokens<'_>) -> Result<(), FormulaError> {
    match tokens.take_sign(")") {
        true => Ok(()),
        false => Err(tokens.expected("an operator or \")\"")),
    }
}
