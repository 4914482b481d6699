//! Events in the log: words for people, fields for machines.

use aoe_common::event::{Event, Facts, Level};

/// Logs an event; `label` stands before its words.
pub(super) fn log(label: &str, event: &Event) {
    let Facts {
        id,
        mark,
        peer,
        export,
        import,
        initiator,
        station,
        reason,
    } = event.facts();
    let mark = mark.map(|mark| mark.as_str());
    let import = import.map(|address| address.to_string());
    let initiator = initiator.map(|mac| mac.to_string());
    let station = station.map(|mac| mac.to_string());
    let (import, initiator, station) = (import.as_deref(), initiator.as_deref(), station.as_deref());
    let reason = reason.as_deref();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                id,
                mark,
                peer,
                export,
                import,
                initiator,
                station,
                reason,
                "{label}{event}"
            )
        };
    }
    match event.level() {
        Level::Warn => line!(warn),
        Level::Info => line!(info),
        Level::Debug => line!(debug),
    }
}
