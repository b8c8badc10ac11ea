//! Experiments that make sense, and faults with their places.

use super::*;
use crate::lab::testing::{TEXT, read};

fn says(text: &str) -> String {
    let error = read(text, &Changes::default()).err();
    error.map_or("no error".to_owned(), |error| error.to_string())
}

/// What is said of the experiment with something else in it.
fn changed(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "{from}");
    says(&TEXT.replacen(from, to, 1))
}

#[test]
fn every_combination_of_the_values_is_a_run() {
    let experiment = read(TEXT, &Changes::default()).unwrap();
    let names: Vec<&str> = experiment
        .runs
        .iter()
        .map(|run| run.name.as_str())
        .collect();
    assert_eq!(names[..3], ["fcfs-1", "fcfs-2", "fcfs-3"]);
    assert_eq!(names[3..], ["sjf-1", "sjf-2", "sjf-3", "other"]);
    assert_eq!(experiment.runs[4].args, "policy=sjf size=2 unit=20 a");
    assert_eq!(experiment.expected.len(), 6 + 2);
    assert_eq!(experiment.about, "Two policies on <three> sizes.");
}

#[test]
fn the_short_form_and_the_user_change_settings() {
    let with = |short, set: &[(&str, &str)]| {
        let set = set.iter();
        let set = set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let changes = Changes {
            short,
            set: set.collect(),
            cpus: Some(2),
        };
        let experiment = read(TEXT, &changes).unwrap();
        assert_eq!(experiment.cpus, 2);
        experiment.runs[0].args.clone()
    };
    assert_eq!(with(true, &[]), "policy=fcfs size=1 unit=4 a");
    let set = [("unit", "7"), ("word", "b=c"), ("none", "1")];
    assert_eq!(with(true, &set), "policy=fcfs size=1 unit=7 b=c");
}

#[test]
fn a_fault_has_its_line_its_column_and_what_was_expected() {
    let faults = [
        (
            "family = \"scheduling\"",
            "family = \"cooking\"",
            "mine.toml:3:10: unknown variant",
        ),
        (
            "tries = 2",
            "tries = 0",
            "mine.toml:4:9: found 0, expected 1 to 10",
        ),
        (
            "tries = 2",
            "tires = 2",
            "mine.toml:4:1: unknown field `tires`, expected one of",
        ),
        (
            "unit = 20",
            "unit = 2.5",
            "mine.toml:7:8: invalid type: floating point `2.5`",
        ),
        (
            "unit = 4",
            "unti = 4",
            "mine.toml:11:1: there is no \"unti\" in [set]: expected unit, word",
        ),
        (
            "program = \"hello\"",
            "program = \"helo\"",
            "mine.toml:16:11: there is no program \"helo\"",
        ),
        (
            "size={size}",
            "size={sise}",
            "mine.toml:17:31: there is no \"sise\" in `each` or [set]",
        ),
        (
            "size={size}",
            "size={size",
            "mine.toml:17:31: there is no \"size unit={unit\"",
        ),
        (
            "{word}\"",
            "#{word}\"",
            "mine.toml:17:8: found # or a new line",
        ),
        (
            "{policy}-{size}",
            "{policy}",
            "mine.toml:14:8: there are two runs \"fcfs\"",
        ),
        (
            "{policy}-{size}",
            "{size}-{policy}",
            "mine.toml:14:8: found the name \"1-fcfs\", expected a letter",
        ),
        (
            "size * 1",
            "size * ",
            "mine.toml:26:23: found the end, expected a number or a figure",
        ),
        (
            "x = \"size\"",
            "x = \"length\"",
            "mine.toml:32:1: there is no \"length\" in `each`: expected policy, size",
        ),
        (
            "y = \"wait_ns\"",
            "",
            "mine.toml:38:1: a chart of kind bars lacks y",
        ),
        (
            "sjf-1.faults = 10",
            "sjf-9.faults = 10",
            "mine.toml:51:12: there is no run \"sjf-9\"",
        ),
        (
            "within 5%",
            "within five",
            "mine.toml:51:37: found \"five\", expected a number of percent",
        ),
        (
            "other says",
            "faults >",
            "mine.toml:51:52: found 'safe', expected a number or a figure",
        ),
        (
            "{fcfs-3.faults}",
            "{faults}",
            "mine.toml:52:47: found \"faults\" of no run, expected RUN.FIGURE",
        ),
    ];
    let mut wrong = Vec::new();
    for (from, to, expected) in faults {
        let said = changed(from, to);
        wrong
            .extend((!said.starts_with(expected)).then(|| format!("{to}: {said}, not {expected}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_no_toml_or_lacks_something_is_told() {
    assert!(says("title = ").starts_with("mine.toml:1:"));
    assert!(says("title = \"x\"\nabout = \"\"\n").contains("missing field `family`"));
    let error = changed(
        "[[run]]\nname = \"{policy}-{size}\"",
        "[[ran]]\nname = \"x\"",
    );
    assert!(error.contains("unknown field `ran`"), "{error}");
}

#[test]
fn a_second_vm_has_a_program_that_there_is_and_words_with_settings() {
    let peer = "[peer]\nprogram = \"hello\"\nargs = \"unit={unit}\"\n\n[figures]";
    let with = TEXT.replacen("[figures]", peer, 1);
    let experiment = read(&with, &Changes::default()).unwrap();
    let peer = experiment.peer.unwrap();
    assert_eq!(
        (peer.program.as_str(), peer.args.as_str()),
        ("hello", "unit=20")
    );
    for (from, to, expected) in [
        (
            "\"hello\"\nargs = \"unit",
            "\"helo\"\nargs = \"unit",
            "there is no program \"helo\"",
        ),
        (
            "unit={unit}\"\n\n",
            "{policy}\"\n\n",
            "there is no \"policy\" in `each` or [set]",
        ),
        ("unit={unit}\"\n\n", "#\"\n\n", "found # or a new line"),
        ("\"unit={unit}\"\n\n", "1\n\n", "invalid type: integer `1`"),
    ] {
        assert!(with.contains(from), "{from}");
        let said = says(&with.replacen(from, to, 1));
        assert!(said.contains(expected), "{said}");
    }
    assert!(read(TEXT, &Changes::default()).unwrap().peer.is_none());
}

#[test]
fn too_many_runs_are_refused_before_they_are_made() {
    let many = (0..200)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let each = format!("size = [{many}], b = [{many}], c = [{many}], d = [{many}]");
    let said = changed("size = [1, 2, 3]", &each).replace("{policy}-{size}", "x");
    assert!(
        said.contains("two runs") || said.contains("more than 1000 runs"),
        "{said}"
    );
}
