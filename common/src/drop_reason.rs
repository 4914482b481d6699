//! Why a frame, a record or a handshake ended here: every discard has a name and a counter.

use crate::frame::Malformed;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// The one enum of discards and refusals. Its names are metric labels and never change meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason { $($(#[doc = $doc])+ $variant,)+ }

        impl DropReason {
            /// Every reason, in the order of the enum.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant,)+];

            /// The metric label.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name,)+ }
            }

            /// What it means: one sentence or two, the same as in the documentation.
            pub const fn words(self) -> &'static str {
                match self { $(DropReason::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// A captured frame is shorter than its header says or than AoE allows.
    FrameTooShort => "frame_too_short",
    /// A captured frame is longer than any frame we carry.
    FrameTooLong => "frame_too_long",
    /// A captured frame carries a VLAN tag.
    FrameVlanTagged => "frame_vlan_tagged",
    /// A captured frame is not AoE.
    FrameNotAoe => "frame_not_aoe",
    /// An AoE argument contradicts itself or the length of the frame.
    FrameBadArgument => "frame_bad_argument",
    /// Our own emission came back.
    FrameOwnEcho => "frame_own_echo",
    /// A frame for somebody else's MAC.
    FrameForOthers => "frame_for_others",
    /// A frame whose source is a group address, which no station has.
    FrameBadSource => "frame_bad_source",
    /// A frame does not fit the segment it should leave on.
    FrameTooBigForSegment => "frame_too_big_for_segment",
    /// The segment is down.
    SegmentDown => "segment_down",
    /// The kernel did not take a frame.
    SegmentSendFailed => "segment_send_failed",
    /// The kernel dropped captured frames because we were too slow.
    SegmentOverflow => "segment_overflow",

    /// A request for an address that no import presents here.
    RequestUnknownAddress => "request_unknown_address",
    /// A request for an import that is not alive.
    RequestImportDown => "request_import_down",
    /// A request for an import that is paused; its initiator asks again.
    RequestImportPaused => "request_import_paused",
    /// A request from an initiator the export does not list; it does not learn that the export exists.
    RequestInitiatorNotAllowed => "request_initiator_not_allowed",
    /// A broadcast ATA command other than IDENTIFY.
    RequestBroadcastAta => "request_broadcast_ata",
    /// A broadcast of an AoE command that only makes sense for one target.
    RequestBroadcastCommand => "request_broadcast_command",
    /// Config test or prefix test that the target's string does not pass: silence is the protocol's answer.
    RequestConfigMismatch => "request_config_mismatch",

    /// Refused: a write on a read-only export.
    RefusedReadOnly => "refused_read_only",
    /// Refused: a read or write of sectors that are not granted.
    RefusedSectors => "refused_sectors",
    /// Refused: an ATA command that is not on the list, or one that targets would read differently.
    RefusedAtaCommand => "refused_ata_command",
    /// Refused: more sectors than any frame carries, or a read whose answer has not fitted the segment for long.
    RefusedTooManySectors => "refused_too_many_sectors",
    /// Refused: AoE command 2 or 3 without the right to, or in a way that would lock gateways out; 4 or unknown.
    RefusedAoeCommand => "refused_aoe_command",
    /// Refused: a write while another disk may answer for the address.
    RefusedConflict => "refused_conflict",
    /// Refused: setting the config string without the right to.
    RefusedConfigSet => "refused_config_set",

    /// A peer asked for an export it may not use, or that does not exist.
    ExportNotAllowed => "export_not_allowed",
    /// A request of an export that was withdrawn from its peer: it was sent before the peer knew, or it waited here and was
    /// not sent.
    ExportWithdrawn => "export_withdrawn",
    /// A request that waited for an export that has another target now.
    ExportMoved => "export_moved",
    /// A request for a target that has never been heard.
    TargetDown => "target_down",
    /// The exit's queue is full.
    QueueFull => "queue_full",
    /// A request is older than `max_age` by now; its initiator has asked again or will.
    RequestTooOld => "request_too_old",
    /// The process was stopped, or kept from the processor, between a frame and its sending.
    TurnTooLong => "turn_too_long",
    /// A copy of a request of which a newer copy is here already, or which was accepted before.
    RequestRepeated => "request_repeated",
    /// A late copy of a write: a newer write of the same sectors was accepted.
    WriteStale => "write_stale",
    /// The target has been silent for longer than `target_timeout`.
    TargetTimeout => "target_timeout",
    /// Too many requests unanswered.
    PendingFull => "pending_full",
    /// Too many requests wait for writes of the same sectors.
    OverlapFull => "overlap_full",
    /// This gateway is about to end, and takes no more requests.
    GatewayEnding => "gateway_ending",
    /// A request of a peer process that is no more: it is not sent, or its answer goes nowhere.
    PeerRestarted => "peer_restarted",
    /// A request of a peer that an operator took down: it is not sent, or its answer goes nowhere.
    PeerTakenDown => "peer_taken_down",
    /// A request of a peer that was removed: it is not sent, or its answer goes nowhere.
    PeerRemoved => "peer_removed",
    /// A request that waited while its export was paused, for so long that its initiator may ask another gateway by now:
    /// if not, it asks here again.
    PauseOutlasted => "pause_outlasted",
    /// The target lives and did not answer this request, and its initiator did not repeat it.
    PendingExpired => "pending_expired",
    /// A response that answers no pending request.
    ResponseUnmatched => "response_unmatched",
    /// A response whose shelf.slot, command or length does not fit its request.
    ResponseMismatch => "response_mismatch",
    /// A response about other sectors, or of the other direction, than its request, by a target that repeats them.
    ResponseMisfit => "response_misfit",
    /// It answers a copy of a request that was answered: a frame that the segment duplicated.
    ResponseRepeated => "response_repeated",
    /// A response from a MAC that is not the target's.
    ResponseWrongSource => "response_wrong_source",
    /// Somebody on our segment answers for an address we import.
    ForeignResponder => "foreign_responder",
    /// A second station answers for an export's address.
    SecondResponder => "second_responder",

    /// A datagram shorter than its header.
    DatagramTooShort => "datagram_too_short",
    /// A datagram longer than any record.
    DatagramTooLong => "datagram_too_long",
    /// A datagram that is none of ours.
    DatagramUnknownType => "datagram_unknown_type",
    /// The kernel did not take a datagram.
    WireSendFailed => "wire_send_failed",
    /// A datagram arrived cut off, or the socket failed while receiving.
    WireReceiveFailed => "wire_receive_failed",

    /// A handshake message without a valid mac1: its sender does not know our key.
    HandshakeBadMac => "handshake_bad_mac",
    /// A handshake message answered by a cookie, for too many arrive.
    HandshakeCookieSent => "handshake_cookie_sent",
    /// A handshake message over the rate limit although its cookie is right or its sender a peer.
    HandshakeRateLimited => "handshake_rate_limited",
    /// A handshake message that does not decrypt: wrong key or psk, or damaged.
    HandshakeUndecryptable => "handshake_undecryptable",
    /// A handshake with a key that no peer has.
    HandshakeUnknownPeer => "handshake_unknown_peer",
    /// A call of a peer that an operator took down.
    HandshakeTakenDown => "handshake_taken_down",
    /// A first message whose stamp is not greater than that of the newest call of this peer.
    HandshakeReplayed => "handshake_replayed",
    /// Our call, refused by the peer because its stamp is not greater than that of an earlier one.
    HandshakeOldStamp => "handshake_old_stamp",
    /// An answer whose sender has not read our call.
    HandshakeForged => "handshake_forged",
    /// No protection mode, cipher or version in common.
    HandshakeNoAgreement => "handshake_no_agreement",
    /// A part of a TLS handshake that makes no sense.
    HandshakeMalformed => "handshake_malformed",
    /// A part of a TLS handshake without a right cookie: its sender has not shown that it receives at its address.
    HandshakeBadCookie => "handshake_bad_cookie",
    /// A call by TLS while as many are under way as are kept at a time.
    HandshakeTooMany => "handshake_too_many",
    /// A TLS handshake whose certificate was not accepted, here or by the peer.
    HandshakeCertificate => "handshake_certificate",
    /// An answer to a handshake we did not start.
    HandshakeUnsolicited => "handshake_unsolicited",
    /// A datagram of a pinned peer that does not come from its endpoint.
    PeerElsewhere => "peer_elsewhere",
    /// A call that names a secret which its listener does not know, as after a restart: it is made again without.
    HandshakeSecretUnknown => "handshake_secret_unknown",
    /// A message about storage by keys that are not post-quantum, where one side requires that.
    NotPostQuantum => "not_post_quantum",
    /// An offer or an answer of a post-quantum secret that nothing was to come of: not offered, not wanted, or a second one.
    QuantumUnexpected => "quantum_unexpected",
    /// An offer of a post-quantum secret above those that are answered in a second.
    QuantumTooSoon => "quantum_too_soon",
    /// A report of a peer above those that are read in a second.
    ReportTooSoon => "report_too_soon",

    /// A record of a session we do not have.
    RecordUnknownSession => "record_unknown_session",
    /// A record seen before, or older than the window.
    RecordReplayed => "record_replayed",
    /// A record that fails authentication.
    RecordForged => "record_forged",
    /// A record of a session past its end.
    RecordSessionExpired => "record_session_expired",
    /// An authentic record whose chunks make no sense.
    RecordMalformed => "record_malformed",
    /// An unfinished message that made room for a newer one.
    ReassemblyFull => "reassembly_full",
    /// A message whose fragments did not all arrive in time.
    ReassemblyExpired => "reassembly_expired",
    /// A message whose fragments contradict each other.
    ReassemblyMalformed => "reassembly_malformed",
    /// An authentic message we cannot read.
    MessageMalformed => "message_malformed",
    /// A peer sends updates faster than we apply them; it has to send this one again.
    UpdateTooSoon => "update_too_soon",
    /// What a peer says of its keys is not believed; the log says why.
    KeysRefused => "keys_refused",
    /// A peer says too often what its keys are.
    KeysTooSoon => "keys_too_soon",
    /// A request of a peer that waited when a key of its session was not accepted any more.
    KeyNotAccepted => "key_not_accepted",
    /// A peer asks to be told everything again, too soon after it asked before.
    InquiryTooSoon => "inquiry_too_soon",
    /// A reply to a request that nobody made, or that was answered before.
    ReplyUnknown => "reply_unknown",
    /// A reply whose command, length or tag does not fit the request it claims to answer.
    ReplyMismatch => "reply_mismatch",
    /// A reply older than `max_age` to a request that was sent again since: the newest copy is the one to answer.
    ReplyLate => "reply_late",
    /// There is no session with the peer.
    NoSession => "no_session",
    /// A session has used up its counters.
    SessionExhausted => "session_exhausted",
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();
}

impl From<Malformed> for DropReason {
    fn from(fault: Malformed) -> Self {
        match fault {
            Malformed::FrameTooShort => DropReason::FrameTooShort,
            Malformed::FrameTooLong => DropReason::FrameTooLong,
            Malformed::VlanTagged => DropReason::FrameVlanTagged,
            Malformed::NotAoe => DropReason::FrameNotAoe,
            _ => DropReason::FrameBadArgument,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_in_the_order_of_the_enum() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::COUNT);
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn every_reason_has_its_words() {
        for reason in DropReason::ALL {
            let words = reason.words();
            assert!(
                words.len() > 10 && words.ends_with('.') && !words.contains("  "),
                "{words}"
            );
        }
        let long = DropReason::ExportWithdrawn.words();
        assert!(
            long.starts_with("A request of an export") && long.ends_with("and was not sent."),
            "{long}"
        );
    }
}
