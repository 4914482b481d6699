//! Gateways without a machine: one thread, no sockets, no clock.
//!
//! ```text
//!  initiators ─ lan ─ engine ═══ wire: loss, delay, copies, damage ═══ engine ─ lan ─ targets
//!      │                                                                                │
//!    load ──────────────────── registers: what a read may return ───────────────────────┘
//! ```
//! - [`plan`]: sites, LANs, keys, exports and imports, in a few lines
//! - [`pki`]: certificates for sites
//! - [`world`]: the plan come alive; one loop that moves virtual time from event to event
//! - [`wire`]: what happens to datagrams; [`lan`]: what a frame of a gateway must look like
//! - [`host`]: initiators, targets, and stations that send any bytes
//! - [`registers`]: which versions of a sector a read may return; [`load`]: requests that use it
//! - [`craft`]: frames and messages by hand; [`puppet`]: a pair whose both ends the test plays
//! - [`storm`]: everything that can go wrong at once, drawn from a seed
//! - [`keys`]: static keys that change, and what hosts keep of them
//! - [`reload`]: configurations drawn from a seed, one after the other under load
//! - [`seeds`]: many runs; a failing one says how to repeat it
//!
//! The same seed makes the same run, byte by byte: [`World::digest`] covers all that was sent, but for what gateways seal.

pub mod craft;
pub mod host;
pub mod keys;
pub mod lan;
pub mod load;
pub mod pki;
pub mod plan;
pub mod puppet;
pub mod registers;
pub mod reload;
pub mod seeds;
pub mod steer;
pub mod storm;
pub mod wire;
pub mod world;

mod digest;
pub mod site;

pub use host::HostId;
pub use lan::LanId;
pub use load::Load;
pub use plan::{Pair, Plan};
pub use site::SiteId;
pub use wire::{Fate, Weather};
pub use world::World;
