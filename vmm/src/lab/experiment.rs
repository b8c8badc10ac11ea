//! [`Experiment`]: an experiment that makes sense: names lead somewhere, formulas can be computed,
//! and of every `[[run]]` there are the runs that its values make.

use super::file::{
    AxisScale, Chart as ChartFile, ChartKind, Family, File, FileError, Ordered, Peer as PeerFile,
    Run as RunFile, Setting, Source,
};
use super::formula::{Condition, Expression, Named, Sentence};
use crate::guest;
use crate::memory::MemorySize;
use std::time::Duration;
use toml::Spanned;

/// See the module.
pub(super) struct Experiment {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) about: String,
    pub(super) family: Family,
    pub(super) cpus: u8,
    pub(super) memory: MemorySize,
    /// Of each run.
    pub(super) timeout: Duration,
    /// How often it is done at most, until all that is expected holds.
    pub(super) tries: u32,
    /// Words for the kernel.
    pub(super) append: String,
    pub(super) settings: Vec<(String, Setting)>,
    pub(super) runs: Vec<Run>,
    /// What a second VM does meanwhile, if there is one.
    pub(super) peer: Option<Run>,
    pub(super) figures: Vec<(String, Expression)>,
    pub(super) columns: Vec<String>,
    pub(super) charts: Vec<Chart>,
    pub(super) expected: Vec<Expected>,
    pub(super) sentence: Sentence,
}

/// One run of a program.
pub(super) struct Run {
    pub(super) name: String,
    /// What tells it from its like.
    pub(super) each: Vec<(String, Setting)>,
    pub(super) program: String,
    pub(super) args: String,
}

/// Something that must hold, of a run or of all.
pub(super) struct Expected {
    pub(super) run: Option<usize>,
    pub(super) text: String,
    pub(super) condition: Condition,
}

/// A chart to draw.
pub(super) struct Chart {
    pub(super) title: Option<String>,
    pub(super) shape: Shape,
}

/// What it is drawn of.
pub(super) enum Shape {
    /// A bar a run.
    Bars { y: String },
    /// Lines over numbers that tell the runs apart.
    Curve {
        x: String,
        y: String,
        by: Option<String>,
        x_scale: AxisScale,
        y_scale: AxisScale,
    },
    /// Rows of numbers: who ran when.
    Gantt { series: String },
    /// Rows of numbers: how often what.
    Histogram { series: String },
}

/// What the user wants otherwise than the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// The short form.
    pub(super) short: bool,
    /// `--set`.
    pub(super) set: Vec<(String, String)>,
    /// `--cpus`.
    pub(super) cpus: Option<u8>,
}

const CPUS: i64 = 1;
const MEMORY_MIB: i64 = 128;
const TIMEOUT_S: i64 = 60;
const TRIES: i64 = 1;

/// Most runs of an experiment.
const MOST_RUNS: usize = 1000;

impl Experiment {
    /// The experiment of a file, changed as the user wants it.
    pub(super) fn read(
        name: &str,
        source: &Source<'_>,
        changes: &Changes,
    ) -> Result<Self, FileError> {
        let file = source.parse()?;
        let reader = Reader {
            source,
            settings: settings(source, &file, changes)?,
        };
        let number = |of: &Option<Spanned<i64>>, usual, most| reader.number(of, usual, most);
        let cpus = number(&file.cpus, CPUS, 16)?;
        let (runs, of_runs) = reader.runs(&file)?;
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        let of_all = file.verdict.expect.iter().map(|text| (text, None));
        let expected = of_runs.into_iter().chain(of_all);
        let expected = expected.map(|(text, run)| reader.expected(text, run, &names));
        Ok(Self {
            name: name.to_owned(),
            title: reader.line(&file.title)?,
            about: file
                .about
                .get_ref()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            family: file.family,
            cpus: changes.cpus.unwrap_or(cpus as u8),
            memory: MemorySize(number(&file.memory_mib, MEMORY_MIB, 4096)? << 20),
            timeout: Duration::from_secs(number(&file.timeout_s, TIMEOUT_S, 3600)?),
            tries: number(&file.tries, TRIES, 10)? as u32,
            append: match &file.append {
                Some(words) => reader.line(words)?,
                None => String::new(),
            },
            figures: reader.figures(&file.figures)?,
            columns: file.table.columns.get_ref().clone(),
            charts: reader.charts(&file.chart, &runs)?,
            sentence: reader.sentence(&file.verdict.sentence, &names)?,
            expected: expected.collect::<Result<_, _>>()?,
            peer: file
                .peer
                .as_ref()
                .map(|peer| reader.peer(peer))
                .transpose()?,
            settings: reader.settings,
            runs,
        })
    }
}

/// The settings of a file with what is to be changed in them.
fn settings(
    source: &Source<'_>,
    file: &File,
    changes: &Changes,
) -> Result<Vec<(String, Setting)>, FileError> {
    let mut settings: Vec<(String, Setting)> = Vec::new();
    for (name, setting) in &file.set.0 {
        settings.push((name.get_ref().clone(), setting.clone()));
    }
    for (key, short) in &file.short.0 {
        let name = key.get_ref();
        let names = listed(file.set.0.iter().map(|(name, _)| name.get_ref().as_str()));
        let known = settings.iter_mut().find(|(known, _)| known == name);
        let (_, setting) = known.ok_or_else(|| {
            source.at(
                key,
                format!("there is no {name:?} in [set]: expected {names}"),
            )
        })?;
        if changes.short {
            *setting = short.clone();
        }
    }
    for (name, value) in &changes.set {
        if let Some((_, setting)) = settings.iter_mut().find(|(known, _)| known == name) {
            *setting = match (&*setting, value.parse()) {
                (Setting::Number(_), Ok(number)) => Setting::Number(number),
                _ => Setting::Text(value.clone()),
            };
        }
    }
    Ok(settings)
}

/// Names for a message.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    match names.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "none".to_owned(),
        names => names,
    }
}

/// Makes sense of the parts of a file.
struct Reader<'a> {
    source: &'a Source<'a>,
    settings: Vec<(String, Setting)>,
}

/// What is expected, and of which run, if it is of one.
type Wish<'a> = (&'a Spanned<String>, Option<usize>);

impl Reader<'_> {
    fn number(&self, of: &Option<Spanned<i64>>, usual: i64, most: i64) -> Result<u64, FileError> {
        let Some(number) = of else {
            return Ok(usual.unsigned_abs());
        };
        match (1..=most).contains(number.get_ref()) {
            true => Ok(number.get_ref().unsigned_abs()),
            false => Err(self.source.at(
                number,
                format!("found {}, expected 1 to {most}", number.get_ref()),
            )),
        }
    }

    /// A text that is one line.
    fn line(&self, text: &Spanned<String>) -> Result<String, FileError> {
        match text.get_ref().chars().any(char::is_control) {
            false => Ok(text.get_ref().clone()),
            true => Err(self.source.at(text, "found more than a line, expected one")),
        }
    }

    /// All runs, and what is expected of single ones.
    fn runs<'f>(&self, file: &'f File) -> Result<(Vec<Run>, Vec<Wish<'f>>), FileError> {
        let (mut runs, mut wishes) = (Vec::<Run>::new(), Vec::new());
        for run in &file.run {
            for each in combinations(&run.each, MOST_RUNS) {
                let made = self.run(run, each)?;
                if runs.iter().any(|other| other.name == made.name) {
                    let says = format!(
                        "there are two runs {:?}: expected a name that tells them apart, such as \
                         one with {{..}} for each",
                        made.name
                    );
                    return Err(self.source.at(&run.name, says));
                }
                wishes.extend(run.expect.iter().map(|text| (text, Some(runs.len()))));
                runs.push(made);
            }
            if runs.len() > MOST_RUNS {
                let says = format!("more than {MOST_RUNS} runs, expected fewer values in `each`");
                return Err(self.source.at(&run.name, says));
            }
        }
        match runs.is_empty() {
            false => Ok((runs, wishes)),
            true => Err(self
                .source
                .error(0, "there is no [[run]]: expected at least one")),
        }
    }

    /// What the second VM does.
    fn peer(&self, peer: &PeerFile) -> Result<Run, FileError> {
        Ok(Run {
            name: "peer".to_owned(),
            each: Vec::new(),
            program: self.program(&peer.program)?,
            args: self.args(&peer.args, &[])?,
        })
    }

    /// A program that there is.
    fn program(&self, name: &Spanned<String>) -> Result<String, FileError> {
        if guest::has_program(name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let programs = listed(guest::lab_programs());
        let name_text = name.get_ref();
        let says = format!("there is no program {name_text:?}: expected one of {programs}");
        Err(self.source.at(name, says))
    }

    /// Words for a program.
    fn args(
        &self,
        text: &Spanned<String>,
        each: &[(String, Setting)],
    ) -> Result<String, FileError> {
        let args = self.filled(text, each)?;
        if args.contains(|c: char| c == '#' || c.is_control()) {
            let says = "found # or a new line, expected words NAME=VALUE";
            return Err(self.source.at(text, says));
        }
        Ok(args)
    }

    fn run(&self, run: &RunFile, each: Vec<(String, Setting)>) -> Result<Run, FileError> {
        let name = self.filled(&run.name, &each)?;
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || !name.chars().all(letters) || name.ends_with('-') {
            let says = format!(
                "found the name {name:?}, expected a letter, then letters, digits, - and _"
            );
            return Err(self.source.at(&run.name, says));
        }
        Ok(Run {
            name,
            program: self.program(&run.program)?,
            args: self.args(&run.args, &each)?,
            each,
        })
    }

    /// A text with values in the place of names in braces.
    fn filled(
        &self,
        text: &Spanned<String>,
        each: &[(String, Setting)],
    ) -> Result<String, FileError> {
        let (whole, mut filled, mut at) = (text.get_ref(), String::new(), 0);
        while let Some(open) = whole[at..].find('{').map(|open| at + open) {
            let close = whole[open..].find('}').map(|close| open + close);
            let close = close.ok_or_else(|| {
                self.source
                    .within(text, open, "\"{\" has no end: expected \"}\"")
            })?;
            let name = &whole[open + 1..close];
            let mut known = each.iter().chain(&self.settings);
            let found = known.find(|(known, _)| known == name);
            let (_, value) = found.ok_or_else(|| {
                let known = each.iter().chain(&self.settings);
                let names = listed(known.map(|(name, _)| name.as_str()));
                let says = format!("there is no {name:?} in `each` or [set]: expected {names}");
                self.source.within(text, open + 1, says)
            })?;
            filled.push_str(&whole[at..open]);
            filled.push_str(&value.to_string());
            at = close + 1;
        }
        filled.push_str(&whole[at..]);
        Ok(filled)
    }

    fn figures(
        &self,
        figures: &Ordered<Spanned<String>>,
    ) -> Result<Vec<(String, Expression)>, FileError> {
        let figures = figures.0.iter().map(|(name, text)| {
            let expression = Expression::parse(text.get_ref());
            let expression = expression.map_err(|error| self.source.formula(text, error))?;
            Ok((name.get_ref().clone(), expression))
        });
        figures.collect()
    }

    fn expected(
        &self,
        text: &Spanned<String>,
        run: Option<usize>,
        names: &[&str],
    ) -> Result<Expected, FileError> {
        let condition = Condition::parse(text.get_ref());
        let condition = condition.map_err(|error| self.source.formula(text, error))?;
        self.known(text, &condition.named(), names, run.is_some())?;
        Ok(Expected {
            run,
            text: text.get_ref().clone(),
            condition,
        })
    }

    fn sentence(&self, text: &Spanned<String>, names: &[&str]) -> Result<Sentence, FileError> {
        self.line(text)?;
        let sentence = Sentence::parse(text.get_ref());
        let sentence = sentence.map_err(|error| self.source.formula(text, error))?;
        self.known(text, &sentence.named(), names, false)?;
        Ok(sentence)
    }

    /// Refuses a formula that names a run that there is not, or none where it is about no run.
    fn known(
        &self,
        text: &Spanned<String>,
        named: &[Named],
        names: &[&str],
        has_own: bool,
    ) -> Result<(), FileError> {
        for Named { at, run, figure } in named {
            let says = match run {
                Some(run) if names.contains(&run.as_str()) => continue,
                None if has_own => continue,
                Some(run) => format!(
                    "there is no run {run:?}: expected one of {}",
                    listed(names.iter().copied())
                ),
                None => format!(
                    "found {:?} of no run, expected RUN.FIGURE",
                    figure.as_deref().unwrap_or_default()
                ),
            };
            return Err(self.source.within(text, *at, says));
        }
        Ok(())
    }

    fn charts(&self, charts: &[Spanned<ChartFile>], runs: &[Run]) -> Result<Vec<Chart>, FileError> {
        let charts = charts.iter().map(|chart| {
            let shape = shape(chart.get_ref(), runs);
            let shape = shape.map_err(|says| self.source.at(chart, says))?;
            Ok(Chart {
                title: chart.get_ref().title.clone(),
                shape,
            })
        });
        charts.collect()
    }
}

/// Every combination of the values, the last name's changing first.
fn combinations(each: &Ordered<Vec<Setting>>, most: usize) -> Vec<Vec<(String, Setting)>> {
    let mut all = vec![Vec::new()];
    for (name, values) in &each.0 {
        let with = |one: Vec<(String, Setting)>| {
            values.iter().map(move |value| {
                let mut one = one.clone();
                one.push((name.get_ref().clone(), value.clone()));
                one
            })
        };
        // One more than there may be tells that there are too many.
        all = all.into_iter().flat_map(with).take(most + 1).collect();
    }
    all
}

/// What a chart is drawn of, or what it lacks.
fn shape(chart: &ChartFile, runs: &[Run]) -> Result<Shape, String> {
    let needed = |what: &Option<String>, name: &str| {
        let kind = chart.kind;
        let lacks = || format!("a chart of kind {kind:?} lacks {name}: expected {name} = \"...\"");
        what.clone().ok_or_else(|| lacks().to_lowercase())
    };
    let of_each = |name: String| {
        let known = runs.iter().flat_map(|run| &run.each);
        let mut names: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        match names.contains(&name.as_str()) {
            true => Ok(name),
            false => Err(format!(
                "there is no {name:?} in `each`: expected {}",
                listed(names.into_iter())
            )),
        }
    };
    Ok(match chart.kind {
        ChartKind::Bars => Shape::Bars {
            y: needed(&chart.y, "y")?,
        },
        ChartKind::Curve => Shape::Curve {
            x: of_each(needed(&chart.x, "x")?)?,
            y: needed(&chart.y, "y")?,
            by: chart.by.clone().map(of_each).transpose()?,
            x_scale: chart.x_scale.unwrap_or(AxisScale::Linear),
            y_scale: chart.y_scale.unwrap_or(AxisScale::Linear),
        },
        ChartKind::Gantt => Shape::Gantt {
            series: needed(&chart.series, "series")?,
        },
        ChartKind::Histogram => Shape::Histogram {
            series: needed(&chart.series, "series")?,
        },
    })
}

#[cfg(test)]
mod tests;
