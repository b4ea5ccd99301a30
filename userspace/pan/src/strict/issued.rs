//! Issuer ranges for many numbers at once: the first four digits as two pairs, each looked up in a table of 128 bytes.
//!
//! Under most first pairs the second one does not matter. Where it does, a *field* is a set of first pairs, a set of second ones and the lengths
//! that are issued where both meet; eight fields are the bits of a byte. The two sets of lengths that most fields have get a byte of their own.
//! Where an operator's prefixes need more fields than there are, the table of four digits is asked instead.

/// Fields in a byte.
const BITS: usize = 8;

/// By a pair of digits as a number.
pub(crate) type ByPair = [u8; 128];

/// Lengths as in the table of four digits (bit n: 12 + n).
///
/// Each table begins a cache line, since a row of digits reads all of them.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Issued {
    /// What is issued whatever the second pair is.
    pub(crate) always: ByPair,
    /// Fields that all have the same lengths.
    pub(crate) alike: [(Meets, u8); 2],
    pub(crate) others: Meets,
    /// The lengths of a set of the others, by its lower and its upper four bits.
    pub(crate) lengths: [[u8; 16]; 2],
    /// The fields say all that the table says.
    pub(crate) whole: bool,
}

/// Eight fields: those that a pair belongs to, first or second.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meets {
    pub(crate) first: ByPair,
    pub(crate) second: ByPair,
}

/// Of one first pair, the second pairs with which just these lengths are issued.
struct Field {
    first: usize,
    seconds: Vec<bool>,
    lengths: u8,
}

impl Issued {
    pub(crate) fn of(table: &[u8; 10_000]) -> Issued {
        let none = Meets { first: [0; 128], second: [0; 128] };
        let mut issued =
            Issued { always: [0; 128], alike: [(none, 0); 2], others: none, lengths: [[0; 16]; 2], whole: true };
        let mut fields = Vec::new();
        for (first, row) in table.chunks_exact(100).enumerate() {
            let always = row.iter().fold(u8::MAX, |all, lengths| all & lengths);
            issued.always[first] = always;
            let mut distinct: Vec<u8> = row.iter().map(|all| all & !always).filter(|&lengths| lengths != 0).collect();
            distinct.sort_unstable();
            distinct.dedup();
            fields.extend(distinct.into_iter().map(|lengths| {
                let seconds = row.iter().map(|all| all & !always == lengths).collect();
                Field { first, seconds, lengths }
            }));
        }
        for slot in 0..issued.alike.len() {
            let left = |field: &&Field| issued.alike.iter().all(|(_, lengths)| field.lengths != *lengths);
            let often = |lengths: u8| fields.iter().filter(|field| field.lengths == lengths).count();
            let most = fields.iter().filter(left).map(|field| field.lengths).max_by_key(|lengths| often(*lengths));
            issued.alike[slot].1 = most.unwrap_or(0);
        }
        for (meets, lengths) in &mut issued.alike {
            let own = fields.iter().filter(|field| field.lengths == *lengths);
            issued.whole &= own.clone().count() <= BITS;
            own.enumerate().take(BITS).for_each(|(bit, field)| meets.add(bit, field));
        }
        let others = fields.iter().filter(|field| issued.alike.iter().all(|(_, lengths)| field.lengths != *lengths));
        issued.whole &= others.clone().count() <= BITS;
        for (bit, field) in others.enumerate().take(BITS) {
            issued.others.add(bit, field);
            let sets = (0..16).filter(|set| set >> (bit % 4) & 1 == 1);
            sets.for_each(|set: usize| issued.lengths[bit / 4][set] |= field.lengths);
        }
        issued
    }
}

impl Meets {
    fn add(&mut self, bit: usize, field: &Field) {
        self.first[field.first] |= 1 << bit;
        self.second.iter_mut().zip(&field.seconds).filter(|(_, meets)| **meets).for_each(|(slot, _)| *slot |= 1 << bit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(issued: &Issued, head: usize) -> u8 {
        let met = |meets: &Meets| meets.first[head / 100] & meets.second[head % 100];
        let alike = issued.alike.iter().filter(|(meets, _)| met(meets) != 0).fold(0, |all, (_, lengths)| all | lengths);
        let others = usize::from(met(&issued.others));
        issued.always[head / 100] | alike | issued.lengths[0][others % 16] | issued.lengths[1][others / 16]
    }

    #[test]
    fn says_what_the_table_says() {
        let heads = crate::iin::Heads::builtin();
        let table: [u8; 10_000] = std::array::from_fn(|head| heads.strict_ends()[head] as u8);
        let issued = Issued::of(&table);
        assert!(issued.whole, "the built-in ranges need more fields than there are");
        let step = if cfg!(miri) { 97 } else { 1 };
        assert!((0..10_000).step_by(step).all(|head| lengths(&issued, head) == table[head]));
    }

    #[test]
    fn too_many_fields_are_not_whole() {
        let table = std::array::from_fn(|head| if head % 101 == 0 { 1 << (head % 7 + 1) } else { 0 });
        assert!(!Issued::of(&table).whole);
    }
}
