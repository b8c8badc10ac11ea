//! Charts as SVG: [`frame::Frame`] has a row for each name, [`plane::Plane`] lines over two axes;
//! both on axes of [`scale::Scale`].

pub(crate) mod frame;
pub(crate) mod paint;
pub(crate) mod plane;
pub(crate) mod scale;
