//! Local Ethernets.

use super::table::{Column, Table};
use super::view::{STANDING, View, troubled_first};
use super::words::{UNKNOWN, known};

/// Writes them.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let columns = [Column::name("segments")].into_iter().chain(STANDING).chain([
        Column::name("device"),
        Column::name("MAC"),
        Column::number("MTU"),
        view.amounts.head("frames in", "frames/s"),
        view.amounts.head("out", "out/s"),
        view.amounts.head("bytes in", "bytes/s"),
        view.amounts.head("out", "out/s"),
    ]);
    let mut table = Table::new(columns);
    for segment in troubled_first(&view.now.segments, |segment| &segment.standing) {
        let before = view
            .before
            .and_then(|before| before.segments.iter().find(|other| other.name == segment.name));
        let [state, since] = view.standing(&segment.standing);
        let [frames_in, frames_out] = view
            .amounts
            .counts(segment.frames, before.map(|before| before.frames));
        let [bytes_in, bytes_out] = view
            .amounts
            .bytes(segment.bytes, before.map(|before| before.bytes));
        table.row([
            known(&segment.name).into(),
            state,
            since,
            known(&segment.device).into(),
            known(&segment.mac).into(),
            match segment.mtu {
                0 => UNKNOWN.into(),
                mtu => mtu.to_string().into(),
            },
            frames_in,
            frames_out,
            bytes_in,
            bytes_out,
        ]);
        table.note(view.why(&segment.standing));
    }
    view.table(out, "segments", &table);
}
