//! Frames from the guest: legacy descriptors, checksums, segmentation.

use super::*;
use crate::e1000::spec::*;

const DATA: u64 = TX_DEXT | 1 << TX_TYPE_SHIFT;
const CONTEXT: u64 = TX_DEXT;

/// Of the headers of [`tcp`].
fn context(segment_bytes: u64, more: u64) -> [u64; 2] {
    let (ip, transport) = (14 | 24 << 8 | 33 << 16, 34 | 50 << 8);
    let kind = CONTEXT | TX_CONTEXT_IP | TX_CONTEXT_TCP | more;
    [ip | transport << 32, kind | 54 << 40 | segment_bytes << 48]
}

const SUMS: u64 = ((TX_IXSM | TX_TXSM) as u64) << 40;

/// Puts the sum of the pseudo-header, without a length, where a driver does.
fn open_sum(frame: &mut [u8], length: u16) {
    let [high, low] = length.to_be_bytes();
    let open = sum(&[&frame[26..34], &[0, 6, high, low]]);
    frame[50..52].copy_from_slice(&open.to_be_bytes());
}

#[test]
fn frames_go_out_in_order_from_any_number_of_buffers() {
    let mut machine = Machine::default();
    machine.start();
    let long = frame([2; 6], 1514);
    machine.poke(BUFFERS, &long);
    machine.transmit(&[
        [BUFFERS, 14],
        [BUFFERS + 14, 0],
        [BUFFERS + 14, 1500 | TX_EOP | TX_RS],
        [BUFFERS, 20 | TX_EOP | TX_RS],
    ]);
    assert_eq!(sent(&mut machine), long);
    let mut short = long[..20].to_vec();
    short.resize(60, 0);
    assert_eq!(sent(&mut machine), short, "filled up");
    machine.wait_done(TRANSMIT_RING, 3);
    assert_eq!(machine.rest(TRANSMIT_RING, 0) & TX_DD, 0, "not asked for");
    assert_eq!(machine.read(TDBAL + RING_HEAD), 4);
    assert_eq!((machine.read(0x4080), machine.read(0x40d4)), (2, 2));
    assert_eq!(machine.read(0x4090), 1518 + 64);
    assert_eq!(
        (machine.read(0x4094), machine.read(0x4090)),
        (0, 0),
        "cleared"
    );
    assert_eq!((machine.read(0x40ec), machine.read(0x40d8)), (1, 1));
}

#[test]
fn the_ring_goes_round() {
    let mut machine = Machine::default();
    machine.start();
    for round in 0..3 * RING_SIZE {
        let bytes = 60 + round as usize;
        let frame = frame([2; 6], bytes);
        machine.poke(BUFFERS, &frame);
        let tail = machine.transmit(&[[BUFFERS, bytes as u64 | TX_EOP | TX_RS]]);
        assert_eq!(sent(&mut machine), frame);
        let index = (tail + RING_SIZE - 1) % RING_SIZE;
        machine.wait_done(TRANSMIT_RING, index);
    }
}

#[test]
fn a_legacy_descriptor_puts_in_one_sum() {
    let mut machine = Machine::default();
    machine.start();
    let mut packet = tcp(&[5; 101]);
    open_sum(&mut packet, 20 + 101);
    machine.poke(BUFFERS, &packet);
    let (start, place) = (34 << 40, 50 << 16);
    let bytes = packet.len() as u64;
    machine.transmit(&[[BUFFERS, bytes | start | place | TX_IC | TX_EOP]]);
    assert_eq!(tcp_sum(&sent(&mut machine)), 0xffff);
}

#[test]
fn contexts_say_where_sums_go() {
    let mut machine = Machine::default();
    machine.start();
    let mut packet = tcp(&[9; 300]);
    open_sum(&mut packet, 20 + 300);
    machine.poke(BUFFERS, &packet);
    let rest = (packet.len() - 60) as u64;
    machine.transmit(&[
        context(0, 0),
        [BUFFERS, 60 | DATA | SUMS],
        // Options count in the first descriptor alone.
        [BUFFERS + 60, rest | DATA | TX_EOP],
        [BUFFERS, 354 | DATA | TX_EOP],
    ]);
    let first = sent(&mut machine);
    assert_eq!((tcp_sum(&first), ip_sum(&first)), (0xffff, 0xffff));
    assert_eq!(first[54..], packet[54..]);
    assert_eq!(sent(&mut machine), packet, "without options, as it is");
}

#[test]
fn a_large_packet_becomes_segments() {
    let mut machine = Machine::default();
    machine.start();
    let payload: Vec<u8> = (0..4000_u32).map(|at| (at / 3) as u8).collect();
    let mut packet = tcp(&payload);
    open_sum(&mut packet, 0);
    machine.poke(BUFFERS, &packet);
    machine.transmit(&[
        context(1460, TX_TSE),
        [BUFFERS, 54 | DATA | TX_TSE | SUMS],
        [BUFFERS + 54, 4000 | DATA | TX_TSE | TX_EOP | TX_RS],
    ]);
    let mut got: Vec<u8> = Vec::new();
    for (number, bytes) in [1460, 1460, 1080].into_iter().enumerate() {
        let segment = sent(&mut machine);
        assert_eq!(segment.len(), 54 + bytes);
        assert_eq!((ip_sum(&segment), tcp_sum(&segment)), (0xffff, 0xffff));
        let word = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
        assert_eq!(usize::from(word(16)), 40 + bytes, "total length");
        assert_eq!(
            word(18),
            0xffff_u16.wrapping_add(number as u16),
            "identification"
        );
        let sequence = u32::from_be_bytes(segment[38..42].try_into().unwrap());
        assert_eq!(sequence, 0xffff_ff00_u32.wrapping_add(got.len() as u32));
        let flags = if number == 2 { 0b1_1001 } else { 0b1_0000 };
        assert_eq!(segment[47], flags, "FIN and PSH in the last");
        got.extend(&segment[54..]);
    }
    assert_eq!(got, payload);
    machine.wait_for("statistics", |m| m.read(0x40f8) == 1);
}

#[test]
fn udp_over_ipv6_becomes_datagrams() {
    let mut machine = Machine::default();
    machine.start();
    let mut packet = vec![
        0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
    ];
    packet.extend([0x60, 0, 0, 0, 0, 0, 17, 64]);
    packet.extend([0x20; 32]);
    packet.extend([0, 53, 0, 53, 0, 0, 0, 0]);
    let open = sum(&[&packet[22..54], &[0, 17]]);
    packet[60..62].copy_from_slice(&open.to_be_bytes());
    packet.extend([3; 1000]);
    machine.poke(BUFFERS, &packet);
    let transport: u64 = 54 | 60 << 8;
    let kind = CONTEXT | TX_TSE | 62 << 40 | 600 << 48;
    let sums = u64::from(TX_TXSM) << 40;
    machine.transmit(&[
        [14 | transport << 32, kind],
        [BUFFERS, 1062 | DATA | TX_TSE | TX_EOP | sums],
    ]);
    for bytes in [600_u16, 400] {
        let datagram = sent(&mut machine);
        let length = bytes + 8;
        assert_eq!(datagram[18..20], length.to_be_bytes());
        assert_eq!(datagram[58..60], length.to_be_bytes());
        let pseudo = [&datagram[22..54], &[0, 17], &length.to_be_bytes()].concat();
        assert_eq!(sum(&[&pseudo, &datagram[54..]]), 0xffff);
    }
}

#[test]
fn a_tag_is_put_in_where_tags_are_on() {
    let mut machine = Machine::default();
    machine.start();
    let plain = frame([2; 6], 100);
    machine.poke(BUFFERS, &plain);
    let descriptor = [BUFFERS, 100 | TX_EOP | TX_VLE | 0x2007 << 48];
    machine.transmit(&[descriptor]);
    assert_eq!(sent(&mut machine), plain);
    machine.write(CTRL, CTRL_VME);
    machine.transmit(&[descriptor]);
    let tagged = sent(&mut machine);
    assert_eq!(tagged[12..16], [0x81, 0, 0x20, 7]);
    assert_eq!([&tagged[..12], &tagged[16..]].concat(), plain);
}

#[test]
fn a_slow_network_loses_nothing() {
    let mut machine = Machine::default();
    machine.start();
    let packet = frame([2; 6], 1514);
    machine.poke(BUFFERS, &packet);
    let descriptor = [BUFFERS, 1514 | TX_EOP | TX_RS];
    // Until the socket is full and the ring as well.
    let mut given = 0;
    let full =
        |m: &Machine| (m.read(TDBAL + RING_TAIL) + 1) % RING_SIZE == m.read(TDBAL + RING_HEAD);
    while given < 4000 && !full(&machine) {
        machine.transmit(&[descriptor]);
        given += 1;
        for _ in 0..100 {
            if !full(&machine) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(given < 4000, "the socket is never full");
    for _ in 0..given {
        assert_eq!(sent(&mut machine), packet);
    }
}

#[test]
fn a_ring_may_be_set_up_in_any_order() {
    let mut machine = Machine::default();
    machine.write(TCTL, TCTL_EN);
    let packet = frame([2; 6], 60);
    machine.poke(BUFFERS, &packet);
    machine.put(TRANSMIT_RING, 0, [BUFFERS, 60 | TX_EOP]);
    machine.write(TDBAL + RING_TAIL, 1);
    machine.write(TDBAL, TRANSMIT_RING as u32);
    machine.write(TDBAL + RING_LENGTH, 128);
    assert_eq!(sent(&mut machine), packet);
}
