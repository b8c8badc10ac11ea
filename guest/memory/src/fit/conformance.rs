//! What holds for every fit, and what each is known by.

use super::*;

fn holes(sizes: &[usize]) -> Vec<Hole> {
    let mut start = 0;
    let hole = |size: &usize| {
        let hole = Hole { start, size: *size };
        start += size + 1;
        hole
    };
    sizes.iter().map(hole).collect()
}

fn arena(name: &str, sizes: &[usize]) -> Arena {
    Arena::new(from_name(name).unwrap(), 1, holes(sizes))
}

/// What each of `requests` leaves of its hole; none if it has to wait.
fn serve(name: &str, sizes: &[usize], requests: &[usize]) -> Vec<Option<usize>> {
    let mut arena = arena(name, sizes);
    let mut left = |(id, size): (usize, &usize)| {
        let before = arena.holes().to_vec();
        let block = arena.allocate(id as u64, *size).ok()?;
        let hole = before.iter().find(|hole| hole.start == block.start)?;
        Some(hole.size - size)
    };
    requests.iter().enumerate().map(&mut left).collect()
}

#[test]
fn the_books_requests_are_served_as_in_the_book() {
    let (sizes, requests) = ([100, 500, 200, 300, 600], [212, 417, 112, 426]);
    let expected = [
        ("first", [Some(288), Some(183), Some(176), None]),
        ("next", [Some(288), Some(183), Some(71), None]),
        ("best", [Some(88), Some(83), Some(88), Some(174)]),
        ("worst", [Some(388), Some(83), Some(276), None]),
    ];
    for (name, left) in expected {
        assert_eq!(serve(name, &sizes, &requests), left, "{name}");
    }
    assert!(from_name("perfect").is_none());
}

/// Blocks and holes are apart, in order, and all of the memory.
fn check(arena: &Arena, bytes: usize) {
    let blocks = arena.blocks().iter().map(|block| (block.start, block.size));
    let holes = arena.holes().iter().map(|hole| (hole.start, hole.size));
    let mut pieces: Vec<_> = blocks.chain(holes).collect();
    pieces.sort_unstable();
    let end = pieces.iter().fold(0, |end, (start, size)| {
        assert_eq!(*start, end, "{pieces:?}");
        start + size
    });
    assert_eq!(end, bytes);
    let mut neighbours = arena.holes().windows(2);
    assert!(neighbours.all(|two| two[0].start + two[0].size < two[1].start));
}

#[test]
fn nothing_is_lost_whatever_comes_and_goes() {
    const BYTES: usize = 4096;
    for (name, make) in POLICIES {
        let mut arena = Arena::new(make(), 16, holes(&[BYTES]));
        let mut state = 1_u64;
        for id in 0..3000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let asked = (state >> 55) as usize;
            match arena.allocate(id, asked) {
                Ok(block) => assert!(block.size >= asked && block.size < asked.max(1) + 16),
                Err(why) => {
                    assert_ne!(why, Refused::WrongHole, "{name}");
                    let victim = arena.blocks()[state as usize % arena.blocks().len()].id;
                    assert!(arena.free_block(victim).is_some());
                    assert!(arena.free_block(victim).is_none(), "given back twice");
                }
            }
            if id % 500 == 0 {
                let free = arena.free();
                arena.compact(|block, to| assert!(to < block.start));
                assert_eq!((arena.free(), arena.external_permille()), (free, 0));
            }
            check(&arena, BYTES);
        }
    }
}

#[test]
fn a_hole_that_is_none_or_too_small_is_refused() {
    struct Wrong(usize);
    impl Fit for Wrong {
        fn choose(&mut self, _: &[Hole], _: usize, _: &mut u64) -> Option<usize> {
            Some(self.0)
        }
    }
    for index in [0, 7, usize::MAX] {
        let mut arena = Arena::new(Box::new(Wrong(index)), 1, holes(&[10, 50]));
        assert_eq!(arena.allocate(0, 20), Err(Refused::WrongHole));
        assert_eq!(arena.free(), 60);
    }
}

#[test]
fn why_a_block_cannot_be_had_is_said() {
    for (name, _) in POLICIES {
        let mut arena = arena(name, &[10, 50, 20]);
        assert_eq!(arena.allocate(0, 60), Err(Refused::InPieces));
        assert_eq!(arena.allocate(0, 90), Err(Refused::TooLittle));
        assert_eq!(arena.allocate(0, usize::MAX), Err(Refused::TooLittle));
    }
}
