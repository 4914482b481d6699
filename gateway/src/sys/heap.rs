//! How the system's allocator deals with memory that nobody uses.

/// Free memory at the end of the heap above so many bytes goes back to the system.
#[cfg(target_env = "gnu")]
const KEPT_FREE: libc::c_int = 128 << 10;

/// Has free memory go back to the system. Else glibc raises its threshold to twice the largest piece that was ever given
/// back, and a gateway keeps for good what a burst of handshakes or one large document took (`mallopt(3)`,
/// M_MMAP_THRESHOLD).
pub fn give_back_free_memory() {
    // SAFETY: the call takes two numbers and changes a setting of the allocator, under the allocator's own lock.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_FREE);
    }
}
