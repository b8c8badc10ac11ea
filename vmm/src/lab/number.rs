//! Numbers as people read them, by the unit that a figure's name ends in.

use crate::table;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things, or nothing.
    None,
    /// Nanoseconds.
    Ns,
    /// Bytes.
    Bytes,
    /// Hundredths.
    Percent,
}

const UNITS: [(&str, Unit); 3] = [
    ("ns", Unit::Ns),
    ("bytes", Unit::Bytes),
    ("percent", Unit::Percent),
];

impl Unit {
    /// By its name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let unit = UNITS.iter().find(|(known, _)| *known == name);
        unit.map(|(_, unit)| *unit)
    }

    /// Of a figure of that name.
    pub(super) fn of(figure: &str) -> Self {
        let last = figure.rsplit('_').next();
        last.and_then(Self::from_name).unwrap_or(Self::None)
    }

    /// A figure's name without it, for people.
    pub(super) fn head(figure: &str) -> String {
        let name = match Self::of(figure) {
            Self::Ns | Self::Bytes => figure.rsplit_once('_').map_or(figure, |(name, _)| name),
            Self::None | Self::Percent => figure,
        };
        name.replace("_percent", " %").replace('_', " ")
    }
}

/// A number with its unit.
pub(super) fn shown(value: f64, unit: Unit) -> String {
    // What is shown has three digits, so that nothing is lost.
    let whole = value.abs().round() as u64;
    let text = match unit {
        Unit::Ns => table::duration(whole),
        Unit::Bytes => table::bytes(whole),
        Unit::Percent => return format!("{} %", number(value)),
        Unit::None => return number(value),
    };
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

/// A number: a whole one as it is, another with three digits or as many as it has before the point.
pub(super) fn number(value: f64) -> String {
    if (value - value.round()).abs() < 1e-9 * value.abs().max(1.0) {
        return format!("{}", value.round());
    }
    let before = value.abs().log10().floor() as i32;
    let decimals = (2 - before).clamp(0, 9);
    format!("{value:.*}", decimals.unsigned_abs() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_unless_they_are_whole() {
        let numbers = [4.0, 12_345.0, 7.984, 0.249_71, 1234.6, -0.5, 1.0e-4].map(number);
        assert_eq!(
            numbers,
            ["4", "12345", "7.98", "0.250", "1235", "-0.500", "0.000100"]
        );
    }

    #[test]
    fn the_end_of_a_name_is_the_unit() {
        let names = ["mean_wait_ns", "cpu_percent", "faults", "ns"];
        assert_eq!(
            names.map(Unit::of),
            [Unit::Ns, Unit::Percent, Unit::None, Unit::Ns]
        );
        assert_eq!(Unit::head("mean_wait_ns"), "mean wait");
        assert_eq!(Unit::head("cpu_percent"), "cpu %");
        assert_eq!(shown(1500.0, Unit::Ns), "1.50 us");
        assert_eq!(shown(12.5, Unit::Percent), "12.5 %");
    }
}
