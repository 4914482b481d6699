//! The TLS handshake: TLS 1.3 by `rustls`, both sides by certificate, its bytes in our own datagrams.
//!
//! TLS gives keys (by its exporter) and says who the peer is, nothing else: records, repair and rekeying are the same as
//! behind Noise. [Why so](../../../../../docs/decisions/0039-tls-handshake.md); the layout of all is in `docs/protocol.md`.
//!
//! - `dial`, `answer`: the two sides
//! - `datagrams`, `stream`, `connection`: bytes of TLS over datagrams
//! - `messages`: what is offered and chosen, and the keys that come of it
//! - `gate`, `half_open`: what is asked of a caller first, and how much is kept of callers
//! - `endpoint`, `authority`, `verifier`: our certificate, and whom we believe
//! - `refusal`, `words`: why it comes to nothing

mod answer;
mod authority;
mod connection;
mod datagrams;
mod dial;
mod endpoint;
mod gate;
mod half_open;
mod messages;
mod refusal;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod verifier;
mod words;

pub(crate) use answer::{Answer, Caller};
pub(crate) use authority::Usage;
#[cfg(test)]
pub(crate) use datagrams::Part;
pub(crate) use datagrams::{COOKIE_LEN, Call, Down, HELLO_LEN, Up};
pub(crate) use dial::{Dial, Heard};
pub use endpoint::TlsFault;
pub(crate) use endpoint::{Endpoint, judge_own};
pub(crate) use gate::Gate;
pub(crate) use half_open::{HalfOpens, LONGEST as LONGEST_HANDSHAKE};
pub(crate) use messages::Ours;
pub(crate) use refusal::Refusal;
