//! [`Spread`]: several measurements of one thing.

use serde::Serialize;

/// A median with the least and the most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// The middle one.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 if middle > 0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => *values.get(middle)?,
        };
        Some(Self {
            median,
            min: *values.first()?,
            max: *values.last()?,
        })
    }

    /// Whether two cannot be told apart: each reaches into the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_middle_least_and_most() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        let of = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(spread(&[3.0, 1.0, 2.0]), of(2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), of(2.5, 1.0, 4.0));
        assert_eq!(spread(&[7.0]), of(7.0, 7.0, 7.0));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn what_reaches_into_each_other_cannot_be_told_apart() {
        let spread = |min, max| Spread {
            median: (min + max) / 2.0,
            min,
            max,
        };
        assert!(spread(1.0, 3.0).overlaps(&spread(2.0, 9.0)));
        assert!(!spread(1.0, 1.9).overlaps(&spread(2.0, 9.0)));
    }
}
