//! Which digits of a card are hidden, seen from where it ends.

use crate::{
    Engine,
    arch::lanes::Most,
    keep::{DIGITS_MAX, DIGITS_MIN, Keep},
};

/// Cards that are read backward keep their last four digits at the left and their first ones at the right: so many different first ones there
/// are at most.
pub(super) const GROUPS: usize = 4;

/// Cards whose last hidden digit stands equally far before their end.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// How far.
    pub(super) from: usize,
    /// How many digits a length hides.
    pub(super) most: Most,
}

/// All of it, for one masked format.
pub(super) struct Reach {
    pub(super) forward: Group,
    backward: [Group; GROUPS],
    groups: usize,
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
        let none = Group { from: 0, most: Most::NONE };
        let mut reach = Reach { forward: none, backward: [none; GROUPS], groups: 0 };
        reach.forward.from = keep.last();
        let mut length = DIGITS_MIN;
        while length <= DIGITS_MAX {
            let first = keep.first(length);
            let hidden = (length - first - keep.last()) as u8;
            reach.forward.most.add(length, hidden);
            let mut group = 0;
            while group < reach.groups && reach.backward[group].from != first {
                group += 1;
            }
            if group == reach.groups {
                reach.groups += 1;
                reach.backward[group].from = first;
            }
            reach.backward[group].most.add(length, hidden);
            length += 1;
        }
        reach
    }

    pub(super) fn backward(&self) -> &[Group] {
        self.backward.get(..self.groups).unwrap_or_default()
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
            for length in DIGITS_MIN..=DIGITS_MAX {
                let hidden = |group: &Group| {
                    let most = group.most.of(length);
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
