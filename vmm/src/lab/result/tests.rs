//! Outcomes of synthetic results.

use super::*;
use crate::lab::show;
use crate::lab::testing::{ended, experiment, outcome};

fn shown(outcome: &Outcome<'_>) -> String {
    let mut out = String::new();
    show::outcome(&mut out, outcome);
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
    out
}

#[test]
fn what_holds_comes_out_with_its_sentence() {
    let experiment = experiment();
    let outcome = outcome(&experiment, ended());
    assert!(outcome.came_out(), "{}", shown(&outcome));
    assert_eq!(outcome.sentence, "15 faults instead of 12.");
    assert_eq!(outcome.runs[1].figures["scaled"], 11.0 / 20.0);
    assert!(!outcome.runs[6].figures.contains_key("size_of_run"));
    let shown = shown(&outcome);
    assert!(shown.contains("8 of 8 expectations hold"), "{shown}");
    assert!(shown.contains("1.50 us"), "{shown}");
}

#[test]
fn what_does_not_hold_is_shown_with_both_sides() {
    let experiment = experiment();
    let mut ended = ended();
    ended.checks[3].metrics.insert("faults".to_owned(), 11);
    ended.checks[6].said.lines.clear();
    let outcome = outcome(&experiment, ended);
    assert!(!outcome.came_out());
    let shown = shown(&outcome);
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("sjf-1.faults = 10 within 5% (found: 11 is not 10)"),
        "{shown}"
    );
    assert!(words.contains("(found: not said)"), "{shown}");
}

#[test]
fn a_run_that_failed_has_no_figures_and_spoils_what_is_expected_of_it() {
    let experiment = experiment();
    let mut ended = ended();
    ended.checks[5].outcome = CheckOutcome::Fail;
    ended.checks[5].detail = "it said \u{1b}no".to_owned();
    ended.checks.remove(1);
    let outcome = outcome(&experiment, ended);
    assert!(!outcome.came_out());
    assert_eq!(outcome.sentence, "? faults instead of 12.");
    let broken: Vec<String> = outcome.broken().map(|v| v.checked.found.clone()).collect();
    assert_eq!(broken, ["there is no result of fcfs-2", "sjf-3 has failed"]);
    assert!(shown(&outcome).contains("sjf-3 FAILED: it said"));
}

#[test]
fn a_vm_that_ended_badly_is_no_success_even_if_all_results_came() {
    let experiment = experiment();
    let mut ended = ended();
    ended.trouble = Some("the guest hung".to_owned());
    let outcome = outcome(&experiment, ended);
    assert!(!outcome.came_out());
    assert!(shown(&outcome).contains("FAILED: the guest hung"));
}
