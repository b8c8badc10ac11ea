//! One suite for both engines. That of io_uring is skipped, and says so, where the host has none.

use super::*;
use crate::disk::DiskFile;
use crate::virtio::ring::Buffer;
use std::collections::HashMap;
use std::sync::Arc;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const DISK_BYTES: u64 = 1 << 20;

fn engines(file: &File) -> Vec<Box<dyn Engine>> {
    let mut engines: Vec<Box<dyn Engine>> =
        vec![Box::new(sync::SyncEngine::new(file.try_clone().unwrap()))];
    match uring::UringEngine::new(file.try_clone().unwrap()) {
        Ok(engine) => engines.push(Box::new(engine)),
        Err(error) => eprintln!("skipped: io_uring engine: {error}"),
    }
    engines
}

/// Two regions next to each other, so that a buffer may be in both.
fn memory() -> Arc<GuestMemoryMmap> {
    let ranges = [
        (GuestAddress(0), 0x10_000),
        (GuestAddress(0x10_000), 0x10_000),
    ];
    Arc::new(GuestMemoryMmap::from_ranges(&ranges).unwrap())
}

fn buffers(memory: &Arc<GuestMemoryMmap>, pieces: &[(u64, u32)]) -> IoBuffers {
    let pieces = pieces.iter().map(|(gpa, len)| Buffer {
        gpa: GuestAddress(*gpa),
        len: *len,
    });
    IoBuffers::new(memory, &pieces.collect::<Vec<_>>()).unwrap()
}

/// Results by tag of `count` transfers.
fn collect(engine: &mut dyn Engine, count: usize) -> HashMap<u16, io::Result<()>> {
    engine.submit();
    let mut results = HashMap::new();
    while results.len() < count {
        engine.wait();
        while let Some(done) = engine.completed() {
            results.insert(done.tag, done.result);
        }
    }
    results
}

#[test]
fn what_is_written_is_read_back_by_many_transfers_at_once() {
    let disk = DiskFile::temporary(DISK_BYTES).unwrap();
    for mut engine in engines(disk.file()) {
        let memory = memory();
        let pattern: Vec<u8> = (0..0x8000_u32).map(|at| ((at * 13) >> 4) as u8).collect();
        memory.write_slice(&pattern, GuestAddress(0xc000)).unwrap();
        let through = Durability::Through;
        for (tag, durability) in (0..DEPTH).zip([Durability::Cached, through].into_iter().cycle()) {
            let at = u64::from(tag) * 512;
            let buffers = buffers(&memory, &[(0xc000 + at, 100), (0xc000 + at + 100, 412)]);
            let offset = at;
            engine.start(
                tag,
                Transfer::Write {
                    offset,
                    buffers,
                    durability,
                },
            );
        }
        let written = collect(&mut *engine, DEPTH.into());
        assert!(written.values().all(Result::is_ok), "{written:?}");
        engine.start(0, Transfer::Flush);
        assert!(collect(&mut *engine, 1)[&0].is_ok());

        memory
            .write_slice(&[0; 0x8000], GuestAddress(0xc000))
            .unwrap();
        let buffers = buffers(&memory, &[(0xc000, 0x8000)]);
        assert_eq!(buffers.vectors().len(), 2, "in both regions");
        engine.start(7, Transfer::Read { offset: 0, buffers });
        assert!(collect(&mut *engine, 1)[&7].is_ok());
        let mut read = vec![0; 0x8000];
        memory.read_slice(&mut read, GuestAddress(0xc000)).unwrap();
        assert!(read == pattern);
    }
}

#[test]
fn reading_past_the_end_of_a_file_that_shrank_fails() {
    let disk = DiskFile::temporary(DISK_BYTES).unwrap();
    for mut engine in engines(disk.file()) {
        let memory = memory();
        let offset = DISK_BYTES - 512;
        let buffers = buffers(&memory, &[(0, 1024)]);
        engine.start(1, Transfer::Read { offset, buffers });
        assert!(collect(&mut *engine, 1)[&1].is_err());
    }
}

#[test]
fn an_engine_may_be_dropped_with_transfers_in_flight() {
    let disk = DiskFile::temporary(DISK_BYTES).unwrap();
    for mut engine in engines(disk.file()) {
        let memory = memory();
        for tag in 0..DEPTH {
            let buffers = buffers(&memory, &[(0, 0x1_0000)]);
            engine.start(tag, Transfer::Read { offset: 0, buffers });
        }
        engine.submit();
    }
}

#[test]
fn buffers_advance_over_what_is_done() {
    let memory = memory();
    let mut buffers = buffers(&memory, &[(0, 100), (0x200, 50), (0x400, 25)]);
    let start = buffers.vectors()[1].iov_base;
    buffers.advance(110);
    assert_eq!((buffers.len(), buffers.vectors().len()), (65, 2));
    assert_eq!(buffers.vectors()[0].iov_base, start.wrapping_byte_add(10));
    buffers.advance(65);
    assert!(buffers.is_empty());
}
