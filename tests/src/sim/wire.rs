//! What lies between gateways: loses, delays, copies, damages.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_lab::random::Random;

/// How datagrams fare. Probabilities are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Datagrams that vanish.
    pub loss: f64,
    /// Datagrams that arrive twice.
    pub duplicate: f64,
    /// Datagrams of which one bit arrives wrong (UDP's checksum would catch most of these; attackers mend it).
    pub corrupt: f64,
    /// Datagrams of which the end is missing.
    pub truncate: f64,
    /// Time every datagram takes.
    pub delay: Duration,
    /// Time that some take longer, uniformly: overtaking.
    pub jitter: Duration,
    /// Datagrams that are held up somewhere, long after others passed them.
    pub stray: f64,
    /// How long such a datagram is held up at most; any order of magnitude from a millisecond on is as likely.
    pub stray_by: Duration,
    /// Largest IP packet; longer ones vanish.
    pub mtu: u16,
}

impl Weather {
    /// Nothing happens to datagrams; they take this long.
    pub fn calm(delay: Duration) -> Self {
        Weather {
            loss: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            truncate: 0.0,
            delay,
            jitter: Duration::ZERO,
            stray: 0.0,
            stray_by: Duration::ZERO,
            mtu: 9216,
        }
    }

    /// Everything happens, to a few of a hundred, and much of it out of order.
    pub fn rough(delay: Duration) -> Self {
        Weather {
            loss: 0.02,
            duplicate: 0.02,
            corrupt: 0.01,
            truncate: 0.01,
            jitter: delay * 3,
            ..Weather::calm(delay)
        }
    }
}

/// A datagram under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its source.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// What a filter does with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on into the weather.
    Pass,
    /// It vanishes.
    Lose,
}

impl Datagram {
    /// Length of the IP packet it travels in.
    pub fn ip_len(&self) -> usize {
        self.bytes.len() + if self.to.is_ipv6() { 48 } else { 28 }
    }
}

/// The copies of a datagram that arrive, each after its time.
pub(super) fn weathered(
    datagram: &Datagram,
    weather: &Weather,
    random: &mut Random,
) -> Vec<(Duration, Datagram)> {
    if datagram.ip_len() > usize::from(weather.mtu) || random.happens(weather.loss) {
        return Vec::new();
    }
    let copies = if random.happens(weather.duplicate) { 2 } else { 1 };
    let mut arrivals = Vec::with_capacity(copies);
    for _ in 0..copies {
        let mut copy = datagram.clone();
        if random.happens(weather.corrupt) && !copy.bytes.is_empty() {
            let bit = random.below(copy.bytes.len() as u64 * 8) as usize;
            copy.bytes[bit / 8] ^= 1 << (bit % 8);
        }
        if random.happens(weather.truncate) {
            let len = random.below(copy.bytes.len() as u64 + 1) as usize;
            copy.bytes.truncate(len);
        }
        let jitter = random.below(weather.jitter.as_micros() as u64 + 1);
        let mut after = weather.delay + Duration::from_micros(jitter);
        if weather.stray > 0.0 && random.happens(weather.stray) {
            after += magnitude(weather.stray_by, random);
        }
        arrivals.push((after, copy));
    }
    arrivals
}

/// A time from one millisecond up to `most`, every order of magnitude as likely as another.
pub fn magnitude(most: Duration, random: &mut Random) -> Duration {
    let share = random.below(1 << 20) as f64 / f64::from(1 << 20);
    Duration::from_secs_f64(0.001 * (most.as_secs_f64() / 0.001).max(1.0).powf(share))
}
