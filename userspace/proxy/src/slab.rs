//! Places with small numbers: links and turns.

/// A vector whose places are used again. Numbers of empty places are never handed out by a caller: that is a bug and panics.
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab { places: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.places[index as usize] = Some(value);
                index
            }
            None => {
                self.places.push(Some(value));
                (self.places.len() - 1) as u32
            }
        }
    }

    pub(crate) fn remove(&mut self, index: u32) -> T {
        let Some(value) = self.places[index as usize].take() else { panic!("removed from an empty place") };
        self.free.push(index);
        value
    }

    pub(crate) fn at(&mut self, index: u32) -> &mut T {
        let Some(value) = &mut self.places[index as usize] else { panic!("looked at an empty place") };
        value
    }

    /// For numbers that may be old: of timers, of those that wait.
    pub(crate) fn get(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// The numbers in use, one after the other: `next(0)`, `next(last + 1)`, …
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        let index = self.places.iter().skip(from as usize).position(Option::is_some)?;
        Some(from + index as u32)
    }
}
