//! `hostel compare` of network cards: what a packet takes by each, counted.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Command;
use tests::{Scratch, binary, require_kvm, within_tries};

/// A packet of 1500 bytes in its frame, and the words of two bytes that it is.
const FRAME_BYTES: f64 = 1514.0;
const WORDS: f64 = 757.0;
/// A piece of a stream.
const PIECE_BYTES: f64 = 64240.0;
/// Frames of a batch.
const BATCH: f64 = 32.0;

/// The report of a comparison that went well, of a run of each path.
fn compared(workloads: &[&str]) -> Result<Value> {
    compared_often(workloads, 1)
}

/// The same of several, which take turns.
fn compared_often(workloads: &[&str], runs: u32) -> Result<Value> {
    let scratch = Scratch::new()?;
    let report = scratch.path("report");
    let mut command = Command::new(binary::hostel());
    let command = command.arg("compare").args(workloads);
    let output = command
        .args(["--runs", &runs.to_string(), "--report"])
        .arg(&report)
        .output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{shown}\n{errors}");
    Ok(serde_json::from_slice(&std::fs::read(&report)?)?)
}

/// A path of a workload.
fn path<'a>(report: &'a Value, workload: &str, path: &str) -> Result<&'a Value> {
    let named = |values: &'a Value, key: &str, name: &str| {
        let mut all = values.as_array().into_iter().flatten();
        all.find(|value| value[key] == name)
    };
    let workload = named(&report["workloads"], "workload", workload);
    let path = named(&workload.context("the workload")?["paths"], "path", path);
    path.context("the path")
}

/// Its figures.
fn figures<'a>(report: &'a Value, workload: &str, name: &str) -> Result<&'a Value> {
    Ok(&path(report, workload, name)?["figures"])
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    let number = figures[name].as_f64();
    number.with_context(|| format!("no {name} in {figures}"))
}

#[test]
fn a_packet_is_words_by_a_data_port_or_a_part_of_a_doorbell() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        let report = compared(&["net-send", "net-receive"])?;
        let of = |workload: &str, path: &str, figure: &str| -> Result<f64> {
            number(figures(&report, workload, path)?, figure)
        };
        for workload in ["net-send", "net-receive"] {
            let accesses = of(workload, "ne2000", "accesses")?;
            ensure!((WORDS..WORDS + 50.0).contains(&accesses), "{report}");
            // Some a batch, or where frames come one by one, some a frame.
            ensure!(of(workload, "e1000", "accesses")? < 10.0, "{report}");
            for path in ["virtio", "virtio-poll", "virtio-window"] {
                ensure!(of(workload, path, "exits")? <= 0.1, "{report}");
                let doorbells = of(workload, path, "doorbells")?;
                ensure!(doorbells > 0.0 && doorbells <= 2.0, "{report}");
                if workload == "net-send" {
                    // A batch is one at most; there is more than one in a run.
                    ensure!(doorbells * BATCH <= 2.0, "{report}");
                }
                let figures = figures(&report, workload, path)?;
                let bytes = number(&figures["bytes_per_second"], "median")?;
                let frames = number(&figures["operations_per_second"], "median")?;
                ensure!((bytes / frames - FRAME_BYTES).abs() < 1.0, "{report}");
            }
            ensure!(of(workload, "virtio", "interrupts")? <= 1.1, "{report}");
            ensure!(of(workload, "virtio-poll", "interrupts")? < 0.1, "{report}");
        }
        for workload in ["net-send", "net-receive"] {
            let interpreted = |path: &str| -> Result<Option<f64>> {
                let figures = figures(&report, workload, path)?;
                Ok(figures["kernel"]["insn_emulation"].as_f64())
            };
            // Where ring 0 is interpreted: nothing is copied or pinned for frames in a window.
            if let (Some(copied), Some(shared)) =
                (interpreted("virtio")?, interpreted("virtio-window")?)
                && copied > 1.0
            {
                ensure!(shared < 0.8 * copied, "{report}");
            }
        }
        // Words out are an exit each; words in come by the page.
        ensure!(of("net-send", "ne2000", "exits")? >= WORDS, "{report}");
        ensure!(of("net-receive", "ne2000", "exits")? < 100.0, "{report}");
        Ok(())
    })
}

#[test]
fn a_round_trip_is_an_exit_a_word_or_a_doorbell() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        let report = compared(&["net-roundtrip"])?;
        let of = |path: &str, figure: &str| -> Result<f64> {
            number(figures(&report, "net-roundtrip", path)?, figure)
        };
        ensure!(of("ne2000", "accesses")? >= 2.0 * 32.0, "{report}");
        ensure!((1.0..10.0).contains(&of("e1000", "accesses")?), "{report}");
        for path in ["virtio", "virtio-poll", "virtio-window"] {
            ensure!(of(path, "exits")? < 0.5, "{report}");
            let doorbells = of(path, "doorbells")?;
            ensure!(doorbells > 0.0 && doorbells < 2.1, "{report}");
        }
        ensure!(of("virtio-poll", "interrupts")? < 0.5, "{report}");
        Ok(())
    })
}

/// Each thread has the answers to what it has sent, by its own pair or in its turn.
#[test]
fn two_processors_have_a_pair_of_queues_each() -> Result<()> {
    require_kvm!();
    const WORKLOAD: &str = "net-threads";
    within_tries(|| {
        let report = compared(&[WORKLOAD, "--cpus", "2"])?;
        for path in ["e1000", "virtio", "virtio-window", "virtio-queues"] {
            let figures = figures(&report, WORKLOAD, path)?;
            let bytes = number(&figures["bytes_per_second"], "median")?;
            let frames = number(&figures["operations_per_second"], "median")?;
            ensure!(
                (bytes / frames - FRAME_BYTES).abs() < 1.0,
                "{path}: {report}"
            );
            // Some a batch, or where frames come one by one, some a frame.
            let most = if path == "e1000" { 10.0 } else { 1.0 };
            ensure!(number(figures, "exits")? < most, "{path}: {report}");
        }
        let report = compared(&[WORKLOAD, "--paths", "virtio,virtio-queues"])?;
        ensure!(
            path(&report, WORKLOAD, "virtio-queues")?
                .get("absent")
                .is_some(),
            "{report}"
        );
        number(figures(&report, WORKLOAD, "virtio")?, "exits")?;
        Ok(())
    })
}

/// An operation by each of these paths is a piece.
fn are_pieces<const N: usize>(report: &Value, workload: &str, paths: [&str; N]) -> Result<()> {
    for path in paths {
        let figures = figures(report, workload, path)?;
        let bytes = number(&figures["bytes_per_second"], "median")?;
        let pieces = number(&figures["operations_per_second"], "median")?;
        ensure!((bytes / pieces - PIECE_BYTES).abs() < 1.0, "{report}");
    }
    Ok(())
}

/// Where the kernel is interpreted, a whole piece takes less than this share of a cut one's.
fn whole_is_interpreted_less(report: &Value, workload: &str, share: f64) -> Result<()> {
    let interpreted = |path: &str| -> Result<Option<f64>> {
        Ok(figures(report, workload, path)?["kernel"]["insn_emulation"].as_f64())
    };
    if let (Some(cut), Some(whole)) = (
        interpreted("virtio-window")?,
        interpreted("virtio-offload")?,
    ) && cut > 10.0
    {
        ensure!(whole < share * cut, "{report}");
    }
    Ok(())
}

/// The program checks every byte, and every sum that is not left open.
#[test]
fn a_stream_of_tcp_comes_cut_or_as_it_was_sent() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        let paths = ["e1000", "virtio", "virtio-window", "virtio-offload"];
        // Twice, so that programs that take frames as on the wire come after one that does not.
        let report = compared_often(&["net-tcp-receive", "--paths", &paths.join(",")], 2)?;
        let of = |path: &str| figures(&report, "net-tcp-receive", path);
        are_pieces(&report, "net-tcp-receive", paths)?;
        for path in ["virtio-window", "virtio-offload"] {
            ensure!(number(of(path)?, "exits")? < 1.0, "{report}");
        }
        // Asked for four at a time, and a piece is eight buffers of a ring of 128.
        ensure!(
            number(of("virtio-offload")?, "doorbells")? < 1.0,
            "{report}"
        );
        // Eight buffers instead of 44 by the kernel that is interpreted.
        whole_is_interpreted_less(&report, "net-tcp-receive", 0.6)
    })
}

/// The peer checks every byte and every sum of what comes.
#[test]
fn a_stream_of_tcp_is_cut_by_the_program_or_by_the_card() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        let report = compared(&["net-tcp"])?;
        let of = |path: &str| figures(&report, "net-tcp", path);
        let paths = ["e1000", "virtio", "virtio-window", "virtio-offload"];
        are_pieces(&report, "net-tcp", paths)?;
        for path in ["virtio-window", "virtio-offload"] {
            ensure!(number(of(path)?, "exits")? < 1.0, "{report}");
            let doorbells = number(of(path)?, "doorbells")?;
            // Of 44 frames and more.
            ensure!(doorbells > 0.0 && doorbells < 10.0, "{path}: {report}");
        }
        // A frame of 44 by the kernel that is interpreted.
        whole_is_interpreted_less(&report, "net-tcp", 0.8)
    })
}
