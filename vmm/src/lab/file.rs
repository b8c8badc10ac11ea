//! [`File`]: an experiment as it is written, in TOML; and where in it something is wrong.
//!
//! This is the shape alone. What names stand for, and what formulas mean, is looked at by
//! [`super::experiment`], which says the place of a fault through [`Source`].

use super::formula::FormulaError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt::{self, Display, Formatter};
use std::marker::PhantomData;
use std::ops::Range;
use toml::Spanned;

/// What an experiment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Family {
    Scheduling,
    Synchronisation,
    Communication,
    Memory,
}

impl Family {
    pub(super) const ALL: [Self; 4] = [
        Self::Scheduling,
        Self::Synchronisation,
        Self::Communication,
        Self::Memory,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scheduling => "scheduling",
            Self::Synchronisation => "synchronisation",
            Self::Communication => "communication",
            Self::Memory => "memory",
        }
    }
}

/// The file.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) title: Spanned<String>,
    pub(super) about: Spanned<String>,
    pub(super) family: Family,
    #[serde(default)]
    pub(super) cpus: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) memory_mib: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) timeout_s: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) tries: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) append: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) set: Ordered<Setting>,
    #[serde(default)]
    pub(super) short: Ordered<Setting>,
    #[serde(default)]
    pub(super) run: Vec<Run>,
    #[serde(default)]
    pub(super) peer: Option<Peer>,
    #[serde(default)]
    pub(super) figures: Ordered<Spanned<String>>,
    pub(super) table: Table,
    #[serde(default)]
    pub(super) chart: Vec<Spanned<Chart>>,
    pub(super) verdict: Verdict,
}

/// `[[run]]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) each: Ordered<Vec<Setting>>,
    pub(super) program: Spanned<String>,
    pub(super) args: Spanned<String>,
    #[serde(default)]
    pub(super) expect: Vec<Spanned<String>>,
}

/// `[peer]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    pub(super) program: Spanned<String>,
    pub(super) args: Spanned<String>,
}

/// `[table]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) columns: Spanned<Vec<String>>,
}

/// What a chart looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChartKind {
    Bars,
    Curve,
    Gantt,
    Histogram,
}

/// How an axis goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AxisScale {
    Linear,
    Log,
}

/// `[[chart]]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chart {
    pub(super) kind: ChartKind,
    pub(super) title: Option<String>,
    pub(super) series: Option<String>,
    pub(super) x: Option<String>,
    pub(super) y: Option<String>,
    pub(super) by: Option<String>,
    pub(super) x_scale: Option<AxisScale>,
    pub(super) y_scale: Option<AxisScale>,
}

/// `[verdict]`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    #[serde(default)]
    pub(super) expect: Vec<Spanned<String>>,
    pub(super) sentence: Spanned<String>,
}

/// A value of a setting: a whole number or text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Setting {
    Number(i64),
    Text(String),
}

impl Display for Setting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingVisitor)
    }
}

struct SettingVisitor;

impl Visitor<'_> for SettingVisitor {
    type Value = Setting;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or text")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Setting, E> {
        Ok(Setting::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Setting, E> {
        Ok(Setting::Text(text.to_owned()))
    }
}

/// A table whose lines stay in their order.
#[derive(Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}

struct OrderedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}

/// What is wrong with an experiment's file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct FileError {
    file: String,
    line: usize,
    column: usize,
    what: String,
}

/// The text that a file was read from.
pub(super) struct Source<'a> {
    /// As the user knows it.
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The file that it is.
    pub(super) fn parse(&self) -> Result<File, FileError> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // Of several lines, the first says what is wrong.
            let what = error.message().lines().collect::<Vec<_>>().join(": ");
            self.error(at, what)
        })
    }

    /// An error at a byte of the text.
    pub(super) fn error(&self, at: usize, what: impl Into<String>) -> FileError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        FileError {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
        }
    }

    /// An error at something of the file.
    pub(super) fn at<T>(&self, what: &Spanned<T>, says: impl Into<String>) -> FileError {
        self.error(what.span().start, says)
    }

    /// An error at a byte of a text of the file.
    pub(super) fn within(
        &self,
        text: &Spanned<String>,
        at: usize,
        says: impl Into<String>,
    ) -> FileError {
        self.error(self.start(&text.span(), text.get_ref()) + at, says)
    }

    /// An error of a formula.
    pub(super) fn formula(&self, text: &Spanned<String>, error: FormulaError) -> FileError {
        self.within(text, error.at, error.what)
    }

    /// Where the contents of a text begin, which lies there within its quotes. One that is written
    /// with escapes is not found; then it is its start.
    fn start(&self, span: &Range<usize>, contents: &str) -> usize {
        let written = self.text.get(span.clone()).unwrap_or_default();
        span.start + written.find(contents).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
