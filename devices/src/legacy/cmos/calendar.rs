//! [`Calendar`]: seconds since 1970 as the clock's registers have them.

use super::{DAY, DAY_OF_WEEK, HOURS, MINUTES, MONTH, SECONDS, YEAR};

/// Two decimal digits; `value` is below 100.
pub(super) fn to_bcd(value: u64) -> u8 {
    let digits = ((value / 10 % 10) << 4) | (value % 10);
    digits.to_le_bytes()[0]
}

/// A moment of the proleptic Gregorian calendar, UTC.
pub(super) struct Calendar {
    second_of_day: u64,
    /// 1 is Sunday, as the chip counts.
    day_of_week: u64,
    day: u64,
    month: u64,
    year: u64,
}

impl Calendar {
    /// `unix_s` in seconds since 1970.
    pub(super) fn at(unix_s: u64) -> Self {
        const DAY_S: u64 = 24 * 60 * 60;
        const DAYS_OF_400_YEARS: u64 = 146_097;
        const DAYS_OF_100_YEARS: u64 = 36_524;
        const DAYS_OF_4_YEARS: u64 = 1_461;
        // Counted from 1 March of the year 0, so that a leap day is the last of its year and
        // its cycle of 400 years. 1 January 1970 is day 719,468 from there, a Thursday.
        let days = unix_s / DAY_S + 719_468;
        let (cycles, day_of_cycle) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let leap_days_skipped = day_of_cycle / (DAYS_OF_4_YEARS - 1)
            - day_of_cycle / DAYS_OF_100_YEARS
            + day_of_cycle / (DAYS_OF_400_YEARS - 1);
        let year_of_cycle = (day_of_cycle - leap_days_skipped) / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        // Five months from March, and again from August, have 153 days.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            second_of_day: unix_s % DAY_S,
            day_of_week: (unix_s / DAY_S + 4) % 7 + 1,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            month,
            year: 400 * cycles + year_of_cycle + u64::from(month <= 2),
        }
    }

    /// What the chip has in register `index`, before it is made BCD.
    pub(super) fn register(&self, index: u8) -> u64 {
        match index {
            SECONDS => self.second_of_day % 60,
            MINUTES => self.second_of_day / 60 % 60,
            HOURS => self.second_of_day / 3600,
            DAY_OF_WEEK => self.day_of_week,
            DAY => self.day,
            MONTH => self.month,
            YEAR => self.year % 100,
            _ => self.year / 100,
        }
    }
}
