//! [`Paint`]: text and shapes in the colours and sizes of all charts.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle};
use std::io;

/// What goes wrong when one draws.
pub(crate) type Fault = DrawingAreaErrorKind<io::Error>;

/// Width of every chart.
pub(super) const WIDTH: i32 = 560;
/// Room for the title and the legend, and for the axis below.
pub(super) const HEAD: i32 = 62;
pub(super) const FOOT: i32 = 46;
/// Room for a character of a name.
pub(super) const CHAR: i32 = 8;
pub(super) const MARGIN: i32 = 12;
/// Side of a colour's square in the legend.
const SWATCH: i32 = 11;

const FONT: &str = "sans-serif";
/// plotters writes 1 / 1.24 of a size into the SVG.
const LARGE: f64 = 16.0 * 1.24;
const NORMAL: f64 = 14.0 * 1.24;

/// Colours. The page gives those that are not data's others in the dark: see `page.css`.
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(crate) const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
pub(super) const MUTED: RGBColor = RGBColor(0x5a, 0x64, 0x70);
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xe2, 0xe8);
pub(super) const BAD: RGBColor = RGBColor(0xc6, 0x28, 0x28);

/// Colours of data that is told apart by nothing but its place.
pub(crate) const SERIES: [RGBColor; 10] = [
    RGBColor(0x2f, 0x81, 0xc4),
    RGBColor(0xd9, 0x7b, 0x29),
    RGBColor(0x3f, 0x9b, 0x5b),
    RGBColor(0xd1, 0x49, 0x5b),
    RGBColor(0x7b, 0x5e, 0xa7),
    RGBColor(0x2a, 0x9d, 0x8f),
    RGBColor(0x9a, 0x6a, 0x4b),
    RGBColor(0xc9, 0x6b, 0xb0),
    RGBColor(0x8a, 0x93, 0x2c),
    RGBColor(0x6b, 0x78, 0x86),
];

/// The colour of the series in that place.
pub(crate) fn series(nth: usize) -> RGBColor {
    SERIES[nth % SERIES.len()]
}

/// A sheet that is painted on.
pub(super) struct Paint<'a>(DrawingArea<SVGBackend<'a>, Shift>);

impl<'a> Paint<'a> {
    /// A sheet with a title.
    pub(super) fn new(svg: &'a mut String, height: i32, title: &str) -> Result<Self, Fault> {
        let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&PAPER)?;
        let paint = Self(area);
        let at = (MARGIN, MARGIN + 6);
        paint.write(title, at, HPos::Left, LARGE, INK, FontStyle::Bold)?;
        Ok(paint)
    }

    fn write(
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
        self.0.draw(&Text::new(text.to_owned(), at, font))
    }

    pub(super) fn text(
        &self,
        text: &str,
        at: (i32, i32),
        anchor: HPos,
        color: RGBColor,
    ) -> Result<(), Fault> {
        self.write(text, at, anchor, NORMAL, color, FontStyle::Normal)
    }

    /// Names the colours, in lines of `y` and below; how many lines.
    pub(super) fn legend(&self, entries: &[(&str, RGBColor)], y: i32) -> Result<i32, Fault> {
        let (mut x, mut lines) = (MARGIN, 0);
        for (name, color) in entries {
            let width = SWATCH + 22 + name.chars().count() as i32 * (CHAR - 1);
            if x > MARGIN && x + width > WIDTH {
                (x, lines) = (MARGIN, lines + 1);
            }
            let (half, y) = (SWATCH / 2, y + lines * LEGEND_LINE);
            self.fill([(x, y - half), (x + SWATCH, y + half)], *color, 1.0)?;
            self.text(name, (x + SWATCH + 6, y), HPos::Left, MUTED)?;
            x += width;
        }
        Ok(lines + 1)
    }

    pub(super) fn fill(
        &self,
        corners: [(i32, i32); 2],
        color: RGBColor,
        opacity: f64,
    ) -> Result<(), Fault> {
        let style: ShapeStyle = color.mix(opacity).filled();
        self.0.draw(&Rectangle::new(corners, style))
    }

    /// A filled shape with its outline.
    pub(super) fn shape(&self, points: Vec<(i32, i32)>, color: RGBColor) -> Result<(), Fault> {
        self.0
            .draw(&Polygon::new(points.clone(), color.mix(0.35).filled()))?;
        self.line(points, color, 1)
    }

    pub(super) fn line(
        &self,
        points: Vec<(i32, i32)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), Fault> {
        self.0
            .draw(&PathElement::new(points, color.stroke_width(width)))
    }

    pub(super) fn point(&self, at: (i32, i32), color: RGBColor) -> Result<(), Fault> {
        self.0.draw(&Circle::new(at, 3, color.filled()))
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        self.0.present()
    }
}

/// Height of a line of a legend.
pub(super) const LEGEND_LINE: i32 = 20;

/// A figure without zeros behind the point: `20.0 ms` is `20 ms`.
pub(super) fn short(figure: &str) -> String {
    let (number, unit) = figure.split_at(figure.find(' ').unwrap_or(figure.len()));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number}{unit}")
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
