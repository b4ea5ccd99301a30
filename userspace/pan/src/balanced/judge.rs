//! The starts that are left of a word, one by one: what stands beside a number decides, and where it is a stripe's, what stands behind.

use crate::{
    Engine,
    arch::{Masks, Set, WORD},
    balanced::beside::{self, BESIDE, Says},
    balanced::block::Block,
    balanced::candidate::{Around, NAME_MAX, SHAPES, Tail, ends_track1},
    balanced::clear::{self, AROUND},
    balanced::find,
    balanced::form::{Form, FormId, SPAN_MAX},
    balanced::places::Places,
    balanced::run::{Run, Stop},
    balanced::sieve::{Bits, Sieve},
    balanced::sorted::{self, Known, Numbers, Sorted},
    separator,
};

/// What ends the name of track 1 (its caret) or its rest (all the others), see `candidate::ends_track1`.
static NAME_ENDS: Set = track(&[0xc, 0xe]);
static TRACK_ENDS: Set = track(&[0xc]);

const ANY: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

const fn track(fives: &[u8]) -> Set {
    Set::of(&[
        (0x0, ANY),
        (0x1, ANY),
        (0x2, &[0x2]),
        (0x3, &[0xf]),
        (0x5, fives),
        (0x7, &[0xf]),
        (0x8, ANY),
        (0x9, ANY),
        (0xa, ANY),
        (0xb, ANY),
        (0xc, ANY),
        (0xd, ANY),
        (0xe, ANY),
        (0xf, ANY),
    ])
}

/// Letters and digits.
static ALPHANUMERIC: Set = Set::of(&[
    (0x3, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (0x4, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (0x5, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (0x6, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (0x7, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
]);

/// How a start is judged.
enum Verdict {
    /// No card in this form.
    No,
    /// A card.
    Card,
    /// A card, and a grouping may begin with its kept end, which is here.
    CardThen(usize),
    /// What starts here has to go the exact way.
    Exact(usize),
}

impl Run<'_, '_> {
    /// Looks at the starts of a word in their order.
    #[inline(always)]
    pub(super) fn resolve<M: Masks>(&mut self, block: &Block, word: usize, starts: u64) -> Option<Stop> {
        let mut rest = starts;
        while rest != 0 {
            let start = self.at + word * WORD + rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(stop) = self.one::<M>(block, start) {
                return Some(stop);
            }
        }
        None
    }

    /// Looks at a start and at what begins with its kept end.
    #[inline(always)]
    fn one<M: Masks>(&mut self, block: &Block, start: usize) -> Option<Stop> {
        if let Some(stop) = self.hide_tail::<M>(start) {
            return Some(stop);
        }
        // Within a tail or what went the exact way, or a hidden digit, which starts nothing.
        if start < self.pass.at || self.is_hidden(start) {
            return None;
        }
        let forms = self.forms::<M>(block, start);
        if self.accept_clear(start, forms) {
            return None;
        }
        let mut verdict = self.judge::<M>(block, start, forms, false);
        loop {
            match verdict {
                Verdict::CardThen(end) if end - self.at < self.length => {
                    verdict = self.judge::<M>(block, end, self.forms::<M>(block, end), true);
                }
                Verdict::No | Verdict::Card => return None,
                Verdict::CardThen(start) | Verdict::Exact(start) => {
                    return self.exact(start, self.at + self.length);
                }
            }
        }
    }

    /// Looks at what is left of a block in its order. What begins with a card's kept end is among it.
    #[inline(always)]
    pub(crate) fn sifted<M: Masks>(&mut self, block: &Block, sorted: &Sorted) -> Option<Stop> {
        let mut bits = Bits::of(&sorted.left);
        while let Some((word, bit)) = bits.next() {
            if sorted.crowded && sorted.all_clear(word) && self.is_calm(word) {
                self.take_all::<M>(sorted, word, bit);
                bits.leave(word);
            } else if let Some(stop) = self.next::<M>(block, sorted, word, bit) {
                return Some(stop);
            }
        }
        None
    }

    /// Whether nothing that was seen before a word of the block reaches into it but for hidden digits, or stands before its numbers.
    #[inline(always)]
    fn is_calm(&self, word: usize) -> bool {
        self.starred && self.text.tail.is_none() && !self.is_near(self.at + word * WORD)
    }

    /// Whether the rest of a track may be hidden in what stands before a number: then that is not what it was when the block was read.
    #[inline(always)]
    fn is_near(&self, start: usize) -> bool {
        start < self.pass.at + SPAN_MAX
    }

    /// Hides the numbers of a word from `bit` on, all of which are cards but for those that begin with a hidden digit.
    #[inline(always)]
    fn take_all<M: Masks>(&mut self, sorted: &Sorted, word: usize, bit: u32) {
        let (forms, mut rest) = (sorted.forms(word), sorted.open(word) & u64::MAX << bit);
        let (mut hidden, mut behind, mut cards) = (self.hidden[word], self.hidden[word + 1], 0);
        // Mostly they have one form, and now and then none of them is open: that is no branch.
        loop {
            // Those of one form at a time: so a number waits for no table. And which form that is does not wait for what the word before hides here.
            let id = forms[rest.trailing_zeros() as usize % WORD];
            let form = self.engine.forms.get(FormId::of(u32::from(id)));
            let others = rest & !M::equal(forms, id);
            let before = (others & others.wrapping_neg()).wrapping_sub(1);
            let starts = rest & before & !hidden;
            let (taken, [here, next]) = if form.hides_at > 0 {
                let taken = form.not_hidden(starts);
                (taken, form.hidden_by(taken))
            } else {
                one_by_one(starts, form.hidden)
            };
            cards += taken.count_ones();
            (hidden, behind, rest) = (hidden | here, behind | next, rest & !before);
            if rest == 0 {
                break;
            }
        }
        (self.hidden[word], self.hidden[word + 1]) = (hidden, behind);
        self.pass.cards += cards;
    }

    /// Looks at one of them.
    #[inline(always)]
    fn next<M: Masks>(&mut self, block: &Block, sorted: &Sorted, word: usize, bit: u32) -> Option<Stop> {
        let (place, known) = (word * WORD + bit as usize, sorted.known(word, bit));
        if let Some(stop) = self.hide_tail::<M>(self.at + place) {
            return Some(stop);
        }
        if self.at + place < self.pass.at {
            return None;
        }
        let near = sorted.told && self.is_near(self.at + place);
        if known.account && !near {
            return None;
        }
        let may = self.may_start(place, known.kept);
        if known.clear && !near && self.starred {
            let bits = self.engine.forms.get(known.form).hidden;
            self.put(self.at + place, if may { bits } else { 0 });
            self.pass.cards += u32::from(may);
        } else if may {
            return self.closer::<M>(block, self.at + place, known);
        }
        None
    }

    /// Whether the digit at `place` of the block may start a number: it is not hidden, and where it is what may be `kept` of a card, the one before it is.
    #[inline(always)]
    fn may_start(&self, place: usize, kept: bool) -> bool {
        let is_hidden = |place: usize| self.hidden[place / WORD] >> (place % WORD) & 1 == 1;
        !is_hidden(place) & (!kept | is_hidden(place.saturating_sub(1)))
    }

    /// Looks closer at a number that was sorted.
    #[inline(always)]
    fn closer<M: Masks>(&mut self, block: &Block, start: usize, known: Known) -> Option<Stop> {
        let verdict = if known.several || !Numbers::has_room(self.pass.bytes, self.at, start) || !self.starred {
            let forms = if known.several { self.forms::<M>(block, start) } else { 1 << known.form.index() };
            self.judge::<M>(block, start, forms, known.kept)
        } else {
            self.verdict_beside::<M>(block, start, self.engine.forms.get(known.form))
        };
        match verdict {
            Verdict::CardThen(end) if end - self.at < self.length => None,
            Verdict::No | Verdict::Card => None,
            Verdict::CardThen(start) | Verdict::Exact(start) => self.exact(start, self.at + self.length),
        }
    }

    /// Whether the digit at `at` is hidden and not written yet.
    #[inline(always)]
    fn is_hidden(&self, at: usize) -> bool {
        let (word, bit) = ((at - self.at) / WORD, (at - self.at) % WORD);
        self.hidden[word] >> bit & 1 == 1
    }

    /// Looks at those of a block's starts whose check digit is right, which are all of one form.
    #[inline(always)]
    pub(super) fn alike<M: Masks>(
        &mut self,
        block: &Block,
        words: usize,
        sieve: &mut Sieve,
        id: FormId,
    ) -> Option<Stop> {
        let form = self.engine.forms.get(id);
        if form.groups == 1 && self.hide_clear::<M>(block, &mut sieve.places, form) {
            return None;
        }
        sieve.sort::<M>(block, id, self.input(words));
        sieve.sort_kept::<M>(block, self.input(words));
        M::sifted(self, block, &sieve.sorted)
    }

    /// Hides the cards of a block where nothing has a say in any of them; else false, and nothing is written. No number is branched on, and the stores
    /// come last.
    #[inline(always)]
    fn hide_clear<M: Masks>(&mut self, block: &Block, places: &mut Places, form: &Form) -> bool {
        let more = self.hidden[1..].iter().fold(0, |any, bits| any | bits) != 0;
        if !self.starred || more || self.text.tail.is_some() || self.pass.at > self.at {
            return false;
        }
        // What is owed to a card of the block before stands before all starts, or one of them may be hidden.
        if self.hidden[0] != 0 && block.plain[0].trailing_zeros() < u64::BITS - self.hidden[0].leading_zeros() {
            return false;
        }
        let Some(bytes) = self.at.checked_sub(1).and_then(|at| self.pass.bytes.get_mut(at..)) else { return false };
        let mut room;
        let (around, few) = match bytes.first_chunk_mut() {
            Some(around) => (around, None),
            None => {
                room = [0; AROUND]; // the last block of the pass
                room[..bytes.len()].copy_from_slice(bytes);
                (&mut room, Some(bytes))
            }
        };
        let quiet = clear::is_quiet::<M>(places, around);
        if !clear::keep_issued(places, around, form, &self.engine.heads, quiet) {
            return false;
        }
        let last = clear::star(places, around, form.stars[0]);
        if let Some(bytes) = few {
            bytes.copy_from_slice(&around[..bytes.len()]);
        }
        self.pass.cards += places.count() as u32;
        if let Some(last) = last.filter(|last| last + form.span > self.length) {
            self.put(self.at + last, form.hidden); // the next block has to know
        }
        true
    }

    /// Whether a plain card has nothing beside it that has a say in it.
    #[inline(always)]
    fn is_clear(&self, start: usize, form: &Form) -> bool {
        let around = self.pass.bytes.get(start.wrapping_sub(1)..start + form.span + 1).unwrap_or_default();
        let (Some(&before), Some(&next)) = (around.first(), around.last()) else { return false };
        beside::LEFT[usize::from(before)] | beside::PLAIN[usize::from(next)] == 0
    }

    /// Accepts a plain card that nothing beside it has a say in.
    #[inline(always)]
    fn accept_clear(&mut self, start: usize, forms: u32) -> bool {
        if !forms.is_power_of_two() || forms > FormId::PLAIN_LAST || !self.starred {
            return false;
        }
        let form = self.engine.forms.get(FormId::of(forms.trailing_zeros()));
        if self.is_clear(start, form) {
            self.put(start, form.hidden);
            self.pass.cards += 1;
            return true;
        }
        false
    }

    /// Judges a start by the forms that it may have. `kept`: it is the kept end of a card.
    #[inline(always)]
    fn judge<M: Masks>(&mut self, block: &Block, start: usize, forms: u32, kept: bool) -> Verdict {
        let mut rest = forms;
        while rest != 0 {
            let form = self.engine.forms.get(FormId::of(rest.trailing_zeros()));
            rest &= rest - 1;
            let verdict = self.verdict::<M>(block, start, form, kept);
            if !matches!(verdict, Verdict::No) {
                return verdict;
            }
        }
        Verdict::No
    }

    #[inline(always)]
    fn forms<M: Masks>(&self, block: &Block, start: usize) -> u32 {
        forms::<M>(self.engine, self.pass.bytes, start, block.digits_from(start - self.at))
    }

    /// Judges a form whose check digit is right, and hides what it is to hide. `kept`: the start is the kept end of a card.
    #[inline(always)]
    fn verdict<M: Masks>(&mut self, block: &Block, start: usize, form: &Form, kept: bool) -> Verdict {
        let digits = block.digits_from(start - self.at);
        let head = self.pass.bytes.get(start..).and_then(|rest| rest.first_chunk());
        if !head.is_some_and(|head| self.engine.heads.balanced_of(head).contains(form.count))
            || (form.groups > 1 && !form.fits(digits))
        {
            return Verdict::No;
        }
        let Some([second, first]) = self.before(start).filter(|_| self.starred) else { return Verdict::Exact(start) };
        if !kept && !beside::left_allows(second, first) {
            return Verdict::No;
        }
        if form.groups > 1 && !self.has_separators(start, form) {
            return Verdict::No;
        }
        self.verdict_beside::<M>(block, start, form)
    }

    /// The two bytes before a start.
    #[inline(always)]
    fn before(&self, start: usize) -> Option<[u8; 2]> {
        start.checked_sub(2).and_then(|before| self.pass.bytes.get(before..)?.first_chunk()).copied()
    }

    /// Whether the same separator stands between all groups.
    #[inline(always)]
    fn has_separators(&self, start: usize, form: &Form) -> bool {
        let gaps =
            form.gaps.map(|gap| word_at(self.pass.bytes, start + usize::from(gap)).map(|word| word & form.gap_bytes));
        let [Some(first), rest @ ..] = gaps else { return false };
        rest.iter().all(|gap| *gap == Some(first)) && separator::is(first, form.gap)
    }

    /// Judges what may be a card by all but the left side and the separators, by what stands beside it.
    #[inline(always)]
    fn verdict_beside<M: Masks>(&mut self, block: &Block, start: usize, form: &Form) -> Verdict {
        match self.says::<M>(block, start, form) {
            Says::Closed => Verdict::No,
            Says::Depends => Verdict::Exact(start),
            Says::Open => self.accept(block, start, form),
            Says::Track1 => self.accept_track1::<M>(block, start, form),
            Says::Track2 => self.accept_track2(block, start, form),
        }
    }

    /// What stands beside a number.
    #[inline(always)]
    fn says<M: Masks>(&self, block: &Block, start: usize, form: &Form) -> Says {
        let Some(&next) = self.pass.bytes.get(start + form.span) else { return Says::Depends };
        let beside = BESIDE[usize::from(next)];
        let says = match if form.groups == 1 { beside.plain } else { beside.group } {
            // The caret means something behind `%B` alone.
            Says::Track1 if !matches!(self.before(start), Some([b'%', b'B' | b'b'])) => Says::Open,
            Says::Depends => self.completed::<M>(block, start, form),
            says => says,
        };
        if form.groups < 4 || says == Says::Closed {
            return says;
        }
        let words = [start.checked_sub(form.gap), Some(start + 4)];
        match words.map(|at| at.and_then(|at| word_at(self.pass.bytes, at)).map(|word| word & form.gap_bytes)) {
            [None, _] | [_, None] => Says::Depends,
            [before, separator] if before == separator => self.account_says(start, form, says),
            _ => says,
        }
    }

    /// A digit stands behind a grouping: it counts where a plain card begins with the last group, whose kept first digits complete it in the output.
    #[inline(always)]
    fn completed<M: Masks>(&self, block: &Block, start: usize, form: &Form) -> Says {
        let group = start + form.span - form.last_group;
        let digits = form.completed_by as usize;
        let bytes = |at: usize| self.pass.bytes.get(at..).and_then(|rest| rest.first_chunk::<SPAN_MAX>());
        let Some(run) = bytes(group) else { return Says::Depends };
        if bytes(start + 4).is_none_or(|gap| gap[0] == b'.') || digits < crate::keep::DIGITS_MIN {
            return Says::Closed;
        }
        // A longer run is no card, and has no form.
        if block.digits_from(group - self.at).trailing_ones() as usize != digits
            || self.forms::<M>(block, group) & 1 << FormId::plain(digits).index() == 0
        {
            return Says::Closed;
        }
        // What is kept of the last group may begin a shorter run that is a card.
        let before = form.last_group.saturating_sub(4);
        let kept = run.get(before..).and_then(|rest| rest.first_chunk());
        if before > 0 && kept.is_some_and(|head| self.engine.heads.balanced_of(head).contains(digits - before)) {
            return Says::Depends;
        }
        match run[digits] {
            b'D' | b'd' => Says::Depends,
            next if next.is_ascii_alphanumeric() => Says::Closed,
            _ => Says::Open,
        }
    }

    /// Whether the groups are an account number's. Its head has two letters, and stands at most 28 bytes to the left; what is hidden there counts
    /// like the digits that it was.
    #[inline(always)]
    fn account_says(&self, start: usize, form: &Form, next: Says) -> Says {
        let before = start.checked_sub(SPAN_MAX).and_then(|at| self.pass.bytes.get(at..start));
        let Some(before) = before.and_then(|before| before.first_chunk::<SPAN_MAX>()) else { return Says::Depends };
        if !sorted::letters_in(before, form.gap) {
            return next;
        }
        let around =
            Around { engine: self.engine, context: &[], bytes: self.pass.bytes, last: false, starred: self.starred };
        let gap = self.pass.bytes.get(start + 4..start + 4 + form.gap).and_then(separator::at);
        if gap.is_some_and(|gap| around.in_iban(start, gap)) { Says::Closed } else { next }
    }

    #[inline(always)]
    fn accept(&mut self, block: &Block, start: usize, form: &Form) -> Verdict {
        self.put(start, form.hidden);
        self.pass.cards += 1;
        if form.end_in_run { self.end_may_start(block, start, form) } else { Verdict::Card }
    }

    /// Accepts a card with the rest of track 2 behind it, and hides that at once.
    #[inline(always)]
    fn accept_track2(&mut self, block: &Block, start: usize, form: &Form) -> Verdict {
        let from = start + form.span + 1;
        let Some(&[mark, ref date @ ..]) = self.pass.bytes.get(from - 1..).and_then(|rest| rest.first_chunk::<5>())
        else {
            return Verdict::Exact(start);
        };
        // A letter needs a digit behind it, a small one a year and a month.
        let allows = match *date {
            _ if mark == b'=' => true,
            [b'0'..=b'9', ..] if mark == b'D' => true,
            [b'0'..=b'9', b'0'..=b'9', b'0', b'1'..=b'9'] | [b'0'..=b'9', b'0'..=b'9', b'1', b'0'..=b'2'] => true,
            _ => false,
        };
        if !allows {
            return Verdict::No;
        }
        let mut digits = block.digits_from(from - self.at).trailing_ones() as usize;
        if digits >= WORD / 2 {
            digits = find::end_of_run(self.pass.bytes, from) - from;
        }
        if from + digits >= self.pass.bytes.len() {
            return Verdict::Exact(start);
        }
        // Where another tail is still to come, this one is no tail.
        if self.text.tail.is_none()
            && digits > 0
            && let Some(tail) = self.pass.bytes.get_mut(from..from + digits)
        {
            tail.fill(b'*');
            self.pass.at = from + digits;
        }
        self.accept(block, start, form)
    }

    /// Accepts a card with a caret behind it. Behind the name and another caret follows the rest of track 1.
    #[inline(always)]
    fn accept_track1<M: Masks>(&mut self, block: &Block, start: usize, form: &Form) -> Verdict {
        let name = start + form.span + 1;
        let Some(bytes) = self.pass.bytes.get(name..).and_then(|rest| rest.first_chunk::<WORD>()) else {
            return Verdict::Exact(start);
        };
        let length = M::of(bytes, &NAME_ENDS).trailing_zeros() as usize;
        if length <= NAME_MAX && bytes[length] == b'^' {
            self.text.tail = self.text.tail.or(Some((name + length + 1, Tail::Track1)));
        }
        self.accept(block, start, form)
    }

    /// Hides the rest of track 1 that is still to come, if it begins at `start` or before; where that goes on behind the bytes at hand, the fast way
    /// ends.
    #[inline(always)]
    pub(super) fn hide_tail<M: Masks>(&mut self, start: usize) -> Option<Stop> {
        let (from, _) = self.text.tail.filter(|&(from, _)| from <= start)?;
        let mut at = from;
        let end = loop {
            let rest = self.pass.bytes.get_mut(at..).unwrap_or_default();
            let Some(word) = rest.first_chunk_mut() else {
                let end = rest.iter().position(|&byte| ends_track1(byte));
                let tail = rest.get_mut(..end.unwrap_or(0)).unwrap_or_default();
                tail.iter_mut().for_each(|byte| *byte = if byte.is_ascii_alphanumeric() { b'*' } else { *byte });
                break end.map(|end| at + end);
            };
            let ends = M::of(word, &TRACK_ENDS);
            let length = ends.trailing_zeros() as usize;
            let within = if ends == 0 { u64::MAX } else { (1 << length) - 1 };
            M::hide(word, M::of(word, &ALPHANUMERIC) & within);
            at += length;
            if ends != 0 {
                break Some(at);
            }
        };
        let Some(end) = end else {
            self.settle(from);
            (self.at, self.hidden[0]) = (from, self.text.owed);
            return Some(Stop::End);
        };
        self.text.tail = None;
        self.pass.at = self.pass.at.max(end);
        None
    }

    /// Whether a grouping may start with the kept end of the card at `start`, which stands alone in the output.
    #[inline(always)]
    fn end_may_start(&self, block: &Block, start: usize, form: &Form) -> Verdict {
        let end = start + form.span - 4;
        let next = self.pass.bytes.get(end + 4).copied().unwrap_or(0);
        if !BESIDE[usize::from(next)].leads {
            return Verdict::Card;
        }
        // Its second group has four digits or six.
        let behind = block.digits_from(end + 4 - self.at);
        let gap = behind.trailing_zeros().min(separator::BYTES_MAX as u32);
        if matches!((behind >> gap).trailing_ones(), 4 | 6) { Verdict::CardThen(end) } else { Verdict::Card }
    }
}

/// The forms that a start may have by its lengths, head and check digit. `digits`: the bits of the digits from there on.
#[inline(always)]
pub(super) fn forms<M: Masks>(engine: &Engine, bytes: &[u8], start: usize, digits: u64) -> u32 {
    let Some(bytes) = bytes.get(start..).and_then(|rest| rest.first_chunk::<SPAN_MAX>()) else { return 0 };
    let lengths = engine.heads.balanced_of(bytes.first_chunk().unwrap_or(&[0; 4]));
    let run = digits.trailing_ones() as usize;
    if run > 4 {
        let id = FormId::plain(run);
        return u32::from(lengths.contains(run) & holds(M::luhn_sum(bytes, engine.forms.get(id)))) << id.index();
    }
    let gap = (digits >> 4).trailing_zeros() as usize;
    if !(1..=separator::BYTES_MAX).contains(&gap) {
        return 0;
    }
    // By the second group's fifth digit: 4-6-5 and 4-6-4, or the others.
    let shapes = if digits >> (8 + gap) & 1 == 1 { &[2, 3][..] } else { &[0, 1, 4] };
    let mut forms = 0;
    for &shape in shapes {
        let id = FormId::grouping(shape, gap);
        let form = engine.forms.get(id);
        if form.fits(digits) {
            forms |= u32::from(lengths.contains(form.count) & holds(M::luhn_sum(bytes, form))) << id.index();
        }
    }
    forms
}

/// Of starts those that no card before them hides, and what these cards hide in the word and in the one behind. `bits`: what each hides.
#[inline(always)]
fn one_by_one(starts: u64, bits: u64) -> (u64, [u64; 2]) {
    let (mut rest, mut taken, mut hidden, mut behind) = (starts, 0, 0, 0);
    while rest != 0 {
        let bit = rest.trailing_zeros();
        taken |= 1 << bit;
        hidden |= bits << bit;
        behind |= bits >> 1 >> (WORD as u32 - 1 - bit);
        rest &= rest - 1;
        rest &= !hidden;
    }
    (taken, [hidden, behind])
}

/// Whether a sum of at most 19 digits ends in zero.
#[inline(always)]
fn holds(sum: u32) -> bool {
    sum.is_multiple_of(10)
}

#[inline(always)]
fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes)
}

const _: () = assert!(SHAPES.len() == 5 && NAME_MAX < WORD - 1);
