//! Lines of CSV (RFC 4180).

/// A line of such cells.
pub(crate) fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A figure, or nothing.
pub(crate) fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_would_break_its_line_is_quoted() {
        let cells = ["plain", "a, \"b\"", "two\nlines"].map(str::to_owned);
        assert_eq!(
            line(cells.into_iter()),
            "plain,\"a, \"\"b\"\"\",\"two\nlines\"\r\n"
        );
    }
}
