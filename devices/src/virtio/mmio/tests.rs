//! The transport and the handshake behind it, with a device that does nothing but take notes.

use super::spec::{self, Register};
use super::*;
use crate::virtio::testing::{BASE, Guest, Piece};
use crate::virtio::{ActivateError, Activation, F_EVENT_IDX, F_VERSION_1, VirtioDevice};
use std::sync::{Arc, Mutex};
use virtio_queue::QueueT;

const OFFERED: u64 = F_VERSION_1 | F_EVENT_IDX | 1;

#[derive(Default)]
struct Notes {
    active: Option<Activation>,
    activations: u32,
    resets: u32,
    config_writes: Vec<(u64, Vec<u8>)>,
}

/// Two queues, of at most 256 and 16 descriptors.
#[derive(Clone, Default)]
struct Idle(Arc<Mutex<Notes>>);

impl VirtioDevice for Idle {
    fn device_type(&self) -> u32 {
        42
    }
    fn queue_max_sizes(&self) -> &[u16] {
        &[256, 16]
    }
    fn avail_features(&self) -> u64 {
        OFFERED
    }
    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::super::read_config_bytes(&[1, 2, 3, 4, 5, 6], offset, data);
    }
    fn write_config(&mut self, offset: u64, data: &[u8]) {
        let mut notes = self.0.lock().unwrap();
        notes.config_writes.push((offset, data.to_vec()));
    }
    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let mut notes = self.0.lock().unwrap();
        notes.activations += 1;
        notes.active = Some(activation);
        Ok(())
    }
    fn reset(&mut self) {
        let mut notes = self.0.lock().unwrap();
        notes.resets += 1;
        notes.active = None;
    }
}

fn guest() -> (Guest, Arc<Mutex<Notes>>) {
    let device = Idle::default();
    let notes = Arc::clone(&device.0);
    (Guest::new(Box::new(device)), notes)
}

fn refused(guest: &Guest) -> u64 {
    guest.transport.lock().unwrap().refused()
}

#[test]
fn a_driver_finds_the_device_and_its_features() {
    let (guest, _) = guest();
    assert_eq!(guest.read(Register::Magic), u32::from_le_bytes(*b"virt"));
    assert_eq!(guest.read(Register::Version), 2);
    assert_eq!(guest.read(Register::DeviceId), 42);
    for (page, expected) in [(0, OFFERED as u32), (1, 1), (2, 0), (u32::MAX, 0)] {
        guest.write(Register::DeviceFeaturesSel, page);
        assert_eq!(
            guest.read(Register::DeviceFeatures),
            expected,
            "page {page}"
        );
    }
    for (queue, max_size) in [(0, 256), (1, 16), (2, 0), (u32::MAX, 0)] {
        guest.write(Register::QueueSel, queue);
        assert_eq!(guest.read(Register::QueueSizeMax), max_size);
    }
}

#[test]
fn a_good_handshake_activates_the_queues_that_are_ready() {
    let (mut guest, notes) = guest();
    assert_eq!(guest.start(F_EVENT_IDX), 15);
    let notes = notes.lock().unwrap();
    let active = notes.active.as_ref().unwrap();
    assert_eq!(active.acked_features, F_VERSION_1 | F_EVENT_IDX);
    let queues: Vec<_> = active
        .queues
        .iter()
        .map(|q| (q.index, q.queue.size()))
        .collect();
    assert_eq!(queues, [(0, 16), (1, 16)]);
    assert_eq!(active.queues[1].queue.used_ring(), Guest::areas(1)[2]);
    assert!(active.queues[0].queue.event_idx_enabled());
}

#[test]
fn features_without_version_1_or_unknown_are_not_ok() {
    for (page, features) in [(0, 0), (0, 1 << 7), (1, 1 << 8)] {
        let (guest, _) = guest();
        guest.write(Register::Status, 3);
        if features != 0 {
            guest.write(Register::DriverFeaturesSel, 1);
            guest.write(Register::DriverFeatures, 1);
        }
        guest.write(Register::DriverFeaturesSel, page);
        guest.write(Register::DriverFeatures, features | page);
        guest.write(Register::Status, 11);
        assert_eq!(
            guest.read(Register::Status),
            3,
            "page {page}: {features:#x}"
        );
    }
}

#[test]
fn the_status_takes_steps_forward_only() {
    let (guest, notes) = guest();
    guest.write(Register::Status, 3 | 4);
    assert_eq!(
        guest.read(Register::Status),
        3,
        "DRIVER_OK before FEATURES_OK"
    );
    guest.write(Register::Status, 0);
    assert_eq!(guest.negotiate(0), 11);
    guest.write(Register::Status, 3);
    assert_eq!(guest.read(Register::Status), 11, "bits are not cleared");
    guest.write(Register::DriverFeatures, 0);
    guest.write(Register::Status, 0x100);
    assert_eq!(refused(&guest), 4);
    guest.write(Register::Status, 15 | 0x40);
    assert_eq!(
        guest.read(Register::Status),
        15,
        "NEEDS_RESET is the device's"
    );
    guest.write(Register::Status, 15);
    assert_eq!(notes.lock().unwrap().activations, 1);
    guest.write(Register::Status, 15 | 128);
    assert_eq!(
        guest.read(Register::Status),
        15 | 128,
        "the driver may give up"
    );
}

#[test]
fn a_reset_stops_the_device_and_forgets_everything() {
    let (mut guest, notes) = guest();
    guest.start(0);
    guest.notify(0);
    notes
        .lock()
        .unwrap()
        .active
        .as_ref()
        .unwrap()
        .interrupt
        .signal_used(0);
    assert_eq!(guest.read(Register::InterruptStatus), 1);
    guest.write(Register::Status, 0);
    assert!(notes.lock().unwrap().active.is_none());
    for register in [
        Register::Status,
        Register::InterruptStatus,
        Register::QueueReady,
    ] {
        assert_eq!(guest.read(register), 0, "{register:?}");
    }
    assert!(
        guest.transport.lock().unwrap().doorbells()[0]
            .read()
            .is_err()
    );
    assert_eq!(guest.start(0), 15, "and starts again");
    assert_eq!(notes.lock().unwrap().activations, 2);
}

#[test]
fn bad_queue_sizes_are_refused() {
    let (mut guest, notes) = guest();
    guest.negotiate(0);
    guest.write(Register::QueueSel, 1);
    let sizes = [0, 3, 17, 32, 65535, 65536, 0x1_0010, u32::MAX];
    for size in sizes {
        guest.write(Register::QueueSize, size);
    }
    assert_eq!(refused(&guest), sizes.len() as u64);
    guest.start(0);
    let notes = notes.lock().unwrap();
    assert_eq!(notes.active.as_ref().unwrap().queues[1].queue.size(), 16);
}

#[test]
fn rings_outside_memory_or_misaligned_need_a_reset() {
    let addresses = [
        (Register::QueueDescLow, 0xf_ff80),
        (Register::QueueDescHigh, 1),
        (Register::QueueDeviceHigh, u32::MAX),
        (Register::QueueDriverLow, 0),
        (Register::QueueDriverLow, 0xffff_fffe),
        (Register::QueueDescLow, 0x1001),
        (Register::QueueDriverLow, 0x1401),
        (Register::QueueDeviceLow, 0x1802),
    ];
    for (register, value) in addresses {
        let (guest, notes) = guest();
        guest.negotiate(0);
        guest.set_up_queue(0);
        guest.write(Register::QueueReady, 0);
        guest.write(register, value);
        guest.write(Register::QueueReady, 1);
        guest.write(Register::Status, 15);
        let status = guest.read(Register::Status);
        assert_eq!(status, 15 | 0x40, "{register:?} {value:#x}");
        assert_eq!(
            guest.read(Register::InterruptStatus),
            2,
            "the driver is told"
        );
        assert!(guest.line.evt().read().is_ok());
        assert!(notes.lock().unwrap().active.is_none());
        guest.write(Register::Status, 0);
        assert_eq!(guest.read(Register::Status), 0);
    }
}

#[test]
fn a_queue_that_is_ready_or_absent_cannot_be_changed() {
    let (mut guest, _) = guest();
    guest.start(0);
    guest.write(Register::QueueSel, 0);
    guest.write(Register::QueueReady, 0);
    guest.write(Register::QueueDescLow, 0);
    guest.write(Register::QueueSize, 8);
    guest.write(Register::QueueReady, 7);
    guest.write(Register::QueueSel, 2);
    guest.write(Register::QueueReady, 1);
    assert_eq!(refused(&guest), 5);
    assert_eq!(guest.read(Register::QueueReady), 0);
    guest.write(Register::QueueSel, 0);
    assert_eq!(guest.read(Register::QueueReady), 1);
}

#[test]
fn a_notification_rings_the_queues_doorbell() {
    let (guest, _) = guest();
    guest.write(Register::QueueNotify, 1);
    guest.write(Register::QueueNotify, 2);
    let transport = guest.transport.lock().unwrap();
    assert!(transport.doorbells()[0].read().is_err());
    assert!(transport.doorbells()[1].read().is_ok());
    assert_eq!(transport.refused(), 1);
}

#[test]
fn interrupt_reasons_stay_until_acknowledged() {
    let (mut guest, notes) = guest();
    guest.start(0);
    let interrupt = notes
        .lock()
        .unwrap()
        .active
        .as_ref()
        .unwrap()
        .interrupt
        .clone();
    interrupt.signal_used(0);
    interrupt.signal_config();
    assert_eq!(guest.read(Register::InterruptStatus), 3);
    guest.write(Register::InterruptAck, 1);
    assert_eq!(guest.read(Register::InterruptStatus), 2);
    guest.write(Register::InterruptAck, u32::MAX);
    assert_eq!(guest.read(Register::InterruptStatus), 0);
    assert_eq!(guest.line.evt().read().unwrap(), 2);
}

#[test]
fn configuration_is_read_at_any_width_and_zero_past_its_end() {
    let (guest, notes) = guest();
    assert_eq!(guest.config(0), [1_u8, 2, 3, 4]);
    assert_eq!(guest.config(1), [2_u8, 3]);
    assert_eq!(guest.config(4), [5_u8, 6, 0, 0]);
    assert_eq!(guest.config(0), [1_u8, 2, 3, 4, 5, 6, 0, 0]);
    assert_eq!(guest.config(0xefc), [0_u8; 4]);
    guest.bus().write(BASE + 0x102, &[9, 8]);
    assert_eq!(notes.lock().unwrap().config_writes, [(2, vec![9, 8])]);
}

#[test]
fn absent_shared_memory_reads_as_minus_one() {
    let (guest, _) = guest();
    guest.write(Register::ShmSel, 0);
    for register in [
        Register::ShmLenLow,
        Register::ShmLenHigh,
        Register::ShmBaseLow,
    ] {
        assert_eq!(guest.read(register), u32::MAX);
    }
}

#[test]
fn every_offset_takes_every_width_and_value() {
    let (guest, _) = guest();
    for offset in 0..spec::BLOCK_BYTES {
        for len in [1, 2, 4, 8] {
            let mut data = [0; 8];
            guest.bus().read(BASE + offset, &mut data[..len]);
            for value in [0, 1, u64::MAX, 0x5555_5555_5555_5555] {
                guest
                    .bus()
                    .write(BASE + offset, &value.to_le_bytes()[..len]);
            }
        }
    }
    assert!(refused(&guest) > 0);
    guest.write(Register::Status, 0);
    assert_eq!(guest.negotiate(0), 11);
}

#[test]
fn registers_are_in_order_and_found_by_their_offset() {
    assert!(Register::ALL.is_sorted_by_key(|register| *register as u64));
    for register in Register::ALL {
        assert_eq!(Register::at(*register as u64), Some(*register));
    }
    assert_eq!(Register::at(2), None);
}

#[test]
fn state_survives_save_and_restore_and_work_goes_on_where_it_stopped() {
    let (mut first, notes) = guest();
    first.start(1);
    first.offer(0, &[Piece::readable(0x2_0000, 1)]);
    // As a device would that has used 5 chains.
    first.poke(Guest::areas(0)[2] + 2, &5_u16.to_le_bytes());
    let state = first.transport.lock().unwrap().save().unwrap();
    assert_eq!(state.handshake.queues[0].next, 5);
    assert_eq!(
        notes.lock().unwrap().activations,
        2,
        "it goes on after a save"
    );

    let (second, notes) = guest();
    second.transport.lock().unwrap().restore(&state).unwrap();
    assert_eq!(second.read(Register::Status), 15);
    {
        let notes = notes.lock().unwrap();
        let active = notes.active.as_ref().unwrap();
        assert_eq!(active.acked_features, F_VERSION_1 | 1);
        let queue = &active.queues[0];
        assert_eq!((queue.queue.next_avail(), queue.queue.next_used()), (5, 5));
        assert!(queue.doorbell.read().is_ok(), "buffers may be waiting");
    }
    second.poke(Guest::areas(0)[2] + 2, &5_u16.to_le_bytes());
    assert_eq!(second.transport.lock().unwrap().save().unwrap(), state);

    let mut foreign = state.clone();
    foreign.handshake.acked_features |= 1 << 20;
    assert!(matches!(
        second.transport.lock().unwrap().restore(&foreign),
        Err(RestoreError::Features(_))
    ));
}
