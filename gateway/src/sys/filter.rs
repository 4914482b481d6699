//! The packet filter that runs in the kernel, before a frame costs us anything.

use aoe_common::frame::Address;
use socket2::SockFilter;

/// Whether frames for other stations are wanted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promiscuous {
    /// Only what is for us: our address, broadcast and multicast.
    Off,
    /// Everything the device sees.
    On,
}

/// Which AoE addresses a socket is for, where several share a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// All of them.
    All,
    /// These, and what is asked of every shelf or every slot.
    Only(Vec<Address>),
    /// All but these.
    AllBut(Vec<Address>),
}

/// Classic BPF (Documentation/networking/filter.rst in the kernel): accepts frames of one EtherType that
/// carry no VLAN tag, and drops what the kernel marks as outgoing, looped back or (unless wanted) as for
/// another host. Then, if the socket is not for all of them, the AoE address decides.
///
/// ```text
///     ldb  [pkttype]
///     jeq  #OTHERHOST, drop      (not when promiscuous)
///     jeq  #OUTGOING,  drop
///     jeq  #LOOPBACK,  drop
///     ldb  [vlan_tag_present]
///     jne  #0, drop
///     ldh  [12]
///     jeq  #ethertype, go on
/// drop:
///     ret  #0
///     ldh  [16]                  (the shelf)
///     jeq  #0xffff, accept
///     ldb  [18]                  (the slot)
///     jeq  #0xff, accept
///     ld   [16]                  (both, and a byte that is shifted out)
///     rsh  #8
///     …                          a binary search, every way of which ends in a return
/// ```
/// A frame too short for an address ends the program at the load, which drops it (BPF's own rule).
pub(super) fn program(ethertype: u16, promiscuous: Promiscuous, addresses: &Addresses) -> Vec<SockFilter> {
    let mut program = vec![load_byte(libc::SKF_AD_PKTTYPE)];
    if promiscuous == Promiscuous::Off {
        program.push(jump(JMP_JEQ_K, libc::PACKET_OTHERHOST.into(), 6, 0));
    }
    program.extend([
        jump(JMP_JEQ_K, libc::PACKET_OUTGOING.into(), 5, 0),
        jump(JMP_JEQ_K, PACKET_LOOPBACK.into(), 4, 0),
        load_byte(libc::SKF_AD_VLAN_TAG_PRESENT),
        jump(JMP_JEQ_K, 0, 0, 2),
        SockFilter::new(LD_H_ABS, 0, 0, ETHERTYPE_OFFSET),
        jump(JMP_JEQ_K, ethertype.into(), 1, 0),
        ret(DROP),
    ]);
    let (listed, ends) = match addresses {
        Addresses::All => {
            program.push(ret(ACCEPT));
            return program;
        }
        Addresses::Only(listed) => (listed, (ACCEPT, DROP)),
        Addresses::AllBut(listed) => (listed, (DROP, ACCEPT)),
    };
    program.extend([
        SockFilter::new(LD_H_ABS, 0, 0, SHELF_OFFSET),
        jump(JMP_JEQ_K, 0xffff, 0, 1),
        ret(ACCEPT),
        SockFilter::new(LD_B_ABS, 0, 0, SLOT_OFFSET),
        jump(JMP_JEQ_K, 0xff, 0, 1),
        ret(ACCEPT),
        SockFilter::new(LD_W_ABS, 0, 0, SHELF_OFFSET),
        SockFilter::new(ALU_RSH_K, 0, 0, 8),
    ]);
    let mut keys: Vec<u32> = listed.iter().map(key).collect();
    keys.sort_unstable();
    search(&keys, ends, &mut program);
    program
}

/// Finds the loaded value among sorted keys: a few are compared one by one, of more a half is left out first. Every way
/// ends in a return.
fn search(keys: &[u32], ends: (u32, u32), program: &mut Vec<SockFilter>) {
    const FEW: usize = 4;
    let (if_listed, if_not) = ends;
    let (low, high) = keys.split_at(keys.len() / 2);
    let (Some(middle), true) = (high.first(), keys.len() > FEW) else {
        for key in keys {
            program.extend([jump(JMP_JEQ_K, *key, 0, 1), ret(if_listed)]);
        }
        program.push(ret(if_not));
        return;
    };
    let mut below = Vec::new();
    search(low, ends, &mut below);
    // A conditional jump reaches 255 instructions only; the unconditional one has 32 bits.
    let skip = u32::try_from(below.len()).unwrap_or(u32::MAX);
    program.extend([
        jump(JMP_JGE_K, *middle, 0, 1),
        SockFilter::new(JMP_JA, 0, 0, skip),
    ]);
    program.append(&mut below);
    search(high, ends, program);
}

fn key(address: &Address) -> u32 {
    u32::from(address.shelf) << 8 | u32::from(address.slot)
}

/// `PACKET_LOOPBACK` of linux/if_packet.h.
const PACKET_LOOPBACK: u8 = 5;

/// Where the EtherType stands in a frame without tags, or whose tag the kernel has taken off.
const ETHERTYPE_OFFSET: u32 = 12;
/// Where an AoE frame has its shelf (two bytes) and slot (one byte): AoE specification, section 2.
const SHELF_OFFSET: u32 = 16;
const SLOT_OFFSET: u32 = 18;

const ACCEPT: u32 = u32::MAX;
const DROP: u32 = 0;

// The operation codes are 16 bits wide in the kernel's `struct sock_filter`.
const LD_B_ABS: u16 = 0x30;
const LD_H_ABS: u16 = 0x28;
const LD_W_ABS: u16 = 0x20;
const ALU_RSH_K: u16 = 0x74;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

const fn load_byte(ancillary: libc::c_int) -> SockFilter {
    SockFilter::new(LD_B_ABS, 0, 0, (libc::SKF_AD_OFF + ancillary).cast_unsigned())
}

/// Compares what was loaded; jumps are relative to the next instruction.
const fn jump(comparison: u16, value: u32, if_so: u8, if_not: u8) -> SockFilter {
    SockFilter::new(comparison, if_so, if_not, value)
}

const fn ret(len: u32) -> SockFilter {
    SockFilter::new(RET_K, 0, 0, len)
}
