//! [`Control`]: the driver's commands (virtio 1.3 5.1.6.5).
//!
//! A command changes the [`NetState`] while no worker moves frames, and is answered after that:
//! what the driver has asked for holds from its answer on.

use super::Shared;
use super::mode::{AddressTable, NetState};
use super::spec;
use crate::net::mac::MacAddress;
use crate::virtio::ring::{Chain, Ring, read_front, total_bytes};
use std::os::fd::RawFd;
use std::sync::Arc;
use vm_memory::Bytes;

/// Longest command taken; a table of some 2,700 addresses.
const COMMAND_BYTES_MAX: u64 = 16 << 10;

pub(super) struct Control {
    ring: Ring,
    shared: Arc<Shared>,
    features: u64,
    /// Queue pairs that the driver has set up.
    pairs: u16,
}

impl Control {
    pub(super) fn new(ring: Ring, shared: Arc<Shared>, features: u64, pairs: u16) -> Self {
        Self {
            ring,
            shared,
            features,
            pairs,
        }
    }

    /// Readable when the driver has rung.
    pub(super) fn doorbell_fd(&self) -> RawFd {
        self.ring.doorbell_fd()
    }

    /// Carries out the commands that are there.
    pub(super) fn serve(&mut self) {
        self.ring.begin();
        for _ in 0..self.ring.size() {
            let Some(chain) = self.ring.pop() else { break };
            let written = self.answer(&chain);
            self.ring.push(chain.head, written);
        }
        self.ring.signal();
        if self.ring.end() {
            self.ring.postpone();
        }
    }

    /// Carries out a command and writes the answer; returns how many bytes that has.
    fn answer(&self, chain: &Chain) -> u32 {
        if chain.defect.is_some() {
            return 0;
        }
        let Some(ack) = chain.writable.first() else {
            self.ring.count_defect();
            return 0;
        };
        let done = self.command(chain).and_then(|command| match &command[..] {
            [class, command, data @ ..] => self.carry_out(*class, *command, data),
            _ => None,
        });
        let answer = done.map_or(spec::ERR, |()| spec::OK);
        let written = self.ring.memory().write_obj(answer, ack.gpa);
        written.map_or(0, |()| 1)
    }

    fn command(&self, chain: &Chain) -> Option<Vec<u8>> {
        let bytes = total_bytes(&chain.readable);
        if bytes > COMMAND_BYTES_MAX {
            return None;
        }
        let mut command = vec![0; usize::try_from(bytes).ok()?];
        read_front(self.ring.memory(), &chain.readable, &mut command).then_some(command)
    }

    /// None if the command is unknown, was not agreed on, or cannot be carried out.
    fn carry_out(&self, class: u8, command: u8, data: &[u8]) -> Option<()> {
        let mut state = self.shared.lock_state();
        let old = state.clone();
        let new = self.change(old.clone(), class, command, data)?;
        if new.pairs != old.pairs {
            self.shared.backend.set_active_pairs(new.pairs).ok()?;
        }
        if new.guest_offloads != old.guest_offloads {
            let backend = &self.shared.backend;
            backend.set_guest_offloads(new.offloads()).ok()?;
        }
        let address_changed = new.mac != old.mac;
        *state = new;
        drop(state);
        if address_changed {
            self.shared.note_change();
        }
        self.shared.wake_all();
        Some(())
    }

    /// The state after a command.
    fn change(&self, mut state: NetState, class: u8, command: u8, data: &[u8]) -> Option<NetState> {
        let agreed = |feature| (self.features & feature != 0).then_some(());
        match (class, command) {
            (spec::CTRL_RX, spec::CTRL_RX_PROMISC..=spec::CTRL_RX_NOBCAST) => {
                agreed(if command <= spec::CTRL_RX_ALLMULTI {
                    spec::F_CTRL_RX
                } else {
                    spec::F_CTRL_RX_EXTRA
                })?;
                match data {
                    [0] => state.receive_modes &= !(1 << command),
                    [1] => state.receive_modes |= 1 << command,
                    _ => return None,
                }
            }
            (spec::CTRL_MAC, spec::CTRL_MAC_TABLE_SET) => {
                agreed(spec::F_CTRL_RX)?;
                let (unicast, rest) = table(data)?;
                let (multicast, []) = table(rest)? else {
                    return None;
                };
                state.unicast = AddressTable::new(unicast);
                state.multicast = AddressTable::new(multicast);
            }
            (spec::CTRL_MAC, spec::CTRL_MAC_ADDR_SET) => {
                agreed(spec::F_CTRL_MAC_ADDR)?;
                let address = MacAddress(data.try_into().ok()?);
                state.mac = address.is_station().then_some(address)?;
            }
            (spec::CTRL_MQ, spec::CTRL_MQ_VQ_PAIRS_SET) => {
                agreed(spec::F_MQ)?;
                let pairs = u16::from_le_bytes(data.try_into().ok()?);
                state.pairs = (1..=self.pairs).contains(&pairs).then_some(pairs)?;
            }
            (spec::CTRL_GUEST_OFFLOADS, spec::CTRL_GUEST_OFFLOADS_SET) => {
                agreed(spec::F_CTRL_GUEST_OFFLOADS)?;
                let offloads = u64::from_le_bytes(data.try_into().ok()?);
                let possible = self.features & spec::GUEST_OFFLOADS;
                state.guest_offloads = Some((offloads & !possible == 0).then_some(offloads)?);
            }
            _ => return None,
        }
        Some(state)
    }
}

/// A table of addresses at the start of `data`, and what is after it.
fn table(data: &[u8]) -> Option<(Vec<MacAddress>, &[u8])> {
    let (count, rest) = data.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (entries, rest) = rest.split_at_checked(count.checked_mul(6)?)?;
    let (entries, _) = entries.as_chunks::<6>();
    Some((entries.iter().copied().map(MacAddress).collect(), rest))
}
