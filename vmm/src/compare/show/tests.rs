//! Tables of synthetic results.

use super::*;
use crate::compare::result::PathOutcome;
use crate::compare::testing::{comparison, figures, path};
use crate::compare::workload::Model;

fn shown(comparison: &Comparison) -> String {
    let mut out = String::new();
    table(&mut out, comparison);
    let widest = out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{out}");
    out
}

fn line<'a>(shown: &'a str, path: &str) -> &'a str {
    let mut lines = shown.lines().map(str::trim);
    let found = lines.find(|line| line.split(' ').next() == Some(path));
    found.expect("a line of it")
}

#[test]
fn a_difference_inside_the_spread_is_shown_as_none() {
    let shown = shown(&comparison());
    assert!(line(&shown, "words").ends_with(" ="), "{shown}");
    assert!(line(&shown, "words-again").ends_with(" ~1"), "{shown}");
    assert!(line(&shown, "ring").ends_with(" 10.0"), "{shown}");
    let mut comparison = comparison();
    comparison.paths.drain(2..);
    comparison.relate();
    let shown = self::shown(&comparison);
    let none = "Between words and words-again there is no difference beyond their spread.";
    assert!(shown.contains(none), "{shown}");
}

#[test]
fn a_failed_path_has_no_figures_but_what_was_wrong() {
    let shown = shown(&comparison());
    let broken: Vec<&str> = shown.lines().filter(|l| l.contains("broken")).collect();
    assert_eq!(broken.len(), 1, "{shown}");
    assert!(broken[0].contains("FAILED: a page came back"), "{shown}");
}

#[test]
fn the_sentence_is_made_of_the_counts() {
    let shown = shown(&comparison());
    let words: Vec<&str> = shown.split_whitespace().collect();
    let said = words.join(" ");
    let expected = "ring is 10.5 times as fast as words-again: 0 exits an operation against 2000, \
                    of which 2000 pio_read ide.";
    assert!(said.contains(expected), "{said}");
    assert!(
        said.contains("ring is 10.0 times as fast as words:"),
        "{said}"
    );
}

#[test]
fn long_names_many_columns_and_endless_words_stay_inside_of_the_terminal() {
    let mut comparison = comparison();
    let mut many = figures(1e15, 1e15);
    for nth in 0..6 {
        many.more.insert(format!("figure_of_the_guest{nth}"), 1e12);
    }
    let name = "free-page-reporting-in-batches";
    let long = path(name, Model::Direct, PathOutcome::Figures(Box::new(many)));
    comparison.paths.push(long);
    let endless = PathOutcome::Failed("x".repeat(300));
    comparison
        .paths
        .push(path("endless", Model::Direct, endless));
    comparison.relate();
    let shown = shown(&comparison);
    assert!(
        shown.contains("figure of the guest5") && shown.contains("handler"),
        "{shown}"
    );
}

#[test]
fn columns_that_nobody_has_are_left_out() {
    let mut comparison = comparison();
    for path in &mut comparison.paths {
        path.copies = None;
        path.textbook_accesses = None;
        if let PathOutcome::Figures(figures) = &mut path.outcome {
            figures.bytes_per_second = None;
            figures.latency = None;
        }
    }
    let shown = shown(&comparison);
    for head in ["copies", "by book", "MiB/s", "p99"] {
        assert!(!shown.contains(head), "{head}: {shown}");
    }
}
