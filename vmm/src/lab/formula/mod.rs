//! Formulas of experiment files: what a figure is derived by, what is expected, what the sentence says.
//!
//! ```text
//!  text ──token──> tokens ──expression──> Expression ──┐
//!                                                      ├──> condition: what must hold
//!                                                      └──> sentence: text with values in it
//! ```
//! A name alone is a figure of the run that is looked at; `RUN.NAME` is another run's. A fault in a
//! formula has a place, which the file ([`super::file`]) makes a line and a column of.

mod condition;
mod expression;
mod sentence;
mod token;

pub(super) use condition::{Checked, Condition, Need};
pub(super) use expression::Expression;
pub(super) use sentence::Sentence;

/// What is wrong with a formula, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FormulaError {
    pub(super) at: usize,
    pub(super) what: String,
}

/// What formulas are about.
pub(super) trait Values {
    /// A figure of a run, or of the one that is looked at; or why there is none.
    fn figure(&self, run: Option<&str>, name: &str) -> Result<f64, String>;
    /// Whether that run has said a line that holds `text`.
    fn says(&self, run: Option<&str>, text: &str) -> Result<bool, String>;
}

/// A figure that a formula names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Where in the formula.
    pub(super) at: usize,
    /// Its run, unless it is that which is looked at.
    pub(super) run: Option<String>,
    /// The figure; none in what a run says.
    pub(super) figure: Option<String>,
}

#[cfg(test)]
mod tests;
