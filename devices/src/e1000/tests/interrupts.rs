//! Causes, masks, delays.

use super::*;
use crate::e1000::spec::*;
use std::time::Instant;

#[test]
fn a_cause_interrupts_as_long_as_it_is_there_and_not_masked() {
    let machine = Machine::default();
    machine.write(ICS, CAUSE_LSC | CAUSE_RXT0);
    assert!(!machine.interrupts(), "nothing is let through");
    machine.write(IMS, CAUSE_LSC);
    assert!(machine.interrupts());
    machine.write(IMC, CAUSE_LSC);
    assert!(!machine.interrupts());
    machine.write(IMS, CAUSE_RXT0);
    assert!(machine.interrupts());
    machine.command(0b111 | 1 << 10);
    assert!(!machine.interrupts(), "INTx is disabled");
    machine.command(0b111);
    machine.write(ICR, CAUSE_RXT0);
    assert!(!machine.interrupts(), "cleared by a write");
    assert_eq!(machine.read(ICR), CAUSE_LSC);
    assert_eq!(machine.read(ICR), 0, "cleared by the read");
}

#[test]
fn interrupts_keep_their_distance() {
    let machine = Machine::default();
    // 16.7 ms.
    machine.write(ITR, 0xffff);
    machine.write(IMS, CAUSE_LSC);
    let start = Instant::now();
    machine.write(ICS, CAUSE_LSC);
    assert!(machine.interrupts(), "the first at once");
    machine.read(ICR);
    machine.write(ICS, CAUSE_LSC);
    let soon = machine.interrupts();
    assert!(!soon || start.elapsed() >= Duration::from_millis(16));
    machine.wait_for("second", Machine::interrupts);
    assert!(start.elapsed() >= Duration::from_millis(16));
}

#[test]
fn received_frames_are_told_of_after_a_delay_or_at_once() {
    let mut machine = Machine::default();
    machine.start();
    machine.write(IMS, CAUSE_RXT0);
    // 67 ms after the last, but 20 ms after the first.
    const LATER: Duration = Duration::from_millis(67);
    machine.write(RDTR, 0xffff);
    machine.write(RADV, 20_000);
    let start = Instant::now();
    machine.send(&frame(MAC.0, 60));
    machine.wait_done(RECEIVE_RING, 0);
    machine.wait_for("interrupt", Machine::interrupts);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(20), "{waited:?}");
    assert_eq!(machine.read(ICR) & CAUSE_RXT0, CAUSE_RXT0);
    // Without the longest delay, and until the driver has enough of waiting.
    machine.write(RADV, 0);
    machine.send(&frame(MAC.0, 60));
    machine.wait_done(RECEIVE_RING, 1);
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 2);
    machine.write(RDTR, RDTR_FPD | 0xffff);
    assert!(machine.interrupts());
    machine.read(ICR);
    // A small frame is told of at once.
    machine.write(IMS, CAUSE_SRPD);
    machine.write(RSRPD, 100);
    let start = Instant::now();
    machine.send(&frame(MAC.0, 60));
    machine.wait_for("small frame", Machine::interrupts);
    let causes = machine.read(ICR);
    assert_eq!(causes & CAUSE_SRPD, CAUSE_SRPD);
    assert!(causes & CAUSE_RXT0 == 0 || start.elapsed() >= LATER);
}

#[test]
fn sent_frames_are_told_of_after_a_delay_or_at_once() {
    let mut machine = Machine::default();
    machine.start();
    machine.poke(BUFFERS, &frame([2; 6], 60));
    machine.write(IMS, CAUSE_TXDW);
    machine.write(TIDV, 20_000);
    let start = Instant::now();
    let descriptor = [BUFFERS, 60 | TX_EOP | TX_RS];
    machine.transmit(&[[BUFFERS, descriptor[1] | TX_IDE]]);
    machine.wait_for("interrupt", Machine::interrupts);
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!(machine.read(ICR), CAUSE_TXDW | CAUSE_TXQE);
    machine.write(TIDV, 0xffff);
    machine.transmit(&[descriptor]);
    machine.wait_for("interrupt", Machine::interrupts);
    machine.read(ICR);
    // Without a report, no cause.
    machine.transmit(&[[BUFFERS, 60 | TX_EOP]]);
    (0..3).for_each(|_| assert_eq!(sent(&mut machine).len(), 60));
    assert_eq!(machine.read(ICR) & CAUSE_TXDW, 0);
    assert_eq!(machine.rest(TRANSMIT_RING, 2) & TX_DD, 0);
}

#[test]
fn the_end_of_the_network_is_the_links() {
    let machine = Machine::default();
    machine.start();
    machine.write(IMS, CAUSE_LSC);
    machine.peer.shutdown(std::net::Shutdown::Both).unwrap();
    machine.wait_for("interrupt", Machine::interrupts);
    assert_eq!(machine.read(STATUS) & STATUS_LU, 0);
    machine.write(MDIC, 2 << 26 | 1 << 21 | 1 << 16);
    assert_eq!(machine.read(MDIC) & 4, 0, "the PHY says so, too");
    // What is sent is lost, and done.
    machine.poke(BUFFERS, &frame([2; 6], 60));
    machine.transmit(&[[BUFFERS, 60 | TX_EOP | TX_RS]]);
    machine.wait_done(TRANSMIT_RING, 0);
}
