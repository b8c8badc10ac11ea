//! The server's half: executes what is asked for, and answers.

use alloc::vec::Vec;

use crate::cache::{Cache, Seen};
use crate::marshal::Reader;
use crate::message::{Header, Kind, Semantics, Status};
use crate::transport::{Fault, Transport};

/// An interface that is served; [`rpc!`](crate::rpc!) makes one of its procedures.
pub trait Service {
    /// Its number.
    const INTERFACE: u32;
    /// Its version, and the oldest whose clients it serves.
    const VERSIONS: (u16, u16);

    /// Executes a procedure; the result's bytes.
    fn execute(&mut self, procedure: u16, arguments: Reader<'_>) -> Result<Vec<u8>, Status>;
}

/// What a server has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Requests executed.
    pub executed: u64,
    /// Requests answered without, as they had been executed before.
    pub repeated: u64,
    /// Requests refused.
    pub refused: u64,
    /// Messages not answered: no requests, or such that nobody waits for.
    pub ignored: u64,
}

/// A server of one interface.
pub struct Server<S> {
    service: S,
    cache: Cache,
    counts: ServerCounts,
}

impl<S: Service> Server<S> {
    /// One of that interface.
    pub fn new(service: S) -> Self {
        Self {
            service,
            cache: Cache::default(),
            counts: ServerCounts::default(),
        }
    }

    /// What it has done so far.
    pub fn counts(&self) -> ServerCounts {
        self.counts
    }

    /// What it serves.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// Waits for a message until `deadline_ns`, and answers it.
    pub fn serve(&mut self, transport: &mut impl Transport, deadline_ns: u64) -> Result<(), Fault> {
        let mut message = Vec::new();
        transport.receive(&mut message, deadline_ns)?;
        match self.answer(&message) {
            Some(reply) => transport.send(&reply),
            None => Ok(()),
        }
    }

    /// The reply to a message, if it gets one.
    pub fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let Ok((header, arguments)) = Header::parse(message) else {
            self.counts.ignored += 1;
            return None;
        };
        match header.kind {
            Kind::Request(Semantics::AtLeastOnce) => Some(self.execute(&header, arguments)),
            Kind::Request(Semantics::AtMostOnce) => self.answer_once(&header, arguments),
            Kind::Reply(_) => {
                self.counts.ignored += 1;
                None
            }
        }
    }

    fn answer_once(&mut self, header: &Header, arguments: &[u8]) -> Option<Vec<u8>> {
        match self.cache.look(header.client, header.number) {
            Seen::Last(reply) => {
                self.counts.repeated += 1;
                Some(Vec::from(reply))
            }
            Seen::Old => {
                self.counts.ignored += 1;
                None
            }
            Seen::New => {
                let reply = self.execute(header, arguments);
                let (client, number) = (header.client, header.number);
                self.cache.keep(client, number, reply.clone());
                Some(reply)
            }
        }
    }

    fn execute(&mut self, header: &Header, arguments: &[u8]) -> Vec<u8> {
        let executed = match check::<S>(header) {
            Some(status) => Err(status),
            None => self
                .service
                .execute(header.procedure, Reader::new(arguments)),
        };
        let (status, result) = match executed {
            Ok(result) => (Status::Done, result),
            Err(status) => (status, Vec::new()),
        };
        let count = match status {
            Status::Done => &mut self.counts.executed,
            _ => &mut self.counts.refused,
        };
        *count += 1;
        let reply = Header {
            kind: Kind::Reply(status),
            ..*header
        };
        reply.message(&result)
    }
}

/// What is wrong with the interface that a request is for.
fn check<S: Service>(header: &Header) -> Option<Status> {
    let (newest, oldest) = S::VERSIONS;
    if header.interface != S::INTERFACE {
        return Some(Status::NoInterface);
    }
    (!(oldest..=newest).contains(&header.version)).then_some(Status::WrongVersion)
}
