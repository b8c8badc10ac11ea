//! Load control: members are admitted in the order in which they came as long as what they need fits;
//! the others are suspended.

use super::Member;

/// Sets shares for members that need so many frames each. What is left over goes to those that are
/// admitted. The first is always admitted.
pub(super) fn admit(frames: u64, members: &mut [Member], need: impl Fn(&Member) -> u64) {
    let (mut left, mut admitted) = (frames, 0);
    for member in &mut *members {
        let needed = need(member).max(1);
        member.share = match admitted {
            0 => needed.min(frames),
            _ if needed <= left => needed,
            _ => 0,
        };
        left -= member.share;
        admitted += u64::from(member.share > 0);
    }
    for member in members.iter_mut().filter(|member| member.share > 0) {
        let more = left / admitted;
        member.share += more;
        left -= more;
        admitted -= 1;
    }
}
