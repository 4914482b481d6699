//! The MAC addresses that answer for one device; frames take turns between them (`newframe`).

use aoe_common::frame::MacAddr;

use super::super::window::Window;

/// Sectors per frame of a target that says 0 (`DEFAULTBCNT`).
const DEFAULT_SECTORS: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Paths {
    known: Vec<Path>,
    next: usize,
}

#[derive(Debug)]
struct Path {
    mac: MacAddr,
    window: Window,
    sectors: u8,
    /// A frame waited too long for it (`scorn`): others are preferred until it answers.
    tainted: bool,
}

impl Paths {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes in what a config response says about a path, new or known.
    pub(super) fn learn(&mut self, mac: MacAddr, buffer_count: u16, sectors: u8) {
        let sectors = if sectors == 0 { DEFAULT_SECTORS } else { sectors };
        match self.known.iter_mut().find(|path| path.mac == mac) {
            Some(path) => {
                path.window.set_buffer_count(buffer_count);
                path.sectors = sectors;
            }
            None => self.known.push(Path {
                mac,
                window: Window::new(buffer_count),
                sectors,
                tainted: false,
            }),
        }
    }

    /// Sectors per frame: what every path carries.
    pub(super) fn sectors_per_frame(&self) -> u8 {
        self.known
            .iter()
            .map(|path| path.sectors)
            .min()
            .unwrap_or(DEFAULT_SECTORS)
    }

    /// The next path with room in its window, with the room already taken; a tainted one only if all are (`newframe`).
    pub(super) fn claim(&mut self) -> Option<usize> {
        let count = self.known.len();
        let all_tainted = self.known.iter().all(|path| path.tainted);
        let usable = |path: &Path| path.window.has_room() && (all_tainted || !path.tainted);
        let mut candidates = (0..count).map(|step| (self.next + step) % count);
        let chosen = candidates.find(|path| self.known.get(*path).is_some_and(usable))?;
        self.next = (chosen + 1) % count;
        self.known.get_mut(chosen)?.window.on_sent();
        Some(chosen)
    }

    /// Where a copy goes, with the room already taken: where the original went, unless that path is tainted
    /// (`rexmit_deferred`).
    pub(super) fn claim_again(&mut self, path: usize) -> Option<usize> {
        let same = self.known.get_mut(path)?;
        if same.tainted {
            return self.claim();
        }
        let has_room = same.window.has_room();
        has_room.then(|| same.window.on_sent())?;
        Some(path)
    }

    /// A frame waited too long for this path.
    pub(super) fn scorn(&mut self, path: usize) {
        self.with(path, |path| path.tainted = true);
    }

    /// Whether any path has room in its window.
    pub(super) fn has_room(&self) -> bool {
        self.known.iter().any(|path| path.window.has_room())
    }

    pub(super) fn mac(&self, path: usize) -> MacAddr {
        self.known.get(path).map_or(MacAddr::BROADCAST, |path| path.mac)
    }

    /// Frames that may be, and are, in flight on all paths.
    pub(super) fn window(&self) -> (u32, u32) {
        self.known.iter().fold((0, 0), |(limit, out), path| {
            (limit + path.window.limit(), out + path.window.outstanding())
        })
    }

    pub(super) fn on_reply(&mut self, path: usize) {
        self.with(path, |path| {
            path.tainted = false;
            path.window.on_reply();
        });
    }

    pub(super) fn on_timeout(&mut self, path: usize) {
        self.with(path, |path| path.window.on_timeout());
    }

    pub(super) fn on_device_down(&mut self) {
        self.known
            .iter_mut()
            .for_each(|path| path.window.on_device_down());
    }

    fn with(&mut self, path: usize, change: impl FnOnce(&mut Path)) {
        if let Some(path) = self.known.get_mut(path) {
            change(path);
        }
    }
}
