//! The two secrets that cookies are made with: the one in use, and the one before.

use std::time::Duration;

use aws_lc_rs::hmac;

use super::macs::hmac_key;
use crate::random::Random;
use crate::time::Instant;

/// How long a secret makes cookies. A cookie is good as long, and at most twice as long.
pub(crate) const COOKIE_LIFE: Duration = Duration::from_secs(120);

/// Secrets of cookies.
pub(crate) struct CookieSecrets {
    in_use: hmac::Key,
    before: hmac::Key,
    since: Instant,
}

impl CookieSecrets {
    pub(crate) fn new(now: Instant, random: &mut Random) -> CookieSecrets {
        CookieSecrets {
            in_use: hmac_key(&random.bytes::<32>()),
            before: hmac_key(&random.bytes::<32>()),
            since: now,
        }
    }

    /// The secret in use now, then the one whose cookies are still good.
    pub(crate) fn at(&mut self, now: Instant, random: &mut Random) -> [&hmac::Key; 2] {
        let age = now.saturating_since(self.since);
        if age >= COOKIE_LIFE {
            let fresh = hmac_key(&random.bytes::<32>());
            self.before = std::mem::replace(&mut self.in_use, fresh);
            self.since = now;
        }
        if age >= COOKIE_LIFE * 2 {
            self.before = self.in_use.clone();
        }
        [&self.in_use, &self.before]
    }
}
