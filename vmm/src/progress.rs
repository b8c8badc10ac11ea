//! What the user sees while a suite runs: a bar on a terminal, the guest's own text.

use crate::suite::{CheckResult, Progress};
use abi::record::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, Write};

/// The user's screen. Text goes to standard output, the bar to standard error.
pub(crate) struct Screen {
    bar: ProgressBar,
    failed: u64,
}

impl Screen {
    /// A screen for so many checks; without any, or without a terminal, there is no bar.
    pub(crate) fn new(checks: u64) -> Self {
        if checks == 0 {
            let bar = ProgressBar::hidden();
            return Self { bar, failed: 0 };
        }
        let bar = ProgressBar::with_draw_target(Some(checks), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {prefix} {msg}");
        bar.set_style(style.expect("the template is right"));
        Self { bar, failed: 0 }
    }
}

impl Progress for Screen {
    fn text(&mut self, bytes: &[u8]) {
        self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            // A closed pipe is the reader's wish.
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        });
    }

    fn started(&mut self, id: &str) {
        self.bar.set_message(id.to_owned());
    }

    fn ended(&mut self, result: &CheckResult) {
        if result.outcome == Outcome::Fail {
            self.failed += 1;
            self.bar.set_prefix(format!("{} failed", self.failed));
        }
        self.bar.inc(1);
    }

    fn note(&mut self, line: &str) {
        self.bar.suspend(|| log::warn!("{line}"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
