//! The observe socket: who connects gets one document and is let go.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use super::guests::{Guests, PATIENCE, write};
use super::snapshots::Snapshots;
use super::socket::Listener;

/// Its owner and the group of the gateway may look.
const MODE: u32 = 0o660;

/// Opens the socket, or says why nobody can look.
pub(crate) fn open(path: &Path) -> Option<Listener> {
    super::open(
        path,
        MODE,
        None,
        "observe",
        "`aoe-gateway status` does not find this gateway",
    )
}

/// Serves for as long as it is polled. Nothing is read from anybody.
pub(crate) async fn serve(listener: Listener, snapshots: Arc<Snapshots>) -> Infallible {
    let mut guests = Guests::default();
    loop {
        let stream = listener.accept().await;
        let snapshots = snapshots.clone();
        guests.serve(async move {
            let document = snapshots.document().await;
            // Who does not read it has itself to thank.
            let _ = write(&stream, &document, PATIENCE).await;
        });
    }
}
