//! The page: everything in one file of HTML, with the charts inside; nothing is fetched or run.

use crate::compare::chart::Chart;
use crate::compare::columns::{Column, columns, count, ratio};
use crate::compare::report::Report;
use crate::compare::result::{Comparison, PathResult, Ratio};
use crate::compare::sentence::sentences;
use crate::output::html::{self, escaped};
use std::fmt::Write;

/// A page of a report, with the charts of each workload.
pub(super) fn page(report: &Report<'_>, charts: &[Vec<Chart>]) -> String {
    html::page("hostel compare", |out| {
        head(out, report);
        overview(out, report.workloads);
        for (comparison, charts) in report.workloads.iter().zip(charts) {
            section(out, comparison, charts);
        }
        legend(out, report.workloads);
    })
}

fn head(out: &mut String, report: &Report<'_>) {
    let facts = [
        ("guest", report.guest.clone()),
        ("virtual processors", report.cpus.to_string()),
        ("runs of each path", report.runs.to_string()),
        ("hostel", report.hostel.to_owned()),
    ];
    let about = "The same work over each way to a device, in one virtual machine, and what each \
                 way costs.";
    html::head(out, "hostel compare", about, &report.host, &facts);
}

/// Every path of every workload beside its baseline.
fn overview(out: &mut String, comparisons: &[Comparison]) {
    out.push_str(
        "<section>\n<h2>At a glance</h2>\n<p>Operations a second, as a multiple of the best \
         emulated path's (the slowest path's, where none is emulated), which is marked =. \
         ~1 is no difference beyond the spread of the runs.</p>\n<ul class=\"glance\">\n",
    );
    for comparison in comparisons {
        let name = comparison.workload;
        let _ = write!(out, "<li><a href=\"#{name}\">{name}</a>");
        for path in &comparison.paths {
            let class = class(path.ratio);
            let shown = path.ratio.map_or(word(path).to_owned(), ratio);
            let (path, shown) = (path.path, escaped(&shown));
            let _ = write!(out, " <span class=\"{class}\">{path} <b>{shown}</b></span>");
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n</section>\n");
}

/// What stands in the place of a figure.
fn word(path: &PathResult) -> &'static str {
    path.lack().map_or("", |lack| lack.word)
}

/// How a ratio is coloured.
fn class(ratio: Option<Ratio>) -> &'static str {
    match ratio {
        None => "bad",
        Some(Ratio::Times(times)) if times > 1.0 => "faster",
        Some(Ratio::Times(_)) => "slower",
        Some(Ratio::Baseline | Ratio::Same) => "same",
    }
}

fn section(out: &mut String, comparison: &Comparison, charts: &[Chart]) {
    let name = comparison.workload;
    let about = escaped(comparison.about);
    let _ = writeln!(
        out,
        "<section id=\"{name}\">\n<h2>{name}</h2>\n<p>{about}</p>"
    );
    for sentence in sentences(comparison) {
        let _ = writeln!(out, "<p class=\"finding\">{}</p>", escaped(&sentence));
    }
    for path in &comparison.paths {
        if let Some(lack) = path.lack() {
            let (path, text) = (path.path, escaped(&lack.text()));
            let _ = writeln!(out, "<p class=\"bad\">{path} {text}</p>");
        }
    }
    figures(out, comparison);
    out.push_str("<div class=\"charts\">\n");
    for chart in charts {
        let _ = writeln!(out, "<figure>{}</figure>", chart.svg);
    }
    out.push_str("</div>\n<details><summary>The paths and their exits by kind</summary>\n<dl class=\"paths\">\n");
    for path in &comparison.paths {
        let (name, model, about) = (path.path, path.model.name(), escaped(path.about));
        let exits = escaped(&exits(path));
        let _ = writeln!(out, "<dt>{name}</dt><dd>{about} ({model}){exits}</dd>");
    }
    out.push_str("</dl>\n</details>\n</section>\n");
}

/// Exits of a path by kind and device, most first.
fn exits(path: &PathResult) -> String {
    let kinds = path.figures().map(|figures| figures.exits_by.iter());
    let mut kinds: Vec<_> = kinds.into_iter().flatten().collect();
    kinds.sort_by(|a, b| b.1.total_cmp(a.1));
    let kinds = kinds
        .into_iter()
        .map(|(kind, n)| format!("{} {kind}", count(*n)));
    match kinds.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => none,
        kinds => format!("; exits an operation: {kinds}"),
    }
}

fn figures(out: &mut String, comparison: &Comparison) {
    let columns = columns(comparison);
    if columns.is_empty() {
        return;
    }
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr><th>path</th>");
    for Column { head, about, .. } in &columns {
        let (head, about) = (escaped(head), escaped(about));
        let _ = write!(out, "<th title=\"{about}\">{head}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let mut measured = 0;
    for path in &comparison.paths {
        let name = path.path;
        let _ = write!(out, "<tr><th>{name}</th>");
        if path.figures().is_some() {
            for column in &columns {
                let _ = write!(out, "<td>{}</td>", escaped(&column.cells[measured]));
            }
            measured += 1;
        } else {
            let (span, word) = (columns.len(), word(path));
            let _ = write!(out, "<td class=\"bad\" colspan=\"{span}\">{word}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// What the columns say.
fn legend(out: &mut String, comparisons: &[Comparison]) {
    out.push_str(
        "<footer>\n<h2>What the columns say</h2>\n<p>Counts and processor times are of one \
         operation, over all runs together.</p>\n<dl class=\"paths\">\n",
    );
    let mut seen: Vec<String> = Vec::new();
    for Column { head, about, .. } in comparisons.iter().flat_map(columns) {
        if !seen.contains(&head) {
            let _ = writeln!(
                out,
                "<dt>{}</dt><dd>{}</dd>",
                escaped(&head),
                escaped(&about)
            );
            seen.push(head);
        }
    }
    out.push_str("</dl>\n</footer>\n");
}
