//! An initiator.

use aoe_common::snapshot::{Initiator, Side};

use super::disk::{limited, traffic};
use super::{head, rates, times};
use crate::cli::top::initiators;
use crate::cli::top::picture::Picture;
use crate::cli::top::row::Row;
use crate::cli::top::text::{Kind, Text};
use crate::cli::words::{age, known, plain};

pub(super) fn initiator(text: &mut Text, picture: &Picture, user: &Initiator, row: &Row) {
    let between = &picture.between;
    head(
        text,
        picture,
        &format!("initiator {}", plain(&user.mac)),
        &user.standing,
    );
    let (peer, export) = (known(&user.peer), known(&user.export));
    let place = match user.side {
        Side::Here => format!("here, uses {} (export {export} of {peer})", known(&user.address)),
        Side::There => format!("behind {peer}, uses export {export}"),
    };
    let seen = age(between.made(), user.last);
    text.wrapped(Kind::Plain, 2, &format!("{place}; asked last {seen} ago"));
    let find = |snapshot| initiators::find(snapshot, &row.id);
    let before = between.before.as_deref().and_then(find);
    let base = between.base.as_deref().and_then(find);
    traffic(text, between, &user.traffic, before.map(|user| &user.traffic));
    rates(text, picture, row, "requests a second");
    text.gap();
    let total = between.recent(user.latency, base.and_then(|user| user.latency));
    let parts: Vec<_> = total.into_iter().map(|total| ("total", total)).collect();
    times::table(text, &parts, base.is_some(), between);
    text.gap();
    text.append(times::histogram(text.room, &parts, None));
    limited(
        text,
        user.limit
            .iter()
            .map(|limit| ("this initiator".to_owned(), limit)),
    );
}
