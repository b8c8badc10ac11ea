//! [`report`]: asks the peer of a network card (`abi::peer`) what has come of a stream.

use super::Link;
use crate::check::{Context as _, Failure, Verdict};
use abi::peer::{ADDRESS, Header, Opcode};

/// Bytes of a message that carries no load.
pub const MESSAGE_BYTES: usize = 60;

/// Has the peer say, under that number, how many frames of a stream have come as they should, and how
/// many otherwise, and begin anew. What comes before its answer is `each`'s.
pub fn report(
    link: &mut Link,
    number: u32,
    mut each: impl FnMut(&[u8]) -> Verdict,
) -> Result<(u32, u32), Failure> {
    let question = Header {
        destination: ADDRESS,
        source: link.card().address(),
        opcode: Opcode::Report,
        sequence: number,
        count: 0,
        argument: 0,
    };
    question.write(link.add(MESSAGE_BYTES).ok_or("no room for a message")?);
    loop {
        link.exchange().context("the report")?;
        let mut report = None;
        link.for_each(|frame| match Header::read(frame) {
            Some(header) if (header.opcode, header.sequence) == (Opcode::Reported, number) => {
                report = Some((header.count, header.argument));
                Ok(())
            }
            _ => each(frame),
        })?;
        if let Some(report) = report {
            return Ok(report);
        }
    }
}
