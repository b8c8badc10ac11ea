//! [`Frame`]: a chart with a row for each path: its name, a plot, a figure at the end.

use super::scale::Scale;
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle};
use std::io;

/// What goes wrong when one draws.
pub(super) type Fault = DrawingAreaErrorKind<io::Error>;

/// Width of every chart.
const WIDTH: i32 = 560;
/// Room for the title and the legend, and for the axis below.
const HEAD: i32 = 62;
const FOOT: i32 = 46;
/// Room for a character of a name.
const CHAR: i32 = 8;
/// Room for the figure at the end of a row.
const FIGURE: i32 = 84;
const MARGIN: i32 = 12;
/// Side of a colour's square in the legend.
const SWATCH: i32 = 11;

const FONT: &str = "sans-serif";
/// plotters writes 1 / 1.24 of a size into the SVG.
const LARGE: f64 = 16.0 * 1.24;
const NORMAL: f64 = 14.0 * 1.24;

/// Colours. The page gives those that are not data's others in the dark: see `page.css`.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
const MUTED: RGBColor = RGBColor(0x5a, 0x64, 0x70);
const GRID: RGBColor = RGBColor(0xdd, 0xe2, 0xe8);
const BAD: RGBColor = RGBColor(0xc6, 0x28, 0x28);

/// A chart that is being drawn.
pub(super) struct Frame<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    left: i32,
    row: i32,
    rows: i32,
}

/// Size in pixels of a chart of so many rows.
fn size(rows: i32, row: i32) -> (u32, u32) {
    let height = HEAD + rows * row + FOOT;
    (WIDTH.unsigned_abs(), height.unsigned_abs())
}

/// A figure without zeros behind the point: `20.0 ms` is `20 ms`.
fn short(figure: &str) -> String {
    let (number, unit) = figure.split_at(figure.find(' ').unwrap_or(figure.len()));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number}{unit}")
}

impl<'a> Frame<'a> {
    /// A chart with a row of `row` pixels for each of `names`.
    pub(super) fn new(
        svg: &'a mut String,
        title: &str,
        names: &[&str],
        row: i32,
    ) -> Result<Self, Fault> {
        // A workload has few paths.
        let rows = names.len() as i32;
        let area = SVGBackend::with_string(svg, size(rows, row)).into_drawing_area();
        area.fill(&PAPER)?;
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let frame = Self {
            area,
            left: 2 * MARGIN + longest as i32 * CHAR,
            row,
            rows,
        };
        let at = (MARGIN, MARGIN + 6);
        frame.text(title, at, HPos::Left, LARGE, INK, FontStyle::Bold)?;
        for (nth, name) in (0..).zip(names) {
            let at = (frame.left - MARGIN, frame.middle(nth));
            frame.text(name, at, HPos::Right, NORMAL, INK, FontStyle::Normal)?;
        }
        Ok(frame)
    }

    fn text(
        &self,
        text: &str,
        at: (i32, i32),
        anchor: HPos,
        size: f64,
        color: RGBColor,
        style: FontStyle,
    ) -> Result<(), Fault> {
        let font = (FONT, size, style).into_font().color(&color);
        let font = font.pos(Pos::new(anchor, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), at, font))
    }

    /// Names the colours.
    pub(super) fn legend(&self, entries: &[(&str, RGBColor)]) -> Result<(), Fault> {
        let (mut x, y) = (MARGIN, MARGIN + 32);
        for (name, color) in entries {
            let half = SWATCH / 2;
            self.fill([(x, y - half), (x + SWATCH, y + half)], *color, 1.0)?;
            let at = (x + SWATCH + 6, y);
            self.text(name, at, HPos::Left, NORMAL, MUTED, FontStyle::Normal)?;
            x += SWATCH + 22 + name.len() as i32 * (CHAR - 1);
        }
        Ok(())
    }

    /// Draws the axis, each tick as `write` has it, and says what it is of.
    pub(super) fn axis(
        &self,
        scale: Scale,
        what: &str,
        write: impl Fn(f64) -> String,
    ) -> Result<(), Fault> {
        let bottom = HEAD + self.rows * self.row;
        for (value, place) in scale.ticks() {
            let x = self.x(place);
            let grid = vec![(x, HEAD - 4), (x, bottom)];
            self.area
                .draw(&PathElement::new(grid, GRID.stroke_width(1)))?;
            let at = (x, bottom + 11);
            self.text(
                &short(&write(value)),
                at,
                HPos::Center,
                NORMAL,
                MUTED,
                FontStyle::Normal,
            )?;
        }
        let what = match scale.is_log() {
            true => format!("{what}, logarithmic"),
            false => what.to_owned(),
        };
        let at = (self.x(0.5), bottom + 31);
        self.text(&what, at, HPos::Center, NORMAL, MUTED, FontStyle::Normal)
    }

    /// Pixels of a place on the axis.
    pub(super) fn x(&self, place: f64) -> i32 {
        let room = WIDTH - FIGURE - MARGIN - self.left;
        self.left + (f64::from(room) * place).round() as i32
    }

    /// The middle line of a row.
    pub(super) fn middle(&self, nth: i32) -> i32 {
        HEAD + nth * self.row + self.row / 2
    }

    /// A filled rectangle.
    pub(super) fn fill(
        &self,
        corners: [(i32, i32); 2],
        color: RGBColor,
        opacity: f64,
    ) -> Result<(), Fault> {
        let style: ShapeStyle = color.mix(opacity).filled();
        self.area.draw(&Rectangle::new(corners, style))
    }

    /// A filled shape with its outline.
    pub(super) fn shape(&self, points: Vec<(i32, i32)>, color: RGBColor) -> Result<(), Fault> {
        self.area
            .draw(&Polygon::new(points.clone(), color.mix(0.35).filled()))?;
        self.area
            .draw(&PathElement::new(points, color.stroke_width(1)))
    }

    /// A line.
    pub(super) fn line(&self, points: Vec<(i32, i32)>, width: u32) -> Result<(), Fault> {
        self.area
            .draw(&PathElement::new(points, INK.stroke_width(width)))
    }

    /// Writes the figure at the end of a row.
    pub(super) fn figure(&self, nth: i32, text: &str) -> Result<(), Fault> {
        let at = (WIDTH - MARGIN, self.middle(nth));
        self.text(text, at, HPos::Right, NORMAL, INK, FontStyle::Normal)
    }

    /// Writes what stands where nothing is drawn.
    pub(super) fn absent(&self, nth: i32, text: &str) -> Result<(), Fault> {
        let at = (self.x(0.0) + 6, self.middle(nth));
        self.text(text, at, HPos::Left, NORMAL, BAD, FontStyle::Normal)
    }

    /// The chart is whole.
    pub(super) fn finish(self) -> Result<(), Fault> {
        self.area.present()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_no_zeros_that_say_nothing() {
        let figures = ["20.0 ms", "1.00", "100 us", "0.50", "0", "20 %"].map(short);
        assert_eq!(figures, ["20 ms", "1", "100 us", "0.5", "0", "20 %"]);
    }
}
