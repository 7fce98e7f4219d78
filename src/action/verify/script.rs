//! What runs inside of the pod: plain POSIX shell with the tools that busybox has, too. `$1` is
//! the mount, `$2` the run. Nothing outside of the run's own folder is touched.

use crate::domain::key::Uid;

/// At the top of a claim: holds the folders of the runs.
pub(super) const FOLDER: &str = ".wsdash-persist";

/// Fails unless all tools are there, `$2` MiB and `$3` inodes are free and a file can be made.
pub(super) const ROOM: &str = r#"for tool in dd sha256sum stat mv rm rmdir mkdir chmod touch ln readlink sync; do
  command -v $tool > /dev/null 2>&1 || { echo "$tool is not in this image" >&2; exit 127; }
done
[ -w "$1" ] || { echo "$1 cannot be written" >&2; exit 1; }
set -- "$1" "$2" "$3" $(stat -f -c '%a %S %d %c' "$1")
[ $(($4 / 1024 * $5 / 1024)) -ge "$2" ] || { echo "no space left on $1: less than $2 MiB" >&2; exit 1; }
[ "$7" -eq 0 ] || [ "$6" -ge "$3" ] || { echo "no space left on $1: less than $3 inodes" >&2; exit 1; }"#;

/// Generation 1 is `$3`; generation 2 comes by standard input and takes its place. Everything is
/// on the disk before it is renamed. A file that is made and removed must stay removed. What fails
/// leaves nothing behind.
pub(super) const WRITE: &str = r#"d="$1/.wsdash-persist/$2"
rm -rf "$d"
mkdir -p "$d" && chmod 700 "$1/.wsdash-persist" "$d" \
  && echo "$3" > "$d/tmp" && sync -f "$d" && mv "$d/tmp" "$d/payload" && sync -f "$d" \
  && dd of="$d/tmp" bs=65536 conv=fsync && mv "$d/tmp" "$d/payload" \
  && echo gone > "$d/tombstone" && sync -f "$d" && rm "$d/tombstone" \
  && echo mode > "$d/mode" && chmod 640 "$d/mode" && touch -d "2001-02-03 04:05:06" "$d/mode" \
  && ln -s payload "$d/link" && sync -f "$d" \
  || { rm -rf "$d"; rmdir "$1/.wsdash-persist" 2> /dev/null; exit 1; }"#;

/// Prints the checksum of generation 2 and nothing else.
pub(super) const SUM: &str = r#"set -- $(sha256sum "$1/.wsdash-persist/$2/payload") && echo "$1""#;

/// Prints what is there, a `name=value` line each.
pub(super) const READ: &str = r#"d="$1/.wsdash-persist/$2"
command -v sha256sum > /dev/null || { echo "sha256sum is not in this image" >&2; exit 127; }
echo "kind=$(stat -f -c '%t' "$1")"
echo "fsid=$(stat -f -c '%i' "$1")"
echo "mounted=$(grep " $1 " /proc/self/mountinfo 2> /dev/null)"
if [ -d "$d" ]; then echo dir=there; else echo dir=gone; exit 0; fi
if [ -f "$d/payload" ]; then set -- $(sha256sum "$d/payload"); echo "sum=$1"; fi
if [ -f "$d/mode" ]; then echo "mode=$(stat -c '%a %Y' "$d/mode")"; fi
echo "link=$(readlink "$d/link")"
if [ -e "$d/tombstone" ]; then echo tombstone=back; else echo tombstone=gone; fi"#;

/// Removes exactly the folder of the run, and the folder of all runs when it is empty.
pub(super) const CLEAN: &str = r#"d="$1/.wsdash-persist/$2"
rm -rf "$d" || exit 1
rmdir "$1/.wsdash-persist" 2> /dev/null
sync -f "$1"
[ ! -e "$d" ]"#;

/// The text of generation 1.
pub(super) fn first_generation(run: &str, claim: &Uid) -> String {
    format!("wsdash persistence test {run}, claim {claim}, generation 1")
}
