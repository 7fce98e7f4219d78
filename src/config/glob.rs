//! Names with `*` and `?`, for the rules of contexts. Must not grow into a path glob: context names
//! hold `/` and `:`, and `*` matches them all.

/// Whether `name` as a whole matches `pattern`; `*` stands for any text, `?` for one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // where to go on when the text after the last star does not fit
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    p = star + 1;
                    n = from + 1;
                    retry = Some((star, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How precise a pattern is: a rule with more literal characters goes before one with fewer.
pub fn precision(pattern: &str) -> (bool, usize) {
    let wild = pattern.chars().filter(|c| matches!(c, '*' | '?')).count();
    (wild == 0, pattern.chars().count() - wild)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        let arn = "arn:aws:eks:eu-west-1:1:cluster/prod-a";
        assert!(matches("*", ""));
        assert!(matches("*cluster/prod-?", arn));
        assert!(matches("arn:*:cluster/*", arn));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b*c", "a-b-b-d"));
        assert!(!matches("prod", "prod-a"));
        assert!(!matches("prod-?", "prod-"));
        assert!(!matches("", "a"));
    }

    #[test]
    fn the_literal_name_is_more_precise_than_any_pattern() {
        assert!(precision("prod") > precision("a-very-long-prefix-*"));
        assert!(precision("prod-*") > precision("*"));
    }
}
