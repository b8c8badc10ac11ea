//! A driver against the manual.

use super::*;
use crate::e1000::spec::*;
use crate::net::MAX_FRAME_BYTES;

const DATA: u64 = TX_DEXT | 1 << TX_TYPE_SHIFT;

/// The card still sends and receives.
fn works(machine: &mut Machine) {
    machine.write(CTRL, CTRL_RST);
    machine.start();
    let packet = frame(MAC.0, 77);
    machine.poke(BUFFERS, &packet);
    machine.transmit(&[[BUFFERS, 77 | TX_EOP]]);
    assert_eq!(sent(machine), packet);
    machine.send(&packet);
    // One that has waited may come before.
    let arrives = |m: &Machine| (0..2).any(|at| m.rest(RECEIVE_RING, at) as u16 == 77);
    machine.wait_for("frame", arrives);
}

/// What was sent is a frame that came later: nothing else goes out.
fn nothing_but(machine: &mut Machine, bytes: usize) {
    let last = frame([2; 6], bytes);
    machine.poke(BUFFERS + 0x8000, &last);
    machine.transmit(&[[BUFFERS + 0x8000, bytes as u64 | TX_EOP]]);
    assert_eq!(sent(machine), last);
}

#[test]
fn packets_that_make_no_sense_are_lost_and_done() {
    let mut machine = Machine::default();
    machine.start();
    machine.poke(BUFFERS, &frame([2; 6], 4000));
    let context = |header: u64, bytes: u64| [0, TX_DEXT | TX_TSE | header << 40 | bytes << 48];
    let cut = |bytes: u64| [BUFFERS, bytes | DATA | TX_TSE | TX_EOP | TX_RS];
    let cases: [&[[u64; 2]]; 12] = [
        // Without an address, of no bytes, shorter than a header, too long.
        &[[u64::MAX - 100, 200 | TX_EOP]],
        &[[BUFFERS, TX_EOP]],
        &[[BUFFERS, 13 | TX_EOP]],
        &[[BUFFERS, 16_289 | DATA | TX_EOP]],
        // Partly beyond the end of memory, and in the card's own window.
        &[[MEMORY_BYTES - 10, 60 | TX_EOP]],
        &[[0xc000_0000, 60 | TX_EOP]],
        // Segments of nothing, headers of nothing, of more than there is; too long a segment.
        &[context(54, 0), cut(1000)],
        &[context(0, 1000), cut(1000)],
        &[context(54, 1000), cut(54)],
        &[context(200, 0xffff), cut(3000)],
        // No such type; one that is only a context.
        &[[BUFFERS, 60 | TX_DEXT | 7 << TX_TYPE_SHIFT | TX_EOP]],
        &[context(54, 1000)],
    ];
    for (case, descriptors) in cases.into_iter().enumerate() {
        machine.transmit(descriptors);
        nothing_but(&mut machine, 100 + case);
    }
}

#[test]
fn a_packet_without_end_takes_no_more_memory_than_the_longest() {
    let mut machine = Machine::default();
    machine.start();
    machine.poke(BUFFERS, &frame([2; 6], 4000));
    for _ in 0..100 {
        let tail = machine.transmit(&[[0, 0xf_ffff | DATA]; 8]);
        machine.wait_for("descriptors", |m| m.read(TDBAL + RING_HEAD) == tail);
    }
    let card = machine.card.lock().unwrap();
    let engine = card.shared.engine.lock().unwrap();
    let kept = engine.transmitter.packet.as_ref().expect("half a packet");
    assert!(kept.bytes.capacity() <= 2 * MAX_FRAME_BYTES);
    drop(engine);
    drop(card);
    machine.transmit(&[[BUFFERS, 60 | TX_EOP]]);
    nothing_but(&mut machine, 99);
    works(&mut machine);
}

#[test]
fn sums_beyond_the_packet_change_nothing() {
    let mut machine = Machine::default();
    machine.start();
    let packet = frame([2; 6], 100);
    machine.poke(BUFFERS, &packet);
    let sums = u64::from(TX_IXSM | TX_TXSM) << 40;
    // Places at and beyond the end, starts behind the end.
    for context in [
        99 << 8 | 255 << 40,
        200 | 20 << 8 | 200 << 32 | 20 << 40,
        50 | 20 << 8 | 10 << 16 | 50 << 32 | 20 << 40 | 10 << 48,
    ] {
        machine.transmit(&[[context, TX_DEXT], [BUFFERS, 100 | DATA | TX_EOP | sums]]);
        assert_eq!(sent(&mut machine), packet, "{context:#x}");
    }
    let legacy = 200 << 40 | 99 << 16;
    machine.transmit(&[[BUFFERS, 100 | TX_EOP | TX_IC | legacy]]);
    assert_eq!(sent(&mut machine), packet);
    // In segments, headers that are not there.
    let context = [
        0xff_ff_ff,
        TX_DEXT | TX_TSE | TX_CONTEXT_TCP | 20 << 40 | 40 << 48,
    ];
    machine.transmit(&[context, [BUFFERS, 100 | DATA | TX_TSE | TX_EOP | sums]]);
    assert_eq!([60, 60].map(|_| sent(&mut machine).len()), [60, 60]);
}

#[test]
fn rings_that_lie_stand_still() {
    let mut machine = Machine::default();
    let wrong: [&[(u32, u32)]; 6] = [
        // No descriptors; head or tail beyond the end.
        &[(RING_LENGTH, 0)],
        &[(RING_HEAD, 16)],
        &[(RING_TAIL, 18)],
        &[(RING_TAIL, 0xffff), (RING_HEAD, 0xfffe)],
        // Outside memory: beyond its end, in the card's window, at the end of all addresses.
        &[(0, MEMORY_BYTES as u32), (RING_TAIL, 5)],
        &[(0, 0xffff_fff0), (RING_HIGH, u32::MAX), (RING_TAIL, 5)],
    ];
    for writes in wrong {
        for ring in [TDBAL, RDBAL] {
            machine.start();
            machine.write(RDBAL + RING_HEAD, 0);
            for (register, value) in writes {
                machine.write(ring + register, *value);
            }
            let head = machine.read(ring + RING_HEAD);
            machine.send(&frame(MAC.0, 60));
            machine.write(ring + RING_TAIL, machine.read(ring + RING_TAIL));
            std::thread::sleep(Duration::from_millis(5));
            if ring == TDBAL {
                machine.wait_done(RECEIVE_RING, 0);
            }
            assert_eq!(machine.read(ring + RING_HEAD), head, "{writes:x?}");
            works(&mut machine);
            machine.write(CTRL, CTRL_RST);
        }
    }
}

#[test]
fn a_ring_that_leaves_memory_stops_there() {
    let mut machine = Machine::default();
    machine.start();
    machine.write(TDBAL, (MEMORY_BYTES - 2 * DESCRIPTOR_BYTES) as u32);
    let packet = frame([2; 6], 60);
    machine.poke(BUFFERS, &packet);
    for index in 0..2 {
        machine.put(MEMORY_BYTES - 32, index, [BUFFERS, 60 | TX_EOP]);
    }
    machine.write(TDBAL + RING_TAIL, 9);
    assert_eq!([0, 1].map(|_| sent(&mut machine)), [packet.clone(), packet]);
    machine.wait_for("head", |m| m.read(TDBAL + RING_HEAD) == 2);
    // The same of a frame whose second descriptor is not there. (A receiver that is on may look at
    // a ring that is about to be moved.)
    let mut machine = Machine::default();
    machine.write(RDBAL, (MEMORY_BYTES - DESCRIPTOR_BYTES) as u32);
    machine.write(RDBAL + RING_LENGTH, RING_SIZE * DESCRIPTOR_BYTES as u32);
    machine.put(MEMORY_BYTES - 16, 0, [RECEIVE_BUFFERS, 0]);
    machine.write(RDBAL + RING_TAIL, RING_SIZE - 1);
    machine.write(RCTL, RCTL_EN | RCTL_SECRC | 3 << RCTL_BSIZE_SHIFT);
    machine.send(&frame(MAC.0, 400));
    machine.wait_done(MEMORY_BYTES - 16, 0);
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 2);
    works(&mut machine);
}

#[test]
fn received_frames_do_not_go_where_no_memory_is() {
    let mut machine = Machine::default();
    machine.start();
    for (index, at) in [0xc000_0000, MEMORY_BYTES - 20, u64::MAX - 5]
        .into_iter()
        .enumerate()
    {
        machine.put(RECEIVE_RING, index as u32, [at, 0]);
    }
    (0..4).for_each(|_| machine.send(&frame(MAC.0, 60)));
    assert_eq!(machine.wait_done(RECEIVE_RING, 3) as u16, 60);
    assert_eq!(
        machine.peek(RECEIVE_BUFFERS + 3 * 2048, 60),
        frame(MAC.0, 60)
    );
}

#[test]
fn memory_is_left_alone_without_bus_mastering_and_after_a_switch_is_off() {
    let mut machine = Machine::default();
    machine.start();
    machine.command(0b011);
    machine.poke(BUFFERS, &frame([2; 6], 60));
    machine.transmit(&[[BUFFERS, 60 | TX_EOP | TX_RS]]);
    machine.send(&frame(MAC.0, 60));
    std::thread::sleep(Duration::from_millis(10));
    let untouched = |m: &Machine| (m.rest(TRANSMIT_RING, 0) | m.rest(RECEIVE_RING, 0)) & TX_DD == 0;
    assert!(untouched(&machine));
    // Back on, what has waited goes on.
    machine.command(0b111);
    machine.wait_done(TRANSMIT_RING, 0);
    machine.wait_done(RECEIVE_RING, 0);
    assert_eq!(sent(&mut machine).len(), 60);
    for switch in [(TCTL, TX_DD), (RCTL, TX_DD)] {
        machine.write(switch.0, 0);
    }
    machine.transmit(&[[BUFFERS, 60 | TX_EOP | TX_RS]]);
    machine.send(&frame(MAC.0, 60));
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(machine.rest(TRANSMIT_RING, 1) & TX_DD, 0);
    assert_eq!(machine.rest(RECEIVE_RING, 1) & TX_DD, 0);
}

#[test]
fn half_a_packet_goes_with_a_reset() {
    let mut machine = Machine::default();
    machine.start();
    machine.poke(BUFFERS, &frame([2; 6], 200));
    machine.transmit(&[[BUFFERS, 100]]);
    machine.wait_for("head", |m| m.read(TDBAL + RING_HEAD) == 1);
    works(&mut machine);
}

#[test]
fn resets_while_frames_go_both_ways() {
    let mut machine = Machine::default();
    machine.poke(BUFFERS, &frame([2; 6], 1000));
    let segments = [
        [0, TX_DEXT | TX_TSE | 54 << 40 | 1 << 48],
        [BUFFERS, 300 | DATA | TX_TSE | TX_EOP],
    ];
    for round in 0..200_u32 {
        machine.start();
        (0..9).for_each(|_| machine.send(&frame(MAC.0, 60)));
        machine.transmit(&[segments[0], segments[1], [BUFFERS, 60 | TX_EOP | TX_RS]]);
        match round % 3 {
            0 => machine.write(CTRL, CTRL_RST),
            1 => machine.command(0b011),
            _ => machine.write(TCTL, 0),
        }
        // From now on that memory is the driver's.
        let rings: &[u64] = match round % 3 {
            2 => &[TRANSMIT_RING],
            _ => &[TRANSMIT_RING, RECEIVE_RING],
        };
        rings
            .iter()
            .for_each(|ring| machine.poke(*ring, &[0xa5; 256]));
        std::thread::sleep(Duration::from_micros(500));
        for ring in rings {
            assert_eq!(machine.peek(*ring, 256), [0xa5; 256], "{round}");
        }
        machine.command(0b111);
        machine.write(CTRL, CTRL_RST);
        machine.peer.set_nonblocking(true).unwrap();
        while machine
            .peer
            .read(&mut [0; 4096])
            .is_ok_and(|bytes| bytes > 0)
        {}
        machine.peer.set_nonblocking(false).unwrap();
    }
}
