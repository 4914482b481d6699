//! How long what is between two gateways takes at most, before something is done about it.

use std::time::Duration;

/// A peer that owes us an answer this long is asked by a ping.
pub(crate) const ASK_AFTER: Duration = Duration::from_secs(1);
/// A peer that owes us an answer this long is called again: perhaps it was restarted. No peer with a session is
/// called earlier, but to change its keys.
pub(crate) const REDIAL_AFTER: Duration = Duration::from_secs(3);
/// A peer that owes us an answer this long is gone.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(10);
/// How long an update waits for its ack before it is sent again.
pub(crate) const UPDATE_RETRY: Duration = Duration::from_millis(250);
/// How long a session may wait for its first record.
pub(crate) const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// A peer that has to call us is not missed before this time has passed.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(9);
