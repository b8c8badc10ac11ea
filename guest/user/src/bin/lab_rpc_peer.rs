//! Laboratory: the server that `lab_rpc_remote` calls, for the second machine of an experiment.
//!
//! `lost=PERMILLE doubled=PERMILLE seed=N`: of its replies so many are lost and doubled.
#![no_std]
#![no_main]

use core::sync::atomic::AtomicU64;
use rpc::{Fault, Lossy, Server};
use user::check::{Check, Context as _, Verdict};
use user::ipc::Frames;
use user::lab::calls::{Counter, counter, faults};
use user::sys::FOREVER;

user::check!(run);

fn run(check: &mut Check) -> Verdict {
    let transport = Frames::open().context("the network card")?;
    let mut transport = Lossy::new(transport, faults(check)?);
    let number = AtomicU64::new(0);
    let mut server = Server::new(counter::Skeleton(Counter(&number)));
    while server.serve(&mut transport, FOREVER) != Err(Fault::Closed) {}
    Err("the network card has broken".into())
}
