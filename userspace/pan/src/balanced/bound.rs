//! What no scan that works like this one can leave out, for the benchmark: a word's masks, where numbers of each form start, their check digits, the
//! heads of those whose check digit is right, and stars on what is left. Numbers in fours that are many are judged at all places at once, as in the scan. No neighbour and no separator is seen, no number waits for another, and what
//! stands at the edges of a block is nobody's. So it is no scan; it says what a scan of the same bytes can reach at most.

use crate::{
    Engine,
    arch::{Masks, WORD},
    balanced::{
        block::{AHEAD, Block, WORDS},
        clear,
        form::FormId,
        places::Places,
        sieve::{FOURS, Input, Sieve},
    },
    iin::Lengths,
};

const BLOCK: usize = WORDS * WORD;

/// As above, from the first cache line on and over whole blocks alone; how many stars there were.
#[inline(always)]
pub(crate) fn go<M: Masks>(engine: &Engine, bytes: &mut [u8]) -> usize {
    let (mut block, mut sieve) = (Block::EMPTY, Sieve::EMPTY);
    let (mut at, mut count) = (WORD - bytes.as_ptr().addr() % WORD, 0);
    let (mut goes_on, mut fours) = (false, 0);
    while let Some(rest) = bytes.get(at..)
        && rest.len() >= BLOCK + AHEAD * WORD
    {
        let starts = block.read::<M>(rest, WORDS, false, goes_on);
        if starts.plain || starts.grouped {
            let input = Input {
                context: &[],
                bytes,
                at,
                words: WORDS,
                length: BLOCK,
                heads: &engine.heads,
                forms: &engine.forms,
            };
            let mut forms = sieve.forms::<M>(&block, &starts, input);
            if forms.is_power_of_two() && forms <= FormId::PLAIN_LAST {
                count += one_form::<M>(engine, &mut sieve, FormId::of(forms.trailing_zeros()), bytes, at);
            } else {
                let mut hidden = [0; WORDS + AHEAD];
                (fours, forms) = sieve.bound_of_fours::<M>(forms, fours, input, &mut hidden);
                count += fours;
                while forms != 0 {
                    let id = FormId::of(forms.trailing_zeros());
                    sieve.weigh::<M>(id, input);
                    fours += if FOURS >> id.index() & 1 == 1 { sieve.places.count() } else { 0 };
                    keep_issued(engine, &mut sieve.places, id);
                    count += mark(&sieve.places, engine.forms.get(id).hidden, &mut hidden);
                    forms &= forms - 1;
                }
                let (words, _) = bytes.get_mut(at..).unwrap_or_default().as_chunks_mut::<WORD>();
                words
                    .iter_mut()
                    .zip(hidden)
                    .filter(|(_, bits)| *bits != 0)
                    .for_each(|(word, bits)| M::hide(word, bits));
            }
        }
        (at, goes_on) = (at + BLOCK, true);
    }
    count
}

#[inline(always)]
fn one_form<M: Masks>(engine: &Engine, sieve: &mut Sieve, id: FormId, bytes: &mut [u8], at: usize) -> usize {
    let input =
        Input { context: &[], bytes, at, words: WORDS, length: BLOCK, heads: &engine.heads, forms: &engine.forms };
    sieve.weigh::<M>(id, input);
    keep_issued(engine, &mut sieve.places, id);
    if let Some(around) = bytes.get_mut(at - 1..).and_then(|bytes| bytes.first_chunk_mut()) {
        clear::star(&sieve.places, around, engine.forms.get(id).stars[0]);
    }
    sieve.places.count()
}

/// As if all were issued, and one by one where that is not so.
#[inline(always)]
fn keep_issued(engine: &Engine, places: &mut Places, id: FormId) {
    let lengths = Lengths::of_one(engine.forms.get(id).count);
    let issued = places.weighed().fold(Lengths::ALL, |all, (_, head)| all.and(engine.heads.balanced_at(head)));
    if !issued.any_of(lengths) {
        places.keep_issued(&engine.heads, lengths);
    }
}

#[inline(always)]
fn mark(places: &Places, bits: u64, hidden: &mut [u64; WORDS + AHEAD]) -> usize {
    for place in places.iter() {
        let (word, bit) = (place / WORD % WORDS, place % WORD);
        hidden[word] |= bits << bit;
        hidden[word + 1] |= bits >> 1 >> (WORD - 1 - bit);
    }
    places.count()
}
