//! [`Frame`]: a chart with a row for each name: the name, a plot, a figure at the end.

use super::paint::{BAD, CHAR, FOOT, Fault, GRID, HEAD, INK, MARGIN, MUTED, Paint, WIDTH, short};
use super::scale::Scale;
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

/// Room for the figure at the end of a row.
const FIGURE: i32 = 84;
/// Letters of a name that are shown.
const LETTERS: usize = 24;

/// A chart that is being drawn.
pub(crate) struct Frame<'a> {
    paint: Paint<'a>,
    left: i32,
    row: i32,
    rows: i32,
}

impl<'a> Frame<'a> {
    /// A chart with a row of `row` pixels for each of `names`.
    pub(crate) fn new(
        svg: &'a mut String,
        title: &str,
        names: &[&str],
        row: i32,
    ) -> Result<Self, Fault> {
        // There are few rows.
        let rows = names.len() as i32;
        let paint = Paint::new(svg, HEAD + rows * row + FOOT, title)?;
        let lengths = names.iter().map(|name| name.chars().count().min(LETTERS));
        let longest = lengths.max().unwrap_or(0);
        let frame = Self {
            paint,
            left: 2 * MARGIN + longest as i32 * CHAR,
            row,
            rows,
        };
        for (nth, name) in (0..).zip(names) {
            let name: String = name.chars().take(LETTERS).collect();
            let at = (frame.left - MARGIN, frame.middle(nth));
            frame.paint.text(&name, at, HPos::Right, INK)?;
        }
        Ok(frame)
    }

    /// Names the colours.
    pub(crate) fn legend(&self, entries: &[(&str, RGBColor)]) -> Result<(), Fault> {
        self.paint.legend(entries, MARGIN + 32).map(drop)
    }

    /// Draws the axis, each tick as `write` has it, and says what it is of.
    pub(crate) fn axis(
        &self,
        scale: Scale,
        what: &str,
        write: impl Fn(f64) -> String,
    ) -> Result<(), Fault> {
        let bottom = HEAD + self.rows * self.row;
        for (value, place) in scale.ticks() {
            let x = self.x(place);
            let grid = vec![(x, HEAD - 4), (x, bottom)];
            self.paint.line(grid, GRID, 1)?;
            let at = (x, bottom + 11);
            self.paint
                .text(&short(&write(value)), at, HPos::Center, MUTED)?;
        }
        let at = (self.x(0.5), bottom + 31);
        self.paint.text(&scale.says(what), at, HPos::Center, MUTED)
    }

    /// Pixels of a place on the axis.
    pub(crate) fn x(&self, place: f64) -> i32 {
        let room = WIDTH - FIGURE - MARGIN - self.left;
        self.left + (f64::from(room) * place).round() as i32
    }

    /// The middle line of a row.
    pub(crate) fn middle(&self, nth: i32) -> i32 {
        HEAD + nth * self.row + self.row / 2
    }

    /// A filled rectangle.
    pub(crate) fn fill(
        &self,
        corners: [(i32, i32); 2],
        color: RGBColor,
        opacity: f64,
    ) -> Result<(), Fault> {
        self.paint.fill(corners, color, opacity)
    }

    /// A filled shape with its outline.
    pub(crate) fn shape(&self, points: Vec<(i32, i32)>, color: RGBColor) -> Result<(), Fault> {
        self.paint.shape(points, color)
    }

    /// A line.
    pub(crate) fn line(&self, points: Vec<(i32, i32)>, width: u32) -> Result<(), Fault> {
        self.paint.line(points, INK, width)
    }

    /// Writes the figure at the end of a row.
    pub(crate) fn figure(&self, nth: i32, text: &str) -> Result<(), Fault> {
        let at = (WIDTH - MARGIN, self.middle(nth));
        self.paint.text(text, at, HPos::Right, INK)
    }

    /// Writes what stands where nothing is drawn.
    pub(crate) fn absent(&self, nth: i32, text: &str) -> Result<(), Fault> {
        let at = (self.x(0.0) + 6, self.middle(nth));
        self.paint.text(text, at, HPos::Left, BAD)
    }

    /// The chart is whole.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        self.paint.finish()
    }
}
