use super::*;
use crate::pci::msix::MsiMessage;
use crate::timer::is_set;
use std::sync::{Arc, Mutex};
use std::thread;

/// Messages that were sent.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<u32>>);

impl MsiSink for Sent {
    fn route(&mut self, _: u16, _: MsiMessage) -> io::Result<()> {
        Ok(())
    }

    fn trigger(&self, _: u16) -> io::Result<()> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
}

struct Host {
    alarm: Alarm,
    line: IrqLine,
    sent: Sent,
}

impl Host {
    /// One whose messages can be sent.
    fn new() -> Self {
        let (line, sent) = (IrqLine::new().unwrap(), Sent::default());
        let mut alarm = Alarm::new(line.clone(), Box::new(sent.clone())).unwrap();
        let table = u64::from(MSIX_TABLE);
        for (offset, value) in [(0, 0xfee0_0000), (8, 0x41), (12, 0)] {
            alarm.mmio_write(table + offset, Width::Dword, value);
        }
        let control = alarm.msix_control;
        alarm.write_config(control, Width::Word, 1 << 15);
        Self { alarm, line, sent }
    }

    fn start(&mut self, value: u32) {
        self.alarm.mmio_write(START, Width::Dword, value.into());
    }

    fn delay(&mut self) -> u64 {
        self.alarm.mmio_read(DELAY, Width::Dword)
    }

    /// What the event loop does when the timer is readable, a while later.
    fn expire(&mut self, us: u64) {
        thread::sleep(Duration::from_micros(us));
        self.alarm.timer_expired();
    }

    fn edges(&self) -> u64 {
        self.line.evt().read().unwrap_or(0)
    }

    fn messages(&self) -> u32 {
        *self.sent.0.lock().unwrap()
    }
}

#[test]
fn an_edge_comes_after_the_delay_which_is_told_then() {
    let mut host = Host::new();
    host.start(1000);
    assert_eq!((host.edges(), host.delay()), (0, 0));
    host.expire(2000);
    assert_eq!((host.edges(), host.messages()), (1, 0));
    assert!(host.delay() >= 1_000_000);
    host.expire(0);
    assert_eq!(host.edges(), 0, "it comes once");
}

#[test]
fn a_message_comes_when_that_is_asked_for() {
    let mut host = Host::new();
    host.start(MESSAGE | 1);
    host.expire(1000);
    assert_eq!((host.edges(), host.messages()), (0, 1));
}

#[test]
fn one_that_was_given_up_does_not_come() {
    let mut host = Host::new();
    const LONG: Duration = Duration::from_secs(60);
    host.start(1);
    host.start(MESSAGE | MOST_US);
    // However busy the host, the second does not come now.
    host.alarm.waiting.as_mut().unwrap().since += LONG;
    host.alarm.timer.reset(LONG, None).unwrap();
    host.expire(1000);
    assert_eq!((host.edges(), host.messages(), host.delay()), (0, 0, 0));
    assert!(is_set(&host.alarm.timer));
}

#[test]
fn no_delay_is_too_long_or_none() {
    let mut host = Host::new();
    host.start(!MESSAGE);
    let waiting = host.alarm.waiting.as_ref().unwrap();
    assert_eq!(waiting.delay, Duration::from_micros(MOST_US.into()));
    host.start(0);
    host.expire(1000);
    assert_eq!(host.edges(), 1);
}

#[test]
fn what_is_no_register_does_nothing() {
    let mut host = Host::new();
    for (offset, width) in [
        (START, Width::Byte),
        (START, Width::Word),
        (DELAY, Width::Dword),
        (8, Width::Dword),
        (u64::from(MSIX_TABLE) - 4, Width::Dword),
        (u64::from(MSIX_PENDING), Width::Dword),
        (u64::from(BAR_BYTES) - 4, Width::Dword),
    ] {
        host.alarm.mmio_write(offset, width, 1);
        assert_eq!(host.alarm.mmio_read(offset, width), 0, "{offset:#x}");
    }
    host.expire(1000);
    assert_eq!((host.edges(), host.messages()), (0, 0));
}
