//! Charts of synthetic results.

use super::*;
use crate::compare::testing::comparison;

#[test]
fn every_path_has_its_row_and_a_failed_one_no_figure() {
    let charts = charts(&comparison()).unwrap();
    let kinds: Vec<&str> = charts.iter().map(|chart| chart.kind).collect();
    assert_eq!(kinds, ["time", "exits", "split", "latency"]);
    for Chart { kind, svg } in &charts {
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{kind}"
        );
        for path in ["words", "words-again", "ring", "broken"] {
            assert!(svg.contains(&format!("\n{path}\n")), "{kind} by {path}");
        }
        assert_eq!(svg.matches("\nFAILED\n").count(), 1, "{kind}");
    }
}

#[test]
fn nothing_is_drawn_outside_of_its_chart() {
    for Chart { kind, svg } in charts(&comparison()).unwrap() {
        let size = |name: &str| -> f64 {
            let (_, rest) = svg.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let (width, height) = (size("width"), size("height"));
        let numbers = |name: &str| -> Vec<f64> {
            let attribute = format!(" {name}=\"");
            let parts = svg.split(&attribute).skip(1);
            let values = parts.filter_map(|rest| rest.split('"').next()?.parse().ok());
            values.collect()
        };
        assert!(
            numbers("x").iter().all(|x| (0.0..=width).contains(x)),
            "{kind}"
        );
        assert!(
            numbers("y").iter().all(|y| (0.0..=height).contains(y)),
            "{kind}"
        );
    }
}

#[test]
fn what_is_not_there_is_not_drawn() {
    let mut comparison = comparison();
    comparison.paths.drain(..3);
    assert!(charts(&comparison).unwrap().is_empty());
}

#[test]
fn a_histogram_goes_down_to_its_base_between_buckets_apart() {
    let comparison = comparison();
    let (_, figures) = comparison.measured().next().unwrap();
    let latency = figures.latency.as_ref().unwrap();
    let points = outline(latency, |ns| ns.log10() as i32 * 100, 50);
    let ends = [points[0], points[points.len() - 1]];
    assert!(ends.iter().all(|(_, y)| *y == 50));
    assert_eq!(
        points.iter().map(|(_, y)| *y).min(),
        Some(50 - (HISTOGRAM_ROW - 14))
    );
}
