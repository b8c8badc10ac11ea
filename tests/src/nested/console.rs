//! What the nested host's kernel says when it is in trouble.

/// Words of lines that mean trouble, whatever a job's exit status is.
const TROUBLE: &[&str] = &[
    "BUG:",
    "WARNING: CPU",
    "Oops",
    "Kernel panic",
    "soft lockup",
    "hard LOCKUP",
    "detected stalls",
    "self-detected stall",
    "general protection fault",
    "unable to handle",
    "blocked for more than",
    "Out of memory",
];
/// Lines shown when a nested host ends without a word.
const TAIL: usize = 12;

/// The lines of a console that mean trouble.
pub fn troubles(console: &str) -> Vec<&str> {
    let lines = console.lines().map(str::trim_end);
    lines
        .filter(|line| TROUBLE.iter().any(|word| line.contains(word)))
        .collect()
}

/// The last lines of a console.
pub fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    let from = lines.len().saturating_sub(TAIL);
    lines[from..].join("\n")
}
