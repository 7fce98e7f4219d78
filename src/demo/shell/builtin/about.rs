//! The commands that say who and where a process is, and when.

use super::super::stat;
use super::Call;
use super::options::Options;

/// Answers `None` when it has already said why it does nothing.
pub(super) fn about(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<()> {
    let known = match name {
        "hostname" => "s",
        "id" => "ugn",
        "uname" => "asnrm",
        "date" => "ud:",
        _ => "",
    };
    let o = call.options(words, known)?;
    let host = call.shell.variables.get("HOSTNAME").cloned();
    let host = host.unwrap_or_default();
    let text = match name {
        "hostname" if !o.rest.is_empty() => {
            call.fail("sethostname: Operation not permitted");
            return None;
        }
        "hostname" => host,
        "whoami" => "theia".to_owned(),
        "id" if o.has("ug") => if o.has("n") { "theia" } else { "1000" }.to_owned(),
        "id" => "uid=1000(theia) gid=1000(theia) groups=1000(theia)".to_owned(),
        "uname" => system(&o, &host),
        "ps" => "PID   USER     TIME  COMMAND\n    1 theia     0:01 workspace".to_owned(),
        _ => return date(call, &o),
    };
    call.print(&format!("{text}\n"));
    Some(())
}

fn system(o: &Options, host: &str) -> String {
    if o.has("a") {
        return format!("Linux {host} 6.6.93+ #1 SMP x86_64 GNU/Linux");
    }
    let all = [
        ('s', "Linux"),
        ('n', host),
        ('r', "6.6.93+"),
        ('m', "x86_64"),
    ];
    let asked: Vec<&str> = all
        .into_iter()
        .filter(|(flag, _)| o.has(&flag.to_string()))
        .map(|(_, text)| text)
        .collect();
    if asked.is_empty() {
        "Linux".to_owned()
    } else {
        asked.join(" ")
    }
}

fn date(call: &mut Call<'_, '_>, o: &Options) -> Option<()> {
    let mut at = jiff::Timestamp::UNIX_EPOCH;
    call.host.files(&mut |f| at = f.now);
    if let Some(text) = o.value('d') {
        let Some(asked) = stat::date(text) else {
            call.fail(&format!("invalid date '{text}'"));
            return None;
        };
        at = asked;
    }
    let format = match o.rest.as_slice() {
        [] => "%a %b %e %H:%M:%S UTC %Y",
        [one] if one.starts_with('+') => one.get(1..).unwrap_or(""),
        _ => {
            call.fail("can't set date: Operation not permitted");
            return None;
        }
    };
    let text = format!("{}\n", at.strftime(format));
    call.print(&text);
    Some(())
}
