//! What the tables, files and pages of [`crate::compare`] and [`crate::lab`] are made with.

pub(crate) mod chart;
pub(crate) mod csv;
pub(crate) mod files;
pub(crate) mod html;
pub(crate) mod text;
