//! The laboratory again and again: whether it comes out each time, how long it takes, and how far
//! the figures that an experiment states a spread of lie apart.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Instant;
use tests::bench::{Samples, is_short, print, print_head, rounds};
use tests::{Scratch, binary, host};

/// Target of the project for the first half, on software KVM with two processors.
const ALL_S: f64 = 180.0;
const ROUNDS: usize = 10;

/// What came of one experiment, round by round.
#[derive(Default)]
struct Rounds {
    seconds: Samples,
    came_out: usize,
    tries: u64,
    /// What was found of each condition with a spread: its left side.
    found: BTreeMap<String, Vec<f64>>,
}

impl Rounds {
    fn add(&mut self, experiment: &Value) {
        let number = |name: &str| experiment[name].as_u64().unwrap_or(0);
        self.seconds.0.push(number("took_ms") as f64 / 1000.0);
        self.tries += number("tries");
        self.came_out += usize::from(experiment["came_out"] == true);
        let expected = experiment["expected"].as_array().into_iter().flatten();
        for one in expected {
            let text = one["text"].as_str().unwrap_or_default();
            let found = one["found"]
                .as_str()
                .and_then(|found| found.split(' ').next());
            if let Some(left) = found.and_then(|found| found.parse().ok())
                && text.contains(" within ")
            {
                self.found.entry(text.to_owned()).or_default().push(left);
            }
        }
    }

    /// Most that one figure differs between rounds, in percent of its least.
    fn widest(&self) -> f64 {
        let widths = self.found.values().map(|values| {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (most - least) / least.abs().max(f64::MIN_POSITIVE) * 100.0
        });
        widths.fold(0.0, f64::max)
    }
}

fn main() -> Result<()> {
    if !host::has_kvm() {
        return Ok(());
    }
    print_head("lab");
    let (mut all, mut experiments) = (Samples::default(), BTreeMap::<String, Rounds>::new());
    let rounds = if is_short() { 1 } else { rounds(ROUNDS) };
    for _ in 0..rounds {
        let start = Instant::now();
        let report = round()?;
        all.0.push(start.elapsed().as_secs_f64());
        for experiment in report["experiments"].as_array().context("experiments")? {
            let name = experiment["name"].as_str().context("a name")?;
            experiments
                .entry(name.to_owned())
                .or_default()
                .add(experiment);
        }
    }
    print("hostel lab", &all, "s", (!is_short()).then_some(ALL_S));
    println!(
        "  {:30} {:>10} {:>10} {:>6} {:>16}",
        "experiment", "median s", "came out", "tries", "widest spread"
    );
    for (name, rounds) in &experiments {
        let (all, spread) = (rounds.seconds.0.len(), rounds.widest());
        let (median, came_out, tries) = (rounds.seconds.median(), rounds.came_out, rounds.tries);
        println!("  {name:30} {median:>10.1} {came_out:>7}/{all} {tries:>6} {spread:>14.2} %");
    }
    Ok(())
}

/// Does the laboratory once; its report.
fn round() -> Result<Value> {
    let scratch = Scratch::new()?;
    let report = scratch.path("report");
    let mut command = Command::new(binary::hostel());
    command.args(["lab", "--report"]).arg(&report);
    if is_short() {
        command.arg("--short");
    }
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{errors}");
    if !output.status.success() {
        println!("{}", errors.trim());
    }
    Ok(serde_json::from_slice(&fs::read(report)?)?)
}
