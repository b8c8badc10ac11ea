//! [`Scale`]: where on an axis a value lies, and which values are written there.

/// From here on values are told apart better by their logarithms.
const DECADES_FROM: f64 = 30.0;
/// Ticks of a linear axis beside zero are so many at most.
const TICKS: f64 = 5.0;
/// More decades than that, and not each has a tick.
const MOST_TICKS: i32 = 7;

/// An axis from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From zero to a value.
    Linear(f64),
    /// From one power of ten to another.
    Log(i32, i32),
}

impl Scale {
    /// For these values: by logarithms where they span decades. Zeros lie at the start.
    pub(crate) fn for_values(values: &[f64]) -> Self {
        let (least, most) = ends(values);
        match most > least * DECADES_FROM {
            true => Self::decades(values),
            false => Self::Linear(most),
        }
    }

    /// From zero in any case.
    pub(crate) fn linear(values: &[f64]) -> Self {
        Self::Linear(ends(values).1)
    }

    /// By logarithms in any case.
    pub(crate) fn decades(values: &[f64]) -> Self {
        let (least, most) = ends(values);
        let (from, to) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        Self::Log(from, to.max(from + 1))
    }

    /// Where a value lies.
    pub(crate) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(most) => value / most,
            Self::Log(..) if value <= 0.0 => 0.0,
            Self::Log(from, to) => (value.log10() - f64::from(from)) / f64::from(to - from),
        };
        place.clamp(0.0, 1.0)
    }

    /// Values to write, and where.
    pub(crate) fn ticks(self) -> Vec<(f64, f64)> {
        let values: Vec<f64> = match self {
            Self::Linear(most) => {
                let step = round_step(most / TICKS);
                let count = (most / step + 1e-9) as u32;
                (0..=count).map(|tick| f64::from(tick) * step).collect()
            }
            Self::Log(from, to) => {
                let step = (to - from).div_euclid(MOST_TICKS) + 1;
                let exponents = (from..=to).step_by(step.unsigned_abs() as usize);
                exponents.map(|exponent| 10_f64.powi(exponent)).collect()
            }
        };
        values
            .into_iter()
            .map(|value| (value, self.place(value)))
            .collect()
    }

    /// What is written at it: what it is of, and how it goes if that needs to be said.
    pub(crate) fn says(self, what: &str) -> String {
        match self {
            Self::Linear(_) => what.to_owned(),
            Self::Log(..) => format!("{what}, logarithmic"),
        }
    }
}

/// The least value above zero and the most; 1 if there is none.
fn ends(values: &[f64]) -> (f64, f64) {
    let values = values
        .iter()
        .copied()
        .filter(|value| *value > 0.0 && value.is_finite());
    let least = values.clone().reduce(f64::min).unwrap_or(1.0);
    (least, values.reduce(f64::max).unwrap_or(1.0))
}

/// 1, 2 or 5 times a power of ten, not less than asked for.
fn round_step(step: f64) -> f64 {
    let decade = 10_f64.powf(step.log10().floor());
    let mut rounds = [1.0, 2.0, 5.0].into_iter().map(|round| round * decade);
    rounds.find(|round| *round >= step).unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spans_decades_is_shown_by_logarithms() {
        assert_eq!(Scale::for_values(&[2.0, 3.0, 0.0]), Scale::Linear(3.0));
        assert_eq!(Scale::for_values(&[0.0, 0.0]), Scale::Linear(1.0));
        let scale = Scale::for_values(&[0.0, 12.0, 2063.0]);
        assert_eq!(scale, Scale::Log(1, 4));
        assert_eq!((scale.place(0.0), scale.place(10.0)), (0.0, 0.0));
        assert_eq!((scale.place(100.0), scale.place(1e9)), (1.0 / 3.0, 1.0));
    }

    #[test]
    fn ticks_are_round_few_and_on_the_axis() {
        let values = |scale: Scale| scale.ticks().into_iter().map(|tick| tick.0);
        assert!(values(Scale::Linear(7.0)).eq([0.0, 2.0, 4.0, 6.0]));
        assert!(values(Scale::Linear(137.0)).eq([0.0, 50.0, 100.0]));
        assert!(values(Scale::Log(1, 3)).eq([10.0, 100.0, 1000.0]));
        for scale in [Scale::Linear(1e-9), Scale::Linear(5e12), Scale::Log(-3, 19)] {
            let ticks = scale.ticks();
            assert!((2..=9).contains(&ticks.len()), "{scale:?}: {ticks:?}");
            assert!(ticks.iter().all(|(_, at)| (0.0..=1.0).contains(at)));
        }
    }
}
