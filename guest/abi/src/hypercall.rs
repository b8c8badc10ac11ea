//! The hypercall page: requests that a guest passes to Hostel with one exit.
//!
//! The driver fills a page of its memory and writes the page's number (its guest-physical address
//! divided by 4096) to [`PORT`], as 32 bits. When that instruction is done, so are the requests,
//! in their order, each with its status.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | [`COUNT`]: requests, at most [`MOST_REQUESTS`]; with more, nothing is done |
//! | 4 | 4 | [`DONE`]: written: how many of them came out [`Status::Done`] |
//! | 32 + 16 n | 4 | [`OPERATION`] of request n: an [`Operation`] |
//! | | 4 | [`LEN`]: bytes of its data, at most [`MOST_BYTES`] |
//! | | 8 | [`ADDRESS`]: guest-physical address of its data |
//! | 2080 + 4 n | 4 | written: a [`Status`] |
//! | 2592 + 8 n | 8 | written: a value, if the operation gives one |
//!
//! All is little-endian. The page is read before the first request is served: what they write to
//! it themselves changes none of them. The data of one page are at most [`MOST_PAGE_BYTES`]. A
//! read of the port, as 32 bits, gives [`VERSION`]. Other widths, and pages that are not memory, do
//! nothing.

/// Where the page's number is written.
pub const PORT: u16 = 0x508;
/// Ports of the doorbell.
pub const PORTS: u64 = 4;
/// What is read there.
pub const VERSION: u32 = 1;

/// Most requests of a page.
pub const MOST_REQUESTS: u32 = 128;
/// Most bytes of a request's data.
pub const MOST_BYTES: u32 = 64 << 10;
/// Most bytes of all data of a page together.
pub const MOST_PAGE_BYTES: u32 = 1 << 20;

/// Bytes of the page.
pub const PAGE_BYTES: usize = 4096;
/// Offsets in the page.
pub const COUNT: usize = 0;
/// See [`COUNT`].
pub const DONE: usize = 4;
/// Offset of the requests.
pub const REQUESTS: usize = 32;
/// Bytes of a request.
pub const REQUEST_BYTES: usize = 16;
/// Offset of the statuses, 4 bytes each.
pub const STATUSES: usize = REQUESTS + MOST_REQUESTS as usize * REQUEST_BYTES;
/// Offset of the values, 8 bytes each.
pub const VALUES: usize = STATUSES + MOST_REQUESTS as usize * 4;
/// Offsets in a request.
pub const OPERATION: usize = 0;
/// See [`OPERATION`].
pub const LEN: usize = 4;
/// See [`OPERATION`].
pub const ADDRESS: usize = 8;

const _: () = assert!(STATUSES == 2080 && VALUES == 2592);
const _: () = assert!(VALUES + MOST_REQUESTS as usize * 8 <= PAGE_BYTES);

numbered! {
    /// What is asked for.
    Operation: u32 {
        /// Nothing.
        Nop = 0,
        /// The time: the value is nanoseconds since 1970, UTC.
        Time = 1,
        /// The data are filled with random bytes.
        Random = 2,
        /// The data are written to a console of the host.
        Write = 3,
    }
}

numbered! {
    /// What became of a request.
    Status: u32 {
        /// It is done.
        Done = 1,
        /// There is no such operation.
        Unknown = 2,
        /// Its data are not all in memory.
        BadAddress = 3,
        /// Its data, or all data up to it, are too long.
        TooLong = 4,
        /// The host could not.
        Failed = 5,
    }
}
