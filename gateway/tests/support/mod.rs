//! A network namespace per test, gone with the thread that made it.

#![allow(dead_code, reason = "every test file uses a part of this")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::time::Duration;

use aoe_gateway::sys::link::{self, LinkState};
use futures_util::TryStreamExt as _;
use nix::sched::{CloneFlags, unshare};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, new_connection};
use tokio::runtime::{Builder, Runtime};

/// Runs `test` on a thread of its own, in a new and empty network namespace.
///
/// Fails with a sentence if this process may not make namespaces.
pub(crate) fn in_namespace(test: impl FnOnce(&Net) + Send + 'static) {
    let run = || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            panic!(
                "this test needs a network namespace of its own and may not make one ({error}): run it as \
                 root, or under `unshare --user --map-root-user`"
            );
        }
        test(&Net::new());
    };
    if let Err(failure) = std::thread::spawn(run).join() {
        std::panic::resume_unwind(failure);
    }
}

/// Changes the devices of the namespace it was made in.
pub(crate) struct Net {
    runtime: Runtime,
    handle: Handle,
}

impl Net {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.block_on(async {
            let (connection, handle, _) = new_connection().unwrap();
            tokio::spawn(connection);
            handle
        });
        let net = Net { runtime, handle };
        net.up("lo");
        net
    }

    /// Runs something that awaits.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A cable between two new devices, both switched on and working.
    pub(crate) fn cable(&self, one: &str, other: &str) {
        self.block_on(
            self.handle
                .link()
                .add(LinkVeth::new(one, other).build())
                .execute(),
        )
        .unwrap();
        self.up(one);
        self.up(other);
        // The kernel finishes in the background.
        eventually("the cable carries", || {
            [one, other].iter().all(|name| state(name) == Some(LinkState::Up))
        });
    }

    /// Switches a device on.
    pub(crate) fn up(&self, name: &str) {
        let change = LinkUnspec::new_with_index(self.index(name)).up().build();
        self.block_on(self.handle.link().set(change).execute()).unwrap();
    }

    /// Switches a device off.
    pub(crate) fn down(&self, name: &str) {
        let change = LinkUnspec::new_with_index(self.index(name)).down().build();
        self.block_on(self.handle.link().set(change).execute()).unwrap();
    }

    /// Sets a device's MTU.
    pub(crate) fn mtu(&self, name: &str, mtu: u32) {
        let change = LinkUnspec::new_with_index(self.index(name)).mtu(mtu).build();
        self.block_on(self.handle.link().set(change).execute()).unwrap();
    }

    /// Sets a device's address.
    pub(crate) fn address(&self, name: &str, mac: [u8; 6]) {
        let change = LinkUnspec::new_with_index(self.index(name))
            .address(mac.to_vec())
            .build();
        self.block_on(self.handle.link().set(change).execute()).unwrap();
    }

    /// Deletes a device.
    pub(crate) fn delete(&self, name: &str) {
        self.block_on(self.handle.link().del(self.index(name)).execute())
            .unwrap();
    }

    /// A device's index.
    pub(crate) fn index(&self, name: &str) -> u32 {
        let link = self.block_on(
            self.handle
                .link()
                .get()
                .match_name(name.to_owned())
                .execute()
                .try_next(),
        );
        link.unwrap().unwrap().header.index
    }
}

/// What the kernel says of a device.
pub(crate) fn state(name: &str) -> Option<LinkState> {
    link::by_name(name).unwrap().map(|link| link.state)
}

/// Waits for something to become true; fails after some seconds.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within five seconds: {what}");
}

/// An Ethernet frame of this type whose payload counts up from `first`, `len` bytes long in all.
pub(crate) fn frame(to: [u8; 6], from: [u8; 6], ethertype: u16, first: u8, len: usize) -> Vec<u8> {
    let mut frame = [&to[..], &from, &ethertype.to_be_bytes()].concat();
    let mut next = first;
    frame.resize_with(len, || {
        next = next.wrapping_add(1);
        next
    });
    frame
}
