//! Files of synthetic results.

use super::*;
use crate::lab::chart::charts;
use crate::lab::testing::{ended, experiment, outcome};

#[test]
fn every_chart_that_has_figures_is_drawn() {
    let experiment = experiment();
    let outcome = outcome(&experiment, ended());
    let charts = charts(&outcome).unwrap();
    let names: Vec<&str> = charts.iter().map(|chart| chart.name.as_str()).collect();
    assert_eq!(names, ["1", "2", "3-fcfs-1", "4"]);
    for chart in &charts {
        let svg = chart.svg.trim_end();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
    }
    assert!(charts[0].svg.contains(">fcfs<") || charts[0].svg.contains("fcfs"));
    assert!(charts[2].svg.contains("processor 1") && charts[2].svg.contains("short"));
}

#[test]
fn a_chart_of_nothing_is_none() {
    let experiment = experiment();
    let nothing = outcome(
        &experiment,
        crate::lab::vm::Ended {
            checks: Vec::new(),
            trouble: Some("no".to_owned()),
        },
    );
    assert!(charts(&nothing).unwrap().is_empty());
}

#[test]
fn files_say_what_failed_and_have_no_markup_of_the_guest() {
    let experiment = experiment();
    let mut ended = ended();
    ended.checks[0].outcome = abi::record::Outcome::Fail;
    ended.checks[0].detail = "<script>, \"x\"".to_owned();
    let outcomes = [outcome(&experiment, ended)];
    let report = Report::new(&outcomes, true);

    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    let one = &json["experiments"][0];
    assert_eq!(one["came_out"], false);
    assert_eq!(one["runs"][0]["failed"], "<script>, \"x\"");
    assert_eq!(one["runs"][1]["figures"]["scaled"], 0.55);
    assert_eq!(one["runs"][1]["values"]["size"], 2);
    assert_eq!(one["runs"][6]["lines"][0], "safe: P1 <b>\u{1b}[2J");

    let csv = csv::lines(&outcomes);
    assert!(csv.contains("mine,scheduling,fcfs-1,\"FAILED: <script>, \"\"x\"\"\",,\r\n"));
    assert!(csv.contains("mine,scheduling,sjf-2,figures,wait_ns,1500\r\n"));

    let page = page::page(&report, &[charts(&outcomes[0]).unwrap()]);
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert!(page.contains("safe: P1 &lt;b&gt;") && page.contains("on &lt;three&gt; sizes"));
}
