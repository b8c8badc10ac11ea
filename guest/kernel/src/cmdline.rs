//! The kernel's command line: words, most of them `name=value`.
//!
//! Searched eight bytes at a time, as every instruction before the first program counts.

use alloc::vec::Vec;

/// Words that there is room for at first; one with all default devices has fewer.
const USUAL: usize = 16;

/// The command line, split into words.
#[derive(Clone, Debug)]
pub struct Cmdline {
    words: Vec<(&'static str, &'static str)>,
}

impl Cmdline {
    /// Splits `text` at spaces. Text that is not UTF-8 is an empty command line.
    pub fn parse(text: &'static [u8]) -> Self {
        let mut words = Vec::with_capacity(USUAL);
        let whole = core::str::from_utf8(text).unwrap_or_default();
        let (bytes, mut start) = (whole.as_bytes(), 0);
        while start < bytes.len() {
            let end = find(bytes, start, b' ');
            if end > start {
                let word = &whole[start..end];
                let equals = find(word.as_bytes(), 0, b'=');
                let value = word.get(equals + 1..).unwrap_or_default();
                words.push((&word[..equals], value));
            }
            start = end + 1;
        }
        Self { words }
    }

    /// The value of the last word of that name; empty for a word without one.
    pub fn get(&self, name: &str) -> Option<&'static str> {
        self.all(name).last()
    }

    /// The values of all words of that name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        self.words
            .iter()
            .filter(move |word| word.0 == name)
            .map(|word| word.1)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Index of the first `byte` in `bytes` from `start` on, or their length.
pub fn find(bytes: &[u8], start: usize, byte: u8) -> usize {
    let pattern = u64::from(byte) * ONES;
    let mut at = start;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let different = u64::from_le_bytes(*eight) ^ pattern;
        // The lowest byte that is zero has its high bit set.
        let zeroes = different.wrapping_sub(ONES) & !different & HIGHS;
        if zeroes != 0 {
            return at + zeroes.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at.min(bytes.len())
        + rest
            .iter()
            .position(|other| *other == byte)
            .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_names_and_values() {
        let line =
            Cmdline::parse(b"  sched=priority quiet dev=512@0xd0000000:5 dev=x=y  sched=other ");
        assert_eq!(line.get("sched"), Some("other"));
        assert_eq!(line.get("quiet"), Some(""));
        assert_eq!(line.get("q"), None);
        assert_eq!(
            line.all("dev").collect::<Vec<_>>(),
            ["512@0xd0000000:5", "x=y"]
        );
    }

    #[test]
    fn no_text_and_bad_text_are_no_words() {
        assert_eq!(Cmdline::parse(b"").get(""), None);
        assert_eq!(Cmdline::parse(b"a=\xff").get("a"), None);
    }

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        let bytes = b"0123456789abcdefghi";
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(find(bytes, 0, *byte), index);
            assert_eq!(find(bytes, index, *byte), index);
            assert_eq!(find(bytes, index + 1, *byte), bytes.len());
        }
        assert_eq!(find(b"\x01\x00\x01\x00aaaaaa", 0, 0), 1);
    }
}
