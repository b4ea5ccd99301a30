//! Which digits of a card are hidden, seen from where it ends.

use crate::{
    Engine,
    keep::{DIGITS_MAX, DIGITS_MIN, Keep},
};

/// Cards that are read backward keep their last four digits at the left and their first ones at the right: so many different first ones there
/// are at most.
pub(super) const GROUPS: usize = 4;
const STEPS: usize = 5;

/// Cards whose last hidden digit stands equally far before their end.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// How far.
    pub(super) from: usize,
    /// The most digits that any of a set of lengths hides, by the set's lower and its upper four bits (bit 0: 12 digits).
    pub(super) most: [[u8; 16]; 2],
}

/// All of it, for one masked format.
pub(super) struct Reach {
    pub(super) forward: Group,
    backward: [Group; GROUPS],
    groups: usize,
    steps: [u8; STEPS],
    rounds: usize,
}

static REACHES: [Reach; 4] = [
    Reach::new(Keep::FirstSixLastFour),
    Reach::new(Keep::FirstEightLastFour),
    Reach::new(Keep::LastFour),
    Reach::new(Keep::Nothing),
];

impl Reach {
    pub(super) fn of(engine: &Engine) -> &'static Reach {
        match engine.keep {
            Keep::FirstSixLastFour => &REACHES[0],
            Keep::FirstEightLastFour => &REACHES[1],
            Keep::LastFour => &REACHES[2],
            Keep::Nothing => &REACHES[3],
        }
    }

    const fn new(keep: Keep) -> Reach {
        let none = Group { from: 0, most: [[0; 16]; 2] };
        let mut reach = Reach { forward: none, backward: [none; GROUPS], groups: 0, steps: [0; STEPS], rounds: 0 };
        reach.forward.from = keep.last();
        let (mut length, mut most) = (DIGITS_MIN, 0);
        while length <= DIGITS_MAX {
            let first = keep.first(length);
            let hidden = (length - first - keep.last()) as u8;
            add(&mut reach.forward.most, length, hidden);
            let mut group = 0;
            while group < reach.groups && reach.backward[group].from != first {
                group += 1;
            }
            if group == reach.groups {
                reach.groups += 1;
                reach.backward[group].from = first;
            }
            add(&mut reach.backward[group].most, length, hidden);
            if hidden > most {
                most = hidden;
            }
            length += 1;
        }
        // A wave of `most` runs over so many places: by steps that double as long as they may.
        let mut run = 1;
        while run < most {
            let step = if run < most - run { run } else { most - run };
            reach.steps[reach.rounds] = step;
            reach.rounds += 1;
            run += step;
        }
        reach
    }

    pub(super) fn backward(&self) -> &[Group] {
        self.backward.get(..self.groups).unwrap_or_default()
    }

    /// How far the wave goes in each round.
    pub(super) fn steps(&self) -> &[u8] {
        self.steps.get(..self.rounds).unwrap_or_default()
    }
}

const fn add(most: &mut [[u8; 16]; 2], length: usize, hidden: u8) {
    let bit = length - 12;
    let (half, mut bits) = (bit / 4, 0);
    while bits < 16 {
        if bits >> (bit % 4) & 1 == 1 && most[half][bits] < hidden {
            most[half][bits] = hidden;
        }
        bits += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_what_the_format_hides() {
        for (keep, reach) in
            [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing].into_iter().zip(&REACHES)
        {
            assert_eq!(1 + reach.steps().iter().sum::<u8>(), reach.forward.most[1][8]);
            for length in DIGITS_MIN..=DIGITS_MAX {
                let hidden = |group: &Group| {
                    let most = group.most[(length - 12) / 4][1 << (length % 4)];
                    group.from..group.from + usize::from(most)
                };
                let backward: Vec<usize> = reach.backward().iter().flat_map(hidden).collect();
                let forward = hidden(&reach.forward);
                for back in 0..length {
                    assert_eq!(forward.contains(&back), keep.hides(length - 1 - back, length), "{keep:?} {length}");
                    assert_eq!(backward.contains(&back), keep.hides(back, length), "{keep:?} {length}");
                }
            }
        }
    }
}
