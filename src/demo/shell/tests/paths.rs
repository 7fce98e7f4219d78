//! Pathname expansion, and the patterns of `find`.

use super::*;

/// The tree that the patterns below are tried on.
const TREE: &str = "mkdir -p g/a/x g/b/x g/c g/.h/x; cd g; touch a/x/f b/x/f .h/x/f 1 2 ab '[z]' a-b Z; \
                    ln -s a l; ln -s nowhere dead; ";

#[rstest]
#[case::any("*", "1 2 Z [z] a a-b ab b c dead l")]
#[case::first_step("*/x", "a/x b/x l/x")]
#[case::middle_step("*/x/f", "a/x/f b/x/f l/x/f")]
#[case::two_steps("*/x/*", "a/x/f b/x/f l/x/f")]
#[case::absolute("/work/g/*/x/f", "/work/g/a/x/f /work/g/b/x/f /work/g/l/x/f")]
#[case::root("/wo*/ke?t", "/work/kept")]
#[case::up("../g/?", "../g/1 ../g/2 ../g/Z ../g/a ../g/b ../g/c ../g/l")]
#[case::after_up("a/../*b", "a/../a-b a/../ab a/../b")]
#[case::slashes(".//[a-c]", ".//a .//b .//c")]
#[case::directories("*/", "a/ b/ c/ l/")]
#[case::one("?", "1 2 Z a b c l")]
#[case::range("[a-c]", "a b c")]
#[case::not("[!a-c]", "1 2 Z l")]
#[case::not_by_caret("[^a-c]", "1 2 Z l")]
#[case::not_at_the_end("*[!a-z]", "1 2 Z [z]")]
#[case::class("[[:upper:]]", "Z")]
#[case::bracket_of_its_end("[]a]", "a")]
#[case::hyphen_at_the_end("a[a-]*", "a-b")]
#[case::twice("**", "1 2 Z [z] a a-b ab b c dead l")]
#[case::middle("?*?", "[z] a-b ab dead")]
#[case::hidden(".*", ". .. .h")]
#[case::hidden_step(".h*/*/f", ".h/x/f")]
#[case::link_to_nothing("d*", "dead")]
fn a_pattern_becomes_the_paths_that_fit(#[case] pattern: &str, #[case] paths: &str) {
    let script = format!("{TREE}echo {pattern}");
    assert_eq!(prints(&script), format!("{paths}\n"));
}

#[rstest]
#[case::nothing_fits("x*")]
#[case::nothing_below("dead/*")]
#[case::file_has_no_steps("1/*")]
#[case::empty_directory("c/*")]
#[case::hidden_is_not_any("[.]h")]
#[case::open_bracket("[a")]
#[case::bracket_over_steps("[a/]x")]
#[case::backward_range("[b-a]")]
fn a_pattern_that_nothing_fits_stays(#[case] pattern: &str) {
    let script = format!("{TREE}echo {pattern}");
    assert_eq!(prints(&script), format!("{pattern}\n"));
}

#[rstest]
#[case::double("echo \"*\"", "*")]
#[case::single("echo '?'", "?")]
#[case::escaped("echo a\\*", "a*")]
#[case::beside_a_pattern("echo \"a\"*", "a a-b ab")]
#[case::part_of_a_bracket("echo [\"!\"a]", "a")]
#[case::opened_literally("echo \\[z]", "[z]")]
#[case::variable("v='*b'; echo $v \"$v\"", "a-b ab b *b")]
#[case::assigned("v=*b; echo \"$v\"", "*b")]
#[case::output("echo $(echo '?b')", "ab")]
#[case::arguments("set -- '[12]'; echo $@ \"$@\"", "1 2 [12]")]
#[case::no_arguments("set -- ; for f in \"$@\" 1; do echo $f; done", "1")]
#[case::joined_arguments("set -- 1 2; for f in \"a$@b\"; do echo $f; done", "a1\n2b")]
#[case::loop_over("for f in */x; do echo $f; done", "a/x\nb/x\nl/x")]
#[case::redirected("echo 1 > 'q*'; cat q\\*; echo q*", "1\nq*")]
fn what_is_quoted_is_no_pattern(#[case] script: &str, #[case] printed: &str) {
    assert_eq!(prints(&format!("{TREE}{script}")), format!("{printed}\n"));
}

#[test]
fn an_unquoted_target_of_a_redirection_is_not_expanded() {
    let script = format!("{TREE}echo 1 > *b; ls; cat \\*b");
    assert!(prints(&script).contains("*b\n"));
}

#[rstest]
#[case::name("find . -name '*b' -mindepth 1 -maxdepth 1", "./a-b\n./ab\n./b\n")]
#[case::hidden("find . -name '*h'", "./.h\n")]
#[case::links("find . -type l", "./dead\n./l\n")]
#[case::files("find a b -type f", "a/x/f\nb/x/f\n")]
fn find_looks_by_name_kind_and_depth(#[case] script: &str, #[case] printed: &str) {
    assert_eq!(prints(&format!("{TREE}{script}")), printed);
}

#[rstest]
#[case("find . -foo", "find: unrecognized: -foo")]
#[case("find . -name", "find: -name requires an argument")]
#[case("find . -type q", "find: invalid argument 'q' to '-type'")]
#[case("find . -maxdepth x", "find: invalid number 'x'")]
fn find_refuses_what_it_does_not_know(#[case] script: &str, #[case] why: &str) {
    assert_eq!(refused(script), (why.to_owned(), 1));
}
