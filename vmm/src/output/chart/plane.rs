//! [`Plane`]: a chart of lines over two axes.

use super::paint::{
    FOOT, Fault, GRID, HEAD, LEGEND_LINE, MARGIN, MUTED, Paint, WIDTH, series, short,
};
use super::scale::Scale;
use plotters::style::text_anchor::HPos;

/// Height of the plot, and room for the ticks of its axis.
const PLOT: i32 = 240;
const LEFT: i32 = 76;
/// Most lines of a legend that there is room for beside the usual one.
const MORE_LEGEND: i32 = 3;

/// An axis: how it goes, what it is of, how its ticks are written.
pub(crate) struct Axis<'a> {
    pub(crate) scale: Scale,
    pub(crate) what: &'a str,
    pub(crate) write: &'a dyn Fn(f64) -> String,
}

/// A line: its name and its points, in the values of the axes.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart that is being drawn.
pub(crate) struct Plane<'a> {
    paint: Paint<'a>,
    top: i32,
}

impl<'a> Plane<'a> {
    /// Draws such lines.
    pub(crate) fn draw(
        svg: &'a mut String,
        title: &str,
        axes: [&Axis<'_>; 2],
        lines: &[Line],
    ) -> Result<(), Fault> {
        let named = lines
            .iter()
            .zip(0..)
            .filter(|(line, _)| !line.name.is_empty());
        let legend: Vec<_> = named
            .map(|(line, nth)| (line.name.as_str(), series(nth)))
            .collect();
        let letters: usize = legend
            .iter()
            .map(|(name, _)| name.chars().count() + 5)
            .sum();
        let more = (letters as i32 / 75).min(MORE_LEGEND) * LEGEND_LINE;
        let top = HEAD + LEGEND_LINE + more;
        let plane = Self {
            paint: Paint::new(svg, top + PLOT + FOOT, title)?,
            top,
        };
        plane.paint.legend(&legend, MARGIN + 32)?;
        let [x, y] = axes;
        plane.axes(x, y)?;
        for (nth, line) in lines.iter().enumerate() {
            let at = |(a, b): &(f64, f64)| (plane.x(x.scale.place(*a)), plane.y(y.scale.place(*b)));
            let points: Vec<_> = line.points.iter().map(at).collect();
            for point in &points {
                plane.paint.point(*point, series(nth))?;
            }
            plane.paint.line(points, series(nth), 2)?;
        }
        plane.paint.finish()
    }

    fn axes(&self, x: &Axis<'_>, y: &Axis<'_>) -> Result<(), Fault> {
        let (bottom, right) = (self.y(0.0), self.x(1.0));
        for (value, place) in x.scale.ticks() {
            let at = self.x(place);
            self.paint
                .line(vec![(at, self.top), (at, bottom)], GRID, 1)?;
            let text = short(&(x.write)(value));
            self.paint
                .text(&text, (at, bottom + 11), HPos::Center, MUTED)?;
        }
        for (value, place) in y.scale.ticks() {
            let at = self.y(place);
            self.paint.line(vec![(LEFT, at), (right, at)], GRID, 1)?;
            let text = short(&(y.write)(value));
            self.paint.text(&text, (LEFT - 8, at), HPos::Right, MUTED)?;
        }
        let below = (self.x(0.5), bottom + 31);
        self.paint
            .text(&x.scale.says(x.what), below, HPos::Center, MUTED)?;
        let above = (MARGIN, self.top - 14);
        self.paint
            .text(&y.scale.says(y.what), above, HPos::Left, MUTED)
    }

    fn x(&self, place: f64) -> i32 {
        LEFT + (f64::from(WIDTH - 2 * MARGIN - LEFT) * place).round() as i32
    }

    fn y(&self, place: f64) -> i32 {
        self.top + PLOT - (f64::from(PLOT) * place).round() as i32
    }
}
