//! The cells behind counters: one block of them per thread, summed when read.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

const CELLS_PER_PAGE: usize = 256;
const N_PAGES: usize = 1024;

/// One thread's cells, in pages that are made when first written.
struct Block {
    pages: [OnceLock<Box<[AtomicU64; CELLS_PER_PAGE]>>; N_PAGES],
}

/// Every block there is, and those whose thread has ended: a new thread goes on with one of them,
/// so the counts of ended threads stay.
struct Blocks {
    all: Vec<&'static Block>,
    idle: Vec<&'static Block>,
}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks { all: Vec::new(), idle: Vec::new() });
static N_RESERVED: AtomicU32 = AtomicU32::new(0);

/// A thread's hold on its block.
struct Hold(&'static Block);

impl Drop for Hold {
    fn drop(&mut self) {
        BLOCKS.lock().unwrap_or_else(PoisonError::into_inner).idle.push(self.0);
    }
}

thread_local! {
    static HOLD: Hold = Hold(claim());
    static MINE: Cell<Option<&'static Block>> = const { Cell::new(None) };
}

fn claim() -> &'static Block {
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    blocks.idle.pop().unwrap_or_else(|| {
        let block: &'static Block =
            Box::leak(Box::new(Block { pages: [const { OnceLock::new() }; N_PAGES] }));
        blocks.all.push(block);
        block
    })
}

/// The first of `n` new cells. Cells are never given back: series live as long as the process.
pub(super) fn reserve(n: u32) -> u32 {
    let first = N_RESERVED.fetch_add(n, Ordering::Relaxed);
    // More series than cells is a label with unbounded values: let them share the last cells.
    let last = u32::try_from(CELLS_PER_PAGE * N_PAGES).unwrap_or(u32::MAX).saturating_sub(n);
    first.min(last)
}

fn with_cell(cell: u32, act: impl FnOnce(&AtomicU64)) {
    let block = MINE.get().or_else(|| {
        // While a thread is being torn down there is no block: such a count is lost.
        let block = HOLD.try_with(|hold| hold.0).ok();
        MINE.set(block);
        block
    });
    if let Some(block) = block {
        let cell = cell as usize;
        let page = block.pages[cell / CELLS_PER_PAGE]
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; CELLS_PER_PAGE]));
        act(&page[cell % CELLS_PER_PAGE]);
    }
}

/// Adds to this thread's cell. This thread is the only writer, so a load and a store do.
pub(super) fn add(cell: u32, n: u64) {
    with_cell(cell, |cell| cell.store(cell.load(Ordering::Relaxed) + n, Ordering::Relaxed));
}

/// Adds to this thread's cell, which holds the bits of an `f64`.
pub(super) fn add_f64(cell: u32, value: f64) {
    with_cell(cell, |cell| {
        let sum = f64::from_bits(cell.load(Ordering::Relaxed)) + value;
        cell.store(sum.to_bits(), Ordering::Relaxed);
    });
}

/// The cell summed over all threads.
pub(super) fn sum(cell: u32) -> u64 {
    values(cell).into_iter().sum()
}

/// The cell summed over all threads, as `f64`s.
pub(super) fn sum_f64(cell: u32) -> f64 {
    values(cell).into_iter().map(f64::from_bits).sum()
}

fn values(cell: u32) -> Vec<u64> {
    let cell = cell as usize;
    let blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    blocks
        .all
        .iter()
        .filter_map(|block| block.pages[cell / CELLS_PER_PAGE].get())
        .map(|page| page[cell % CELLS_PER_PAGE].load(Ordering::Relaxed))
        .collect()
}
