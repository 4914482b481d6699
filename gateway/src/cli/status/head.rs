//! The first line: which gateway this is.

use aoe_common::snapshot::VERSION;

use super::table::painted;
use super::view::View;
use super::words::{self, age, clip, count, plain, shorten, width};

/// Room for a version; that of a build by hand may be longer.
const VERSION_ROOM: usize = 20;
/// The name is not shortened to less.
const NAME_ROOM: usize = 8;

/// Writes it. `unread` rows of the document were not understood.
pub(super) fn draw(out: &mut String, view: &View<'_>, unread: usize) {
    let gateway = &view.now.gateway;
    let reload = match gateway.reloads {
        0 => String::from("no reload"),
        1 => format!("one reload, {} ago", age(gateway.now, gateway.configured)),
        n => format!(
            "last of {} reloads {} ago",
            count(n),
            age(gateway.now, gateway.configured)
        ),
    };
    let workers = match gateway.workers {
        1 => String::from("1 worker"),
        n => format!("{n} workers"),
    };
    let rest = format!(
        ": pid {}, up {}, {reload}, {workers}, version ",
        gateway.pid,
        age(gateway.now, gateway.started),
    );
    let version = view.room.saturating_sub(NAME_ROOM + width(&rest));
    let rest = rest + &clip(&words::known(&gateway.program), version.min(VERSION_ROOM));
    let room = view.room.saturating_sub(width(&rest)).max(NAME_ROOM);
    let name = shorten(&words::known(&gateway.name), room);
    out.push_str(&painted(&name, view.paint.title));
    out.push_str(&rest);
    out.push('\n');
    if view.now.version > VERSION {
        let text = format!(
            "the gateway is newer than this program: its document has version {}, known here is {VERSION}; what is \
             new in it is left out",
            view.now.version
        );
        warn(out, view, &text);
    }
    if unread > 0 {
        warn(
            out,
            view,
            &format!("{unread} parts of the document could not be read"),
        );
    }
}

fn warn(out: &mut String, view: &View<'_>, text: &str) {
    for line in words::wrap(&plain(text), view.room) {
        out.push_str(&painted(&line, view.paint.warning));
        out.push('\n');
    }
}
