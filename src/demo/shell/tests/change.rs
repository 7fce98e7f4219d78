//! Modes, owners, sizes, temporary files and `dd`.

use super::*;

#[rstest]
#[case("7", "7")]
#[case("4755", "4755")]
#[case("u+rwx,go-w", "744")]
#[case("a=rx", "555")]
#[case("+x", "755")]
#[case("-w", "444")]
#[case("-r", "200")]
#[case("u=g", "444")]
#[case("go=u", "666")]
#[case("u=rwx=r", "444")]
#[case("a+X", "644")]
#[case("u+x,a+X", "744")]
#[case("+s", "6644")]
#[case("u+s", "4644")]
#[case("o+t", "644")]
#[case("+t", "1644")]
#[case("=", "0")]
#[case("u=,g+x", "54")]
#[case("''", "644")]
fn a_mode_is_made_of_the_one_that_was(#[case] mode: &str, #[case] made: &str) {
    let script = format!("touch q; chmod 644 q; chmod {mode} q && stat -c %a q");
    assert_eq!(prints(&script), format!("{made}\n"));
}

#[rstest]
#[case("xyz")]
#[case("u+q")]
#[case("888")]
#[case("17777")]
#[case("u")]
#[case("u=gx")]
#[case("u+x,q")]
#[case("-xq")]
fn a_mode_that_is_none_changes_nothing(#[case] mode: &str) {
    let mut place = Place::new();
    let (_, err, code) = place.run(&format!("chmod 640 kept; chmod {mode} kept"));
    assert_eq!((err, code), (format!("chmod: invalid mode '{mode}'\n"), 1));
    assert_eq!(place.run("stat -c %a kept").0, "640\n");
}

const TREE: &str = "mkdir -p d/e out; touch d/f d/e/g out/o; ln -s ../out/o d/l; ln -s nowhere d/dead; \
                    chmod 600 d/f d/e/g out/o; chmod 700 d d/e; ";

#[rstest]
#[case::octal("777", "777 777 777 777 600")]
#[case::runnable_where_it_was("a+rX", "755 644 755 644 600")]
fn a_tree_changes_its_mode_but_not_what_its_links_lead_to(#[case] mode: &str, #[case] all: &str) {
    let script = format!("{TREE}chmod -R {mode} d; echo $(stat -c %a d d/f d/e d/e/g out/o)");
    assert_eq!(prints(&script), format!("{all}\n"));
}

#[rstest]
#[case("chown 5:6", "5:6")]
#[case("chown 5", "5:1000")]
#[case("chown root", "0:1000")]
#[case("chown root:theia", "0:1000")]
#[case("chown root:", "0:0")]
#[case("chown 7:", "7:7")]
#[case("chown :8", "1000:8")]
#[case("chgrp root", "1000:0")]
#[case("chgrp 9", "1000:9")]
fn an_owner_has_a_name_or_a_number(#[case] command: &str, #[case] owner: &str) {
    let script = format!("{command} kept && stat -c %u:%g kept");
    assert_eq!(prints(&script), format!("{owner}\n"));
}

#[test]
fn a_tree_changes_its_owner_with_its_links() {
    let all = prints(&format!(
        "{TREE}chown -R 5:6 d; echo $(stat -c %u:%g d d/f d/e/g d/l d/dead out/o)"
    ));
    assert_eq!(all, "5:6 5:6 5:6 5:6 5:6 1000:1000\n");
}

#[rstest]
#[case("chown nobody kept", "chown: unknown user nobody")]
#[case("chown 1x kept", "chown: unknown user 1x")]
#[case("chown root:nobody kept", "chown: unknown user/group root:nobody")]
#[case("chown :nobody kept", "chown: unknown group nobody")]
#[case("chgrp nobody kept", "chgrp: unknown group nobody")]
#[case("chmod 600 none", "chmod: none: No such file or directory")]
#[case("chmod -R 600 /fixed", "chmod: /fixed: Read-only file system")]
#[case("chown 5 /fixed/kept", "chown: /fixed/kept: Read-only file system")]
#[case("truncate -s 1Q kept", "truncate: invalid number '1Q'")]
#[case(
    "truncate -s 1 nodir/x",
    "truncate: nodir/x: open: No such file or directory"
)]
#[case("truncate -s 1 /work", "truncate: /work: open: Is a directory")]
#[case(
    "truncate -s 1 /fixed/kept",
    "truncate: /fixed/kept: open: Read-only file system"
)]
#[case("truncate -r kept x", "truncate: invalid option -- 'r'")]
#[case("mktemp foo", "mktemp: (null): Invalid argument")]
#[case("mktemp aXXXXXX.txt", "mktemp: (null): Invalid argument")]
#[case("mktemp -d /none/aXXXXXX", "mktemp: (null): No such file or directory")]
#[case("mktemp /fixed/aXXXXXX", "mktemp: (null): Read-only file system")]
#[case("mktemp -q foo", "")]
#[case("dd conv=ucase", "dd: invalid argument 'ucase' to 'conv'")]
#[case("dd oflag=sync", "dd: invalid argument 'sync' to 'oflag'")]
#[case("dd bs=0", "dd: number 0 is not in 1..9223372036854775807 range")]
#[case("dd count=-1", "dd: invalid number '-1'")]
#[case("dd if=none", "dd: can't open 'none': No such file or directory")]
#[case(
    "dd if=kept of=/fixed/x",
    "dd: can't open '/fixed/x': Read-only file system"
)]
#[case("dd if=kept seek=1", "dd: standard output: Illegal seek")]
#[case("dd if=/dev/zero", "dd: out of memory")]
fn what_cannot_be_done_is_said_and_nothing_else(#[case] script: &str, #[case] why: &str) {
    assert_eq!(refused(script), (why.to_owned(), 1));
}

#[rstest]
#[case("dd foo=1")]
#[case("dd foo")]
#[case("truncate kept")]
#[case("mktemp a b")]
#[case("chmod 600")]
fn a_call_that_makes_no_sense_shows_the_usage(#[case] script: &str) {
    let (_, err, code) = Place::new().run(script);
    let name = script.split(' ').next().unwrap();
    assert!(err.contains(&format!("\nUsage: {name} ")), "{err}");
    assert_eq!(code, 1);
}

#[rstest]
#[case("10", "10")]
#[case("1k", "1024")]
#[case("3M", "3145728")]
#[case("5kB", "5000")]
#[case("0", "0")]
// not busybox, but coreutils, which the images of workspaces have
#[case("+5", "10")]
#[case("-3", "2")]
#[case("-100", "0")]
fn a_file_gets_the_size_that_is_asked_for(#[case] size: &str, #[case] bytes: &str) {
    let script = format!("truncate -s {size} kept && stat -c %s kept");
    assert_eq!(prints(&script), format!("{bytes}\n"));
}

#[test]
fn a_longer_file_keeps_its_bytes_and_a_missing_one_is_made_unless_told_not_to() {
    assert_eq!(prints("truncate -s 8 kept; cat kept"), "kept\n\0\0\0");
    assert_eq!(prints("truncate -s 2 kept; cat kept"), "ke");
    assert_eq!(prints("truncate -s 3 new; stat -c %s new"), "3\n");
    assert_eq!(prints("truncate -c -s 3 new; ls"), "kept\n");
}

#[test]
fn a_disk_has_only_the_room_that_it_has() {
    let mut place = Place::new();
    let (_, err, code) = place.run("truncate -s 1G big");
    let full = "truncate: big: truncate: No space left on device\n";
    assert_eq!((err.as_str(), code), (full, 1));
    let before = place.disks["work"].available();
    assert_eq!(place.run("truncate -s 40M big").2, 0);
    assert_eq!(place.disks["work"].available(), before - (40 << 20));

    let (out, err, code) = place.run("dd if=/dev/zero of=rest bs=1M; stat -c %s rest");
    assert!(
        err.starts_with("dd: error writing 'rest': No space left on device\n"),
        "{err}"
    );
    assert_eq!((place.disks["work"].available(), code), (0, 0));
    assert_eq!(out, format!("{}\n", before - (40 << 20)));
    let (_, err, code) = place.run("echo more >> kept; echo new > new; cat new");
    assert_eq!(
        (err.as_str(), code),
        ("echo: write error: No space left on device\n", 0)
    );
    assert_eq!(place.run("rm big rest").2, 0);
    assert_eq!(place.run("echo new > new; cat new").0, "new\n");
}

#[test]
fn temporary_files_have_names_of_their_own_and_every_run_repeats_them() {
    let script = "mktemp; mktemp; mktemp -d; mktemp -d aXXXXXX; mktemp -p /work; a=$(mktemp); rm $a; \
                  b=$(mktemp); [ $a != $b ] && echo $b; TMPDIR=/work mktemp -t cXXXXXX";
    let names = prints(script);
    let distinct: BTreeSet<&str> = names.lines().collect();
    assert_eq!(distinct.len(), 7, "{names}");
    assert_eq!(prints(script), names);
    let made: Vec<&str> = names.lines().collect();
    assert!(
        made[0].starts_with("/tmp/tmp.") && made[0].len() == 15,
        "{names}"
    );
    assert!(made[4].starts_with("/work/tmp."), "{names}");
    assert!(made[6].starts_with("/work/c"), "{names}");
    assert_eq!(
        prints("stat -c '%a %F' $(mktemp) $(mktemp -d)"),
        "600 regular empty file\n700 directory\n"
    );
    assert_eq!(prints("[ -e $(mktemp -u) ] || echo none"), "none\n");
}

#[rstest]
#[case::count("bs=4 count=2", "01234567")]
#[case::skip("bs=4 skip=3", "cdef")]
#[case::skip_bytes("bs=4 iflag=skip_bytes skip=3 count=1", "3456")]
#[case::count_bytes("bs=4 iflag=count_bytes count=3", "012")]
#[case::far("bs=4 skip=100", "")]
#[case::words("bs=1w count=2", "0123")]
#[case::padded("bs=10 conv=sync", "0123456789abcdef\0\0\0\0")]
fn dd_reads_in_blocks(#[case] operands: &str, #[case] printed: &str) {
    let script = format!("printf 0123456789abcdef > in; dd if=in status=none {operands}");
    assert_eq!(prints(&script), printed);
}

#[rstest]
#[case::cut("bs=2 seek=1 count=1", "XX01")]
#[case::kept("bs=2 seek=1 count=1 conv=notrunc", "XX01XX")]
#[case::whole("bs=2", "0123")]
#[case::beyond("bs=4 seek=2 count=1", "XXXXXX\0\x000123")]
#[case::sought_bytes("bs=2 seek=1 count=1 oflag=seek_bytes", "X01")]
#[case::appended("bs=4 oflag=append conv=notrunc,fsync", "XXXXXX0123")]
#[case::append_cuts("bs=4 oflag=append,direct", "0123")]
fn dd_writes_where_it_is_told_to(#[case] operands: &str, #[case] left: &str) {
    let script = format!(
        "printf XXXXXX > out; printf 0123 > in; dd if=in of=out status=none {operands}; cat out"
    );
    assert_eq!(prints(&script), left);
}

#[rstest]
#[case("bs=4", "4+0 records in\n4+0 records out\n")]
#[case("bs=5", "3+1 records in\n3+1 records out\n")]
#[case("ibs=4 obs=8", "4+0 records in\n2+0 records out\n")]
#[case("bs=10 conv=sync", "1+1 records in\n2+0 records out\n")]
fn dd_counts_its_blocks(#[case] operands: &str, #[case] said: &str) {
    let script = format!("printf 0123456789abcdef > in; dd if=in of=out {operands}");
    assert_eq!(Place::new().run(&script).1, said);
}

#[test]
fn zeros_fill_a_disk_and_are_read_back() {
    let script = "dd if=/dev/zero of=z bs=1M count=8 status=none; truncate -s 8M t; cp z c; \
                  wc -c < z; sha256sum z t c | sort -u; find . -type f; printf x >> z; wc -c < z";
    let sum = "2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74";
    let sums = format!("{sum}  c\n{sum}  t\n{sum}  z\n");
    let files = "./c\n./kept\n./t\n./z\n";
    assert_eq!(prints(script), format!("8388608\n{sums}{files}8388609\n"));
}
