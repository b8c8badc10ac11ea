//! How values become bytes and are made of them again: numbers with their lowest byte first, lengths as
//! 32 bits before what they count.

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that are not the values that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Bytes that values are taken from.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// From the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The number of things that follow, each at least a byte.
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(u32::take(self)?).map_err(|_| Malformed)?;
        if count > self.rest.len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), Malformed> {
        match self.rest {
            [] => Ok(()),
            _ => Err(Malformed),
        }
    }
}

/// What arguments and results may be.
pub trait Marshal: Sized {
    /// Appends it to `bytes`.
    fn put(&self, bytes: &mut Vec<u8>);
    /// Takes one.
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Marshal for $number {
            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = from.bytes(size_of::<Self>())?;
                bytes.try_into().map(Self::from_le_bytes).map_err(|_| Malformed)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i32, i64);

impl Marshal for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl Marshal for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(())
    }
}

impl Marshal for String {
    fn put(&self, bytes: &mut Vec<u8>) {
        put_count(self.len(), bytes);
        bytes.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = from.count()?;
        let text = core::str::from_utf8(from.bytes(count)?);
        text.map(Self::from).map_err(|_| Malformed)
    }
}

impl<T: Marshal> Marshal for Vec<T> {
    fn put(&self, bytes: &mut Vec<u8>) {
        put_count(self.len(), bytes);
        self.iter().for_each(|element| element.put(bytes));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = from.count()?;
        (0..count).map(|_| T::take(from)).collect()
    }
}

/// Longer ones than the number can say are cut off by the message's greatest length.
fn put_count(count: usize, bytes: &mut Vec<u8>) {
    u32::try_from(count).unwrap_or(u32::MAX).put(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn bytes_of(value: &impl Marshal) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        bytes
    }

    fn comes_back<T: Marshal + PartialEq + core::fmt::Debug>(value: T) {
        let bytes = bytes_of(&value);
        let mut reader = Reader::new(&bytes);
        assert_eq!(T::take(&mut reader), Ok(value));
        assert_eq!(reader.end(), Ok(()));
        for short in 0..bytes.len() {
            assert_eq!(T::take(&mut Reader::new(&bytes[..short])), Err(Malformed));
        }
    }

    #[test]
    fn values_come_back_and_shortened_ones_do_not() {
        comes_back(7_u8);
        comes_back(u16::MAX);
        comes_back(0x0102_0304_u32);
        comes_back(u64::MAX - 1);
        comes_back(i64::MIN);
        comes_back(true);
        comes_back(String::from("größer"));
        comes_back(vec![1_u64, 2, 3]);
        comes_back(vec![String::from("a"), String::new()]);
    }

    #[test]
    fn the_lowest_byte_is_first_and_lengths_stand_before() {
        assert_eq!(bytes_of(&0x0102_0304_u32), [4, 3, 2, 1]);
        assert_eq!(bytes_of(&String::from("ab")), [2, 0, 0, 0, b'a', b'b']);
        assert_eq!(bytes_of(&vec![true]), [1, 0, 0, 0, 1]);
        assert_eq!(bytes_of(&()), []);
    }

    #[test]
    fn bytes_that_are_no_such_value_are_refused() {
        let take = |bytes: &[u8]| bool::take(&mut Reader::new(bytes));
        assert_eq!(take(&[2]), Err(Malformed));
        let text = |bytes: &[u8]| String::take(&mut Reader::new(bytes));
        assert_eq!(text(&[1, 0, 0, 0, 0xff]), Err(Malformed));
        assert_eq!(text(&[0xff, 0xff, 0xff, 0xff, b'a']), Err(Malformed));
        // Elements of no bytes are not counted up to what the number says.
        let nothings = Vec::<()>::take(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff]));
        assert_eq!(nothings, Err(Malformed));
        assert_eq!(Reader::new(&[0]).end(), Err(Malformed));
    }
}
