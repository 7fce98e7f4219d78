//! The filter line: words that must be there (fuzzy), `!words` that must not, and `field=value`
//! terms. Nothing here fails: a term that means nothing for a row hides it.

use super::field::Facts;
use super::listing::RowId;

/// What the filter line says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    pub text: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    wanted: bool,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Word(String),
    Field(String, String),
}

/// How well a row fits: all words as written before words with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    Written,
    Fuzzy,
}

impl Filter {
    pub fn parse(text: &str) -> Self {
        let terms = text
            .split_whitespace()
            .filter_map(|word| {
                let (wanted, word) = match word.strip_prefix('!') {
                    Some(rest) => (false, rest),
                    None => (true, word),
                };
                let word = word.to_lowercase();
                let (wanted, what) = match word.split_once('=') {
                    Some((field, value)) if !field.is_empty() => match field.strip_suffix('!') {
                        Some(field) => (!wanted, What::Field(field.into(), value.into())),
                        None => (wanted, What::Field(field.into(), value.into())),
                    },
                    _ => (wanted, What::Word(word)),
                };
                (!matches!(&what, What::Word(word) if word.is_empty()))
                    .then_some(Term { wanted, what })
            })
            .collect();
        Self {
            text: text.to_owned(),
            terms,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row fits, and how well. `buffer` is scratch space.
    pub fn fit(&self, facts: &Facts<'_>, row: &RowId, buffer: &mut String) -> Option<Fit> {
        let mut fit = Fit::Written;
        if self.terms.iter().any(|t| matches!(t.what, What::Word(_))) {
            buffer.clear();
            facts.words(row, buffer);
            buffer.make_ascii_lowercase();
        }
        for term in &self.terms {
            let holds = match &term.what {
                What::Field(field, value) => facts.holds(row, field, value).unwrap_or(false),
                What::Word(word) if buffer.contains(word.as_str()) => true,
                // "Not like this" is meant as written: with gaps it would hide nearly everything.
                What::Word(word) if term.wanted && has_in_order(buffer, word) => {
                    fit = Fit::Fuzzy;
                    true
                }
                What::Word(_) => false,
            };
            if holds != term.wanted {
                return None;
            }
        }
        Some(fit)
    }
}

/// Whether one word of the text has all characters of `wanted` in their order.
fn has_in_order(text: &str, wanted: &str) -> bool {
    text.split(' ').any(|word| {
        let mut rest = word.chars();
        wanted.chars().all(|c| rest.any(|d| d == c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_within_one_word() {
        assert!(has_in_order("coditect-ide-7 ana", "cide7"));
        assert!(!has_in_order("coditect-ide-7 ana", "ide7ana"));
        assert!(!has_in_order("coditect-ide-7", "7edi"));
    }

    #[test]
    fn a_lone_sign_is_no_term() {
        assert!(Filter::parse(" ! ").is_empty());
        assert!(!Filter::parse("=x").is_empty());
        assert_eq!(
            Filter::parse("user!=ana").terms,
            Filter::parse("!user=ana").terms
        );
    }
}
