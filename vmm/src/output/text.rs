//! Text for a terminal of 80 columns: paragraphs, and tables whose columns go on below.

use std::fmt::Write;

/// Widest line.
const COLUMNS: usize = 80;
const INDENT: usize = 2;

/// A column of a table.
pub(crate) struct Column<'a> {
    pub(crate) head: &'a str,
    /// A cell for each name, in their order.
    pub(crate) cells: Vec<&'a str>,
    /// Columns of another group begin a line of their own.
    pub(crate) group: usize,
}

impl Column<'_> {
    fn width(&self) -> usize {
        let cells = self.cells.iter().chain([&self.head]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// Appends a table: names with their columns, as many side by side as there is room for. `head`
/// says what the names of the columns' first group and of the others are.
pub(crate) fn table(out: &mut String, head: [&str; 2], names: &[&str], columns: &[Column<'_>]) {
    let all = names.iter().chain(&head);
    let width = all.map(|name| name.chars().count()).max().unwrap_or(0);
    for block in blocks(columns, width) {
        let group = block.first().map_or(0, |column| column.group);
        let mut line = |name: &str, cell: &dyn Fn(&Column<'_>) -> String| {
            let _ = write!(out, "  {name:width$}");
            for column in block {
                let _ = write!(out, " {:>width$}", cell(column), width = column.width());
            }
            out.push('\n');
        };
        line(head[group.min(1)], &|column| column.head.to_owned());
        for (at, name) in names.iter().enumerate() {
            line(name, &|column| {
                column.cells.get(at).copied().unwrap_or_default().to_owned()
            });
        }
    }
}

/// Columns that stand side by side.
fn blocks<'c, 'a>(
    columns: &'c [Column<'a>],
    names: usize,
) -> impl Iterator<Item = &'c [Column<'a>]> {
    let mut used = INDENT + names;
    columns.chunk_by(move |before, column| {
        if used == INDENT + names {
            used += 1 + before.width();
        }
        used += 1 + column.width();
        let fits = used <= COLUMNS && before.group == column.group;
        if !fits {
            used = INDENT + names;
        }
        fits
    })
}

/// Appends a text behind `head` in lines of at most 80 columns, indented by the head.
pub(crate) fn lines(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    let room = COLUMNS.saturating_sub(indent).max(1);
    let mut left: Vec<char> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        // A word that is longer than a line is broken.
        for piece in word.chunks(room) {
            if !left.is_empty() && left.len() + 1 + piece.len() > room {
                lines.push(left.drain(..).collect());
            }
            if !left.is_empty() {
                left.push(' ');
            }
            left.extend(piece);
        }
    }
    lines.push(left.into_iter().collect());
    let mut before = head.to_owned();
    for line in lines {
        let _ = writeln!(out, "{before}{line}");
        before = " ".repeat(indent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column<'a>(head: &'a str, cell: &'a str, group: usize) -> Column<'a> {
        Column {
            head,
            cells: vec![cell],
            group,
        }
    }

    #[test]
    fn columns_go_on_below_where_there_is_no_more_room() {
        let wide = "x".repeat(30);
        let columns = [
            column("a", &wide, 0),
            column("b", &wide, 0),
            column("c", &wide, 0),
            column("d", "1", 1),
        ];
        let mut out = String::new();
        table(&mut out, ["run", "cost"], &["one"], &columns);
        let heads = out.lines().step_by(2);
        let heads: Vec<Vec<&str>> = heads
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            heads,
            [vec!["run", "a", "b"], vec!["run", "c"], vec!["cost", "d"]]
        );
        assert!(out.lines().all(|line| line.chars().count() <= COLUMNS));
    }
}
