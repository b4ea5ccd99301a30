//! The heads that are issued in one length, as products: a set of first digits times one of second, of third and of fourth ones.
//!
//! So four digits are asked about with one small table for each of them, at as many places at once as a register has bytes.

/// Eight products: for each of the four digits, and each value that it may have, which of them have it, as bits.
pub(crate) type Eight = [[u8; 16]; 4];

/// More than so many times eight cost more than to look up head by head.
const EIGHTS_MAX: usize = 12;

/// Sets of digits, as bits, for the first to the fourth digit.
type Product = [u16; 4];

/// All heads of one length.
#[derive(Debug)]
pub(crate) struct Products(Vec<Eight>);

impl Products {
    /// Those that `issued` says yes to, of 10,000; None where they make too many products.
    pub(crate) fn of(issued: impl Fn(usize) -> bool) -> Option<Products> {
        let mut products: Vec<Product> = Vec::new();
        for pair in 0..100 {
            for [thirds, fourths] in ends_of(|end| issued(pair * 100 + end)) {
                join(&mut products, [1 << (pair / 10), 1 << (pair % 10), thirds, fourths], 1);
            }
        }
        let mut joined = Vec::new();
        products.into_iter().for_each(|product| join(&mut joined, product, 0));
        let eights = joined.chunks(8).map(eight).collect::<Vec<_>>();
        (eights.len() <= EIGHTS_MAX).then_some(Products(eights))
    }

    #[inline(always)]
    pub(crate) fn eights(&self) -> &[Eight] {
        &self.0
    }
}

/// The last two digits of heads as sets: those third digits together that have the same fourth ones.
fn ends_of(issued: impl Fn(usize) -> bool) -> Vec<[u16; 2]> {
    let mut ends: Vec<[u16; 2]> = Vec::new();
    for third in 0..10 {
        let fourths = (0..10).filter(|fourth| issued(third * 10 + fourth)).fold(0, |set, fourth| set | 1 << fourth);
        match ends.iter_mut().find(|end| end[1] == fourths) {
            _ if fourths == 0 => {}
            Some(end) => end[0] |= 1 << third,
            None => ends.push([1 << third, fourths]),
        }
    }
    ends
}

/// Adds a product, to one that differs in the digit at `place` alone where there is one.
fn join(products: &mut Vec<Product>, product: Product, place: usize) {
    let others = |of: &Product| (0..4).all(|at| at == place || of[at] == product[at]);
    match products.iter_mut().find(|known| others(known)) {
        Some(known) => known[place] |= product[place],
        None => products.push(product),
    }
}

fn eight(products: &[Product]) -> Eight {
    let mut eight = [[0; 16]; 4];
    for (bit, product) in products.iter().enumerate() {
        for (table, set) in eight.iter_mut().zip(product) {
            let slots = table.iter_mut().enumerate().filter(|(digit, _)| set >> digit & 1 == 1);
            slots.for_each(|(_, slot)| *slot |= 1 << bit);
        }
    }
    eight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(products: &Products, head: usize) -> bool {
        let digits = [head / 1000, head / 100 % 10, head / 10 % 10, head % 10];
        let all = |eight: &Eight| digits.iter().zip(eight).fold(u8::MAX, |all, (&digit, table)| all & table[digit]);
        products.eights().iter().any(|eight| all(eight) != 0)
    }

    #[test]
    fn say_what_the_table_says() {
        let heads = crate::iin::Heads::builtin();
        for length in if cfg!(miri) { 16..=16 } else { 13..=19 } {
            let issued = |head: usize| heads.balanced_at(head as u32).contains(length);
            let products = Products::of(issued).expect("the built-in ranges make too many products");
            let step = if cfg!(miri) { 97 } else { 1 };
            assert!((0..10_000).step_by(step).all(|head| has(&products, head) == issued(head)), "length {length}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "sums over a table, nothing that Miri sees more of")]
    fn scattered_heads_make_too_many() {
        assert!(Products::of(|head| head * 7919 % 10_007 < 3000).is_none());
        let one = Products::of(|head| head == 4711).unwrap();
        assert!((0..10_000).all(|head| has(&one, head) == (head == 4711)));
        assert!(Products::of(|_| true).is_some_and(|all| all.eights().len() == 1));
        assert!(Products::of(|_| false).is_some_and(|none| none.eights().is_empty()));
    }
}
