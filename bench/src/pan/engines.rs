//! The engines that are measured: one per backend of this processor, the process's own choice first.

use pan::{Backend, Engine, Fill, Mode, Scanner, Settings};

use crate::pan::classes::Scan;

/// A scan that can be measured.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    engine: &'static Engine,
}

/// All that this processor can run; the first is the one that the product would take here.
pub(crate) fn available() -> Result<Vec<Measured>, String> {
    let preferred = Engine::current().backend();
    let mut backends: Vec<Backend> = Backend::available().into_iter().rev().collect(); // the fastest first
    backends.sort_by_key(|backend| *backend != preferred);
    backends
        .into_iter()
        .map(|backend| {
            let settings = Settings { backend: Some(backend), ..Settings::default() };
            let engine = Engine::new(&settings).map_err(|unfit| unfit.to_string())?;
            // One per backend and run: it lives as long as the process.
            Ok(Measured { name: backend.name(), engine: Box::leak(Box::new(engine)) })
        })
        .collect()
}

impl Measured {
    /// What the product does with a value that is whole: masks in place, returns the number of cards.
    pub(crate) fn scan(&self, scan: Scan, bytes: &mut [u8]) -> u32 {
        Scanner::with_mode(self.engine, mode(scan), Fill::Text).scan(bytes, true).cards
    }

    /// What no scan can leave out, and no more: see `pan::Engine::bound`.
    pub(crate) fn bound(&self, scan: Scan, bytes: &mut [u8]) -> usize {
        self.engine.bound(mode(scan), bytes)
    }

    /// Whether it does on `sample` what the oracle does: the same bytes, the same count.
    pub(crate) fn agrees(&self, scan: Scan, sample: &[u8]) -> bool {
        let (mut ours, mut theirs) = (sample.to_vec(), sample.to_vec());
        let expected = match scan {
            Scan::Balanced => pan::naive::mask_text_with(self.engine, &mut theirs, Fill::Text),
            Scan::Strict => pan::strict::naive::mask_text_with(self.engine, &mut theirs, Fill::Text),
        };
        self.scan(scan, &mut ours) == expected && ours == theirs
    }
}

fn mode(scan: Scan) -> Mode {
    match scan {
        Scan::Balanced => Mode::Balanced,
        Scan::Strict => Mode::Strict,
    }
}
