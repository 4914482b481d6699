//! Keeps keys inside the process: no debugger, no core file, no swap.
//!
//! Keys that are given back are erased by the allocator, [`Wiping`](crate::sys::wiping::Wiping).

use crate::logging::id;
use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// What the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardening {
    /// Whether other processes of the same user can read our memory.
    exposed: Option<Errno>,
    /// Whether a crash may write a core file.
    dumps_core: Option<Errno>,
    /// Whether memory may be written to swap.
    swaps: Option<Errno>,
}

/// Hardens the process. Call it before any key is read, and before there are threads.
pub fn harden() -> Hardening {
    Hardening {
        // Also keeps core files from programs that collect them by a pipe, which the limit does not.
        exposed: set_dumpable(false).err(),
        dumps_core: setrlimit(Resource::RLIMIT_CORE, 0, 0).err(),
        swaps: lock_memory().err(),
    }
}

impl Hardening {
    /// Logs what is missing, once there is a log.
    pub fn log(self) {
        if let Some(error) = self.exposed {
            tracing::warn!(
                id = id::KEYS_EXPOSED,
                "other processes of this user can read our keys: {}",
                error.desc()
            );
        }
        if let Some(error) = self.dumps_core {
            tracing::warn!(
                id = id::KEYS_EXPOSED,
                "a crash may write our keys to a core file: {}",
                error.desc()
            );
        }
        match self.swaps {
            Some(_) => tracing::info!(
                id = id::MEMORY,
                "memory is not locked, so keys may be written to swap: allow it (LimitMEMLOCK=infinity), or have no \
                 swap or an encrypted one"
            ),
            None => tracing::debug!(id = id::MEMORY, "memory is locked"),
        }
    }
}

/// Locks each page once it is used, so it costs no memory. All of it or nothing: with a limit, memory asked for later
/// would be refused, and the process would abort.
fn lock_memory() -> nix::Result<()> {
    if getrlimit(Resource::RLIMIT_MEMLOCK)?.0 != RLIM_INFINITY {
        setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)?;
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use nix::sys::prctl::get_dumpable;

    use super::*;

    const CHILD: &str = "AOE_GATEWAY_TEST_HARDENS";

    #[test]
    fn the_process_can_neither_be_looked_into_nor_dumped() {
        if env::var_os(CHILD).is_none() {
            // In a process of its own: it cannot be undone.
            let name = "hardening::tests::the_process_can_neither_be_looked_into_nor_dumped";
            let mut child = Command::new(env::current_exe().unwrap());
            let output = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        assert!(get_dumpable().unwrap());
        let hardening = harden();
        assert_eq!((hardening.exposed, hardening.dumps_core), (None, None));
        assert!(!get_dumpable().unwrap());
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
    }
}
