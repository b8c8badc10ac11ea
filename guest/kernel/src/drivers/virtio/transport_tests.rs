//! Devices that a driver brings up, and those that it refuses.

use super::super::{Broken, Handle};
use super::*;
use std::sync::{Arc, Mutex};

/// A device that lies as it is told to.
#[derive(Default)]
struct Fake {
    offered: u64,
    /// It does not agree on features.
    stubborn: bool,
    /// Its configuration changes with every look.
    restless: bool,
    config: Vec<u32>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    status: u32,
    accepted: u64,
    generation: u32,
}

impl Registers for Fake {
    fn status(&self) -> u32 {
        let hidden = if self.stubborn {
            status::FEATURES_OK
        } else {
            0
        };
        self.state.lock().unwrap().status & !hidden
    }

    fn set_status(&self, bits: u32) {
        self.state.lock().unwrap().status = bits;
    }

    fn offered_features(&self, half: u32) -> u32 {
        (self.offered >> (32 * half)) as u32
    }

    fn accept_features(&self, half: u32, bits: u32) {
        self.state.lock().unwrap().accepted |= u64::from(bits) << (32 * half);
    }

    fn connect(&self, _device: Handle, _cpus: &[u32]) -> Result<(), Broken> {
        Err(Broken)
    }

    fn select_queue(&self, _index: u16) -> u32 {
        0
    }

    fn set_rings(&self, _index: u16, _rings: &Rings) -> Result<Doorbell, Broken> {
        Err(Broken)
    }

    fn notify(&self, _doorbell: Doorbell) {}

    fn acknowledge(&self) {}

    fn config_generation(&self) -> u32 {
        let mut state = self.state.lock().unwrap();
        state.generation += u32::from(self.restless);
        state.generation
    }

    fn config_u8(&self, offset: u64) -> Option<u8> {
        let word = self.config_u32(offset)?;
        Some(word.to_le_bytes()[offset as usize % 4])
    }

    fn config_u32(&self, offset: u64) -> Option<u32> {
        self.config.get(offset as usize / 4).copied()
    }

    fn set_config_u32(&self, _offset: u64, _value: u32) {}
}

const VERSION_1: u64 = 1 << 32;

fn negotiate(fake: Fake) -> (Option<u64>, u32, u64) {
    let state = fake.state.clone();
    let agreed = Transport::new(fake).negotiate(VERSION_1 | 0b110, VERSION_1);
    let state = state.lock().unwrap();
    (agreed.ok(), state.status, state.accepted)
}

#[test]
fn features_are_those_that_both_sides_have() {
    let fake = Fake {
        offered: VERSION_1 | 0b011,
        ..Fake::default()
    };
    let features = VERSION_1 | 0b010;
    assert_eq!(negotiate(fake), (Some(features), 1 | 2 | 8, features));
}

#[test]
fn a_device_of_before_version_1_is_given_up() {
    let fake = Fake {
        offered: 0b111,
        ..Fake::default()
    };
    assert_eq!(negotiate(fake), (None, 1 | 2 | 128, 0));
}

#[test]
fn a_device_that_does_not_agree_is_given_up() {
    let fake = Fake {
        offered: VERSION_1,
        stubborn: true,
        ..Fake::default()
    };
    assert_eq!(negotiate(fake), (None, 1 | 2 | 128, VERSION_1));
}

#[test]
fn a_device_whose_interrupts_or_queues_cannot_be_set_up_is_given_up() {
    let fake = Fake::default();
    let state = fake.state.clone();
    let transport = Transport::new(fake);
    assert!(transport.connect_to(Handle { slot: 0 }, &[0]).is_err());
    assert_eq!(state.lock().unwrap().status, 128);
}

#[test]
fn configuration_is_read_as_of_one_moment() {
    let config = vec![1, 2];
    let steady = Transport::new(Fake {
        config: config.clone(),
        ..Fake::default()
    });
    assert_eq!(steady.config_u64(0), Ok(2 << 32 | 1));
    assert_eq!(steady.config_u64(4), Err(Errno::Io), "beyond its end");
    assert_eq!(steady.config_bytes(0), Ok([1, 0, 0, 0, 2, 0]));
    assert_eq!(steady.config_bytes::<6>(4), Err(Errno::Io));
    let restless = Transport::new(Fake {
        config,
        restless: true,
        ..Fake::default()
    });
    assert_eq!(restless.config_u64(0), Err(Errno::Io));
}
