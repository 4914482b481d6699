//! Every way in which received bytes can fail to be what they claim.

/// Why bytes could not be read as the thing they claim to be.
///
/// Each variant is one distinct fault, so that an operator sees what arrived and not merely that something was
/// wrong. The value is `Copy`, costs nothing to make and goes straight into a counter.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Malformed {
    /// Fewer bytes than an Ethernet header has.
    #[error("the frame is shorter than an Ethernet header")]
    FrameTooShort,
    /// More bytes than [`MAX_FRAME_LEN`](super::MAX_FRAME_LEN).
    #[error("the frame is longer than any AoE frame may be")]
    FrameTooLong,
    /// An 802.1Q or 802.1ad tag where the EtherType should be.
    #[error("the frame carries a VLAN tag")]
    VlanTagged,
    /// The EtherType is not that of AoE.
    #[error("the EtherType is not AoE")]
    NotAoe,
    /// The Ethernet payload ends inside the AoE header.
    #[error("the frame ends inside the AoE header")]
    HeaderTooShort,
    /// More bytes after the Ethernet header than [`MAX_PDU_LEN`](super::MAX_PDU_LEN).
    #[error("the AoE part is longer than any frame may carry")]
    PduTooLong,
    /// The frame ends inside the 12 bytes of an ATA argument.
    #[error("the frame ends inside the ATA argument")]
    AtaTooShort,
    /// A request announces more sectors for the device than the frame carries.
    #[error("the frame carries less data than its sector count says")]
    AtaDataCut,
    /// The frame ends inside the 8 bytes of a Query Config argument.
    #[error("the frame ends inside the Query Config argument")]
    QueryTooShort,
    /// A config string longer than [`MAX_STRING_LEN`](super::query::MAX_STRING_LEN).
    #[error("the config string is longer than the 1024 bytes allowed")]
    QueryStringTooLong,
    /// The config string claims bytes beyond the end of the frame.
    #[error("the config string reaches beyond the end of the frame")]
    QueryStringCut,
    /// The frame ends inside the 4 bytes of a MAC mask argument.
    #[error("the frame ends inside the MAC mask argument")]
    MacMaskTooShort,
    /// The directive count claims bytes beyond the end of the frame.
    #[error("the MAC mask directives reach beyond the end of the frame")]
    MacMaskListCut,
    /// The frame ends inside the 2 bytes of a Reserve/Release argument.
    #[error("the frame ends inside the Reserve/Release argument")]
    ReserveTooShort,
    /// The address count claims bytes beyond the end of the frame.
    #[error("the Reserve/Release addresses reach beyond the end of the frame")]
    ReserveListCut,
}

impl Malformed {
    /// Every variant, in declaration order: what a table of counters is built from.
    pub const ALL: [Self; 15] = [
        Self::FrameTooShort,
        Self::FrameTooLong,
        Self::VlanTagged,
        Self::NotAoe,
        Self::HeaderTooShort,
        Self::PduTooLong,
        Self::AtaTooShort,
        Self::AtaDataCut,
        Self::QueryTooShort,
        Self::QueryStringTooLong,
        Self::QueryStringCut,
        Self::MacMaskTooShort,
        Self::MacMaskListCut,
        Self::ReserveTooShort,
        Self::ReserveListCut,
    ];

    /// The stable label of this fault in metrics: lower case, words joined by underscores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrameTooShort => "frame_too_short",
            Self::FrameTooLong => "frame_too_long",
            Self::VlanTagged => "vlan_tagged",
            Self::NotAoe => "not_aoe",
            Self::HeaderTooShort => "header_too_short",
            Self::PduTooLong => "pdu_too_long",
            Self::AtaTooShort => "ata_too_short",
            Self::AtaDataCut => "ata_data_cut",
            Self::QueryTooShort => "query_too_short",
            Self::QueryStringTooLong => "query_string_too_long",
            Self::QueryStringCut => "query_string_cut",
            Self::MacMaskTooShort => "mac_mask_too_short",
            Self::MacMaskListCut => "mac_mask_list_cut",
            Self::ReserveTooShort => "reserve_too_short",
            Self::ReserveListCut => "reserve_list_cut",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Malformed;
    use std::collections::BTreeSet;

    #[test]
    fn all_lists_every_variant_once_and_in_order() {
        for (position, fault) in Malformed::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, position, "{fault:?}");
        }
        assert_eq!(
            Malformed::ReserveListCut as usize + 1,
            Malformed::ALL.len(),
            "the last variant is listed"
        );
    }

    #[test]
    fn labels_are_distinct_and_fit_for_metrics() {
        let labels: BTreeSet<_> = Malformed::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(labels.len(), Malformed::ALL.len());
        for label in labels {
            assert!(
                label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{label}"
            );
        }
    }
}
