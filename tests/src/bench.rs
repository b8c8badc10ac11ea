//! Times and their table: medians with the spread around them.

use crate::host;
use vmm::doctor::KvmKind;

/// Whether the benchmark is to be quick: `--short`, or `--test` as `cargo test --benches` says.
pub fn is_short() -> bool {
    std::env::args().any(|arg| arg == "--short" || arg == "--test")
}

/// `full`, or a few when quick.
pub fn rounds(full: usize) -> usize {
    if is_short() { full.min(3) } else { full }
}

/// Samples of one figure.
#[derive(Clone, Debug, Default)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted
            .get((last * percent + 50) / 100)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.at(50)
    }

    /// Tenth and ninetieth percentile.
    pub fn spread(&self) -> (f64, f64) {
        (self.at(10), self.at(90))
    }
}

/// Prints what this runs on, above a table.
pub fn print_head(name: &str) {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let kind = match host::kvm_kind() {
        KvmKind::Hardware => "hardware",
        KvmKind::Software => "software",
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{name}: {kind} KVM, {cpus} processors, {profile} build");
    println!(
        "  {:50} {:>10} {:>22} {:>9}",
        "", "median", "10 % to 90 %", "target"
    );
}

/// Prints a figure with the most that it should be.
pub fn print(name: &str, samples: &Samples, unit: &str, target: Option<f64>) {
    let median = samples.median();
    let (low, high) = samples.spread();
    let verdict = match target {
        Some(target) if median <= target => format!("{target:>9} holds"),
        Some(target) => format!("{target:>9} MISSED"),
        None => String::new(),
    };
    let spread = format!("{low:.3} to {high:.3}");
    println!("  {name:50} {median:>10.3} {spread:>22} {verdict} ({unit})");
}

/// Prints a figure with the least that it should be.
pub fn at_least(name: &str, samples: &Samples, target: f64) {
    let verdict = if samples.median() >= target {
        "holds"
    } else {
        "MISSED"
    };
    print(name, samples, &format!("at least {target} {verdict}"), None);
}
