//! What the driver takes of what a card offers (virtio 1.3 5.1.3).

use super::super::FEATURE_VERSION_1;
use super::super::ring::FEATURE_EVENT_INDEX;
use abi::net_window::{CHECKSUM, OPEN_CHECKSUM, SEGMENT_TCP4, WHOLE_TCP4};

/// `VIRTIO_NET_F_MAC`, `VIRTIO_NET_F_MRG_RXBUF`, `VIRTIO_NET_F_CTRL_VQ`.
pub(super) const FEATURE_ADDRESS: u64 = 1 << 5;
pub(super) const FEATURE_MERGEABLE: u64 = 1 << 15;
pub(super) const FEATURE_CONTROL: u64 = 1 << 17;
/// `VIRTIO_NET_F_MQ`.
pub(super) const FEATURE_PAIRS: u64 = 1 << 22;
/// `VIRTIO_NET_F_CTRL_GUEST_OFFLOADS`.
const FEATURE_TAKING: u64 = 1 << 2;

/// What the card does to frames that programs of the window send.
pub(super) const MADE_OFFLOADS: u64 = CHECKSUM | SEGMENT_TCP4;
/// What it may leave open of frames that come to them.
pub(super) const TAKEN_OFFLOADS: u64 = OPEN_CHECKSUM | WHOLE_TCP4;

/// Those that the driver wants of any card.
const WANTED: u64 =
    FEATURE_ADDRESS | FEATURE_MERGEABLE | FEATURE_EVENT_INDEX | FEATURE_VERSION_1 | MADE_OFFLOADS;

/// To use several pairs of queues.
const PAIRS: u64 = FEATURE_PAIRS | FEATURE_CONTROL;

/// Features of use among those that are offered.
pub(super) fn choose(offered: u64) -> u64 {
    // Frames come uncut to programs that want them so, and to no others, and into buffers that
    // are shorter.
    let needed = FEATURE_MERGEABLE | FEATURE_CONTROL | FEATURE_TAKING | OPEN_CHECKSUM;
    let taken = match offered & needed == needed {
        true => TAKEN_OFFLOADS | FEATURE_TAKING | FEATURE_CONTROL,
        false => 0,
    };
    // How many are used, is a command, too.
    let several = match offered & PAIRS {
        PAIRS => PAIRS,
        _ => 0,
    };
    offered & (WANTED | taken | several)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN: u64 = TAKEN_OFFLOADS | FEATURE_TAKING;

    #[test]
    fn frames_come_uncut_only_where_that_can_be_turned_off_and_they_have_room() {
        let all = choose(u64::MAX);
        assert_eq!(all, WANTED | TAKEN | PAIRS);
        for missing in [FEATURE_MERGEABLE, FEATURE_TAKING, OPEN_CHECKSUM] {
            let left = choose(!missing);
            assert_eq!(left, (WANTED & !missing) | PAIRS, "{missing:#x}");
        }
        assert_eq!(choose(!WHOLE_TCP4), all & !WHOLE_TCP4);
        assert_eq!(choose(0), 0);
    }

    #[test]
    fn without_a_queue_for_commands_there_is_nothing_to_command() {
        assert_eq!(choose(!FEATURE_CONTROL), WANTED);
        assert_eq!(choose(WANTED | FEATURE_CONTROL), WANTED);
        assert_eq!(choose(!FEATURE_PAIRS), WANTED | TAKEN | FEATURE_CONTROL);
    }
}
