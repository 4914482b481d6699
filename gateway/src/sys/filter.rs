//! The packet filter that runs in the kernel, before a frame costs us anything.

use socket2::SockFilter;

/// Whether frames for other stations are wanted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promiscuous {
    /// Only what is for us: our address, broadcast and multicast.
    Off,
    /// Everything the device sees.
    On,
}

/// Classic BPF (Documentation/networking/filter.rst in the kernel): accepts frames of one EtherType that
/// carry no VLAN tag, and drops what the kernel marks as outgoing, looped back or (unless wanted) as for
/// another host.
///
/// ```text
///     ldb  [pkttype]
///     jeq  #OTHERHOST, drop      (not when promiscuous)
///     jeq  #OUTGOING,  drop
///     jeq  #LOOPBACK,  drop
///     ldb  [vlan_tag_present]
///     jne  #0, drop
///     ldh  [12]
///     jne  #ethertype, drop
///     ret  #0xffffffff
/// drop:
///     ret  #0
/// ```
pub(super) fn received_and_untagged(ethertype: u16, promiscuous: Promiscuous) -> Vec<SockFilter> {
    let mut program = vec![load_byte(libc::SKF_AD_PKTTYPE)];
    if promiscuous == Promiscuous::Off {
        program.push(jump(libc::PACKET_OTHERHOST.into(), 7, 0));
    }
    program.extend([
        jump(libc::PACKET_OUTGOING.into(), 6, 0),
        jump(PACKET_LOOPBACK.into(), 5, 0),
        load_byte(libc::SKF_AD_VLAN_TAG_PRESENT),
        jump(0, 0, 3),
        SockFilter::new(LD_H_ABS, 0, 0, ETHERTYPE_OFFSET),
        jump(ethertype.into(), 0, 1),
        ret(u32::MAX),
        ret(0),
    ]);
    program
}

/// `PACKET_LOOPBACK` of linux/if_packet.h.
const PACKET_LOOPBACK: u8 = 5;

/// Where the EtherType stands in a frame without tags, or whose tag the kernel has taken off.
const ETHERTYPE_OFFSET: u32 = 12;

// The operation codes are 16 bits wide in the kernel's `struct sock_filter`.
const LD_B_ABS: u16 = 0x30;
const LD_H_ABS: u16 = 0x28;
const JMP_JEQ_K: u16 = 0x15;
const RET_K: u16 = 0x06;

const fn load_byte(ancillary: libc::c_int) -> SockFilter {
    SockFilter::new(LD_B_ABS, 0, 0, (libc::SKF_AD_OFF + ancillary).cast_unsigned())
}

/// Compares what was loaded; jumps are relative to the next instruction.
const fn jump(value: u32, if_equal: u8, if_not: u8) -> SockFilter {
    SockFilter::new(JMP_JEQ_K, if_equal, if_not, value)
}

const fn ret(len: u32) -> SockFilter {
    SockFilter::new(RET_K, 0, 0, len)
}
