//! Socket options that no safe crate offers.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// A plain value that the kernel reads or writes as a socket option.
///
/// # Safety
/// Every bit pattern of the type must be a value of it, and it must have no padding.
pub(super) unsafe trait OptionValue: Copy + Default {}

// SAFETY: any four bytes are an integer.
unsafe impl OptionValue for libc::c_int {}

// SAFETY: any bytes are integers, and an array of them has no padding.
unsafe impl<const N: usize> OptionValue for [u32; N] where [u32; N]: Default {}

/// Sets one option.
pub(super) fn set<T: OptionValue>(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: T,
) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            option_len::<T>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads one option; what the kernel leaves out stays zero.
pub(super) fn read<T: OptionValue>(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<T> {
    let mut value = T::default();
    let mut len = option_len::<T>();
    // SAFETY: the pointer and the length describe `value`; whatever the kernel writes there is a value of `T`
    // by the contract of `OptionValue`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    if result == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "option values are a few bytes long"
)]
fn option_len<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}
