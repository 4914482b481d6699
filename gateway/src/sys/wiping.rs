//! An allocator that erases what is given back.
//!
//! The handshake's libraries leave chaining keys in memory they free, and a vector that grows leaves its old bytes. The
//! data plane frees nothing per frame, so erasing costs it nothing.

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator that zeroes memory before it gives it back to another.
#[derive(Debug)]
pub struct Wiping<A = System>(A);

impl Wiping {
    /// Over the system's allocator.
    pub const fn new() -> Self {
        Wiping(System)
    }
}

impl Default for Wiping {
    fn default() -> Self {
        Wiping::new()
    }
}

// SAFETY: every call goes on to the allocator below with the same arguments. `realloc` is that of the trait: new memory,
// a copy, and `dealloc` of the old.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are ours.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are ours.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back `layout.size()` bytes that nobody else uses.
        unsafe { memory.write_bytes(0, layout.size()) };
        // For all the compiler knows, somebody reads the zeros: it does not leave them out.
        std::hint::black_box(memory);
        // SAFETY: the caller's promises are ours.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static GIVEN_BACK: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
    }

    /// Remembers what was in the memory it got back.
    struct Witness;

    // SAFETY: the system's allocator does the work; looking at memory before it is given back harms nobody.
    unsafe impl GlobalAlloc for Witness {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promises are ours.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            // SAFETY: the memory is the caller's until it is given back, and was written by `Wiping`.
            let bytes = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
            GIVEN_BACK.set(Some(bytes.to_vec()));
            // SAFETY: the caller's promises are ours.
            unsafe { System.dealloc(memory, layout) }
        }
    }

    #[test]
    fn what_is_given_back_is_erased_also_where_it_only_moves() {
        let allocator = Wiping(Witness);
        let layout = Layout::array::<u8>(100).unwrap();
        // SAFETY: the layout is not empty, each pointer is used until it is given back, with its own layout.
        unsafe {
            let memory = allocator.alloc(layout);
            memory.write_bytes(7, 100);
            let moved = allocator.realloc(memory, layout, 1000);
            assert_eq!(GIVEN_BACK.take(), Some(vec![0; 100]));
            assert_eq!(std::slice::from_raw_parts(moved, 100), [7; 100]);
            moved.write_bytes(8, 1000);
            allocator.dealloc(moved, Layout::array::<u8>(1000).unwrap());
            assert_eq!(GIVEN_BACK.take(), Some(vec![0; 1000]));
        }
    }
}
