//! `hostel compare`: the same work by each path, counted.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};
use tests::{Kernel, Scratch, binary, require_kvm, within_tries};

/// What every comparison of these tests takes: quick, with paths that the host's counts tell apart.
const RANDOM: &str = "block-random";
/// The path that is for several processors.
const QUEUES: &str = "virtio-queues";

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
    within_tries(|| {
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

        let report: Value = serde_json::from_slice(&fs::read(report)?)?;
        let workloads = report["workloads"].as_array().context("workloads")?;
        ensure!(workloads.len() == 1 && workloads[0]["workload"] == RANDOM);
        let paths = workloads[0]["paths"].as_array().context("paths")?;
        for path in paths {
            let name = path["path"].as_str().context("a name")?;
            ensure!(shown.contains(name), "{name} is not in\n{shown}");
            if path.get("absent").is_some() {
                ensure!(name == QUEUES, "{name} is absent");
                continue;
            }
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
            let latency = &figures["latency"];
            let [p50, p90, p99] = ["p50_ns", "p90_ns", "p99_ns"].map(|n| number(latency, n));
            let (p50, p90, p99) = (p50?, p90?, p99?);
            ensure!(0.0 < p50 && p50 <= p90 && p90 <= p99, "{path}");
            let split = &figures["split"];
            let parts = ["guest_ns", "exits_ns", "waiting_ns"].map(|n| number(split, n));
            let all = parts.into_iter().sum::<Result<f64>>()?;
            let time = number(&figures["operation_ns"], "max")?;
            ensure!(0.0 < all && all <= time * 1.01, "{path}");
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
        // By the book a word, and the command, are an access each.
        let book = |wanted: &str| {
            let path = paths.iter().find(|path| path["path"] == wanted);
            path.and_then(|path| path["textbook_accesses"].as_u64())
        };
        ensure!(book("ide-word") == Some(2048 + 7), "{report}");
        ensure!(book("virtio") == Some(1), "{report}");
        // A doorbell does not reach userspace.
        ensure!(of("virtio", "exits")? < 1.0, "{report}");
        // A device that is still awake needs no bell, and a guest that comes late no interrupt.
        ensure!(of("virtio", "doorbells")? > 0.0, "{report}");
        ensure!(of("virtio", "interrupts")? > 0.0, "{report}");
        ensure!(of("virtio-poll", "interrupts")? < 0.5, "{report}");
        Ok(())
    })
}

/// Each page that is read has its mark, whatever queue it has come by.
#[test]
fn two_processors_have_a_queue_each() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let report = scratch.path("report").display().to_string();
    let wanted = ["block-random-32", "--paths", QUEUES, "--cpus", "2"];
    let output = compare(&[&wanted[..], &["--runs", "1", "--report", &report]].concat())?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&fs::read(report)?)?;
    let figures = &report["workloads"][0]["paths"][0]["figures"];
    ensure!(number(figures, "requests")? >= 1.0, "{report}");
    ensure!(number(figures, "exits")? < 1.0, "{report}");
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
        (&["--out", "/proc/nothing"], "results cannot be written to"),
        (&["--out", "/dev/null"], "results cannot be written to"),
        (&["--guest", "/dev/null"], "--initrd"),
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

/// Elements and attributes by which a page of HTML has something fetched or run.
fn fetches(page: &str) -> Vec<&str> {
    let words = [
        "<script", "<link", "<iframe", "<img", " src=", "@import", "url(",
    ];
    let mut found: Vec<&str> = words.into_iter().filter(|w| page.contains(w)).collect();
    let links = page.split("href=\"").skip(1);
    found.extend(links.filter(|link| !link.starts_with('#')));
    let others = page.split("http").skip(1);
    // The name of a namespace is nowhere to go to.
    found.extend(others.filter(|rest| !rest.starts_with("://www.w3.org/2000/svg\"")));
    found
}

#[test]
fn a_folder_gets_all_results_and_keeps_what_is_not_of_them() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let folder = scratch.path("a/b");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("foreign.svg"), "mine")?;
    fs::write(folder.join("results.csv"), "old")?;
    let out = folder.to_str().context("a path that is text")?;
    let wanted = [
        RANDOM,
        "--paths",
        "ide-dma,virtio",
        "--runs",
        "1",
        "--out",
        out,
    ];
    let output = compare(&wanted)?;
    ensure!(output.status.success(), "{}", text(&output.stderr));

    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let charts = ["exits", "latency", "split", "time"].map(|kind| format!("{RANDOM}-{kind}.svg"));
    let others = ["foreign.svg", "index.html", "results.csv", "results.json"];
    let all: Vec<&str> = charts.iter().map(String::as_str).chain(others).collect();
    ensure!(names == all, "{names:?}");
    ensure!(fs::read_to_string(folder.join("foreign.svg"))? == "mine");

    let page = fs::read_to_string(folder.join("index.html"))?;
    ensure!(fetches(&page).is_empty(), "{:?}", fetches(&page));
    for name in &charts {
        let svg = fs::read_to_string(folder.join(name))?;
        let document = roxmltree::Document::parse(&svg).with_context(|| name.clone())?;
        let texts = document.descendants().filter_map(|node| node.text());
        let texts: Vec<&str> = texts.map(str::trim).collect();
        ensure!(
            texts.contains(&"virtio") && texts.contains(&"ide-dma"),
            "{name}"
        );
        ensure!(page.contains(&svg), "{name} is not on the page");
    }
    let csv = fs::read_to_string(folder.join("results.csv"))?;
    ensure!(
        csv.lines().count() == 3 && csv.starts_with("workload,path,"),
        "{csv}"
    );
    let report: Value = serde_json::from_slice(&fs::read(folder.join("results.json"))?)?;
    ensure!(report["guest"] == "built-in" && report["runs"] == 1);
    Ok(())
}

/// `cli`, then `hlt`: stands still for ever.
const STANDS_STILL: [u8; 2] = [0xfa, 0xf4];
/// An instruction that is none: without an IDT, the end of the machine.
const UD2: [u8; 2] = [0x0f, 0x0b];

/// Kernel and initrd as `hostel guest export` writes them.
fn exported(scratch: &Scratch) -> Result<[String; 2]> {
    let folder = scratch.path("guest");
    let mut command = Command::new(binary::hostel());
    let output = command.args(["guest", "export"]).arg(&folder).output()?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok(["kernel", "initrd"].map(|file| folder.join(file).display().to_string()))
}

#[test]
fn another_guest_does_the_work() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let [kernel, initrd] = exported(&scratch)?;
    let report = scratch.path("report").display().to_string();
    let wanted = [
        "clock", "--paths", "rtc,tsc", "--runs", "1", "--report", &report,
    ];
    let output = compare(&[&wanted[..], &["--guest", &kernel, "--initrd", &initrd]].concat())?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&fs::read(report)?)?;
    ensure!(report["guest"] == kernel.as_str(), "{report}");
    let paths = &report["workloads"][0]["paths"];
    ensure!(number(&paths[0]["figures"], "exits")? >= 4.0, "{report}");
    Ok(())
}

#[test]
fn what_is_no_guest_is_an_error_and_no_wait() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let [kernel, initrd] = exported(&scratch)?;
    let text_file = scratch.path("text").display().to_string();
    fs::write(&text_file, "no kernel, no archive")?;
    let cut = scratch.path("cut").display().to_string();
    let archive = fs::read(&initrd)?;
    fs::write(&cut, &archive[..archive.len() / 2])?;
    let folder = scratch.path("").display().to_string();
    let other = scratch.path("other").display().to_string();
    fs::write(&other, Kernel::linux64(&UD2).image())?;
    for (kernel, initrd, status, words) in [
        (&kernel, &text_file, 2, "is no cpio archive"),
        (&kernel, &cut, 2, "ends in a member"),
        (&kernel, &folder, 2, "no regular file"),
        (&folder, &initrd, 2, "no regular file"),
        (&text_file, &initrd, 2, "kernel"),
        (&other, &initrd, 2, "does not begin"),
    ] {
        let args = [
            "clock", "--runs", "1", "--guest", kernel, "--initrd", initrd,
        ];
        let output = compare(&args)?;
        let errors = text(&output.stderr);
        ensure!(output.status.code() == Some(status), "{args:?}: {errors}");
        // Registers of a processor that has crashed follow.
        let mut lines = errors.lines();
        let first = lines.next().unwrap_or_default();
        ensure!(first.contains(words), "{args:?}: {errors}");
        ensure!(
            lines.all(|line| line.starts_with("  ")),
            "{args:?}: {errors}"
        );
    }
    Ok(())
}

#[test]
fn a_kernel_that_stands_still_is_ended() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let [_, initrd] = exported(&scratch)?;
    let kernel = scratch.path("still").display().to_string();
    fs::write(&kernel, Kernel::linux64(&STANDS_STILL).image())?;
    let output = compare(&["clock", "--guest", &kernel, "--initrd", &initrd])?;
    let errors = text(&output.stderr);
    ensure!(output.status.code() == Some(5), "{errors}");
    ensure!(errors.contains("has not said within"), "{errors}");
    ensure!(
        errors.lines().count() == 1 && output.stdout.is_empty(),
        "{errors}"
    );
    Ok(())
}
