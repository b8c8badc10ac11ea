use super::*;
use crate::bus::{BusRange, DeviceId, PioBus};
use abi::hypercall::{PORT, PORTS};
use std::sync::{Arc, Mutex};

const MEMORY_BYTES: u64 = 1 << 20;
const PAGE: u64 = 0x4000;
const DATA: u64 = 0x8000;

/// Output that can be looked at.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Host {
    memory: GuestMemoryMmap,
    bus: PioBus,
    device: Arc<Mutex<HypercallPage>>,
    seen: Seen,
}

type Asked = (u32, u64, u32);

impl Host {
    fn new() -> Self {
        let ranges = [(GuestAddress(0), MEMORY_BYTES as usize)];
        let memory = GuestMemoryMmap::from_ranges(&ranges).unwrap();
        let seen = Seen::default();
        let device = HypercallPage::new(memory.clone(), Box::new(seen.clone())).unwrap();
        let device = Arc::new(Mutex::new(device));
        let mut bus = PioBus::default();
        let range = BusRange {
            base: PORT.into(),
            len: PORTS,
        };
        bus.insert(range, DeviceId(1), "hypercall", device.clone())
            .unwrap();
        Self {
            memory,
            bus,
            device,
            seen,
        }
    }

    fn put(&self, page: u64, requests: &[Asked]) {
        let count = requests.len() as u32;
        self.memory.write_obj(count, GuestAddress(page)).unwrap();
        for (at, (operation, address, len)) in (page + REQUESTS as u64..)
            .step_by(REQUEST_BYTES)
            .zip(requests.iter().copied())
        {
            let gpa = |offset: usize| GuestAddress(at + offset as u64);
            self.memory.write_obj(operation, gpa(OPERATION)).unwrap();
            self.memory.write_obj(address, gpa(ADDRESS)).unwrap();
            self.memory.write_obj(len, gpa(LEN)).unwrap();
        }
    }

    fn ring(&self, page: u64) {
        let number = (page / PAGE_BYTES as u64) as u32;
        self.bus.write(PORT, &number.to_le_bytes());
    }

    /// The statuses of `requests`, and how many are said to be done.
    fn ask(&self, requests: &[Asked]) -> (Vec<u32>, u32) {
        self.put(PAGE, requests);
        self.ring(PAGE);
        let statuses = (0..requests.len()).map(|n| self.status_of(n));
        (statuses.collect(), self.done())
    }

    fn done(&self) -> u32 {
        let gpa = GuestAddress(PAGE + DONE as u64);
        self.memory.read_obj(gpa).unwrap()
    }

    fn status_of(&self, request: usize) -> u32 {
        let at = STATUSES + request * 4;
        let gpa = GuestAddress(PAGE + at as u64);
        self.memory.read_obj(gpa).unwrap()
    }

    fn value_of(&self, request: usize) -> u64 {
        let at = VALUES + request * 8;
        let gpa = GuestAddress(PAGE + at as u64);
        self.memory.read_obj(gpa).unwrap()
    }

    fn refused(&self) -> u64 {
        self.device.lock().unwrap().refused()
    }
}

const NOP: u32 = Operation::Nop as u32;
const TIME: u32 = Operation::Time as u32;
const RANDOM: u32 = Operation::Random as u32;
const WRITE: u32 = Operation::Write as u32;

const fn statuses<const N: usize>(statuses: [Status; N]) -> [u32; N] {
    let mut numbers = [0; N];
    let mut at = 0;
    while at < N {
        numbers[at] = statuses[at] as u32;
        at += 1;
    }
    numbers
}

#[test]
fn a_batch_of_all_operations_is_done_by_one_write() {
    use Status::Done;
    let host = Host::new();
    host.memory
        .write_slice(b"hello", GuestAddress(DATA))
        .unwrap();
    let before = now_ns().unwrap();
    let requests = [
        (NOP, 0, 0),
        (TIME, 0, 0),
        (WRITE, DATA, 5),
        (RANDOM, DATA, 64),
        (TIME, 0, 0),
    ];
    let (found, done) = host.ask(&requests);
    assert_eq!(found, statuses([Done; 5]));
    assert_eq!(done, 5);
    assert_eq!(*host.seen.0.lock().unwrap(), b"hello");
    let (first, second) = (host.value_of(1), host.value_of(4));
    assert!(before <= first && first <= second && second <= now_ns().unwrap());
    let random: [u8; 32] = host.memory.read_obj(GuestAddress(DATA)).unwrap();
    assert_ne!(random, [0; 32]);
    let after: u8 = host.memory.read_obj(GuestAddress(DATA + 64)).unwrap();
    assert_eq!(after, 0, "no byte more than asked for");
    assert_eq!(host.refused(), 0);
}

#[test]
fn each_request_has_its_own_status() {
    use Status::{BadAddress, Done, TooLong, Unknown};
    let host = Host::new();
    let requests = [
        (99, DATA, 1),
        (RANDOM, MEMORY_BYTES - 1, 2),
        (WRITE, MEMORY_BYTES, 1),
        (RANDOM, u64::MAX, 1),
        (WRITE, u64::MAX - 4, 64),
        (RANDOM, 0, MOST_BYTES + 1),
        (WRITE, 0, u32::MAX),
        (TIME, u64::MAX, u32::MAX),
        (WRITE, MEMORY_BYTES - 1, 1),
    ];
    let (found, done) = host.ask(&requests);
    let expected = [
        Unknown, BadAddress, BadAddress, BadAddress, BadAddress, TooLong, TooLong, Done, Done,
    ];
    assert_eq!(found, statuses(expected));
    assert_eq!(done, 2);
    let last: u8 = host
        .memory
        .read_obj(GuestAddress(MEMORY_BYTES - 1))
        .unwrap();
    assert_eq!(last, 0, "nothing is filled of what is not all memory");
}

#[test]
fn the_data_of_a_page_are_limited() {
    let host = Host::new();
    let many = [(RANDOM, 0x1_0000, MOST_BYTES); 20];
    let (found, done) = host.ask(&many);
    assert_eq!(done, MOST_PAGE_BYTES / MOST_BYTES);
    let fit = done as usize;
    assert!(found[..fit].iter().all(|s| *s == Status::Done as u32));
    assert!(found[fit..].iter().all(|s| *s == Status::TooLong as u32));
}

#[test]
fn pages_that_are_none_do_nothing() {
    let host = Host::new();
    host.put(PAGE, &[(TIME, 0, 0)]);
    host.ring(MEMORY_BYTES);
    host.bus.write(PORT, &u32::MAX.to_le_bytes());
    // Too many requests.
    host.memory
        .write_obj(MOST_REQUESTS + 1, GuestAddress(PAGE))
        .unwrap();
    host.ring(PAGE);
    assert_eq!(host.refused(), 3);
    assert_eq!((host.done(), host.status_of(0)), (0, 0));
    let (found, done) = host.ask(&[]);
    assert!(found.is_empty() && done == 0);
    assert_eq!(host.refused(), 3, "a page without requests is one");
}

#[test]
fn a_full_page_is_served() {
    let host = Host::new();
    let (_, done) = host.ask(&[(NOP, 0, 0); MOST_REQUESTS as usize]);
    assert_eq!(done, MOST_REQUESTS);
}

#[test]
fn requests_that_overwrite_their_own_page_change_none_that_follow() {
    let host = Host::new();
    let requests = [(RANDOM, PAGE, PAGE_BYTES as u32), (TIME, 0, 0), (NOP, 0, 0)];
    let (found, done) = host.ask(&requests);
    assert_eq!(done, 3);
    assert_eq!(found, statuses([Status::Done; 3]));
}

#[test]
fn only_32_bits_at_the_port_ring() {
    let host = Host::new();
    host.put(0, &[(TIME, 0, 0)]);
    let mut version = [0; 4];
    host.bus.read(PORT, &mut version);
    assert_eq!(u32::from_le_bytes(version), VERSION);
    host.bus.write(PORT, &[0]);
    host.bus.write(PORT, &[0; 2]);
    host.bus.write(PORT + 1, &[0]);
    let mut byte = [0];
    host.bus.read(PORT, &mut byte);
    assert_eq!(byte, [0xff]);
    let done: u32 = host.memory.read_obj(GuestAddress(DONE as u64)).unwrap();
    assert_eq!((done, host.refused()), (0, 3));
}

#[test]
fn an_output_that_fails_fails_the_request_alone() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let host = Host::new();
    host.device.lock().unwrap().output = Box::new(Broken);
    let (found, done) = host.ask(&[(WRITE, DATA, 1), (WRITE, DATA, 0), (NOP, 0, 0)]);
    assert_eq!(
        found,
        statuses([Status::Failed, Status::Done, Status::Done])
    );
    assert_eq!(done, 2);
}
