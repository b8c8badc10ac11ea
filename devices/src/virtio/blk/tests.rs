//! The disk as its driver sees it, its worker running, under both engines.

mod coalescing;
mod queues;

use super::*;
use crate::virtio::mmio::spec::Register;
use crate::virtio::testing::{BUFFERS, Guest, MEMORY_BYTES, Piece, QUEUE_SIZE, wait_for};
use bindings::{
    VIRTIO_BLK_T_DISCARD as DISCARD, VIRTIO_BLK_T_FLUSH as FLUSH, VIRTIO_BLK_T_GET_ID as GET_ID,
    VIRTIO_BLK_T_IN as IN, VIRTIO_BLK_T_OUT as OUT, VIRTIO_BLK_T_WRITE_ZEROES as WRITE_ZEROES,
};
use std::os::unix::fs::FileExt;
use virtio_bindings::virtio_ring::{VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT};

const SECTORS: u64 = 128;
const HEADER: u64 = BUFFERS;
const STATUS: u64 = BUFFERS + 0x100;
const DATA: u64 = BUFFERS + 0x1000;

const OK: u8 = 0;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;
/// What the status byte holds before a request.
const UNTOUCHED: u8 = 0xee;

const BOTH: [EngineChoice; 2] = [EngineChoice::Auto, EngineChoice::Sync];

fn guest_on(disk: DiskFile, engine: EngineChoice) -> Guest {
    let mut guest = Guest::new(Box::new(Blk::new(disk, engine, 1)));
    guest.start_simply();
    guest
}

fn guest(engine: EngineChoice) -> Guest {
    guest_on(DiskFile::temporary(SECTORS * 512).unwrap(), engine)
}

fn write_header(guest: &Guest, kind: u32, sector: u64) {
    guest.poke(HEADER, &kind.to_le_bytes());
    guest.poke(HEADER + 4, &[0; 4]);
    guest.poke(HEADER + 8, &sector.to_le_bytes());
    guest.poke(STATUS, &[UNTOUCHED]);
}

/// One request with `data` between header and status; returns the status byte.
fn request(guest: &mut Guest, kind: u32, sector: u64, data: &[Piece]) -> u8 {
    write_header(guest, kind, sector);
    let mut pieces = vec![Piece::readable(HEADER, 16)];
    pieces.extend(data);
    pieces.push(Piece::writable(STATUS, 1));
    guest.exchange(0, &pieces);
    guest.peek(STATUS, 1)[0]
}

fn write(guest: &mut Guest, sector: u64, data: &[u8]) -> u8 {
    guest.poke(DATA, data);
    request(
        guest,
        OUT,
        sector,
        &[Piece::readable(DATA, data.len() as u32)],
    )
}

fn read(guest: &mut Guest, sector: u64, len: u32) -> Vec<u8> {
    guest.poke(DATA, &vec![0x99; len as usize]);
    assert_eq!(
        request(guest, IN, sector, &[Piece::writable(DATA, len)]),
        OK
    );
    guest.peek(DATA, len as usize)
}

/// A range of a discard or write-zeroes request.
fn range(sector: u64, count: u32, flags: u32) -> Vec<u8> {
    [
        &sector.to_le_bytes()[..],
        &count.to_le_bytes(),
        &flags.to_le_bytes(),
    ]
    .concat()
}

fn ranges(guest: &mut Guest, kind: u32, ranges: &[u8]) -> u8 {
    guest.poke(DATA, ranges);
    request(
        guest,
        kind,
        0,
        &[Piece::readable(DATA, ranges.len() as u32)],
    )
}

#[test]
fn the_configuration_tells_size_and_limits() {
    let guest = guest(EngineChoice::Auto);
    assert_eq!(u64::from_le_bytes(guest.config(0)), SECTORS);
    assert_eq!(u32::from_le_bytes(guest.config(12)), 254);
    assert_eq!(u32::from_le_bytes(guest.config(20)), 512);
    assert_eq!(u32::from_le_bytes(guest.config(40)), 16);
    assert_eq!(guest.config(56), [1]);
    assert_eq!(guest.config(60), [0; 4]);
}

#[test]
fn what_is_written_is_read_back_and_flushed() {
    for engine in BOTH {
        let mut guest = guest(engine);
        let data: Vec<u8> = (0..4096_u32).map(|at| ((at * 7) >> 2) as u8).collect();
        assert_eq!(write(&mut guest, 3, &data), OK);
        assert_eq!(request(&mut guest, FLUSH, 0, &[]), OK);
        assert!(read(&mut guest, 3, 4096) == data);
        assert_eq!(read(&mut guest, 2, 512), [0; 512]);
        wait_for("an interrupt", || {
            guest.read(Register::InterruptStatus) == 1
        });
    }
}

#[test]
fn the_parts_of_a_request_may_be_in_any_buffers() {
    let mut guest = guest(EngineChoice::Auto);
    assert_eq!(write(&mut guest, 0, &[0x5a; 1024]), OK);
    write_header(&guest, IN, 0);
    let pieces = [
        Piece::readable(HEADER, 3),
        Piece::readable(HEADER + 3, 13),
        Piece::writable(DATA, 700),
        Piece::writable(DATA + 0x1000, 325),
    ];
    guest.poke(DATA + 0x1000, &[0; 400]);
    assert_eq!(guest.exchange(0, &pieces), 1025);
    assert_eq!(
        guest.peek(DATA + 0x1000, 326),
        [&[0x5a; 324][..], &[OK, 0]].concat()
    );
}

#[test]
fn a_request_may_be_in_an_indirect_table() {
    for engine in BOTH {
        let mut guest = guest(engine);
        let table = BUFFERS + 0x200;
        let entry = |guest: &Guest, at: u64, piece: Piece, flags: u16, next: u16| {
            guest.poke(table + 16 * at, &piece.gpa.to_le_bytes());
            guest.poke(table + 16 * at + 8, &piece.len.to_le_bytes());
            guest.poke(table + 16 * at + 12, &(piece.flags | flags).to_le_bytes());
            guest.poke(table + 16 * at + 14, &next.to_le_bytes());
        };
        const NEXT: u16 = VRING_DESC_F_NEXT as u16;
        entry(&guest, 0, Piece::readable(HEADER, 16), NEXT, 1);
        entry(&guest, 1, Piece::readable(DATA, 512), NEXT, 2);
        entry(&guest, 2, Piece::writable(STATUS, 1), 0, 0);
        guest.poke(DATA, &[0x77; 512]);
        write_header(&guest, OUT, 9);
        let indirect = |len| Piece {
            gpa: table,
            len,
            flags: VRING_DESC_F_INDIRECT as u16,
        };
        guest.exchange(0, &[indirect(48)]);
        assert_eq!(guest.peek(STATUS, 1), [OK]);
        assert_eq!(read(&mut guest, 9, 512), [0x77; 512]);

        // Too short, not a multiple, endless, nested, huge, outside memory: no status is touched.
        write_header(&guest, OUT, 9);
        for len in [16, 32, 47, 0, u32::MAX, 0xffff_fff0] {
            assert_eq!(guest.exchange(0, &[indirect(len)]), 0, "{len:#x}");
        }
        entry(&guest, 2, Piece::writable(STATUS, 1), NEXT, 0);
        assert_eq!(guest.exchange(0, &[indirect(48)]), 0);
        assert_eq!(guest.exchange(0, &[indirect(0xf_fff0)]), 0);
        entry(&guest, 1, indirect(48), 0, 0);
        assert_eq!(guest.exchange(0, &[indirect(48)]), 0);
        let outside = Piece {
            gpa: MEMORY_BYTES - 16,
            ..indirect(48)
        };
        assert_eq!(guest.exchange(0, &[outside]), 0);
        assert_eq!(guest.peek(STATUS, 1), [UNTOUCHED]);
    }
}

#[test]
fn many_requests_at_once_are_all_answered_for_one_doorbell() {
    for engine in BOTH {
        let mut guest = guest(engine);
        write_header(&guest, IN, 0);
        for round in 0..50_u64 {
            for slot in 0..5 {
                guest.poke(DATA + 0x1000 * slot, &[0x99; 512]);
                guest.offer(
                    0,
                    &[
                        Piece::readable(HEADER, 16),
                        Piece::writable(DATA + 0x1000 * slot, 512),
                        Piece::writable(STATUS + slot, 1),
                    ],
                );
            }
            guest.notify(0);
            for _ in 0..5 {
                assert_eq!(guest.wait_used(0).1, 513, "round {round}");
            }
        }
    }
}

#[test]
fn with_event_index_the_interrupt_comes_at_the_entry_asked_for() {
    let disk = DiskFile::temporary(512).unwrap();
    let mut guest = Guest::new(Box::new(Blk::new(disk, EngineChoice::Auto, 1)));
    assert_eq!(guest.start(F_EVENT_IDX | F_FLUSH), 15);
    // When the third chain is used.
    guest.want_interrupt(0, 2);
    for expected in [false, false, true, false] {
        assert_eq!(request(&mut guest, FLUSH, 0, &[]), OK);
        // Stopping the worker puts an end to what it may still have to signal.
        guest.transport.lock().unwrap().save().unwrap();
        assert_eq!(guest.line.evt().read().is_ok(), expected);
    }
}

#[test]
fn a_driver_that_wants_no_interrupts_gets_none() {
    let mut guest = guest(EngineChoice::Auto);
    let flags = Guest::areas(0)[1];
    guest.poke(flags, &1_u16.to_le_bytes());
    assert_eq!(request(&mut guest, FLUSH, 0, &[]), OK);
    guest.transport.lock().unwrap().save().unwrap();
    assert_eq!(guest.read(Register::InterruptStatus), 0);
}

#[test]
fn the_disk_tells_its_name() {
    let mut guest = guest(EngineChoice::Auto);
    assert_eq!(
        request(&mut guest, GET_ID, 0, &[Piece::writable(DATA, 20)]),
        OK
    );
    assert_eq!(&guest.peek(DATA, 20), b"temporary\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn discarded_and_zeroed_ranges_read_as_zeroes() {
    for engine in BOTH {
        for (kind, flags) in [(DISCARD, 0), (WRITE_ZEROES, 0), (WRITE_ZEROES, 1)] {
            let mut guest = guest(engine);
            assert_eq!(write(&mut guest, 0, &[0x11; 8 * 512]), OK);
            let both = [range(1, 2, flags), range(5, 1, flags)].concat();
            assert_eq!(ranges(&mut guest, kind, &both), OK);
            let after = read(&mut guest, 0, 8 * 512);
            for (sector, bytes) in after.chunks(512).enumerate() {
                let zeroed = matches!(sector, 1 | 2 | 5);
                let expected = if zeroed { 0 } else { 0x11 };
                assert!(
                    bytes.iter().all(|byte| *byte == expected),
                    "sector {sector}"
                );
            }
        }
    }
}

#[test]
fn bad_ranges_are_refused() {
    let mut guest = guest(EngineChoice::Auto);
    let cases = [
        (DISCARD, range(0, 1, 1), UNSUPPORTED),
        (WRITE_ZEROES, range(0, 1, 2), UNSUPPORTED),
        (WRITE_ZEROES, range(SECTORS, 1, 0), IO_ERROR),
        (WRITE_ZEROES, range(u64::MAX, 2, 0), IO_ERROR),
        (WRITE_ZEROES, range(0, u32::MAX, 0), IO_ERROR),
        (DISCARD, range(SECTORS - 1, 2, 0), IO_ERROR),
        (DISCARD, range(0, 1, 0)[..15].to_vec(), IO_ERROR),
        (DISCARD, range(0, 1, 0).repeat(17), IO_ERROR),
        (DISCARD, Vec::new(), IO_ERROR),
        (DISCARD, range(0, 0, 0), OK),
    ];
    for (kind, bytes, expected) in cases {
        assert_eq!(
            ranges(&mut guest, kind, &bytes),
            expected,
            "{kind} {bytes:?}"
        );
    }
}

#[test]
fn requests_beyond_the_disk_or_of_odd_lengths_fail() {
    for engine in BOTH {
        let mut guest = guest(engine);
        for sector in [SECTORS, SECTORS - 1, u64::MAX, u64::MAX / 512, 1 << 55] {
            for (kind, piece) in [
                (IN, Piece::writable(DATA, 1024)),
                (OUT, Piece::readable(DATA, 1024)),
            ] {
                assert_eq!(
                    request(&mut guest, kind, sector, &[piece]),
                    IO_ERROR,
                    "{sector:#x}"
                );
            }
        }
        for len in [0, 1, 511, 513] {
            assert_eq!(
                request(&mut guest, IN, 0, &[Piece::writable(DATA, len)]),
                IO_ERROR
            );
            assert_eq!(
                request(&mut guest, OUT, 0, &[Piece::readable(DATA, len)]),
                IO_ERROR
            );
        }
        assert_eq!(read(&mut guest, SECTORS - 1, 512), [0; 512], "and goes on");
    }
}

#[test]
fn malformed_requests_with_a_status_byte_are_answered() {
    for engine in BOTH {
        let mut guest = guest(engine);
        let cases: [(&str, u32, Vec<Piece>); 6] = [
            (
                "data to read is readable",
                IN,
                vec![Piece::readable(DATA, 512)],
            ),
            (
                "data to write is writable",
                OUT,
                vec![Piece::writable(DATA, 512)],
            ),
            (
                "data is outside memory",
                IN,
                vec![Piece::writable(MEMORY_BYTES - 256, 512)],
            ),
            (
                "address overflows",
                OUT,
                vec![Piece::readable(u64::MAX - 511, 512)],
            ),
            (
                "more than is ever moved",
                IN,
                vec![Piece::writable(0, 0x8000_0000)],
            ),
            (
                "readable after writable",
                OUT,
                vec![Piece::writable(DATA, 512), Piece::readable(DATA, 512)],
            ),
        ];
        for (what, kind, data) in cases {
            assert_eq!(request(&mut guest, kind, 0, &data), IO_ERROR, "{what}");
        }
        for kind in [
            3,
            5,
            99,
            1 << 31,
            u32::MAX,
            bindings::VIRTIO_BLK_T_SECURE_ERASE,
        ] {
            assert_eq!(
                request(&mut guest, kind, 0, &[]),
                UNSUPPORTED,
                "kind {kind}"
            );
        }
        write_header(&guest, FLUSH, 0);
        guest.exchange(
            0,
            &[Piece::readable(HEADER, 15), Piece::writable(STATUS, 1)],
        );
        assert_eq!(guest.peek(STATUS, 1), [IO_ERROR], "short header");
        guest.exchange(0, &[Piece::writable(STATUS, 1)]);
        assert_eq!(guest.peek(STATUS, 1), [IO_ERROR], "no header");
    }
}

#[test]
fn chains_without_a_status_byte_come_back_empty() {
    for engine in BOTH {
        let mut guest = guest(engine);
        write_header(&guest, FLUSH, 0);
        assert_eq!(guest.exchange(0, &[Piece::readable(HEADER, 16)]), 0);
        assert_eq!(guest.exchange(0, &[Piece::readable(0, 0)]), 0);
        let outside = [
            Piece::readable(HEADER, 16),
            Piece::writable(MEMORY_BYTES, 1),
        ];
        assert_eq!(guest.exchange(0, &outside), 0);
        for next in [3, 4, QUEUE_SIZE, u16::MAX] {
            let mut looping = Piece::writable(DATA, 512);
            looping.flags |= VRING_DESC_F_NEXT as u16;
            guest.write_descriptor(0, 3, looping, next);
            guest.write_descriptor(0, 4, looping, 3);
            guest.make_available(0, 3);
            guest.notify(0);
            assert_eq!(guest.wait_used(0), (3, 0), "next {next}");
        }
        assert_eq!(request(&mut guest, FLUSH, 0, &[]), OK);
    }
}

#[test]
fn a_read_only_disk_takes_no_writes() {
    let directory = vmm_sys_util::tempdir::TempDir::new().unwrap();
    let path = directory.as_path().join("disk");
    std::fs::write(&path, [0x42; 1024]).unwrap();
    let disk = DiskFile::open(&path, DiskAccess::ReadOnly).unwrap();
    let mut guest = guest_on(disk, EngineChoice::Auto);
    guest.write(Register::DeviceFeaturesSel, 0);
    let features = u64::from(guest.read(Register::DeviceFeatures));
    assert_eq!(features & (F_RO | F_DISCARD | F_WRITE_ZEROES), F_RO);
    assert_eq!(write(&mut guest, 0, &[0; 512]), IO_ERROR);
    assert_eq!(ranges(&mut guest, DISCARD, &range(0, 1, 0)), UNSUPPORTED);
    assert_eq!(read(&mut guest, 0, 512), [0x42; 512]);
}

#[test]
fn a_driver_that_cannot_flush_writes_through() {
    let disk = DiskFile::temporary(512).unwrap();
    let file = disk.file().try_clone().unwrap();
    let blk = Blk::new(disk, EngineChoice::Auto, 1);
    assert_eq!(blk.limits(0).durability, Durability::Through);
    assert_eq!(blk.limits(F_FLUSH).durability, Durability::Cached);
    let mut guest = Guest::new(Box::new(blk));
    assert_eq!(guest.start(0), 15);
    assert_eq!(write(&mut guest, 0, &[7; 512]), OK);
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, 0).unwrap();
    assert_eq!(sector, [7; 512]);
}

#[test]
fn reset_waits_for_what_is_in_flight() {
    for engine in BOTH {
        let mut guest = guest(engine);
        for _ in 0..20 {
            write_header(&guest, IN, 0);
            for _ in 0..5 {
                guest.offer(
                    0,
                    &[
                        Piece::readable(HEADER, 16),
                        Piece::writable(DATA, 0x8000),
                        Piece::writable(STATUS, 1),
                    ],
                );
            }
            guest.notify(0);
            guest.write(Register::Status, 0);
            let used = guest.used_index(0);
            guest.poke(DATA, &[0x99; 512]);
            std::thread::sleep(std::time::Duration::from_micros(200));
            assert_eq!(guest.used_index(0), used, "nothing happens after a reset");
            assert_eq!(guest.peek(DATA, 512), [0x99; 512]);
            guest.start_simply();
        }
    }
}
