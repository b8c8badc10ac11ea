//! Messages: a header of 32 bytes, then arguments or a result.
//!
//! | bytes | what |
//! |---|---|
//! | 0-1 | [`MAGIC`] |
//! | 2 | [`WIRE`]: the version of this format and of [`crate::marshal`] |
//! | 3 | what it is: 1, 2 a request of either [`Semantics`]; 3 a reply |
//! | 4-7 | the interface's number |
//! | 8-9 | the interface's version, as the client knows it |
//! | 10-11 | the procedure's number |
//! | 12-15 | a reply's [`Status`] |
//! | 16-23 | the client's number |
//! | 24-31 | the request's number among the client's |

use alloc::vec::Vec;

use crate::marshal::{Malformed, Marshal, Reader};

/// The first bytes of each message.
pub const MAGIC: u16 = 0x4852;
/// The only version of the format so far.
pub const WIRE: u8 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// Most bytes of a message.
pub const MOST_BYTES: usize = 64 * 1024;

const REPLY: u8 = 3;

/// How often a request is executed that is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantics {
    /// Each time: once at least, if there is a reply.
    AtLeastOnce = 1,
    /// Not again: the reply is kept and said again.
    AtMostOnce = 2,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Well; the result follows.
    Done = 0,
    /// The server has another interface.
    NoInterface = 1,
    /// The server does not know that version of it.
    WrongVersion = 2,
    /// The interface has no such procedure.
    NoProcedure = 3,
    /// Those are no arguments of the procedure.
    BadArguments = 4,
}

const STATUSES: [Status; 5] = [
    Status::Done,
    Status::NoInterface,
    Status::WrongVersion,
    Status::NoProcedure,
    Status::BadArguments,
];

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something is to be done.
    Request(Semantics),
    /// It has been.
    Reply(Status),
}

/// What stands before arguments and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is.
    pub kind: Kind,
    /// Number of the interface.
    pub interface: u32,
    /// Its version.
    pub version: u16,
    /// Number of the procedure.
    pub procedure: u16,
    /// Number of the client.
    pub client: u64,
    /// Number of the request among those of the client, from 1 up.
    pub number: u64,
}

impl Header {
    /// The message of it and what follows.
    pub fn message(&self, rest: &[u8]) -> Vec<u8> {
        let (kind, status) = match self.kind {
            Kind::Request(semantics) => (semantics as u8, Status::Done),
            Kind::Reply(status) => (REPLY, status),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + rest.len());
        MAGIC.put(&mut bytes);
        bytes.extend_from_slice(&[WIRE, kind]);
        self.interface.put(&mut bytes);
        self.version.put(&mut bytes);
        self.procedure.put(&mut bytes);
        (status as u32).put(&mut bytes);
        self.client.put(&mut bytes);
        self.number.put(&mut bytes);
        bytes.extend_from_slice(rest);
        bytes
    }

    /// The header of a message, and what follows it.
    pub fn parse(message: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let from = &mut Reader::new(message);
        if u16::take(from)? != MAGIC || u8::take(from)? != WIRE {
            return Err(Malformed);
        }
        let kind = u8::take(from)?;
        let (interface, version) = (u32::take(from)?, u16::take(from)?);
        let (procedure, status) = (u16::take(from)?, u32::take(from)?);
        let header = Self {
            kind: kind_of(kind, status).ok_or(Malformed)?,
            interface,
            version,
            procedure,
            client: u64::take(from)?,
            number: u64::take(from)?,
        };
        Ok((header, &message[HEADER_BYTES..]))
    }
}

fn kind_of(kind: u8, status: u32) -> Option<Kind> {
    const AT_LEAST_ONCE: u8 = Semantics::AtLeastOnce as u8;
    const AT_MOST_ONCE: u8 = Semantics::AtMostOnce as u8;
    match (kind, status) {
        (AT_LEAST_ONCE, 0) => Some(Kind::Request(Semantics::AtLeastOnce)),
        (AT_MOST_ONCE, 0) => Some(Kind::Request(Semantics::AtMostOnce)),
        (REPLY, _) => {
            let status = STATUSES.iter().find(|known| **known as u32 == status)?;
            Some(Kind::Reply(*status))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        kind: Kind::Request(Semantics::AtMostOnce),
        interface: 0x0a0b_0c0d,
        version: 2,
        procedure: 0x0102,
        client: 5,
        number: u64::MAX,
    };

    #[test]
    fn headers_come_back_with_what_follows_them() {
        let statuses = STATUSES.map(Kind::Reply);
        let requests = [Semantics::AtLeastOnce, Semantics::AtMostOnce].map(Kind::Request);
        for kind in statuses.into_iter().chain(requests) {
            let header = Header { kind, ..HEADER };
            let message = header.message(b"rest");
            assert_eq!(message.len(), HEADER_BYTES + 4);
            assert_eq!(Header::parse(&message), Ok((header, b"rest".as_slice())));
        }
    }

    #[test]
    fn the_layout_is_the_one_above() {
        let message = HEADER.message(b"");
        let expected = [
            0x52, 0x48, 1, 2, 0x0d, 0x0c, 0x0b, 0x0a, 2, 0, 2, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0,
            0, 255, 255, 255, 255, 255, 255, 255, 255,
        ];
        assert_eq!(message, expected);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let message = HEADER.message(b"");
        for short in 0..HEADER_BYTES {
            assert_eq!(Header::parse(&message[..short]), Err(Malformed));
        }
        // Magic, version of the format, kind, a status in a request, a status that there is not.
        for (at, byte) in [(0, 0), (1, 0), (2, 2), (3, 0), (3, 4), (12, 1)] {
            let mut broken = message.clone();
            broken[at] = byte;
            assert_eq!(Header::parse(&broken), Err(Malformed), "byte {at}");
        }
        let mut reply = message;
        reply[3] = REPLY;
        reply[12] = STATUSES.len() as u8;
        assert_eq!(Header::parse(&reply), Err(Malformed));
    }
}
