//! [`Credit`]: how much either side may send before the other has passed it on (virtio 1.3
//! 5.10.6.3). Counters wrap; what the driver claims is its own loss.

use super::packet::Header;

/// Room for data of the guest that its host reader has not taken yet, a connection.
pub(super) const BUF_ALLOC: u32 = 128 << 10;
/// The driver hears of this much more room, before it has used all up.
const UPDATE_STEP: u32 = BUF_ALLOC / 2;

#[derive(Debug, Default)]
pub(super) struct Credit {
    /// Room that the driver has in all, and what it has passed on.
    peer_buf_alloc: u32,
    peer_fwd_cnt: u32,
    /// Bytes sent to the driver.
    sent: u32,
    /// The driver was asked for its room since it had none.
    asked: bool,

    /// Bytes received from the driver, and those of them passed on.
    received: u32,
    fwd_cnt: u32,
    /// `fwd_cnt` as the driver knows it.
    told_fwd_cnt: u32,
    /// The driver wants to know, whatever it has been told.
    update_asked: bool,
}

impl Credit {
    /// Takes over what the header of a packet of the driver says of its room.
    pub(super) fn hear(&mut self, header: &Header) {
        self.peer_buf_alloc = header.buf_alloc;
        self.peer_fwd_cnt = header.fwd_cnt;
        self.asked &= self.free() == 0;
    }

    /// Bytes that may be sent to the driver.
    pub(super) fn free(&self) -> u32 {
        let outstanding = self.sent.wrapping_sub(self.peer_fwd_cnt);
        self.peer_buf_alloc.saturating_sub(outstanding)
    }

    /// Bytes were sent to the driver.
    pub(super) fn note_sent(&mut self, bytes: u32) {
        self.sent = self.sent.wrapping_add(bytes);
    }

    /// True once for each time that there is no room.
    pub(super) fn ask(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    /// The driver has sent bytes; false when it had no right to.
    pub(super) fn receive(&mut self, bytes: u32) -> bool {
        let used = self.received.wrapping_sub(self.fwd_cnt);
        let allowed = bytes <= BUF_ALLOC - used;
        if allowed {
            self.received = self.received.wrapping_add(bytes);
        }
        allowed
    }

    /// Bytes of the driver were passed on. No more than were received.
    pub(super) fn forward(&mut self, bytes: usize) {
        // Bounded by what is received and not passed on, so by BUF_ALLOC.
        let bytes = u32::try_from(bytes).unwrap_or(0);
        self.fwd_cnt = self.fwd_cnt.wrapping_add(bytes);
    }

    /// All bytes of the driver were passed on, or never will be.
    pub(super) fn forward_all(&mut self) {
        self.fwd_cnt = self.received;
    }

    /// The driver asks for the room that it has.
    pub(super) fn ask_update(&mut self) {
        self.update_asked = true;
    }

    /// Whether the driver should hear of the room that it has.
    pub(super) fn update_due(&self) -> bool {
        self.update_asked || self.fwd_cnt.wrapping_sub(self.told_fwd_cnt) >= UPDATE_STEP
    }

    /// What a packet to the driver says of the room that it has: `buf_alloc` and `fwd_cnt`.
    pub(super) fn tell(&mut self) -> (u32, u32) {
        self.update_asked = false;
        self.told_fwd_cnt = self.fwd_cnt;
        (BUF_ALLOC, self.fwd_cnt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::vsock::packet::HEADER_BYTES;

    fn heard(buf_alloc: u32, fwd_cnt: u32) -> Credit {
        let mut credit = Credit::default();
        hear(&mut credit, buf_alloc, fwd_cnt);
        credit
    }

    fn hear(credit: &mut Credit, buf_alloc: u32, fwd_cnt: u32) {
        let mut header = Header::parse(&[0; HEADER_BYTES]);
        header.buf_alloc = buf_alloc;
        header.fwd_cnt = fwd_cnt;
        credit.hear(&header);
    }

    #[test]
    fn the_drivers_room_is_what_it_has_less_what_is_on_its_way() {
        let mut credit = heard(1000, 0);
        credit.note_sent(700);
        assert_eq!(credit.free(), 300);
        hear(&mut credit, 1000, 600);
        assert_eq!(credit.free(), 900);
        hear(&mut credit, 50, 600);
        assert_eq!(credit.free(), 0, "it has shrunk");
        hear(&mut credit, 1000, 900);
        assert_eq!(credit.free(), 0, "it has passed on more than there was");
    }

    #[test]
    fn counters_wrap() {
        let mut credit = heard(1000, u32::MAX - 99);
        credit.note_sent(u32::MAX - 99);
        credit.note_sent(400);
        assert_eq!(credit.free(), 600);
        for _ in 0..3 * (u64::from(u32::MAX) / u64::from(BUF_ALLOC)) / 2 {
            assert!(credit.receive(BUF_ALLOC));
            credit.forward(BUF_ALLOC as usize);
        }
        assert!(credit.receive(BUF_ALLOC) && !credit.receive(1));
    }

    #[test]
    fn the_driver_may_not_send_more_than_there_is_room_for() {
        let mut credit = Credit::default();
        assert!(credit.receive(BUF_ALLOC - 1));
        assert!(!credit.receive(2) && !credit.receive(u32::MAX));
        assert!(credit.receive(1));
        credit.forward(10);
        assert!(!credit.receive(11) && credit.receive(10));
    }

    #[test]
    fn updates_are_few_and_asking_happens_once() {
        let mut credit = Credit::default();
        assert!(credit.receive(BUF_ALLOC));
        credit.forward(UPDATE_STEP as usize - 1);
        assert!(!credit.update_due());
        credit.forward(1);
        assert!(credit.update_due());
        assert_eq!(credit.tell(), (BUF_ALLOC, UPDATE_STEP));
        assert!(!credit.update_due());
        credit.ask_update();
        assert!(credit.update_due());

        assert!(credit.ask() && !credit.ask());
        hear(&mut credit, 0, 0);
        assert!(!credit.ask(), "there is still no room");
        hear(&mut credit, 5, 0);
        assert!(credit.ask());
    }
}
