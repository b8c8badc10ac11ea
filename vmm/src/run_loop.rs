//! The vCPU threads and their run loop.
//!
//! ```text
//!            +--> obey commands --> KVM_RUN --> handle the exit --> account for it --+
//!            +-----------------------------------------------------------------------+
//!                     | Stop: no reason             | an exit that ends the VM: a reason
//! ```
//!
//! A command is left in [`Control`], then the vCPU is kicked. On the exit path the only lock is
//! the addressed device's own.

use crate::accounting::ExitStats;
use crate::halt::{EmulationFailure, HaltReason};
use crate::kvm::{CpuStart, ExitKind, Kicker, Vcpu, VmExit, ticks};
use crate::memory::GuestMemory;
use devices::bus::{DeviceId, MmioBus, PioBus, Width};
use devices::power::PowerSwitch;
use std::hint;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

/// What the vCPU threads of a VM share.
pub struct Shared {
    /// Ports.
    pub pio: PioBus,
    /// Device memory.
    pub mmio: MmioBus,
    /// Asked after each exit.
    pub power: PowerSwitch,
    /// Memory, to show the instruction that went wrong.
    pub memory: GuestMemory,
    /// Filled by the first vCPU that ends the VM.
    pub halt: OnceLock<HaltReason>,
    /// Signalled then.
    pub halt_evt: EventFd,
}

/// vCPU threads wait here until the machine is whole: they start and set their vCPUs up while the
/// devices are made. Dropping it sends them home.
#[derive(Default)]
pub struct Gate(Arc<OnceLock<Option<Arc<Shared>>>>);

impl Gate {
    /// Whether the vCPUs run.
    pub fn is_open(&self) -> bool {
        self.0.get().is_some()
    }

    /// Lets the vCPUs run.
    pub fn open(&self, shared: Arc<Shared>) {
        // The second of two openings changes nothing.
        let _ = self.0.set(Some(shared));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.0.set(None);
    }
}

/// How often a thread looks at the gate before it sleeps: about as long as a wake-up takes.
const LOOKS: u32 = 20_000;

/// Waits for the gate; the first vCPU, which all wait for, awake at first.
fn pass(gate: &OnceLock<Option<Arc<Shared>>>, index: u8) -> Option<Arc<Shared>> {
    let looks = if index == 0 { LOOKS } else { 0 };
    for _ in 0..looks {
        if gate.get().is_some() {
            break;
        }
        hint::spin_loop();
    }
    gate.wait().clone()
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Command {
    Run,
    Pause,
    Stop,
}

/// Command to a vCPU thread, and whether it rests.
struct Control {
    /// A [`Command`].
    command: AtomicU8,
    resting: Mutex<bool>,
    changed: Condvar,
}

impl Control {
    fn give(&self, command: Command) {
        let _resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        self.command.store(command as u8, Ordering::SeqCst);
        self.changed.notify_all();
    }

    fn is(&self, command: Command) -> bool {
        self.command.load(Ordering::SeqCst) == command as u8
    }

    /// Rests while the command is to pause.
    fn rest(&self) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        *resting = true;
        self.changed.notify_all();
        while self.is(Command::Pause) {
            resting = self
                .changed
                .wait(resting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *resting = false;
    }
}

/// A running vCPU, from outside. Dropping it stops the vCPU.
pub struct VcpuHandle {
    control: Arc<Control>,
    kicker: Kicker,
    stats: Arc<ExitStats>,
    thread: Option<JoinHandle<()>>,
}

impl VcpuHandle {
    /// Starts the thread of vCPU `index`, which runs once the gate opens.
    pub fn spawn(index: u8, vcpu: Vcpu, start: Option<CpuStart>, gate: &Gate) -> io::Result<Self> {
        let control = Arc::new(Control {
            command: AtomicU8::new(Command::Run as u8),
            resting: Mutex::new(false),
            changed: Condvar::new(),
        });
        let (kicker, stats) = (Kicker::new(), Arc::new(ExitStats::default()));
        let parts = (control.clone(), kicker.clone(), stats.clone());
        let gate = gate.0.clone();
        let thread = thread::Builder::new()
            .name(format!("vcpu{index}"))
            .stack_size(STACK_BYTES);
        let thread = thread.spawn(move || {
            let (control, kicker, stats) = parts;
            let mut vcpu = vcpu;
            vcpu.attach(kicker);
            let ready = vcpu.set_up(start).and_then(|()| vcpu.tsc_khz());
            let Some(shared) = pass(&gate, index) else {
                return;
            };
            let reason = match ready {
                Ok(tsc_khz) => {
                    stats.set_frequency(tsc_khz);
                    run(&mut vcpu, &shared, &control, &stats)
                }
                Err(error) => Some(HaltReason::HostError(crate::chain(&error))),
            };
            if let Some(reason) = reason
                && shared.halt.set(reason).is_ok()
                && let Err(error) = shared.halt_evt.write(1)
            {
                log::error!("halt event: {error}");
            }
        })?;
        Ok(Self {
            control,
            kicker,
            stats,
            thread: Some(thread),
        })
    }

    /// Stops the guest's time for this vCPU; returns when it rests.
    pub fn pause(&self) {
        self.control.give(Command::Pause);
        self.kicker.kick();
        let mut resting = self
            .control
            .resting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !*resting && !self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let waited = self.control.changed.wait_timeout(resting, REST_POLL);
            resting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Goes on after [`Self::pause`].
    pub fn resume(&self) {
        self.control.give(Command::Run);
    }

    /// What it has done so far.
    pub fn stats(&self) -> Arc<ExitStats> {
        self.stats.clone()
    }

    /// Ends the thread. The guest's state is gone with it.
    pub fn stop(&mut self) {
        self.control.give(Command::Stop);
        self.kicker.kick();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("a vCPU thread panicked");
        }
    }
}

impl Drop for VcpuHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The handlers of devices are shallow.
const STACK_BYTES: usize = 256 << 10;
/// How often `pause` looks whether the thread has ended instead.
const REST_POLL: std::time::Duration = std::time::Duration::from_millis(10);

/// The run loop: returns why the VM ended, or nothing when told to stop.
fn run(
    vcpu: &mut Vcpu,
    shared: &Shared,
    control: &Control,
    stats: &ExitStats,
) -> Option<HaltReason> {
    loop {
        if !control.is(Command::Run) {
            vcpu.clear_kick();
            if control.is(Command::Stop) {
                return None;
            }
            control.rest();
            continue;
        }
        let exit = match vcpu.run() {
            Ok(exit) => exit,
            Err(error) => return Some(HaltReason::HostError(crate::chain(&error))),
        };
        let start = ticks();
        let (kind, device) = match handle(exit, shared) {
            Handled::Done(kind, device) => (kind, device),
            Handled::End(kind, ending) => {
                stats.record(kind, DeviceId::NONE, ticks() - start);
                return Some(ending.into_reason(vcpu, &shared.memory));
            }
        };
        stats.record(kind, device, ticks() - start);
        if let Some(event) = shared.power.pressed() {
            return Some(HaltReason::from_power(event));
        }
    }
}

/// What became of an exit.
enum Handled {
    Done(ExitKind, DeviceId),
    End(ExitKind, Ending),
}

/// An exit that ends the VM; the vCPU is free again, so that its state can be read.
enum Ending {
    TripleFault,
    Emulation { suberror: u32 },
    Host(String),
}

/// Handles one exit.
fn handle(exit: VmExit<'_>, shared: &Shared) -> Handled {
    use Handled::{Done, End};
    match exit {
        VmExit::PioWrite { port, width, data } => Done(
            ExitKind::PioWrite,
            pio_write(&shared.pio, port, width, data),
        ),
        VmExit::PioRead { port, width, data } => {
            Done(ExitKind::PioRead, pio_read(&shared.pio, port, width, data))
        }
        VmExit::MmioWrite { gpa, data } => Done(ExitKind::MmioWrite, shared.mmio.write(gpa, data)),
        VmExit::MmioRead { gpa, data } => Done(ExitKind::MmioRead, shared.mmio.read(gpa, data)),
        VmExit::Interrupted => Done(ExitKind::Interrupted, DeviceId::NONE),
        VmExit::Debug { .. } => Done(ExitKind::Debug, DeviceId::NONE),
        VmExit::Halted => Done(ExitKind::Halted, DeviceId::NONE),
        VmExit::Shutdown => End(ExitKind::Shutdown, Ending::TripleFault),
        VmExit::SystemEvent { event } => End(
            ExitKind::Shutdown,
            Ending::Host(format!("system event {event}")),
        ),
        VmExit::InternalError { suberror } => End(ExitKind::Error, Ending::Emulation { suberror }),
        VmExit::FailEntry { reason } => {
            let what = format!("the processor refused the guest's state (reason {reason:#x})");
            End(ExitKind::Error, Ending::Host(what))
        }
        VmExit::MemoryFault { gpa } => End(
            ExitKind::Error,
            Ending::Host(format!("no memory behind {gpa:#x}")),
        ),
        VmExit::Unexpected { reason } => End(
            ExitKind::Error,
            Ending::Host(format!("unexpected KVM exit {reason}")),
        ),
    }
}

/// One access, or a string instruction's several to the same port.
fn pio_write(bus: &PioBus, port: u16, width: Width, data: &[u8]) -> DeviceId {
    let elements = data.chunks(width.bytes());
    elements.fold(DeviceId::NONE, |_, element| bus.write(port, element))
}

fn pio_read(bus: &PioBus, port: u16, width: Width, data: &mut [u8]) -> DeviceId {
    let elements = data.chunks_mut(width.bytes());
    elements.fold(DeviceId::NONE, |_, element| bus.read(port, element))
}

impl Ending {
    fn into_reason(self, vcpu: &Vcpu, memory: &GuestMemory) -> HaltReason {
        let what = match self {
            Self::Host(what) => return HaltReason::HostError(what),
            Self::TripleFault => vcpu.state().map(|s| HaltReason::TripleFault(Box::new(s))),
            Self::Emulation { suberror } => vcpu.state().map(|state| {
                let bytes = state
                    .rip_gpa
                    .map_or(Vec::new(), |gpa| bytes_at(memory, gpa));
                let failure = EmulationFailure {
                    suberror,
                    state,
                    bytes,
                };
                HaltReason::EmulationFailure(Box::new(failure))
            }),
        };
        what.unwrap_or_else(|error| HaltReason::HostError(crate::chain(&error)))
    }
}

/// The longest instruction (Intel SDM 2A 2.3.11), or less at the end of memory.
fn bytes_at(memory: &GuestMemory, gpa: u64) -> Vec<u8> {
    let mut bytes = [0; 15];
    let read = memory.read(&mut bytes, GuestAddress(gpa)).unwrap_or(0);
    bytes[..read].to_vec()
}
