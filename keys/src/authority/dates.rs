//! Moments as people read them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Unix time, in seconds.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Such as `2027-01-31T00:00:00Z`.
pub(crate) fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}

/// For `serde(with)`.
pub(crate) fn serialize<S: Serializer>(seconds: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text(*seconds))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let text = String::deserialize(from)?;
    let time: Timestamp = text.parse().map_err(de::Error::custom)?;
    Ok(time.as_second())
}
