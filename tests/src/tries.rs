//! [`within_tries`]: for counts that depend on who of host and guest comes first.

use anyhow::Result;

/// Tries of a test: on a host that is busy, one may go otherwise than it mostly does.
const TRIES: u32 = 4;

/// The result of the first try that goes well, or else of the last. What is broken fails each.
pub fn within_tries<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for nth in 1..TRIES {
        match attempt() {
            Ok(result) => return Ok(result),
            Err(error) => eprintln!("try {nth} of {TRIES}: {error:#}"),
        }
    }
    attempt()
}
