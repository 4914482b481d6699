//! What a storage admin would not want to read in a kernel's log.

/// The block layer, ext4, the journal, the watchdog for hung tasks, the AoE driver (`drivers/block/aoe`), the kernel.
const PATTERNS: [&str; 16] = [
    "I/O error",
    "EXT4-fs error",
    "EXT4-fs warning",
    "Aborting journal",
    "Remounting filesystem read-only",
    "critical medium error",
    "blocked for more than",
    "hung task",
    "aoe: ata error",
    "aoe: disk not up",
    "is not up",
    "aoe: runt data size",
    "aoe: error packet",
    "BUG:",
    "WARNING:",
    "Oops",
];

/// The lines of a kernel's log that tell of trouble with a disk, or with the kernel itself.
pub fn faults(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .map(String::as_str)
        // Our own orders are in the log, too.
        .filter(|line| !line.contains("order: "))
        .filter(|line| PATTERNS.iter().any(|pattern| line.contains(pattern)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_found_and_the_usual_is_not() {
        let lines = [
            "[    3.1] aoe: AoE v85 initialised.",
            "[    3.2] aoe: e107.3: setting 1024 byte data frames",
            "[    3.3] aoe: 8ef2d3a5a5d3 e107.3 v4019 has 131072 sectors",
            "[    9.9] EXT4-fs (etherd!e107.3): mounted filesystem with ordered data mode. Quota mode: none.",
            "[   11.0] order: dmesg | grep 'I/O error'",
            "[  200.1] I/O error, dev etherd/e107.3, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2",
            "[  200.2] Buffer I/O error on dev etherd/e107.3, logical block 5, lost async page write",
            "[  363.5] INFO: task jbd2/etherd!e107:81 blocked for more than 120 seconds.",
        ]
        .map(str::to_owned);
        assert_eq!(faults(&lines), lines[5..]);
    }
}
