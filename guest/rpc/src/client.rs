//! The client's half: one call at a time, asked again when no reply comes in time.

use alloc::vec::Vec;

use crate::message::{Header, Kind, MOST_BYTES, Semantics, Status};
use crate::transport::{Fault, Transport};

/// Why a call has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No reply came, as often as it was asked: the server may have executed it or not.
    NoAnswer,
    /// The server has gone.
    Lost,
    /// The server would not.
    Refused(Status),
    /// The result is none of the procedure's.
    BadResult,
    /// The arguments are too long for a message.
    TooLong,
}

/// How a client asks.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often what is asked again may be executed.
    pub semantics: Semantics,
    /// How long a reply is waited for, each time.
    pub timeout_ns: u64,
    /// How often it is asked, at most.
    pub tries: u32,
}

/// What a client has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Calls.
    pub calls: u64,
    /// Requests sent, those again included.
    pub requests: u64,
    /// Replies that were not waited for any more, and what was no reply.
    pub ignored: u64,
}

/// A client of one server.
pub struct Client<T> {
    transport: T,
    settings: Settings,
    number: u64,
    last_request: u64,
    counts: ClientCounts,
}

impl<T: Transport> Client<T> {
    /// One of that number, which no other client of the server has.
    pub fn new(transport: T, number: u64, settings: Settings) -> Self {
        Self {
            transport,
            settings,
            number,
            last_request: 0,
            counts: ClientCounts::default(),
        }
    }

    /// What it has done so far.
    pub fn counts(&self) -> ClientCounts {
        self.counts
    }

    /// What it sends over.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// The same, to be changed.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Has a procedure of an interface, by number and version, executed; the result's bytes.
    pub fn call(
        &mut self,
        (interface, version): (u32, u16),
        procedure: u16,
        arguments: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.last_request += 1;
        self.counts.calls += 1;
        let header = Header {
            kind: Kind::Request(self.settings.semantics),
            interface,
            version,
            procedure,
            client: self.number,
            number: self.last_request,
        };
        let message = header.message(arguments);
        if message.len() > MOST_BYTES {
            return Err(CallError::TooLong);
        }
        for _ in 0..self.settings.tries {
            self.counts.requests += 1;
            match self.transport.send(&message).and_then(|()| self.reply()) {
                Ok((Status::Done, result)) => return Ok(result),
                Ok((status, _)) => return Err(CallError::Refused(status)),
                Err(Fault::TimedOut) => {}
                Err(Fault::Closed) => return Err(CallError::Lost),
            }
        }
        Err(CallError::NoAnswer)
    }

    /// Waits for the reply to the last request.
    fn reply(&mut self) -> Result<(Status, Vec<u8>), Fault> {
        let now_ns = self.transport.now_ns();
        let deadline_ns = now_ns.saturating_add(self.settings.timeout_ns);
        let mut message = Vec::new();
        loop {
            self.transport.receive(&mut message, deadline_ns)?;
            if let Ok((header, result)) = Header::parse(&message)
                && let Kind::Reply(status) = header.kind
                && (header.client, header.number) == (self.number, self.last_request)
            {
                return Ok((status, Vec::from(result)));
            }
            self.counts.ignored += 1;
        }
    }
}
