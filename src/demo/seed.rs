//! Chance that repeats: every draw is a function of the seed and of what it is drawn for.
//! Must not keep a state that requests could disturb, save the counter behind uids.

/// The seed of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// 64 mixed bits for `what`.
    pub(crate) fn bits(self, what: &str) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ self.0;
        for byte in what.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        mix(hash)
    }

    /// From 0 up to, not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(crate) fn unit(self, what: &str) -> f64 {
        (self.bits(what) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(self, what: &str, low: f64, high: f64) -> f64 {
        low + self.unit(what) * (high - low)
    }

    /// A version 4 UUID.
    pub(crate) fn uid(self, what: &str) -> String {
        let high = self.bits(what);
        let low = mix(high ^ 0x9e37_79b9_7f4a_7c15);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0x0fff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// `length` characters of the alphabet of generated Kubernetes names.
    pub(crate) fn suffix(self, what: &str, length: usize) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.bits(what);
        (0..length)
            .map(|_| {
                bits = mix(bits);
                let at = usize::try_from(bits % 27).unwrap_or_default();
                char::from(ALPHABET.get(at).copied().unwrap_or(b'x'))
            })
            .collect()
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_draws_the_same_and_another_does_not() {
        assert_eq!(Seed(1).uid("a"), Seed(1).uid("a"));
        assert_ne!(Seed(1).uid("a"), Seed(2).uid("a"));
        assert_ne!(Seed(1).uid("a"), Seed(1).uid("b"));
        assert_eq!(Seed(1).uid("a").len(), 36);
    }
}
