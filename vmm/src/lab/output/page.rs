//! The page: everything in one file of HTML.

use super::Report;
use crate::lab::chart::Chart;
use crate::lab::file::Family;
use crate::lab::result::Outcome;
use crate::lab::show::{columns, measured};
use crate::output::html::{self, escaped};
use std::fmt::Write;

/// A page of a report, with the charts of each experiment.
pub(super) fn page(report: &Report<'_>, charts: &[Vec<Chart>]) -> String {
    html::page("hostel lab", |out| {
        let form = if report.short { "short" } else { "full" };
        let facts = [
            ("form", form.to_owned()),
            ("hostel", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        let about =
            "Experiments of an operating-systems course, done for real in virtual machines.";
        html::head(out, "hostel lab", about, &report.host, &facts);
        overview(out, report.outcomes);
        for (outcome, charts) in report.outcomes.iter().zip(charts) {
            section(out, outcome, charts);
        }
    })
}

/// Every experiment and whether it came out, by families.
fn overview(out: &mut String, outcomes: &[Outcome<'_>]) {
    out.push_str("<section>\n<h2>At a glance</h2>\n<ul class=\"glance\">\n");
    for family in Family::ALL {
        let of_family = outcomes
            .iter()
            .filter(|outcome| outcome.experiment.family == family);
        let chips = of_family.map(|outcome| {
            let (name, class) = (&outcome.experiment.name, class(outcome));
            let word = if outcome.came_out() { "as expected" } else { "not as expected" };
            format!(" <span class=\"{class}\"><a class=\"chip\" href=\"#{name}\">{name}</a> <b>{word}</b></span>")
        });
        let chips: String = chips.collect();
        if !chips.is_empty() {
            let _ = writeln!(
                out,
                "<li><strong>{}</strong><br>{chips}</li>",
                family.name()
            );
        }
    }
    out.push_str("</ul>\n</section>\n");
}

fn class(outcome: &Outcome<'_>) -> &'static str {
    if outcome.came_out() { "faster" } else { "bad" }
}

fn section(out: &mut String, outcome: &Outcome<'_>, charts: &[Chart]) {
    let experiment = outcome.experiment;
    let (name, title) = (&experiment.name, escaped(&experiment.title));
    let (about, sentence) = (escaped(&experiment.about), escaped(&outcome.sentence));
    let _ = write!(
        out,
        "<section id=\"{name}\">\n<h2>{title}</h2>\n<p>{about}</p>\n\
         <p class=\"finding\">{sentence}</p>\n"
    );
    if let Some(trouble) = &outcome.trouble {
        let _ = writeln!(out, "<p class=\"bad\">{}</p>", escaped(trouble));
    }
    table(out, outcome);
    said(out, outcome);
    out.push_str("<div class=\"charts\">\n");
    for chart in charts {
        let _ = writeln!(out, "<figure>{}</figure>", chart.svg);
    }
    out.push_str("</div>\n");
    expected(out, outcome);
    out.push_str("</section>\n");
}

fn table(out: &mut String, outcome: &Outcome<'_>) {
    let columns = columns(outcome);
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr><th>run</th>");
    for (head, _) in &columns {
        let _ = write!(out, "<th>{}</th>", escaped(head));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (at, run) in measured(outcome).enumerate() {
        let _ = write!(out, "<tr><th>{}</th>", run.run.name);
        for (_, cells) in &columns {
            let _ = write!(out, "<td>{}</td>", escaped(&cells[at]));
        }
        out.push_str("</tr>\n");
    }
    for run in &outcome.runs {
        if let Some(why) = &run.failed {
            let (span, why) = (columns.len().max(1), escaped(why));
            let _ = writeln!(
                out,
                "<tr><th>{}</th><td class=\"bad\" colspan=\"{span}\">FAILED: {why}</td></tr>",
                run.run.name
            );
        }
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// Lines that the runs have said.
fn said(out: &mut String, outcome: &Outcome<'_>) {
    let talking = outcome.runs.iter().filter(|run| !run.said.lines.is_empty());
    let talking: Vec<_> = talking.collect();
    if talking.is_empty() {
        return;
    }
    out.push_str("<details><summary>What the runs say</summary>\n<dl class=\"paths\">\n");
    for run in talking {
        let lines: Vec<String> = run.said.lines.iter().map(|line| escaped(line)).collect();
        let lines = lines.join("<br>");
        let _ = writeln!(out, "<dt>{}</dt><dd>{lines}</dd>", run.run.name);
    }
    out.push_str("</dl>\n</details>\n");
}

/// What was expected, and what was found.
fn expected(out: &mut String, outcome: &Outcome<'_>) {
    let judged = outcome.verdicts.iter().filter(|one| one.unjudged.is_none());
    let all = judged.count();
    let held = all - outcome.broken().count();
    let open = if held < all { " open" } else { "" };
    let _ = writeln!(
        out,
        "<details{open}><summary>{held} of {all} expectations hold</summary>\n<div class=\"scroll\"><table><tbody>"
    );
    for verdict in &outcome.verdicts {
        let class = match (verdict.unjudged, verdict.checked.holds) {
            (Some(_), _) => "same",
            (None, true) => "faster",
            (None, false) => "bad",
        };
        let text = escaped(&verdict.text(outcome.experiment));
        let mut found = escaped(&verdict.checked.found);
        if let Some(why) = verdict.unjudged {
            let _ = write!(found, "; not judged: {why}");
        }
        let _ = writeln!(
            out,
            "<tr><th>{text}</th><td class=\"{class}\"><b>{found}</b></td></tr>"
        );
    }
    out.push_str("</tbody></table></div>\n</details>\n");
}
