//! [`PciTransport`]: virtio over PCI (virtio 1.3 4.1), modern only.
//!
//! One BAR of memory holds all that the capabilities name ([`spec`]): common configuration, reasons
//! of INTx, the device's configuration, notification addresses, and the MSI-X table. What the
//! registers mean is [`Handshake`]'s; `signal` finds the interrupt of an event. A write to a
//! queue's notification address is meant to be caught on its way by an ioeventfd on
//! [`PciTransport::doorbells`]; one that arrives here nevertheless does the same.

mod signal;
pub mod spec;
#[cfg(test)]
mod tests;

use super::handshake::{Handshake, HandshakeState, RestoreError, StartError};
use super::queue_setup::QueueAddress;
use super::{Interrupt, VirtioDevice};
use crate::bus::{MmioDevice, Width};
use crate::irq::LevelLine;
use crate::pci::PciFunction;
use crate::pci::config::{BarKind, ConfigSpace, ConfigState};
use crate::pci::msix::{MsiSink, Msix, MsixState};
use crate::work::Working;
use signal::PciSignal;
use spec::{NOTIFY_MULTIPLIER, Register, Structure};
use std::io;
use std::sync::Arc;
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

/// Offsets in the window capability: BAR, offset, length, data (4.1.4.9).
const WINDOW_BAR: u16 = 4;
const WINDOW_OFFSET: u16 = 8;
const WINDOW_LENGTH: u16 = 12;
const WINDOW_DATA: u16 = 16;

/// What a transport interrupts by.
pub struct Interrupts {
    /// A message for each of [`vector_count`] vectors.
    pub messages: Box<dyn MsiSink>,
    /// INTA#.
    pub intx: LevelLine,
    /// The IRQ that INTA# is connected to.
    pub irq: u8,
}

/// Vectors of a device with so many queues: one each, and one for the configuration.
pub fn vector_count(queues: usize) -> u16 {
    u16::try_from(queues + 1).expect("a device has fewer queues")
}

/// Where, from the start of the BAR, a driver notifies queue `index`.
pub fn notify_offset(index: u32) -> u64 {
    (Structure::Notify.offset() + index * NOTIFY_MULTIPLIER).into()
}

/// Registers that are the transport's own, with the rest of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct PciState {
    /// Configuration space.
    pub config: ConfigState,
    /// Interrupt messages.
    pub msix: MsixState,
    /// Vector of configuration changes.
    pub config_vector: u16,
    /// Vector of each queue.
    pub queue_vectors: Vec<u16>,
    /// Which 32 of the device's features are shown.
    pub device_features_sel: u32,
    /// Which 32 of the driver's features are written.
    pub driver_features_sel: u32,
    /// Queue that the queue registers stand for.
    pub queue_sel: u16,
    /// Status, features and queues.
    pub handshake: HandshakeState,
}

/// A virtio device as a PCI function.
pub struct PciTransport {
    signal: Arc<PciSignal>,
    /// Offset of MSI-X's message control, and of the window capability.
    msix_control: u16,
    window: u16,

    config: ConfigSpace,
    handshake: Handshake,
    device_features_sel: u32,
    driver_features_sel: u32,
    queue_sel: u16,
}

impl PciTransport {
    /// Makes `device` a function. Fails when the host has no more file descriptors for doorbells.
    pub fn new(
        device: Box<dyn VirtioDevice>,
        memory: GuestMemoryMmap,
        interrupts: Interrupts,
    ) -> io::Result<Self> {
        let queues = device.queue_max_sizes().len();
        let msix = Msix::new(vector_count(queues), interrupts.messages);
        let mut config = ConfigSpace::new(spec::identity(device.device_type()));
        config.add_bar(spec::BAR, BarKind::Memory, spec::BAR_BYTES);
        config.add_interrupt(interrupts.irq);
        let bar = spec::BAR as u32;
        let (table, pending) = (spec::MSIX_TABLE, spec::MSIX_PENDING);
        let msix_control = msix.add_capability(&mut config, bar, table, pending);
        for (structure, offset, length) in Structure::LAYOUT {
            let multiplier = NOTIFY_MULTIPLIER.to_le_bytes();
            let extra: &[u8] = match structure {
                Structure::Notify => &multiplier,
                _ => &[],
            };
            add_capability(&mut config, (structure, offset, length), extra, &[]);
        }
        // The driver chooses BAR, offset and length; the data are no bits of ours.
        let writable = [
            0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ];
        let window = add_capability(&mut config, (Structure::Window, 0, 0), &[0; 4], &writable);
        let signal = Arc::new(PciSignal::new(msix, interrupts.intx, queues));
        let interrupt = Interrupt::new(signal.clone());
        Ok(Self {
            signal,
            msix_control,
            window,
            config,
            handshake: Handshake::new(device, memory, interrupt)?,
            device_features_sel: 0,
            driver_features_sel: 0,
            queue_sel: 0,
        })
    }

    /// One for each queue, in their order: to be signalled on a write to [`notify_offset`].
    pub fn doorbells(&self) -> &[EventFd] {
        self.handshake.doorbells()
    }

    /// The state. Call it with the vCPUs stopped: work in flight is completed first.
    pub fn save(&mut self) -> Result<PciState, StartError> {
        let handshake = self.handshake.save()?;
        let queues = 0..handshake.queues.len() as u16;
        Ok(PciState {
            config: self.config.save(),
            msix: self.signal.msix().save(),
            config_vector: self.signal.get_vector(None),
            queue_vectors: queues.map(|q| self.signal.get_vector(Some(q))).collect(),
            device_features_sel: self.device_features_sel,
            driver_features_sel: self.driver_features_sel,
            queue_sel: self.queue_sel,
            handshake,
        })
    }

    /// Takes over a saved state, whose guest memory must be in place; starts the device if it ran.
    /// The bus has to be told that BARs may have moved ([`crate::pci::root::Root::settle`]).
    pub fn restore(&mut self, state: &PciState) -> Result<(), RestoreError> {
        self.config.restore(&state.config);
        self.signal.set_vector(None, state.config_vector);
        for (queue, vector) in (0..).zip(&state.queue_vectors) {
            self.signal.set_vector(Some(queue), *vector);
        }
        if !self.signal.msix().restore(&state.msix) {
            let vectors = state.msix.vectors.len();
            return Err(RestoreError::Queues {
                state: vectors.saturating_sub(1),
                device: self.handshake.doorbells().len(),
            });
        }
        self.device_features_sel = state.device_features_sel;
        self.driver_features_sel = state.driver_features_sel;
        self.queue_sel = state.queue_sel;
        self.signal.disable_intx(self.config.intx_disabled());
        self.handshake.restore(&state.handshake)
    }

    fn read_common(&self, register: Register) -> u32 {
        let handshake = &self.handshake;
        let queue: u32 = self.queue_sel.into();
        let address = |which| handshake.queue(queue).map_or(0, |q| q.address(which));
        let low = |which| address(which) as u32;
        let high = |which| (address(which) >> 32) as u32;
        match register {
            Register::DeviceFeatureSelect => self.device_features_sel,
            Register::DeviceFeature => handshake.avail_features(self.device_features_sel),
            Register::DriverFeatureSelect => self.driver_features_sel,
            Register::DriverFeature => handshake.acked_features(self.driver_features_sel),
            Register::ConfigMsixVector => self.signal.get_vector(None).into(),
            Register::NumQueues => handshake.doorbells().len() as u32,
            Register::DeviceStatus => handshake.status().into(),
            Register::ConfigGeneration => handshake.device().config_generation() & 0xff,
            Register::QueueSelect => queue,
            Register::QueueSize => handshake.queue(queue).map_or(0, |q| q.size.into()),
            Register::QueueMsixVector => self.signal.get_vector(Some(self.queue_sel)).into(),
            Register::QueueEnable => handshake.queue_ready(queue).into(),
            Register::QueueNotifyOff => queue,
            Register::QueueDescLow => low(QueueAddress::DescTable),
            Register::QueueDescHigh => high(QueueAddress::DescTable),
            Register::QueueDriverLow => low(QueueAddress::AvailRing),
            Register::QueueDriverHigh => high(QueueAddress::AvailRing),
            Register::QueueDeviceLow => low(QueueAddress::UsedRing),
            Register::QueueDeviceHigh => high(QueueAddress::UsedRing),
        }
    }

    fn write_common(&mut self, register: Register, value: u32) {
        let handshake = &mut self.handshake;
        let queue = self.queue_sel.into();
        match register {
            Register::DeviceFeatureSelect => self.device_features_sel = value,
            Register::DriverFeatureSelect => self.driver_features_sel = value,
            Register::DriverFeature => {
                handshake.accept_features(self.driver_features_sel, value);
            }
            Register::ConfigMsixVector => self.signal.set_vector(None, value as u16),
            Register::DeviceStatus => self.write_status(value),
            Register::QueueSelect => self.queue_sel = value as u16,
            Register::QueueSize => handshake.set_queue_size(queue, value),
            Register::QueueMsixVector => {
                self.signal.set_vector(Some(self.queue_sel), value as u16);
            }
            Register::QueueEnable if value == 1 => handshake.set_queue_ready(queue, 1),
            Register::QueueDescLow => handshake.set_low(queue, QueueAddress::DescTable, value),
            Register::QueueDescHigh => handshake.set_high(queue, QueueAddress::DescTable, value),
            Register::QueueDriverLow => handshake.set_low(queue, QueueAddress::AvailRing, value),
            Register::QueueDriverHigh => handshake.set_high(queue, QueueAddress::AvailRing, value),
            Register::QueueDeviceLow => handshake.set_low(queue, QueueAddress::UsedRing, value),
            Register::QueueDeviceHigh => handshake.set_high(queue, QueueAddress::UsedRing, value),
            // A queue is not disabled by its enable register (4.1.4.3.2).
            Register::QueueEnable
            | Register::DeviceFeature
            | Register::NumQueues
            | Register::ConfigGeneration
            | Register::QueueNotifyOff => handshake.refuse(),
        }
    }

    fn write_status(&mut self, value: u32) {
        self.handshake.write_status(value);
        if value == 0 {
            self.signal.clear_vectors();
            self.settle_intx();
        }
    }

    /// What the window shows now: offset in the BAR and width, if that makes sense.
    fn window(&self) -> Option<(u64, Width)> {
        let field = |at, width| self.config.read(self.window + at, width);
        let width = match field(WINDOW_LENGTH, Width::Dword) {
            1 => Width::Byte,
            2 => Width::Word,
            4 => Width::Dword,
            _ => return None,
        };
        let offset = field(WINDOW_OFFSET, Width::Dword);
        let in_bar = field(WINDOW_BAR, Width::Byte) == spec::BAR as u32
            && offset < spec::BAR_BYTES
            && offset.is_multiple_of(width.bytes() as u32);
        in_bar.then_some((offset.into(), width))
    }

    fn settle_intx(&self) {
        self.signal.disable_intx(self.config.intx_disabled());
        self.signal
            .settle_intx(self.handshake.interrupt().reasons());
    }
}

/// Adds a capability that names a part of the BAR (4.1.4); returns its offset.
fn add_capability(
    config: &mut ConfigSpace,
    (structure, offset, length): (Structure, u32, u32),
    extra: &[u8],
    writable: &[u8],
) -> u16 {
    let bytes = 16 + extra.len() as u8;
    let body = [
        &[bytes, structure as u8, spec::BAR as u8, 0, 0, 0][..],
        &offset.to_le_bytes(),
        &length.to_le_bytes(),
        extra,
    ]
    .concat();
    config.add_capability(spec::CAPABILITY, &body, writable)
}

impl Working for PciTransport {
    fn refused(&self) -> u64 {
        self.handshake.refused()
    }

    fn finish(&mut self) {
        self.handshake.finish();
    }
}

impl PciFunction for PciTransport {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn asks_for_line(&self) -> bool {
        self.handshake.interrupt().status() != 0 && !self.signal.msix().is_enabled()
    }

    fn settle(&mut self) {
        let control = self.config.read(self.msix_control, Width::Word) as u16;
        self.signal.msix().set_control(control);
        self.settle_intx();
    }

    fn read_own(&mut self, offset: u16, width: Width) -> Option<u32> {
        let (at, window_width) = self
            .window()
            .filter(|_| offset == self.window + WINDOW_DATA)?;
        (window_width == width).then(|| self.mmio_read(at, width) as u32)
    }

    fn write_own(&mut self, offset: u16, width: Width, value: u32) -> bool {
        if offset != self.window + WINDOW_DATA {
            return false;
        }
        if let Some((at, window_width)) = self.window()
            && window_width == width
        {
            self.mmio_write(at, width, value.into());
        }
        true
    }
}

impl MmioDevice for PciTransport {
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        if let Some(pending) = offset.checked_sub(spec::MSIX_PENDING.into()) {
            return self.signal.msix().read_pending(pending, width).into();
        }
        if let Some(table) = offset.checked_sub(spec::MSIX_TABLE.into()) {
            return self.signal.msix().read_table(table, width).into();
        }
        match Structure::at(offset) {
            Some((Structure::Common, at)) => match Register::at(at, width.bytes()) {
                Some(register) => self.read_common(register).into(),
                None => 0,
            },
            Some((Structure::Isr, 0)) => {
                let interrupt = self.handshake.interrupt();
                self.signal.take(interrupt.reasons()).into()
            }
            Some((Structure::Device, at)) => {
                let mut bytes = [0; 8];
                let data = &mut bytes[..width.bytes()];
                self.handshake.device().read_config(at, data);
                u64::from_le_bytes(bytes)
            }
            _ => 0,
        }
    }

    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        if offset >= spec::MSIX_PENDING.into() {
            return;
        }
        if let Some(table) = offset.checked_sub(spec::MSIX_TABLE.into()) {
            return self.signal.msix().write_table(table, width, value as u32);
        }
        match Structure::at(offset) {
            Some((Structure::Common, at)) => match Register::at(at, width.bytes()) {
                Some(register) => self.write_common(register, value as u32),
                None => self.handshake.refuse(),
            },
            Some((Structure::Device, at)) => {
                let bytes = value.to_le_bytes();
                self.handshake.write_config(at, &bytes[..width.bytes()]);
            }
            Some((Structure::Notify, at)) => {
                let queue = at / u64::from(NOTIFY_MULTIPLIER);
                self.handshake.notify(queue as u32);
            }
            _ => self.handshake.refuse(),
        }
    }
}
