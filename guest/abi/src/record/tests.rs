//! Records as they are written, and as the host reads them.

use super::*;

fn parse(record: Record<'_>) -> Parsed {
    let frame = record.to_string();
    let bytes = frame.as_bytes();
    assert_eq!((bytes[0], bytes[bytes.len() - 1]), (RS, LF));
    Parsed::from_json(&bytes[1..bytes.len() - 1]).unwrap()
}

#[test]
fn a_check_comes_back_as_it_was_written() {
    let parsed = parse(Record::Check {
        id: "mem.cow",
        subsystem: Subsystem::Memory,
        outcome: Outcome::Fail,
        detail: "said \"no\\\" \n\u{1e}é",
        metrics: &[("faults", 3), ("copy_ns", u64::MAX)],
    });
    let Parsed::Check {
        detail,
        metrics,
        outcome,
        ..
    } = parsed
    else {
        panic!("not a check")
    };
    assert_eq!(detail, "said \"no\\\" \n\u{1e}é");
    assert_eq!(metrics["copy_ns"], u64::MAX);
    assert_eq!(outcome, Outcome::Fail);
}

#[test]
fn rows_of_numbers_come_back_with_their_names() {
    let parsed = parse(Record::Series {
        id: "sched.fcfs",
        name: "slices",
        labels: &["long \"one\"", "short"],
        columns: &["task", "from_ns", "to_ns"],
        rows: &[0, 1, 10, 1, 10, u64::MAX],
    });
    let Parsed::Series {
        labels,
        columns,
        rows,
        ..
    } = parsed
    else {
        panic!("not a series")
    };
    assert_eq!(labels, ["long \"one\"", "short"]);
    assert_eq!(columns, ["task", "from_ns", "to_ns"]);
    assert_eq!(rows, [0, 1, 10, 1, 10, u64::MAX]);
}

#[test]
fn every_kind_of_record_is_read() {
    let records = [
        Record::Boot {
            cpus: 1,
            memory_bytes: 2,
            clock: "pit",
            sched: "s",
            replacement: "r",
        },
        Record::Plan { checks: 3 },
        Record::Start { id: "a" },
        Record::Line { id: "a", text: "b" },
        Record::StreamBegin { id: "a", bytes: 1 },
        Record::StreamEnd {
            id: "a",
            crc32: u32::MAX,
        },
        Record::Killed {
            pid: 1,
            program: "p",
            cause: "c",
            detail: 0,
            rip: 1,
        },
        Record::End {
            passed: 1,
            failed: 2,
        },
        Record::Panic {
            message: "m",
            cpu: 0,
            registers: &[("rip", 1)],
            backtrace: &[1, 2],
        },
    ];
    for record in records {
        parse(record);
    }
}

#[test]
fn crc32_is_the_standard_one_and_can_be_continued() {
    assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
}
