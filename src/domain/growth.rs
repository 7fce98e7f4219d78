//! How large a claim should become. A suggestion to be read and changed, never a deed.

use jiff::SignedDuration;

use super::metric::{Disk, Forecast};
use super::quantity::Quantity;

/// At the rate of the forecast the new disk shall last so long.
const LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// With so much of it used in the end.
const FULL: f64 = 0.8;
/// What fills faster is an accident: space is bought to think, not to go on like this.
const STEADY: SignedDuration = SignedDuration::from_hours(24);
/// No more than this many times the present size.
const MOST: u64 = 3;
const GIB: u64 = 1 << 30;

/// Half as much again, or as much as the forecast asks for, in whole GiB.
pub fn suggested_size(size: Quantity, disk: Option<&Disk>) -> Quantity {
    let bytes = u64::try_from(size.value()).unwrap_or_default();
    let half_more = bytes.saturating_add(bytes / 2);
    let needed = disk.and_then(needed).unwrap_or(0);
    let wanted = half_more.max(needed.min(bytes.saturating_mul(MOST)));
    Quantity::bytes(wanted.div_ceil(GIB).saturating_mul(GIB))
}

/// Bytes after which the disk lasts [`LASTS`], when it fills steadily.
fn needed(disk: &Disk) -> Option<u64> {
    let Forecast::In(left) = disk.full_in else {
        return None;
    };
    if left < STEADY || !disk.fresh {
        return None;
    }
    let rate = disk.available / left.as_secs_f64();
    let bytes = (disk.used + rate * LASTS.as_secs_f64()) / FULL;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    bytes.is_finite().then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metric::Source;
    use jiff::Timestamp;
    use rstest::rstest;

    /// 10 GiB, 8 of them used.
    fn disk(full_in: Forecast) -> Disk {
        let gib = 1_073_741_824.0;
        Disk {
            capacity: 10.0 * gib,
            available: 2.0 * gib,
            used: 8.0 * gib,
            inodes: None,
            full_in,
            at: Timestamp::UNIX_EPOCH,
            source: Source::Prometheus,
            fresh: true,
        }
    }

    #[rstest]
    #[case::never(Forecast::Never, "15Gi")]
    #[case::unknown(Forecast::Unknown, "15Gi")]
    #[case::in_an_hour(Forecast::In(SignedDuration::from_hours(1)), "15Gi")]
    // 2 GiB in ten days are 6 in thirty: 14 of 0.8.
    #[case::in_ten_days(Forecast::In(SignedDuration::from_hours(240)), "18Gi")]
    #[case::in_two_days(Forecast::In(SignedDuration::from_hours(48)), "30Gi")]
    fn the_forecast_counts_when_it_is_steady(#[case] full_in: Forecast, #[case] expected: &str) {
        let size = Quantity::parse("10Gi").unwrap();
        let suggested = suggested_size(size, Some(&disk(full_in)));
        assert_eq!(suggested.canonical(), expected);
    }

    #[test]
    fn without_figures_it_is_half_more() {
        let size = Quantity::parse("10Gi").unwrap();
        assert_eq!(suggested_size(size, None).canonical(), "15Gi");
    }
}
