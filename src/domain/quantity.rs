//! Kubernetes quantities (`100Gi`, `1500m`, `1e3`), exact for every size that storage has.
//! Grammar: apimachinery `resource.Quantity`. Must not round in a claim's favour.

use std::fmt;

use humansize::{BINARY, FormatSizeOptions, format_size};

/// Thousandths of a unit, the finest that is kept: a byte is 1000, one CPU core is 1000.
/// Finer amounts round up, as apimachinery does.
///
/// In two halves, which order as the whole does: rows of it are aligned to eight bytes, and thousands
/// of claims have three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    high: i64,
    low: u64,
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAQuantity(pub String);

impl fmt::Display for NotAQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a quantity such as 20Gi, 500M or 250m",
            self.0
        )
    }
}

impl std::error::Error for NotAQuantity {}

impl Quantity {
    pub const ZERO: Self = Self::of(0);

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is cut into its two halves"
    )]
    const fn of(thousandths: i128) -> Self {
        Self {
            high: (thousandths >> 64) as i64,
            low: thousandths as u64,
        }
    }

    const fn thousandths(self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }

    pub const fn bytes(bytes: u64) -> Self {
        Self::of(bytes as i128 * 1000)
    }

    /// Whole units (bytes, cores), rounded up as the scheduler and the quota do.
    pub fn value(self) -> i64 {
        let exact = self.thousandths();
        let whole = exact.div_euclid(1000) + i128::from(exact.rem_euclid(1000) != 0);
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }

    /// Thousandths, for CPU.
    pub fn millis(self) -> i64 {
        i64::try_from(self.thousandths()).unwrap_or(if self.high < 0 { i64::MIN } else { i64::MAX })
    }

    #[expect(clippy::cast_precision_loss, reason = "for display and ratios only")]
    pub fn as_f64(self) -> f64 {
        self.thousandths() as f64 / 1000.0
    }

    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        parse(text.trim()).ok_or_else(|| NotAQuantity(text.to_owned()))
    }

    /// For people: `100.0 GiB`, `412 MiB`.
    pub fn human(self) -> String {
        human_bytes(self.as_f64())
    }

    /// The way a manifest writes it: `150Gi` when that is exact, else plain bytes.
    pub fn canonical(self) -> String {
        let exact = self.thousandths();
        if exact % 1000 != 0 {
            return format!("{exact}m");
        }
        let whole = exact / 1000;
        for (power, suffix) in [
            (6, "Ei"),
            (5, "Pi"),
            (4, "Ti"),
            (3, "Gi"),
            (2, "Mi"),
            (1, "Ki"),
        ] {
            let unit = 1_i128 << (10 * power);
            if whole != 0 && whole % unit == 0 {
                return format!("{}{suffix}", whole / unit);
            }
        }
        whole.to_string()
    }
}

/// Bytes for people, in the binary units that claims are written in.
pub fn human_bytes(bytes: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "negative and NaN become 0, larger than u64 saturates"
    )]
    let whole = bytes as u64;
    let digits = usize::from(whole >= 1 << 30);
    format_size(
        whole,
        FormatSizeOptions::from(BINARY)
            .decimal_places(digits)
            .decimal_zeroes(digits),
    )
}

fn parse(text: &str) -> Option<Quantity> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (scale, exponent) = scale(suffix)?;
    // Beyond 18 digits nothing that a disk or a node has needs more; apimachinery caps there too.
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    let digits = digits.trim_start_matches('0');
    if digits.len() > 24 {
        return None;
    }
    let mantissa: i128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let numerator = mantissa.checked_mul(scale)?.checked_mul(1000)?;
    let shift = exponent - i32::try_from(fraction.len()).ok()?;
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    let thousandths = if shift >= 0 {
        numerator.checked_mul(power?)?
    } else {
        // A power that does not fit leaves less than a thousandth: it rounds up to one.
        let power = power.unwrap_or(i128::MAX);
        numerator / power + i128::from(numerator % power != 0)
    };
    Some(Quantity::of(sign * thousandths))
}

/// The factor and the decimal exponent of a suffix.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(at) = binary.iter().position(|b| *b == suffix) {
        return Some((1_i128 << (10 * (at + 1)), 0));
    }
    let exponent = match suffix {
        "" => 0,
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        _ => {
            let power = suffix.strip_prefix(['e', 'E'])?;
            let value: i32 = power.parse().ok()?;
            (-30..=30).contains(&value).then_some(value)?
        }
    };
    Some((1, exponent))
}

impl std::str::FromStr for Quantity {
    type Err = NotAQuantity;
    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("1Ki", 1024)]
    #[case("100Gi", 107_374_182_400)]
    #[case("1.5Gi", 1_610_612_736)]
    #[case("5Ei", 5_764_607_523_034_234_880)]
    #[case("1E", 1_000_000_000_000_000_000)]
    #[case("1e3", 1000)]
    #[case("12E2", 1200)]
    #[case("0.5", 1)]
    #[case("100u", 1)]
    #[case("+7", 7)]
    #[case("-3k", -3000)]
    #[case(".5k", 500)]
    fn quantities_are_exact(#[case] text: &str, #[case] value: i64) {
        assert_eq!(Quantity::parse(text).unwrap().value(), value);
    }

    #[rstest]
    #[case("")]
    #[case("Gi")]
    #[case("1.2.3")]
    #[case("10GB")]
    #[case("ten")]
    #[case("1e999")]
    #[case("1 Gi")]
    fn nonsense_is_refused_by_name(#[case] text: &str) {
        assert!(
            Quantity::parse(text)
                .unwrap_err()
                .to_string()
                .contains(text)
        );
    }

    #[test]
    fn thousandths_of_a_core_are_kept() {
        assert_eq!(Quantity::parse("1500m").unwrap().millis(), 1500);
        assert_eq!(Quantity::parse("0.25").unwrap().millis(), 250);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in 0_u64..u64::MAX) {
            let quantity = Quantity::bytes(bytes);
            prop_assert_eq!(Quantity::parse(&quantity.canonical()).unwrap(), quantity);
        }

        #[test]
        fn the_halves_are_the_whole_and_order_as_it_does(a in any::<i128>(), b in any::<i128>()) {
            prop_assert_eq!(Quantity::of(a).thousandths(), a);
            prop_assert_eq!(Quantity::of(a).cmp(&Quantity::of(b)), a.cmp(&b));
        }

        #[test]
        fn any_text_is_a_quantity_or_an_error(text in ".{0,30}") {
            let _ = Quantity::parse(&text);
        }
    }
}
