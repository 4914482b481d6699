//! Whether the wall clock is kept right.

use std::io;

/// How the kernel's clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// A program keeps it right.
    Yes {
        /// How far off it may be, in microseconds.
        error_us: i64,
    },
    /// Nobody does, or not for a long time.
    No,
}

/// Asks the kernel (adjtimex(2)); nothing is changed.
///
/// # Errors
/// Whatever the kernel says.
pub fn synchronised() -> io::Result<Sync> {
    // SAFETY: the structure is plain integers, for which zeroes are values; `modes` 0 asks and changes nothing.
    let (state, clock) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut clock), clock)
    };
    match state {
        -1 => Err(io::Error::last_os_error()),
        libc::TIME_ERROR => Ok(Sync::No),
        _ if clock.status & libc::STA_UNSYNC != 0 => Ok(Sync::No),
        _ => Ok(Sync::Yes {
            error_us: clock.esterror,
        }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers() {
        super::synchronised().unwrap();
    }
}
