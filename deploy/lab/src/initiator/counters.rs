//! What an initiator counts.

/// What the driver has done, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverCounters {
    /// ATA frames sent, copies included.
    pub frames_sent: u64,
    /// Copies sent.
    pub retransmits: u64,
    /// Frames that were not answered in time.
    pub timeouts: u64,
    /// ATA responses that no frame in flight waited for.
    pub unexpected: u64,
    /// Responses with the AoE error flag, which the driver drops.
    pub error_responses: u64,
    /// Frames that were not understood, requests of others, and answers to userland tools.
    pub ignored: u64,
}
