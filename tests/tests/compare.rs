//! `hostel compare`: the same work by each path, counted.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::{Command, Output};
use tests::{Scratch, binary, require_kvm};

/// What every comparison of these tests takes: quick, with paths that the host's counts tell apart.
const RANDOM: &str = "block-random";

fn compare(args: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary::hostel());
    let output = command.arg("compare").args(args).output()?;
    Ok(output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name]
        .as_f64()
        .with_context(|| format!("no {name} in {value}"))
}

#[test]
fn each_path_has_figures_that_fit_together() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let report = scratch.path("report");
    let report = report.to_str().context("a path that is text")?;
    let output = compare(&[RANDOM, "--runs", "2", "--report", report])?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    ensure!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );

    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    let workloads = report["workloads"].as_array().context("workloads")?;
    ensure!(workloads.len() == 1 && workloads[0]["workload"] == RANDOM);
    let paths = workloads[0]["paths"].as_array().context("paths")?;
    for path in paths {
        let name = path["path"].as_str().context("a name")?;
        ensure!(shown.contains(name), "{name} is not in\n{shown}");
        let figures = &path["figures"];
        for spread in ["operations_per_second", "operation_ns", "bytes_per_second"] {
            let spread = &figures[spread];
            let [min, median, max] = ["min", "median", "max"].map(|n| number(spread, n));
            let (min, median, max) = (min?, median?, max?);
            ensure!(0.0 < min && min <= median && median <= max, "{path}");
        }
        let bytes = number(&figures["bytes_per_second"], "min")?;
        let operations = number(&figures["operations_per_second"], "min")?;
        ensure!((bytes / operations - 4096.0).abs() < 1.0, "{path}");
        ensure!(number(figures, "requests")? >= 1.0, "{path}");
    }
    let of = |wanted: &str, figure: &str| -> Result<f64> {
        let path = paths.iter().find(|path| path["path"] == wanted);
        number(&path.context("the path")?["figures"], figure)
    };
    // 4 KiB are 2048 words, each by an instruction of its own or by one for all.
    ensure!(of("ide-word", "accesses")? >= 2048.0, "{report}");
    ensure!(of("ide-word", "exits")? >= 2048.0, "{report}");
    ensure!(of("ide-pio", "accesses")? >= 2048.0, "{report}");
    ensure!(of("ide-pio", "exits")? < 100.0, "{report}");
    ensure!(of("ide-dma", "accesses")? < 100.0, "{report}");
    // A doorbell does not reach userspace.
    ensure!(of("virtio", "exits")? < 1.0, "{report}");
    ensure!(of("virtio", "doorbells")? >= 0.9, "{report}");
    ensure!(of("virtio", "interrupts")? > 0.5, "{report}");
    ensure!(of("virtio-poll", "interrupts")? < 0.5, "{report}");
    Ok(())
}

#[test]
fn workloads_and_paths_are_listed() -> Result<()> {
    let output = compare(&["--list"])?;
    let shown = text(&output.stdout);
    ensure!(output.status.success() && shown.contains(RANDOM), "{shown}");
    ensure!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    Ok(())
}

#[test]
fn what_there_is_not_is_refused_in_a_line() -> Result<()> {
    for (args, words) in [
        (
            &["cooking"][..],
            "no workload \"cooking\": choose of block-read",
        ),
        (
            &["--paths", "telepathy"],
            "no path \"telepathy\": choose of",
        ),
        (&["--runs", "0"], "--runs"),
        (
            &["--report", "/no/such/folder/file"],
            "report cannot be written",
        ),
    ] {
        let output = compare(args)?;
        let errors = text(&output.stderr);
        ensure!(output.status.code() == Some(2), "{args:?}: {errors}");
        ensure!(errors.contains(words), "{args:?}: {errors}");
        ensure!(errors.lines().count() == 1, "{args:?}: {errors}");
        ensure!(output.stdout.is_empty(), "{args:?} ran");
    }
    Ok(())
}
