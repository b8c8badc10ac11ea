//! Servers of several kinds for the same requests: processes, threads, one thread that goes from event
//! to event, and that with helpers who wait for devices in its place.
//!
//! Requests and what helpers have done come by a pipe, a byte each; answers go by another. The device
//! that some requests need is time that passes, and it blocks who waits for it.

use super::mailbox::Mailbox;
use super::processor::spend;
use crate::check::{Context as _, Failure};
use crate::process::Child;
use crate::sys::{self, FOREVER, Fd};
use crate::thread::{self, JoinHandle};
use crate::time::now_ns;
use abi::syscall::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How a server is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// So many processes, each for a request at a time.
    Processes(u64),
    /// So many threads, likewise.
    Threads(u64),
    /// One thread, which blocks with a request that needs the device.
    Events,
    /// One thread, and so many helpers that block in its place.
    Helpers(u64),
}

/// What requests need.
#[derive(Clone, Copy)]
pub struct Load {
    /// How many there are, up to [`MOST_REQUESTS`].
    pub requests: u8,
    /// Processor time of each.
    pub cpu_ns: u64,
    /// Time of the device, for every so many of them.
    pub device_ns: u64,
    /// One in so many needs the device.
    pub every: u8,
}

/// What came of it.
pub struct Report {
    /// From the first request to the last answer.
    pub total_ns: u64,
    /// From the start, when all requests are there, to an answer, on average.
    pub mean_ns: u64,
    /// The same for those that need no device.
    pub hit_ns: u64,
    /// Frames that the server took.
    pub frames: u64,
}

/// Requests have numbers below this; the byte for the end is this one.
pub const MOST_REQUESTS: u8 = 0x7f;
/// Added to a request's number when a helper is done with it.
const HELPED: u8 = 0x80;

#[derive(Clone, Copy)]
struct Ends {
    requests: Fd,
    answers: Fd,
    load: Load,
}

impl Load {
    fn needs_device(&self, request: u8) -> bool {
        request.is_multiple_of(self.every)
    }
}

fn get(from: Fd) -> Result<u8, Errno> {
    let mut byte = [0];
    match sys::read(from, &mut byte)? {
        0 => Err(Errno::Pipe),
        _ => Ok(byte[0]),
    }
}

fn put(to: Fd, byte: u8) -> Result<(), Errno> {
    sys::write(to, &[byte]).map(drop)
}

impl Ends {
    /// One request after the other, until the end.
    fn serve(&self) -> Result<(), Errno> {
        loop {
            let request = get(self.requests)?;
            if request == MOST_REQUESTS {
                return Ok(());
            }
            spend(self.load.cpu_ns)?;
            if self.load.needs_device(request) {
                sys::sleep(self.load.device_ns)?;
            }
            put(self.answers, request)?;
        }
    }

    /// The same with those that wait for the device left to helpers.
    fn serve_with(&self, helpers: u64, jobs: &Mailbox<Option<u8>>) -> Result<(), Errno> {
        loop {
            match get(self.requests)? {
                MOST_REQUESTS => break,
                done if done & HELPED != 0 => put(self.answers, done & !HELPED)?,
                request => {
                    spend(self.load.cpu_ns)?;
                    match self.load.needs_device(request) {
                        true => jobs.put(Some(request)),
                        false => put(self.answers, request)?,
                    }
                }
            }
        }
        (0..helpers).for_each(|_| jobs.put(None));
        Ok(())
    }

    /// What a helper does; `events` is the end by which requests come.
    fn help(&self, events: Fd, jobs: &Mailbox<Option<u8>>) -> Result<(), Errno> {
        while let Some(request) = jobs.take() {
            sys::sleep(self.load.device_ns)?;
            put(events, request | HELPED)?;
        }
        Ok(())
    }
}

type Worker = JoinHandle<Result<(), Errno>>;

/// A server that runs.
struct Server {
    processes: Vec<Child>,
    threads: Vec<Worker>,
}

impl Server {
    fn start(kind: Kind, ends: Ends, events: Fd) -> Result<Self, Errno> {
        let (mut processes, mut threads) = (Vec::new(), Vec::new());
        match kind {
            Kind::Processes(count) => {
                for _ in 0..count {
                    processes.push(Child::fork(|| i32::from(ends.serve().is_err()))?);
                }
            }
            Kind::Threads(count) => {
                for _ in 0..count {
                    threads.push(thread::spawn(move || ends.serve())?);
                }
            }
            Kind::Events => threads.push(thread::spawn(move || ends.serve())?),
            Kind::Helpers(count) => {
                let jobs = Arc::new(Mailbox::new());
                for _ in 0..count {
                    let jobs = Arc::clone(&jobs);
                    threads.push(thread::spawn(move || ends.help(events, &jobs))?);
                }
                threads.push(thread::spawn(move || ends.serve_with(count, &jobs))?);
            }
        }
        Ok(Self { processes, threads })
    }

    /// Tells it that there is no more, and waits for its end.
    fn stop(self, events: Fd) -> Result<(), Failure> {
        let readers = self.processes.len().max(self.threads.len());
        for _ in 0..readers {
            put(events, MOST_REQUESTS).context("the end")?;
        }
        for process in self.processes {
            process.wait(FOREVER).context("wait")?;
        }
        for thread in self.threads {
            thread.join().context("join")?.context("a worker")?;
        }
        Ok(())
    }
}

/// From making the server to the requests.
const LEAD_NS: u64 = 30_000_000;

/// Has a server of that kind answer all requests.
pub fn run(kind: Kind, load: Load) -> Result<Report, Failure> {
    let (requests, events) = sys::pipe().context("pipe")?;
    let (answers_out, answers) = sys::pipe().context("pipe")?;
    let ends = Ends {
        requests,
        answers,
        load,
    };
    let free = || sys::stats().context("stats").map(|stats| stats.free_frames);
    let before = free()?;
    let server = Server::start(kind, ends, events).context("starting the server")?;
    sys::sleep(LEAD_NS).context("sleep")?;
    let start_ns = now_ns();
    let all: Vec<u8> = (0..load.requests).collect();
    sys::write(events, &all).context("requests")?;
    let mut times = Vec::new();
    for _ in 0..load.requests {
        let request = get(answers_out).context("an answer")?;
        times.push((request, now_ns() - start_ns));
    }
    let frames = before.saturating_sub(free()?);
    server.stop(events)?;
    let mean = |times: &[u64]| times.iter().sum::<u64>() / (times.len() as u64).max(1);
    let is_hit = |(request, _): &&(u8, u64)| !load.needs_device(*request);
    let hits: Vec<u64> = times.iter().filter(is_hit).map(|time| time.1).collect();
    let all: Vec<u64> = times.iter().map(|time| time.1).collect();
    Ok(Report {
        total_ns: all.iter().copied().max().unwrap_or(0),
        mean_ns: mean(&all),
        hit_ns: mean(&hits),
        frames,
    })
}
