//! [`Coalescing`]: when a worker that has answered a request waits with the interrupt for more.
//!
//! An interrupt costs the guest exits, and its programs their turn. A driver that keeps several
//! requests under way is better served by one for several answers, a driver that has one under way
//! by one at once; that it is sent is said by virtio 1.3 2.7.7.2, but not how soon. Which driver it
//! is cannot be seen while each answer interrupts it before its next request, so that is tried: now
//! and then the interrupt waits for one answer more than it did, in which it succeeds or not.
//!
//! ```text
//!              tries that succeed: one answer more each, up to MOST
//!   at once ------------------------------------------------------> for many
//!      ^                                                                |
//!      +--- a wait in vain: half way to the answers that there were ----+
//! ```
//! A try in vain doubles the number of interrupts until the next, one that succeeds halves it: a
//! driver with one under way seldom waits, and one with many that is once late is soon believed again.

/// Most answers that one interrupt waits for.
const MOST: u32 = 16;
/// Most interrupts between two tries.
const DOUBTS_MAX: u32 = 256;

/// What a worker has learnt of the driver of its queue.
#[derive(Debug)]
pub struct Coalescing {
    /// Answers that one interrupt is to be for; 1 waits for none.
    target: u32,
    /// Whether no interrupt was for so many yet since that was one less.
    is_tried: bool,
    /// Interrupts until the next try, and those of them that there were.
    doubts: u32,
    sent: u32,
}

impl Default for Coalescing {
    fn default() -> Self {
        Self {
            target: 1,
            is_tried: false,
            doubts: 1,
            sent: 0,
        }
    }
}

impl Coalescing {
    /// Whether the interrupt for so many `answers` waits for more.
    pub fn holds(&mut self, answers: u32) -> bool {
        if answers < self.target {
            return true;
        }
        if std::mem::take(&mut self.is_tried) {
            self.doubts = (self.doubts / 2).max(1);
        }
        self.sent = self.sent.saturating_add(1);
        if self.sent >= self.doubts && self.target < MOST {
            self.sent = 0;
            self.target += 1;
            self.is_tried = true;
        }
        false
    }

    /// No request came while the interrupt for so many `answers` waited.
    pub fn in_vain(&mut self, answers: u32) {
        if std::mem::take(&mut self.is_tried) {
            self.doubts = (2 * self.doubts).min(DOUBTS_MAX);
        }
        self.target = (self.target.saturating_add(answers) / 2).clamp(1, MOST);
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver that keeps `depth` requests under way: how many answers the next interrupts are for,
    /// and how many of those were waited for in vain.
    fn interrupts(coalescing: &mut Coalescing, depth: u32, count: usize) -> (Vec<u32>, usize) {
        let (mut sent, mut in_vain) = (Vec::new(), 0);
        let mut answers = 0;
        while sent.len() < count {
            answers += 1;
            if coalescing.holds(answers) {
                if answers < depth {
                    continue;
                }
                coalescing.in_vain(answers);
                in_vain += 1;
            }
            sent.push(answers);
            answers = 0;
        }
        (sent, in_vain)
    }

    #[test]
    fn a_driver_with_one_under_way_is_made_to_wait_ever_more_seldom() {
        let mut coalescing = Coalescing::default();
        let mut between = Vec::new();
        for _ in 0..10 {
            between.extend((0..).find(|_| coalescing.holds(1)));
            coalescing.in_vain(1);
        }
        assert_eq!(between, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
        let (sent, in_vain) = interrupts(&mut coalescing, 1, 257 * 10);
        assert_eq!((sent, in_vain), (vec![1; 257 * 10], 10));
    }

    #[test]
    fn with_success_more_and_more_answers_are_signalled_together() {
        let expected: Vec<u32> = (1..=MOST).chain([MOST; 5]).collect();
        let sent = interrupts(&mut Coalescing::default(), 32, expected.len());
        assert_eq!(sent, (expected, 0));
    }

    #[test]
    fn a_driver_that_keeps_few_under_way_is_seldom_waited_for_in_vain() {
        for depth in 2..MOST {
            let (sent, in_vain) = interrupts(&mut Coalescing::default(), depth, 5000);
            assert!(sent.iter().all(|answers| *answers <= depth), "{depth}");
            assert!(in_vain < 5000 / 40, "{depth}: {in_vain}");
        }
    }

    #[test]
    fn a_driver_that_keeps_fewer_under_way_than_before_is_found_out() {
        let mut coalescing = Coalescing::default();
        interrupts(&mut coalescing, 32, 100);
        let (sent, in_vain) = interrupts(&mut coalescing, 1, 100);
        assert_eq!(sent, vec![1; 100]);
        assert!(in_vain < 12, "{in_vain}");
        interrupts(&mut coalescing, 4, 100);
        assert!(coalescing.target <= 5);
    }

    #[test]
    fn a_driver_with_many_under_way_that_is_now_and_then_late_is_believed_again() {
        let mut coalescing = Coalescing::default();
        let (mut interrupts, mut answers) = (0, 0);
        for request in 1..=10_000 {
            answers += 1;
            let is_held = coalescing.holds(answers);
            let is_late = request % 100 == 0;
            if is_held && is_late {
                coalescing.in_vain(answers);
            }
            if !is_held || is_late {
                interrupts += 1;
                answers = 0;
            }
        }
        assert!(interrupts < 10_000 / 8, "{interrupts}");
    }

    #[test]
    fn any_counts_are_taken() {
        let mut coalescing = Coalescing::default();
        for answers in [0, u32::MAX, 1, 0] {
            coalescing.holds(answers);
            coalescing.in_vain(answers);
            assert!((1..=MOST).contains(&coalescing.target));
        }
    }
}
