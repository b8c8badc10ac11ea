//! `hostel compare` where there is memory in place of a device: what is given to the host and taken
//! again, page faults, switches of address spaces.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Command;
use tests::{Scratch, binary, require_kvm, within_tries};

/// The report on one run of each path of a workload.
fn compare(workload: &str) -> Result<Value> {
    let scratch = Scratch::new()?;
    let report = scratch.path("report");
    let output = Command::new(binary::hostel())
        .args(["compare", workload, "--runs", "1", "--report"])
        .arg(&report)
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{shown}{errors}");
    Ok(serde_json::from_slice(&std::fs::read(report)?)?)
}

/// A figure of a path, or with `of`, of what it has under that name.
fn figure(report: &Value, path: &str, name: &str, of: Option<&str>) -> Result<f64> {
    let paths = report["workloads"][0]["paths"].as_array();
    let found = paths.into_iter().flatten().find(|p| p["path"] == path);
    let figure = &found.context("the path")?["figures"][name];
    let figure = of.map_or(figure, |of| &figure[of]);
    figure
        .as_f64()
        .with_context(|| format!("no {name} of {path} in {report}"))
}

#[test]
fn a_batch_of_pages_is_a_request() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        let report = compare("memory-return")?;
        let doorbells = |path| figure(&report, path, "doorbells", None);
        ensure!(doorbells("touch")? == 0.0, "{report}");
        // There and back: a request each, of which the device sees some by itself.
        let one_by_one = doorbells("balloon-page")?;
        ensure!(one_by_one > 0.0 && one_by_one < 2.1, "{report}");
        let batched = doorbells("balloon")?;
        ensure!(batched > 0.0 && batched <= 2.0 / 256.0, "{report}");
        // Sixteen blocks of 4 MiB, where memory is whole; a few more, where it is not.
        ensure!(doorbells("reporting")? <= 8.0 / 16384.0, "{report}");
        for path in ["touch", "balloon-page", "balloon", "reporting"] {
            ensure!(figure(&report, path, "exits", None)? < 0.1, "{report}");
            let to_kvm = figure(&report, path, "kernel", Some("exits"))?;
            ensure!(to_kvm > 0.0, "{report}");
        }
        Ok(())
    })
}

#[test]
fn a_large_page_takes_one_fault() -> Result<()> {
    require_kvm!();
    let report = compare("page-faults")?;
    let faults = |path| figure(&report, path, "more", Some("page_faults"));
    ensure!(faults("4k")? >= 512.0, "{report}");
    let large = faults("2m")?;
    // The program's own pages come on top.
    ensure!((1.0..32.0).contains(&large), "{report}");
    Ok(())
}

#[test]
fn two_processes_keep_their_own_pages() -> Result<()> {
    require_kvm!();
    let report = compare("address-spaces")?;
    for path in ["4k", "2m"] {
        // The program has found its pages to be its own, or the path would have no figures.
        let turn = figure(&report, path, "operation_ns", Some("median"))?;
        ensure!(turn > 0.0, "{report}");
    }
    Ok(())
}
