//! A real TAP, where this process may make one: the host's end is a UDP socket.

use super::*;
use crate::net::tap::{Tap, TapError};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const GUEST_PORT: u16 = 4000;
/// Ethernet and IPv4, in which the sum over UDP goes.
const UDP: usize = 34;
const UDP_CHECKSUM: u16 = 6;

/// A new TAP with an address, or none with a line that says why.
fn tap(queues: u16) -> Option<(Tap, String)> {
    if Command::new("ip").arg("-V").output().is_err() {
        eprintln!("skipped: there is no `ip`, of package iproute2");
        return None;
    }
    match Tap::open("hosteltest%d", queues) {
        Ok(tap) => {
            let name = tap.name().trim_start_matches("tap=").to_owned();
            Some((tap, name))
        }
        Err(error @ (TapError::MayNotMake(_) | TapError::NoTun(_))) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("`ip` runs").success(), "ip {arguments}");
}

/// The host's end of a TAP.
struct Host {
    socket: UdpSocket,
    host: [u8; 4],
    guest: [u8; 4],
}

impl Host {
    /// Gives the TAP an address of its own, as tests run side by side.
    fn new(name: &str) -> Self {
        let number: u8 = name.trim_start_matches("hosteltest").parse().unwrap();
        let pid = std::process::id().to_le_bytes()[0];
        let (host, guest) = ([10, number + 100, pid, 1], [10, number + 100, pid, 2]);
        let text = |address: [u8; 4]| Ipv4Addr::from(address).to_string();
        ip(&format!("link set {name} address {}", MacAddress(HOST_MAC)));
        ip(&format!("addr add {}/30 dev {name}", text(host)));
        ip(&format!("link set {name} up"));
        ip(&format!(
            "neigh replace {} lladdr {MAC} dev {name}",
            text(guest)
        ));
        let socket = UdpSocket::bind((text(host), 0)).unwrap();
        let timeout = Some(Duration::from_secs(60));
        socket.set_read_timeout(timeout).unwrap();
        Self {
            socket,
            host,
            guest,
        }
    }

    fn send(&self, data: &[u8]) {
        let guest = Ipv4Addr::from(self.guest);
        self.socket.send_to(data, (guest, GUEST_PORT)).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut data = vec![0; 0x1_0000];
        let len = self.socket.recv(&mut data).unwrap();
        data.truncate(len);
        data
    }

    /// A frame to the socket, its UDP checksum left open.
    fn frame(&self, data: &[u8]) -> Vec<u8> {
        let udp_bytes = (8 + data.len()) as u16;
        let mut ip = vec![0x45, 0];
        ip.extend((20 + udp_bytes).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        ip.extend([self.guest, self.host].concat());
        let sum = !sum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut udp = GUEST_PORT.to_be_bytes().to_vec();
        udp.extend(self.socket.local_addr().unwrap().port().to_be_bytes());
        udp.extend(udp_bytes.to_be_bytes());
        udp.extend(sum_of_pseudo_header(&ip, udp_bytes).to_be_bytes());
        [&HOST_MAC, &MAC.0, &[8, 0][..], &ip, &udp, data].concat()
    }
}

/// Sum of 16-bit words as IP has it, before it is inverted.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

fn sum_of_pseudo_header(ip: &[u8], udp_bytes: u16) -> u16 {
    sum(&[&ip[12..20], &[0, 17], &udp_bytes.to_be_bytes()].concat())
}

/// The next frame to [`GUEST_PORT`], whatever else the host sends, and its header.
fn next_udp(guest: &mut Guest) -> (Header, Vec<u8>) {
    loop {
        let len = guest.exchange(RX, &[Piece::writable(BUFFERS, 0x1_1000)]) as usize;
        let header = guest.peek(BUFFERS, HEADER).try_into().unwrap();
        let frame = guest.peek(BUFFERS + HEADER as u64, len - HEADER);
        if frame.len() >= UDP + 8 && frame[36..38] == GUEST_PORT.to_be_bytes() {
            return (Header::from_bytes(header), frame);
        }
    }
}

fn start(tap: Tap, without: u64) -> Guest {
    let mut guest = guest_on(tap);
    let offered = [0, 1].map(|page| {
        guest.write(Register::DeviceFeaturesSel, page);
        u64::from(guest.read(Register::DeviceFeatures)) << (32 * page)
    });
    let features = (offered[0] | offered[1]) & !crate::virtio::F_EVENT_IDX;
    assert_eq!(guest.start(features & !without), 15);
    guest
}

#[test]
fn frames_pass_both_ways_with_checksums_left_open() {
    let Some((tap, name)) = tap(1) else { return };
    let host = Host::new(&name);
    let mut guest = start(tap, 0);
    let open = Header {
        flags: spec::HDR_NEEDS_CSUM,
        csum_start: UDP as u16,
        csum_offset: UDP_CHECKSUM,
        ..Header::default()
    };
    let piece = put(&guest, open, &host.frame(b"from the guest"));
    assert_eq!(guest.exchange(TX, &[piece]), 0);
    assert_eq!(host.receive(), b"from the guest");
    host.send(b"from the host");
    let (header, frame) = next_udp(&mut guest);
    assert_eq!(header, open);
    assert_eq!(frame[..6], MAC.0);
    assert_eq!(frame[UDP + 8..], *b"from the host");
}

#[test]
fn a_driver_without_checksum_offload_gets_whole_checksums() {
    let Some((tap, name)) = tap(1) else { return };
    let host = Host::new(&name);
    let mut guest = start(tap, spec::GUEST_OFFLOADS | spec::F_MRG_RXBUF);
    host.send(b"whole");
    let (header, frame) = next_udp(&mut guest);
    assert_eq!(header, Header::default());
    let udp = &frame[UDP..];
    let pseudo = sum_of_pseudo_header(&frame[14..34], udp.len() as u16);
    let whole = sum(&[&pseudo.to_be_bytes(), udp].concat());
    assert_eq!(whole, 0xffff);
}

#[test]
fn the_kernel_cuts_a_large_packet() {
    let Some((tap, name)) = tap(1) else { return };
    if tap.offloads() & spec::F_HOST_UFO == 0 {
        return eprintln!("skipped: the host's kernel has no UFO");
    }
    let host = Host::new(&name);
    let mut guest = start(tap, 0);
    let large = Header {
        flags: spec::HDR_NEEDS_CSUM,
        gso_type: spec::GSO_UDP,
        hdr_len: UDP as u16 + 8,
        gso_size: 1480,
        csum_start: UDP as u16,
        csum_offset: UDP_CHECKSUM,
    };
    let data: Vec<u8> = (0..5000_u32).map(|at| (at >> 3) as u8).collect();
    let piece = put(&guest, large, &host.frame(&data));
    assert_eq!(guest.exchange(TX, &[piece]), 0);
    assert!(host.receive() == data);
}

#[test]
fn frames_wait_in_the_kernel_while_the_driver_has_no_buffers() {
    let Some((tap, name)) = tap(1) else { return };
    let host = Host::new(&name);
    let mut guest = start(tap, 0);
    (0..200_u8).for_each(|number| host.send(&[number; 100]));
    for number in 0..200_u8 {
        let (_, frame) = next_udp(&mut guest);
        assert_eq!(frame[UDP + 8..], [number; 100]);
    }
}

#[test]
fn an_interface_that_goes_away_takes_the_link_down() {
    let Some((tap, name)) = tap(1) else { return };
    let mut guest = start(tap, 0);
    guest.offer(RX, &[Piece::writable(BUFFERS, 2048)]);
    guest.notify(RX);
    ip(&format!("link delete {name}"));
    wait_for("the link", || guest.config(6) == [0_u8, 0]);
    send(&mut guest, &frame(60, 1));
}

#[test]
fn a_packet_that_the_kernel_refuses_is_dropped() {
    let Some((tap, name)) = tap(1) else { return };
    let mut guest = start(tap, 0);
    send(&mut guest, &frame(60, 1));
    assert_eq!(
        guest.config(6),
        [1_u8, 0],
        "{name} is down, the link is not"
    );
}

#[test]
fn a_tap_of_several_queues_serves_those_in_use() {
    let Some((tap, name)) = tap(3) else { return };
    let host = Host::new(&name);
    let mut guest = start(tap, 0);
    assert_eq!(guest.config(8), [3_u8, 0]);
    for pairs in [1_u8, 3, 2, 1] {
        let command = [spec::CTRL_MQ, spec::CTRL_MQ_VQ_PAIRS_SET, pairs, 0];
        guest.poke(BUFFERS, &command);
        let ack = BUFFERS + 0x100;
        let pieces = [Piece::readable(BUFFERS, 4), Piece::writable(ack, 1)];
        assert_eq!(guest.exchange(6, &pieces), 1);
        assert_eq!(guest.peek(ack, 1), [spec::OK], "{pairs} pairs");
        for pair in 0..usize::from(pairs) {
            let number = [pairs, pair as u8];
            let open = Header {
                flags: spec::HDR_NEEDS_CSUM,
                csum_start: UDP as u16,
                csum_offset: UDP_CHECKSUM,
                ..Header::default()
            };
            let piece = put(&guest, open, &host.frame(&number));
            assert_eq!(guest.exchange(2 * pair + 1, &[piece]), 0);
            assert_eq!(host.receive(), number);
        }
    }
    host.send(b"to the one queue");
    assert_eq!(next_udp(&mut guest).1[UDP + 8..], *b"to the one queue");
}

#[test]
fn what_is_no_tap_is_refused_with_advice() {
    for name in ["", "a name", "a/b", "longer-than-15-c", "..", "näme"] {
        let error = Tap::open(name, 1).err();
        assert!(matches!(error, Some(TapError::Name(_))), "{name}");
    }
    let error = Tap::open("hostel-missing", 1).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("ip tuntap add mode tap name hostel-missing")
    );
    let Some((_tap, name)) = tap(1) else { return };
    assert!(matches!(Tap::open(&name, 1), Err(TapError::InUse(_))));
    assert!(matches!(
        Tap::open(&name, 2),
        Err(TapError::NotATap { queues: 2, .. })
    ));
    assert!(matches!(Tap::open("lo", 1), Err(TapError::NotATap { .. })));
}

#[test]
fn whatever_offloads_a_driver_takes_the_kernel_does() {
    let Some((tap, _)) = tap(1) else { return };
    let each = (0..64).map(|bit| 1 << bit);
    let each: Vec<u64> = each
        .filter(|bit| tap.offloads() & spec::GUEST_OFFLOADS & bit != 0)
        .collect();
    for subset in 0..1_usize << each.len() {
        let chosen = each.iter().enumerate();
        let chosen = chosen.filter(|(at, _)| subset & (1 << at) != 0);
        let offloads = chosen.map(|(_, bit)| bit).sum();
        tap.set_guest_offloads(offloads)
            .unwrap_or_else(|error| panic!("{offloads:#x}: {error}"));
    }
}
