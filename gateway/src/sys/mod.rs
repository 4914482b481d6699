//! Safe functions over system calls: the only home of `unsafe` in the workspace.
//!
//! - [`packet`]: AF_PACKET sockets; [`batch`] is the memory they fill
//! - [`link`]: what the kernel knows about a network device; [`link_changes`]: a sign that it changed
//! - [`directory_changes`]: a sign that something happened in a directory
//! - [`poll`]: waiting for several descriptors
//! - [`buffers`]: socket buffers as large as the kernel lets us have
//! - [`clock_sync`]: whether the wall clock is kept right
//! - [`wiping`]: an allocator that erases what is given back; [`heap`]: what becomes of that
//!
//! Every block says why it is sound. Nothing in here knows what AoE is.

#![allow(
    unsafe_code,
    reason = "system calls without a safe wrapper elsewhere live here, and only here"
)]

pub mod batch;
pub mod buffers;
pub mod clock_sync;
pub mod directory_changes;
mod filter;
pub mod heap;
pub mod link;
pub mod link_changes;
mod message;
mod option;
pub mod packet;
pub mod poll;
pub mod wiping;
