//! Files of synthetic results.

use super::*;
use crate::compare::result::Comparison;
use crate::compare::testing::comparison;
use crate::report::HostReport;

fn report(workloads: &[Comparison]) -> Report<'_> {
    Report {
        hostel: "0",
        host: HostReport {
            kvm: None,
            ring0_instruction_ns: None,
            cpus: 1,
            memory_bytes: 1,
            linux: "<6.1>".to_owned(),
        },
        guest: "a & b".to_owned(),
        cpus: 1,
        runs: 1,
        workloads,
    }
}

#[test]
fn a_failed_path_is_failed_in_every_file_and_has_no_figure_in_any() {
    let comparisons = [comparison()];
    let csv = csv::lines(&comparisons);
    let mut lines = csv.split("\r\n");
    let broken = lines
        .find(|line| line.starts_with("reading,broken"))
        .unwrap();
    let why = "FAILED: a page came back with <other> bytes, \"\"0\"\"";
    let start = format!("reading,broken,paravirtual,\"{why}\",,1,2055,");
    let figures = broken.strip_prefix(&start);
    assert!(
        figures.is_some_and(|rest| rest.chars().all(|c| c == ',')),
        "{broken}"
    );

    let report = report(&comparisons);
    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    let broken = &json["workloads"][0]["paths"][3];
    assert!(broken["failed"].is_string() && broken["ratio"].is_null());
    assert!(broken.get("figures").is_none());

    let page = page::page(&report, &[Vec::new()]);
    assert!(page.contains("<span class=\"bad\">broken <b>FAILED</b></span>"));
    assert!(page.contains("<tr><th>broken</th><td class=\"bad\" colspan="));
    assert!(page.contains("; exits an operation: 2000 pio_read ide</dd>"));
    assert!(page.contains("with &lt;other&gt; bytes, &quot;0&quot;"));
}

#[test]
fn every_line_of_csv_has_as_many_cells_as_the_head() {
    let csv = csv::lines(&[comparison()]);
    let cells = |line: &str| {
        // What is quoted may have commas of its own.
        let outside = line.split('"').step_by(2);
        outside.map(|part| part.matches(',').count()).sum::<usize>()
    };
    let counts: Vec<usize> = csv.lines().map(cells).collect();
    assert_eq!(counts.len(), 5);
    assert!(counts.iter().all(|count| *count == counts[0]), "{csv}");
    assert!(
        csv.lines()
            .next()
            .is_some_and(|head| head.ends_with(",handler_ns"))
    );
}

#[test]
fn what_kvm_counts_is_in_csv_beside_the_exits_to_userspace() {
    let csv = csv::lines(&[comparison()]);
    assert!(csv.contains(",exits,kvm_exits,kvm_insn_emulation,accesses,"));
    let words = csv.lines().find(|line| line.starts_with("reading,words,"));
    assert!(
        words.is_some_and(|line| line.contains(",2000,4000,9,2000,")),
        "{csv}"
    );
}

#[test]
fn words_of_others_are_no_markup_of_the_page() {
    let page = page::page(&report(&[comparison()]), &[Vec::new()]);
    for word in [
        "&lt;6.1&gt;",
        "a &amp; b",
        "reads &amp; so on",
        "one &amp; &lt;all&gt;",
    ] {
        assert!(page.contains(word), "{word}");
    }
}
