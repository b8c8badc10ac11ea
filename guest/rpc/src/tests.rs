//! Clients and servers together, over a network that is only a list.

use super::*;
use crate::message::{HEADER_BYTES, Header, Kind};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use std::cell::RefCell;
use std::rc::Rc;

rpc! {
    /// An account.
    pub mod account = 7, version 2 from 1 {
        /// Adds to it; what it holds then.
        1 => fn add(amount: u64) -> u64;
        /// What somebody is greeted with.
        2 => fn greet(name: String, times: u16) -> Vec<String>;
        /// Does nothing.
        9 => fn nothing() -> ();
    }
}

#[derive(Default)]
struct Account(u64);

impl account::Procedures for Account {
    fn add(&mut self, amount: u64) -> u64 {
        self.0 += amount;
        self.0
    }

    fn greet(&mut self, name: String, times: u16) -> Vec<String> {
        (0..times).map(|_| name.clone()).collect()
    }

    fn nothing(&mut self) {}
}

type Bank = Rc<RefCell<Server<account::Skeleton<Account>>>>;

/// A server that answers at once, when it is sent something; its replies may be lost, too.
struct Network {
    bank: Bank,
    back: Lossy<Line>,
    now_ns: u64,
}

/// Messages on their way.
#[derive(Default)]
struct Line(VecDeque<Vec<u8>>);

impl Transport for Line {
    fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        self.0.push_back(message.to_vec());
        Ok(())
    }

    fn receive(&mut self, message: &mut Vec<u8>, _: u64) -> Result<(), Fault> {
        *message = self.0.pop_front().ok_or(Fault::TimedOut)?;
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        0
    }
}

impl Transport for Network {
    fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        match self.bank.borrow_mut().answer(message) {
            Some(reply) => self.back.send(&reply),
            None => Ok(()),
        }
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline_ns: u64) -> Result<(), Fault> {
        let received = self.back.receive(message, deadline_ns);
        if received.is_err() {
            self.now_ns = deadline_ns;
        }
        received
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }
}

fn open(semantics: Semantics, faults: Faults) -> (account::Stub<Lossy<Network>>, Bank) {
    let server = Server::new(account::Skeleton(Account::default()));
    let bank = Rc::new(RefCell::new(server));
    let network = Network {
        bank: bank.clone(),
        back: Lossy::new(
            Line::default(),
            Faults {
                seed: faults.seed + 1,
                ..faults
            },
        ),
        now_ns: 0,
    };
    let settings = Settings {
        semantics,
        timeout_ns: 10,
        tries: 50,
    };
    let client = Client::new(Lossy::new(network, faults), 3, settings);
    (account::Stub(client), bank)
}

const BAD: Faults = Faults {
    lost_permille: 250,
    doubled_permille: 250,
    seed: 5,
};

#[test]
fn procedures_are_called_with_their_arguments() {
    let (mut stub, bank) = open(Semantics::AtMostOnce, Faults::default());
    assert_eq!(stub.add(5), Ok(5));
    assert_eq!(stub.add(6), Ok(11));
    let greeted = stub.greet("you".into(), 2);
    assert_eq!(greeted, Ok(["you".into(), "you".into()].into()));
    assert_eq!(stub.nothing(), Ok(()));
    let counts = stub.0.counts();
    assert_eq!((counts.calls, counts.requests, counts.ignored), (4, 4, 0));
    assert_eq!(bank.borrow().counts().executed, 4);
}

#[test]
fn at_most_once_executes_each_request_once_whatever_is_lost() {
    let (mut stub, bank) = open(Semantics::AtMostOnce, BAD);
    for call in 1..=200 {
        assert_eq!(stub.add(1), Ok(call));
    }
    let counts = bank.borrow().counts();
    assert_eq!(counts.executed, 200);
    assert!(counts.repeated > 20 && stub.0.counts().requests > 220);
}

#[test]
fn at_least_once_executes_what_is_asked_again_again() {
    let (mut stub, bank) = open(Semantics::AtLeastOnce, BAD);
    for _ in 0..200 {
        assert!(stub.add(1).is_ok());
    }
    let counts = bank.borrow().counts();
    assert!(counts.executed > 220 && counts.repeated == 0);
    assert!(stub.0.transport().faults().0 > 20 && stub.0.transport().faults().1 > 20);
}

#[test]
fn nothing_that_arrives_is_waited_for_so_long_and_no_longer() {
    let silent = Faults {
        lost_permille: 1000,
        ..Faults::default()
    };
    let (mut stub, _) = open(Semantics::AtMostOnce, silent);
    assert_eq!(stub.add(1), Err(CallError::NoAnswer));
    assert_eq!(stub.0.counts().requests, 50);
    assert_eq!(stub.0.transport().now_ns(), 500);
}

fn header(interface: u32, version: u16, procedure: u16, number: u64) -> Header {
    Header {
        kind: Kind::Request(Semantics::AtMostOnce),
        interface,
        version,
        procedure,
        client: 1,
        number,
    }
}

#[test]
fn what_the_server_does_not_have_is_refused_by_name() {
    let mut server = Server::new(account::Skeleton(Account::default()));
    let two = 2_u64.to_le_bytes();
    let requests = [
        (header(7, 1, 1, 1), two.as_slice(), Status::Done),
        (header(7, 2, 1, 2), &two, Status::Done),
        (header(8, 1, 1, 3), &two, Status::NoInterface),
        (header(7, 0, 1, 4), &two, Status::WrongVersion),
        (header(7, 3, 1, 5), &two, Status::WrongVersion),
        (header(7, 1, 3, 6), &two, Status::NoProcedure),
        (header(7, 1, 1, 7), &two[..7], Status::BadArguments),
        (header(7, 1, 9, 8), &two, Status::BadArguments),
        (header(7, 1, 2, 9), &[255; 6], Status::BadArguments),
    ];
    for (request, arguments, status) in requests {
        let reply = server.answer(&request.message(arguments)).unwrap();
        let expected = Header {
            kind: Kind::Reply(status),
            ..request
        };
        assert_eq!(Header::parse(&reply).unwrap().0, expected);
    }
    assert_eq!(server.counts().refused, 7);
    // Nobody waits for those.
    assert_eq!(server.answer(&header(7, 1, 1, 2).message(&two)), None);
    assert_eq!(server.answer(&[0; HEADER_BYTES]), None);
    assert_eq!(server.answer(&[]), None);
    assert_eq!(server.counts().ignored, 3);
    assert_eq!(server.service().0.0, 4);
}

#[test]
fn replies_to_others_are_not_taken_for_ones_own() {
    let (mut stub, bank) = open(Semantics::AtMostOnce, Faults::default());
    let stranger = header(7, 1, 1, 1).message(&9_u64.to_le_bytes());
    let reply = bank.borrow_mut().answer(&stranger).unwrap();
    let network = stub.0.transport_mut().inner_mut();
    network.back.send(&reply).unwrap();
    network.back.send(b"no reply at all").unwrap();
    assert_eq!(stub.add(1), Ok(10));
    assert_eq!(stub.0.counts().ignored, 2);
}

#[test]
fn a_result_that_is_none_and_arguments_that_are_too_long_are_errors() {
    struct Wrong;
    impl Transport for Wrong {
        fn send(&mut self, _: &[u8]) -> Result<(), Fault> {
            Ok(())
        }
        fn receive(&mut self, message: &mut Vec<u8>, _: u64) -> Result<(), Fault> {
            let reply = Header {
                kind: Kind::Reply(Status::Done),
                client: 3,
                ..header(7, 2, 1, 1)
            };
            *message = reply.message(&[1, 2, 3]);
            Ok(())
        }
        fn now_ns(&self) -> u64 {
            0
        }
    }
    let settings = Settings {
        semantics: Semantics::AtMostOnce,
        timeout_ns: 1,
        tries: 1,
    };
    let mut stub = account::Stub(Client::new(Wrong, 3, settings));
    assert_eq!(stub.add(1), Err(CallError::BadResult));
    let long = "n".repeat(message::MOST_BYTES);
    assert_eq!(stub.greet(long, 1), Err(CallError::TooLong));
}
