//! Options: those that a command does not know are refused, those that it knows are carried out.

use super::*;

#[rstest]
#[case("basename", 1)]
#[case("cat", 1)]
#[case("chgrp", 1)]
#[case("chown", 1)]
#[case("cp", 1)]
#[case("date", 1)]
#[case("df", 1)]
#[case("du", 1)]
#[case("env", 1)]
#[case("dirname", 1)]
#[case("grep", 2)]
#[case("head", 1)]
#[case("hostname", 1)]
#[case("id", 1)]
#[case("ln", 1)]
#[case("ls", 1)]
#[case("mkdir", 1)]
#[case("mktemp", 1)]
#[case("mv", 1)]
#[case("nice", 1)]
#[case("ps", 1)]
#[case("readlink", 1)]
#[case("realpath", 1)]
#[case("rm", 1)]
#[case("rmdir", 1)]
#[case("sha256sum", 1)]
#[case("sort", 2)]
#[case("stat", 1)]
#[case("sync", 1)]
#[case("tail", 1)]
#[case("tee", 1)]
#[case("timeout", 1)]
#[case("touch", 1)]
#[case("truncate", 1)]
#[case("uname", 1)]
#[case("wc", 1)]
fn an_option_that_is_not_known_is_refused(#[case] name: &str, #[case] code: i64) {
    let letter = refused(&format!("{name} -Q kept kept"));
    assert_eq!(letter, (format!("{name}: invalid option -- 'Q'"), code));
    let word = refused(&format!("{name} --quite kept kept"));
    assert_eq!(
        word,
        (format!("{name}: unrecognized option '--quite'"), code)
    );
}

#[rstest]
#[case("set -q")]
#[case("read -q x")]
#[case("cd -q")]
#[case("export -q")]
#[case("command -q")]
fn the_shell_refuses_in_its_own_words(#[case] script: &str) {
    let name = script.split(' ').next().unwrap();
    let (why, code) = refused(&format!("{script}; echo on"));
    assert_eq!((why, code), (format!("{name}: illegal option -q"), 2));
}

#[rstest]
#[case("head -n", "head: option requires an argument -- 'n'")]
#[case("mkdir -m", "mkdir: option requires an argument -- 'm'")]
#[case("mkdir -m xyz a", "mkdir: invalid mode 'xyz'")]
#[case("head -n x kept", "head: invalid number 'x'")]
#[case("touch -d never a", "touch: invalid date 'never'")]
#[case(
    "touch -r none a",
    "touch: can't stat 'none': No such file or directory"
)]
#[case("cp /work /tmp/x", "cp: omitting directory '/work'")]
#[case("ln kept other", "ln: other: Operation not permitted")]
#[case("rm /work", "rm: can't remove '/work': Device or resource busy")]
#[case("rm -r .", "rm: can't remove '.' or '..'")]
#[case("mkdir /work", "mkdir: can't create directory '/work': File exists")]
#[case("rmdir kept", "rmdir: 'kept': Not a directory")]
#[case("cat none", "cat: can't open 'none': No such file or directory")]
#[case("sha256sum /work", "sha256sum: can't read '/work': Is a directory")]
#[case("sync -f none", "sync: can't open 'none': No such file or directory")]
#[case("realpath none", "realpath: none: No such file or directory")]
#[case("sleep x", "sleep: invalid number 'x'")]
fn what_cannot_be_done_is_an_error(#[case] script: &str, #[case] why: &str) {
    assert_eq!(refused(script), (why.to_owned(), 1));
}

const TREE: &str =
    "mkdir -p d/e; printf 'aaaa\\nb\\n' > d/a; printf c > d/b; ln -s a d/l; touch d/.h; ";

#[rstest]
#[case::operand_first("ls d -A", ".h\na\nb\ne\nl\n")]
#[case::end_of_options("touch -- -x; rm -f -- -x; ls -- d", "a\nb\ne\nl\n")]
#[case::ls_all("ls -a d", ".\n..\n.h\na\nb\ne\nl\n")]
#[case::ls_by_size("ls -S d", "e\na\nb\nl\n")]
#[case::ls_reversed("ls -r d", "l\ne\nb\na\n")]
#[case::ls_several("ls d/a d", "d/a\n\nd:\na\nb\ne\nl\n")]
#[case::ls_tree("ls -R d", "d:\na\nb\ne\nl\n\nd/e:\n")]
#[case::numbers(
    "chown 5:6 d/b; ls -ln d/b",
    "-rw-r--r--    1 5        6                1 Jan  1 00:00 d/b\n"
)]
#[case::names(
    "ls -l d/b",
    "-rw-r--r--    1 theia    theia            1 Jan  1 00:00 d/b\n"
)]
#[case::nobody("chown 5 d/b; stat -c %U:%G d/b", "UNKNOWN:theia\n")]
#[case::bits("chmod 4750 d/b; stat -c %A d/b", "-rwsr-x---\n")]
#[case::parents("mkdir -p x/y; rmdir -p x/y; ls", "d\nkept\n")]
#[case::mode_of_a_directory("mkdir -m 1700 x; stat -c %a x", "1700\n")]
#[case::copy_anew("touch -d @5 d/b; cp d/b c; stat -c %Y c", "1767225600\n")]
#[case::copy_kept("touch -d @5 d/b; cp -p d/b c; stat -c %Y c", "5\n")]
#[case::copy_of_a_link("cp -d d/l l; readlink l", "a\n")]
#[case::copy_of_a_tree("cp -r d n; ls -A n", ".h\na\nb\ne\nl\n")]
#[case::nothing_replaced("cp -n d/b kept; mv -n d/b kept; cat kept", "kept\n")]
#[case::no_new_file("touch -c none; ls", "d\nkept\n")]
#[case::time_of_another("touch -d @5 d/b; touch -r d/b kept; stat -c %Y kept", "5\n")]
#[case::link_in_a_directory("ln -s ../kept d; cat d/kept", "kept\n")]
#[case::head_lines("head -n 1 d/a", "aaaa\n")]
#[case::head_digits("head -1 d/a", "aaaa\n")]
#[case::head_bytes("head -c 3 d/a", "aaa")]
#[case::head_but_the_last("head -n -1 d/a", "aaaa\n")]
#[case::head_of_several("head -n 1 d/a d/b", "==> d/a <==\naaaa\n\n==> d/b <==\nc")]
#[case::tail_lines("tail -n 1 d/a", "b\n")]
#[case::tail_from("tail -n +2 d/a", "b\n")]
#[case::tail_bytes_from("tail -c +3 d/a", "aa\nb\n")]
#[case::count_of_several("wc -l d/a d/b", "        2 d/a\n        0 d/b\n        2 total\n")]
#[case::count_of_two_sorts("wc -lc d/a", "        2         7 d/a\n")]
#[case::sorted_by_number("printf '10\\n9\\n-3\\n' | sort -n", "-3\n9\n10\n")]
#[case::sorted_by_size("printf '1.5G\\n2K\\n3M\\n10\\n' | sort -hr", "1.5G\n3M\n2K\n10\n")]
#[case::sorted_once("printf 'b\\na\\nb\\n' | sort -u", "a\nb\n")]
#[case::grep_of_several("grep -c a d/a d/b", "d/a:1\nd/b:0\n")]
#[case::grep_by_expression("grep '^a*$' d/a", "aaaa\n")]
#[case::grep_of_a_table(
    "printf '   0: 00AA:0BB8 00:1F 01 x\\n' | grep -c '^ *[0-9]*: [0-9A-F]*:0BB8 [0-9A-F]*:[0-9A-F]* 01 '",
    "1\n"
)]
#[case::grep_of_plain_text("printf 'a.c\\nabc\\n' | grep -F a.c", "a.c\n")]
#[case::usage_of_a_tree("du d", "4\td/e\n16\td\n")]
#[case::usage_of_files("du -a d", "0\td/.h\n4\td/a\n4\td/b\n4\td/e\n0\td/l\n16\td\n")]
#[case::usage_for_people("du -h -d0 d", "16.0K\td\n")]
#[case::usage_of_one_system("du -s -x -m /", "1\t/\n")]
#[case::environment("A=1 B=2 env -u A C=3 env | grep '[ABC]='", "B=2\nC=3\n")]
#[case::instead(
    "env -i A=1 sh -c 'echo $A'; timeout -s KILL 5 echo hi; nice -n 5 echo low",
    "1\nhi\nlow\n"
)]
#[case::last_step(
    "basename /a/b.c/ .c; basename /; dirname /a/b/; dirname /a; dirname a",
    "b\n/\n/a\n/\n.\n"
)]
#[case::steps("seq 1 2 6; seq 3 1", "1\n3\n5\n")]
fn an_option_that_is_known_is_carried_out(#[case] script: &str, #[case] printed: &str) {
    assert_eq!(prints(&format!("{TREE}{script}")), printed);
}

#[rstest]
#[case(
    "df -h /work",
    "Filesystem                Size      Used Available Use% Mounted on"
)]
#[case(
    "df -i /work",
    "Filesystem              Inodes      Used Available Use% Mounted on"
)]
#[case(
    "df -k /work",
    "Filesystem           1K-blocks      Used Available Use% Mounted on"
)]
#[case(
    "df -m /work",
    "Filesystem           1M-blocks      Used Available Use% Mounted on"
)]
#[case(
    "df -B 1 /work",
    "Filesystem           1-blocks       Used Available Use% Mounted on"
)]
#[case(
    "df -P /work",
    "Filesystem           1024-blocks    Used Available Capacity Mounted on"
)]
fn df_shows_the_unit_that_it_counts_in(#[case] script: &str, #[case] header: &str) {
    assert_eq!(prints(script).lines().next(), Some(header));
}

#[test]
fn df_counts_what_is_written() {
    let rows = prints("df -m /work; truncate -s 32M big; df -m /work; df -h /work");
    let rows: Vec<&str> = rows.lines().filter(|l| l.starts_with("/dev")).collect();
    let expected = [
        "/dev/sdb                    63         0        63   1% /work",
        "/dev/sdb                    63        32        31  51% /work",
        "/dev/sdb                 62.9M     32.0M     30.8M  51% /work",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_followed_device_keeps_a_container_alive() {
    let mut place = Place::new();
    assert_eq!(
        place.run("tail -f /dev/null; echo over"),
        (String::new(), String::new(), 137)
    );
}
