//! [`HaltReason`]: how a VM ended, in words and as an exit status.

use crate::kvm::CpuState;
use abi::port::Exit;
use devices::power::PowerEvent;
use std::fmt;

/// Exit statuses of `hostel`.
pub mod status {
    /// The guest ended well.
    pub const OK: u8 = 0;
    /// A check failed.
    pub const FAILED: u8 = 1;
    /// Bad command line or configuration.
    pub const USAGE: u8 = 2;
    /// The host cannot.
    pub const HOST: u8 = 3;
    /// The guest crashed.
    pub const CRASHED: u8 = 4;
    /// The time was over.
    pub const TIMEOUT: u8 = 5;
    /// A signal stopped Hostel: its number is added.
    pub const SIGNAL: u8 = 128;
}

/// How a VM ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// The guest switched the power off.
    PowerOff,
    /// The guest reset the machine, which ends it.
    Reset,
    /// The guest wrote a code of its own to the debug-exit port.
    DebugExit(u8),
    /// A test kernel wrote that value to its debug-exit port.
    TestExit(u8),
    /// The guest's kernel panicked.
    GuestPanic,
    /// Triple fault.
    TripleFault(Box<CpuState>),
    /// KVM could not emulate an instruction.
    EmulationFailure(Box<EmulationFailure>),
    /// The time was over.
    Timeout,
    /// The user left with Ctrl-A x.
    Quit,
    /// A signal came.
    Signal(u8),
    /// KVM or the host failed.
    HostError(String),
}

/// An instruction that KVM could not emulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmulationFailure {
    /// KVM_INTERNAL_ERROR_*: 1 is the emulator.
    pub suberror: u32,
    /// Registers.
    pub state: CpuState,
    /// Bytes at rip, where it is mapped.
    pub bytes: Vec<u8>,
}

impl HaltReason {
    /// What a write to the power devices means.
    pub fn from_power(event: PowerEvent) -> Self {
        match event {
            PowerEvent::Reset => Self::Reset,
            PowerEvent::PowerOff => Self::PowerOff,
            PowerEvent::TestExit(value) => Self::TestExit(value),
            PowerEvent::DebugExit(code) if code == Exit::PowerOff as u8 => Self::PowerOff,
            PowerEvent::DebugExit(code) if code == Exit::Panic as u8 => Self::GuestPanic,
            PowerEvent::DebugExit(code) => Self::DebugExit(code),
        }
    }

    /// Name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PowerOff => "power_off",
            Self::Reset => "reset",
            Self::DebugExit(_) => "debug_exit",
            Self::TestExit(_) => "test_exit",
            Self::GuestPanic => "guest_panic",
            Self::TripleFault(_) => "triple_fault",
            Self::EmulationFailure(_) => "emulation_failure",
            Self::Timeout => "timeout",
            Self::Quit => "quit",
            Self::Signal(_) => "signal",
            Self::HostError(_) => "host_error",
        }
    }

    /// Exit status of the process.
    pub fn status(&self) -> u8 {
        match self {
            Self::PowerOff | Self::Reset | Self::Quit => status::OK,
            Self::DebugExit(_) => status::FAILED,
            Self::TestExit(value) => value << 1 | 1,
            Self::GuestPanic | Self::TripleFault(_) | Self::EmulationFailure(_) => status::CRASHED,
            Self::Timeout => status::TIMEOUT,
            Self::Signal(number) => status::SIGNAL.saturating_add(*number),
            Self::HostError(_) => status::HOST,
        }
    }
}

impl fmt::Display for HaltReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => write!(f, "the guest powered off"),
            Self::Reset => write!(f, "the guest reset the machine"),
            Self::DebugExit(code) => write!(f, "the guest ended with code {code}"),
            Self::TestExit(value) => write!(
                f,
                "the guest ended its test with value {value:#x}, which is status {}",
                self.status()
            ),
            Self::GuestPanic => write!(f, "the guest's kernel panicked: its message is above"),
            Self::TripleFault(state) => {
                let what = "triple fault: an exception that the guest could not handle";
                if state.is_reset() {
                    write!(
                        f,
                        "{what} (this processor does not keep its registers then)"
                    )
                } else {
                    write!(f, "{what}\n{state}")
                }
            }
            Self::EmulationFailure(failure) => write!(f, "{failure}"),
            Self::Timeout => write!(f, "time is over: give the guest more with --timeout"),
            Self::Quit => write!(f, "stopped by Ctrl-A x"),
            Self::Signal(number) => write!(f, "stopped by signal {number}"),
            Self::HostError(what) => write!(f, "the host failed: {what}"),
        }
    }
}

impl fmt::Display for EmulationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KVM cannot emulate an instruction of the guest (suberror {})",
            self.suberror
        )?;
        write!(f, "\n  bytes at rip:")?;
        for byte in &self.bytes {
            write!(f, " {byte:02x}")?;
        }
        if self.bytes.is_empty() {
            write!(f, " not mapped")?;
        }
        write!(f, "\n{}", self.state)
    }
}
