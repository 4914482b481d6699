//! Segments: the local Ethernets of this gateway.
//!
//! - [`SegmentPort`]: an open one, which the data plane reads and writes
//! - [`Tap`], [`gateway_mac()`]: a segment inside this host, and our address there
//! - [`Attachment`]: whether a segment is attached, as a pure state machine
//! - [`Watch`]: keeps every segment attached, from the control thread

mod attachment;
mod backoff;
mod gateway_mac;
mod port;
mod tap;
mod watch;

pub use attachment::{Attachment, Flavor, Obstacle, Step};
pub use backoff::Backoff;
pub use gateway_mac::gateway_mac;
pub use port::SegmentPort;
pub use tap::Tap;
pub use watch::{AttachError, Sharing, Watch, WatchedSegment};
