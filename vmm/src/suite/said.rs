//! What a check says beside its result: [`Said`], within bounds, as it is the guest that says it.

use std::collections::BTreeMap;

/// Rows of numbers that a check has reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Series {
    /// What the numbers of the first column stand for, from 0 on, if they stand for something.
    pub labels: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The numbers, row by row.
    pub numbers: Vec<u64>,
}

impl Series {
    /// The rows, each as long as there are columns.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.numbers.chunks_exact(self.columns.len().max(1))
    }
}

/// What a check has said beside its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Said {
    /// Lines for people, and programs that the kernel has killed meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Rows of numbers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<String, Series>,
    /// How many numbers there are in all of them.
    #[serde(skip)]
    numbers: usize,
}

/// Most that a check may say: it is the guest that says it.
pub(super) const MAX_LINES: usize = 1000;
const MAX_SERIES: usize = 100;
pub(super) const MAX_NUMBERS: usize = 1 << 20;

impl Said {
    pub(super) fn line(&mut self, text: String) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(text);
        }
    }

    /// Rows that go on those of the same name.
    pub(super) fn rows(&mut self, name: String, part: Series) {
        self.numbers += part.numbers.len();
        let is_new = !self.series.contains_key(&name);
        if self.numbers > MAX_NUMBERS || is_new && self.series.len() >= MAX_SERIES {
            return;
        }
        let series = self.series.entry(name).or_default();
        series.numbers.extend(part.numbers);
        (series.labels, series.columns) = (part.labels, part.columns);
    }
}
